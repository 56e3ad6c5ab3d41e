//go:build unix

package seam_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	_ "github.com/caisse/checkout/faults/effort" // defines the flags -long and -seed
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/seam"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/postgres"
	"github.com/caisse/checkout/store/sqlite"
)

func TestMain(m *testing.M) {
	child.Main(child.Program{Name: "host", Run: host})
	os.Exit(pgtest.Main(m))
}

// errand is the configuration of a host process: the store in which it creates one session and begins its payment, and the trap.
type errand struct {
	Place string
	Trap  seam.Trap
}

var session = checkout.Session{
	ID: "cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f60", Account: checkout.Account{ID: "acct_1"}, IdempotencyKey: "order-1",
	Fingerprint: idempotency.Fingerprint{1}, Status: checkout.StatusCreated, Amount: 5000, Currency: "XOF", PaymentMethod: checkout.MobileMoney,
	CreatedAt: time.Date(2026, time.November, 22, 7, 31, 56, 0, time.UTC),
	ExpiresAt: time.Date(2026, time.November, 22, 8, 31, 56, 0, time.UTC),
	Version:   1,
}

// host is the child process. It reports each step that is done, and the point of the trap just before the trap is sprung.
func host(ctx context.Context, self *child.Self) error {
	var e errand
	if err := self.Config(&e); err != nil {
		return err
	}
	place, err := stores.Parse(e.Place)
	if err != nil {
		return err
	}
	s := seam.New(e.Trap, func(p seam.Point) { self.Tell("at " + string(p)) })
	store, err := open(ctx, s, place)
	if err != nil {
		return err
	}
	if _, _, err := store.Create(ctx, session); err != nil {
		return err
	}
	if err := self.Tell("created"); err != nil {
		return err
	}
	begun := session
	begun.Status, begun.PaymentID, begun.Version = checkout.StatusPending, "pay_1", 2
	if err := store.Update(ctx, begun); err != nil {
		return err
	}
	return self.Tell("begun")
}

func open(ctx context.Context, s *seam.Seam, place stores.Place) (checkout.Store, error) {
	if place.Kind == stores.SQLite {
		db := s.OpenSQLite("file:" + place.Address + "?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate")
		if err := sqlite.Migrate(ctx, db); err != nil {
			return nil, err
		}
		return sqlite.New(db)
	}
	pool, err := s.OpenPostgres(ctx, place.Address)
	if err != nil {
		return nil, err
	}
	if err := postgres.Migrate(ctx, pool); err != nil {
		return nil, err
	}
	return postgres.New(pool)
}

// version returns the version of the session that is found in a store, or 0 if the store has no session.
func version(t *testing.T, place stores.Place) int {
	t.Helper()
	store, err := place.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	found, err := store.Get(t.Context(), session.Account, session.ID)
	if err != nil && !errors.Is(err, checkout.ErrNotFound) {
		t.Fatal(err)
	}
	return int(found.Version)
}

// TestSeam proves that a process dies at exactly the point that the trap names, and that the store then has what it must have at this
// point. The suite of crashes rests on this.
func TestSeam(t *testing.T) {
	for _, tt := range []struct {
		kind  stores.Kind
		point seam.Point
		nth   int
		told  string // the last step that the host reports before the trap; "" if it reports none
		want  int    // the version of the session that is found afterwards
	}{
		{stores.SQLite, seam.BeforeMigration, 1, "", 0},
		{stores.SQLite, seam.BeforeMigrated, 1, "", 0},
		{stores.SQLite, seam.BeforeInsert, 1, "", 0},
		{stores.SQLite, seam.AfterInsert, 1, "", 0},
		{stores.SQLite, seam.BeforeCommit, 1, "", 0},
		{stores.SQLite, seam.AfterCommit, 1, "", 1},
		{stores.SQLite, seam.BeforeUpdate, 1, "created", 1},
		{stores.SQLite, seam.AfterUpdate, 1, "created", 1},
		{stores.SQLite, seam.BeforeCommit, 2, "created", 1},
		{stores.SQLite, seam.AfterCommit, 2, "created", 2},
		{stores.Postgres, seam.BeforeConnecting, 1, "", 0},
		{stores.Postgres, seam.MigrationOut, 1, "", 0},
		{stores.Postgres, seam.BeforeCreateOut, 1, "", 0},
		{stores.Postgres, seam.HalfCreateOut, 1, "", 0},
		{stores.Postgres, seam.BeforeUpdateOut, 1, "created", 1},
		{stores.Postgres, seam.HalfUpdateOut, 1, "created", 1},
		{stores.Postgres, seam.MigratedOut, 7, "", 0},           // the commit of the last migration
		{stores.Postgres, seam.CommitAnswered, 1, "", 1},        // the commit of the create, and not of a migration
		{stores.Postgres, seam.CommitAnswered, 2, "created", 2}, // the commit of the update
	} {
		t.Run(fmt.Sprintf("%s is killed %s, visit %d", tt.kind, tt.point, tt.nth), func(t *testing.T) {
			is := is.New(t)
			place := stores.New(t, tt.kind)
			p := child.Start(t, "host", errand{place.String(), seam.Trap{Point: tt.point, Nth: tt.nth}}, child.Options{})
			if tt.told != "" {
				_, ok := p.Await(tt.told)
				is.True(ok)
			}
			line, ok := p.Await("")
			is.True(ok)
			is.Equal(line, "at "+string(tt.point)) // the host must report no other step before the trap
			_, more := p.Await("")
			is.True(!more)
			is.NoErr(p.Wait())
			is.True(p.Killed())
			is.Equal(version(t, place), tt.want)
		})
	}

	t.Run("stops at the point, and continues when it is told to", func(t *testing.T) {
		is := is.New(t)
		place := stores.New(t, stores.SQLite)
		p := child.Start(t, "host", errand{place.String(), seam.Trap{Point: seam.BeforeUpdate, Nth: 1, Stop: true}}, child.Options{})
		_, ok := p.Await("at " + string(seam.BeforeUpdate))
		is.True(ok)
		p.Stopped()
		is.Equal(version(t, place), 1)
		p.Continue()
		_, ok = p.Await("begun")
		is.True(ok)
		is.NoErr(p.Wait())
		is.True(!p.Killed())
		is.Equal(version(t, place), 2)
	})

	t.Run("does nothing without a trap", func(t *testing.T) {
		is := is.New(t)
		place := stores.New(t, stores.SQLite)
		p := child.Start(t, "host", errand{Place: place.String()}, child.Options{})
		is.NoErr(p.Wait())
		is.Equal(version(t, place), 2)
	})
}
