// Package stores opens the stores that the suites test.
package stores

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/store/postgres"
	"github.com/caisse/checkout/store/sqlite"
)

// Store is a store as its package opens it.
type Store interface {
	checkout.Store
	Close() error
}

// Kind is a kind of store.
type Kind string

// The stores of this module.
const (
	Memory   Kind = "memory"
	SQLite   Kind = "sqlite"
	Postgres Kind = "postgres"
)

// Kinds lists the stores of this module.
func Kinds() []Kind { return []Kind{Memory, SQLite, Postgres} }

// Place is a database that can be opened again, by this process or another one. Everything that a store on it has acknowledged must
// then be found, however that store ended. Only a place of kind Memory is always empty.
type Place struct {
	Kind    Kind
	Address string // a path, or the URL of a database; "" for memory
}

// New makes an empty place, which is removed when the test ends. For PostgreSQL it is a schema on the server that
// CHECKOUT_TEST_POSTGRES names, or a server of its own. If there is no PostgreSQL, the test is skipped, or fails if CI=true.
// Settings such as "synchronous_commit=off" become parameters of a PostgreSQL URL. Other kinds ignore them.
func New(tb testing.TB, kind Kind, settings ...string) Place {
	tb.Helper()
	switch kind {
	case Memory:
		return Place{Kind: Memory}
	case SQLite:
		return Place{SQLite, filepath.Join(tb.TempDir(), "checkouts.db")}
	case Postgres:
		if os.Getenv(pgtest.Env) == "" {
			return Place{Postgres, pgtest.With(tb, pgtest.Start(tb).URL(), settings...)}
		}
		return Place{Postgres, pgtest.URL(tb, settings...)}
	}
	tb.Fatalf("stores: no kind %q", kind)
	return Place{}
}

// Parse reads what Place.String wrote. So a place can be passed to another process.
func Parse(s string) (Place, error) {
	kind, address, _ := strings.Cut(s, ":")
	p := Place{Kind(kind), address}
	switch {
	case p.Kind == Memory && address == "":
		return p, nil
	case (p.Kind == SQLite || p.Kind == Postgres) && address != "":
		return p, nil
	}
	return Place{}, fmt.Errorf("stores: %q is no place: want memory, sqlite:path or postgres:url", s)
}

func (p Place) String() string {
	if p.Address == "" {
		return string(p.Kind)
	}
	return string(p.Kind) + ":" + p.Address
}

// Open opens a store on the place.
func (p Place) Open(ctx context.Context) (Store, error) {
	switch p.Kind {
	case Memory:
		return memory.New(), nil
	case SQLite:
		return sqlite.Open(ctx, p.Address)
	case Postgres:
		return postgres.Open(ctx, p.Address)
	}
	return nil, fmt.Errorf("stores: no kind %q", p.Kind)
}

// Open makes a new place and opens a store on it. Both end with the test.
func Open(tb testing.TB, kind Kind, settings ...string) Store {
	tb.Helper()
	store, err := New(tb, kind, settings...).Open(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := store.Close(); err != nil {
			tb.Errorf("close %s: %v", kind, err)
		}
	})
	return store
}
