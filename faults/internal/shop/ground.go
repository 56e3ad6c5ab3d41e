//go:build unix

package shop

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/internal/pgtest"
)

// Ground makes an empty place for each round of a suite.
type Ground struct {
	tb   testing.TB
	kind stores.Kind
	base stores.Place // the PostgreSQL database in which each round gets a schema
}

// NewGround makes a Ground.
func NewGround(tb testing.TB, kind stores.Kind) *Ground {
	g := &Ground{tb: tb, kind: kind}
	if kind == stores.Postgres {
		g.base = stores.New(tb, kind)
	}
	return g
}

// Place returns an empty place.
func (g *Ground) Place() stores.Place {
	g.tb.Helper()
	if g.kind != stores.Postgres {
		return stores.New(g.tb, g.kind)
	}
	return NewSchema(g.tb, g.base.Address)
}

// NewSchema returns an empty place: a new schema in a PostgreSQL database, which is dropped when the test ends.
func NewSchema(tb testing.TB, url string) stores.Place {
	tb.Helper()
	schema := "shop_" + strings.ToLower(rand.Text())
	execute(tb, url, "CREATE SCHEMA "+schema)
	tb.Cleanup(func() { execute(tb, url, "DROP SCHEMA "+schema+" CASCADE") })
	return stores.Place{Kind: stores.Postgres, Address: pgtest.With(tb, url, "search_path="+schema)}
}

func execute(tb testing.TB, url, sql string) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		tb.Errorf("%s: %v", sql, err)
	}
}

// Check checks the PostgreSQL database in which all places are, with amcheck. It checks nothing for other kinds.
func (g *Ground) Check() (notes []string) {
	g.tb.Helper()
	if g.kind == stores.Postgres {
		notes = append(notes, Amcheck(g.tb, g.base.Address))
	}
	return notes
}
