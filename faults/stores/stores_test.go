package stores_test

import (
	"os"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	_ "github.com/caisse/checkout/faults/effort" // defines the flags -long and -seed
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// TestPlace proves that a place can be written as text and read again, and that its sessions are still there when it is opened again. The
// suites that kill processes need both.
func TestPlace(t *testing.T) {
	for _, kind := range stores.Kinds() {
		t.Run(string(kind)+" has a name that Parse reads", func(t *testing.T) {
			is := is.New(t)
			place := stores.New(t, kind)
			again, err := stores.Parse(place.String())
			is.NoErr(err)
			is.Equal(again, place)
		})

		t.Run(string(kind)+" is opened again, and keeps its sessions unless it is memory", func(t *testing.T) {
			is := is.New(t)
			ctx := t.Context()
			place := stores.New(t, kind)
			created := time.Date(2026, time.November, 22, 7, 31, 56, 0, time.UTC)
			s := checkout.Session{
				ID: "cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f60", Account: checkout.Account{ID: "acct_1"}, Status: checkout.StatusCreated,
				Amount: 5000, Currency: "XOF", PaymentMethod: checkout.MobileMoney, CreatedAt: created, ExpiresAt: created.Add(time.Hour),
				Version: 1,
			}
			store, err := place.Open(ctx)
			is.NoErr(err)
			_, _, err = store.Create(ctx, s)
			is.NoErr(err)
			is.NoErr(store.Close())
			store, err = place.Open(ctx)
			is.NoErr(err)
			defer store.Close()
			_, err = store.Get(ctx, s.Account, s.ID)
			is.Equal(err == nil, kind != stores.Memory)
		})
	}
}

func TestParse(t *testing.T) {
	for _, s := range []string{"", "memory:x", "sqlite", "sqlite:", "postgres", "redis:localhost"} {
		t.Run("refuses "+s, func(t *testing.T) {
			is := is.New(t)
			_, err := stores.Parse(s)
			is.True(err != nil)
		})
	}
}
