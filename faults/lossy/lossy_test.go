package lossy_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	_ "github.com/caisse/checkout/faults/effort" // its flags
	"github.com/caisse/checkout/faults/lossy"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/memory"
)

var merchant = checkout.Account{ID: "acct_1"}

func session(n int) checkout.Session {
	created := time.Date(2026, time.November, 22, 7, 31, 56, 0, time.UTC)
	return checkout.Session{
		ID: fmt.Sprintf("cs_%d", n), Account: merchant, Status: checkout.StatusCreated, Amount: 5000, Currency: "XOF",
		CreatedAt: created, ExpiresAt: created.Add(time.Hour), Version: 1,
		IdempotencyKey: idempotency.Key(fmt.Sprintf("key %d", n)),
	}
}

func TestStore(t *testing.T) {
	for _, tt := range []struct {
		name    string
		odds    lossy.Odds
		err     error
		written bool
	}{
		{"passes calls on", lossy.Odds{}, nil, true},
		{"passes calls on, and lets others run", lossy.Odds{Late: 100}, nil, true},
		{"refuses, and does nothing", lossy.Odds{Unavailable: 100}, checkout.ErrUnavailable, false},
		{"writes, and says that nobody knows", lossy.Odds{Lost: 100}, checkout.ErrOutcomeUnknown, true},
		{"writes nothing, and says that nobody knows", lossy.Odds{Dropped: 100}, checkout.ErrOutcomeUnknown, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			ctx := t.Context()
			kept := memory.New()
			store := lossy.New(kept, tt.odds, 1)

			held, created, err := store.Create(ctx, session(1))
			is.True(errors.Is(err, tt.err))
			is.Equal(created, tt.err == nil)
			is.Equal(held.ID != "", tt.err == nil)
			_, err = kept.Get(ctx, merchant, "cs_1")
			is.Equal(err == nil, tt.written)

			_, _, err = kept.Create(ctx, session(2))
			is.NoErr(err)
			next := session(2)
			next.Status, next.Version = checkout.StatusPending, 2
			is.True(errors.Is(store.Update(ctx, next), tt.err))
			got, err := kept.Get(ctx, merchant, "cs_2")
			is.NoErr(err)
			is.Equal(got.Version == 2, tt.written)

			_, err = store.Expire(ctx, next.ExpiresAt, 10)
			is.True(errors.Is(err, tt.err))
			got, err = kept.Get(ctx, merchant, "cs_2")
			is.NoErr(err)
			is.Equal(got.Status == checkout.StatusExpired, tt.written)

			unreadable := tt.odds.Unavailable > 0
			_, err = store.Get(ctx, merchant, "cs_2")
			is.Equal(errors.Is(err, checkout.ErrUnavailable), unreadable)
			_, err = store.GetByKey(ctx, merchant, next.IdempotencyKey)
			is.Equal(errors.Is(err, checkout.ErrUnavailable), unreadable)
			is.Equal(err == nil, !unreadable)
			_, _, err = store.List(ctx, merchant, checkout.Query{})
			is.Equal(errors.Is(err, checkout.ErrUnavailable), unreadable)
		})
	}

	t.Run("is not in doubt about what surely was not written", func(t *testing.T) {
		is := is.New(t)
		err := lossy.New(memory.New(), lossy.Odds{Lost: 100}, 1).Update(t.Context(), session(1))
		is.True(errors.Is(err, checkout.ErrNotFound))
		is.True(!errors.Is(err, checkout.ErrOutcomeUnknown))
	})

	t.Run("fails as the seed says", func(t *testing.T) {
		is := is.New(t)
		fates := func(seed uint64) string {
			var all string
			store := lossy.New(memory.New(), lossy.Odds{Unavailable: 30, Lost: 20, Dropped: 20}, seed)
			for n := range 64 {
				_, _, err := store.Create(t.Context(), session(n))
				all += fmt.Sprint(err) + "\n"
			}
			return all
		}
		is.Equal(fates(1), fates(1))
		is.True(fates(1) != fates(2))
	})
}
