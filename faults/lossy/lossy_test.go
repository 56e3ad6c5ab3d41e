package lossy_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	_ "github.com/caisse/checkout/faults/effort" // defines the flags -long and -seed
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

// TestStore proves that each kind of failure does what its error says: an error that is definite never hides a write, and a write of
// unknown outcome is sometimes done and sometimes not. Otherwise the fault tests would blame the
// stores for mistakes of the lossy store.
func TestStore(t *testing.T) {
	for _, tt := range []struct {
		name    string
		odds    lossy.Odds
		err     error
		written bool
	}{
		{"passes calls on", lossy.Odds{}, nil, true},
		{"passes calls on if their answers are late", lossy.Odds{Late: 100}, nil, true},
		{"is unavailable and does nothing", lossy.Odds{Unavailable: 100}, checkout.ErrUnavailable, false},
		{"writes and returns an unknown outcome", lossy.Odds{Lost: 100}, checkout.ErrOutcomeUnknown, true},
		{"writes nothing and returns an unknown outcome", lossy.Odds{Dropped: 100}, checkout.ErrOutcomeUnknown, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			ctx := t.Context()
			inner := memory.New()
			store := lossy.New(inner, tt.odds, 1)

			returned, created, err := store.Create(ctx, session(1))
			is.True(errors.Is(err, tt.err))
			is.Equal(created, tt.err == nil)
			is.Equal(returned.ID != "", tt.err == nil)
			_, err = inner.Get(ctx, merchant, "cs_1")
			is.Equal(err == nil, tt.written)

			_, _, err = inner.Create(ctx, session(2))
			is.NoErr(err)
			next := session(2)
			next.Status, next.Version = checkout.StatusPending, 2
			is.True(errors.Is(store.Update(ctx, next), tt.err))
			got, err := inner.Get(ctx, merchant, "cs_2")
			is.NoErr(err)
			is.Equal(got.Version == 2, tt.written)

			_, err = store.Expire(ctx, next.ExpiresAt, 10)
			is.True(errors.Is(err, tt.err))
			got, err = inner.Get(ctx, merchant, "cs_2")
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

	t.Run("returns the store's own error if nothing was written", func(t *testing.T) {
		is := is.New(t)
		err := lossy.New(memory.New(), lossy.Odds{Lost: 100}, 1).Update(t.Context(), session(1))
		is.True(errors.Is(err, checkout.ErrNotFound))
		is.True(!errors.Is(err, checkout.ErrOutcomeUnknown))
	})

	t.Run("fails in the same way for the same seed", func(t *testing.T) {
		is := is.New(t)
		errorsOf := func(seed uint64) string {
			var all string
			store := lossy.New(memory.New(), lossy.Odds{Unavailable: 30, Lost: 20, Dropped: 20}, seed)
			for n := range 64 {
				_, _, err := store.Create(t.Context(), session(n))
				all += fmt.Sprint(err) + "\n"
			}
			return all
		}
		is.Equal(errorsOf(1), errorsOf(1))
		is.True(errorsOf(1) != errorsOf(2))
	})
}
