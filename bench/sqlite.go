package main

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/caisse/checkout/bench/fibered"
	"github.com/caisse/checkout/bench/handwritten"
	"github.com/caisse/checkout/store/sqlite"
	"github.com/valyala/fasthttp"
)

const databaseName = "checkouts.db"

// Names of contenders that are in more than one table.
const (
	storeName       = "the store"
	loopOf1         = "a loop, a transaction per row"
	loopOf256       = "a loop, 256 rows per transaction"
	perCallPool     = "a transaction per call, sql.Open's own pool"
	perCallOne      = "a transaction per call, one connection"
	handwrittenName = "hand-written"
	fiberName       = "fiber's idempotency middleware"
	fiberAlone      = "the same, its handler writes nothing"
	floorName       = "bare net/http, writes nothing"
	memoryName      = "the memory store"
	sqliteName      = "the SQLite store"
)

// sqliteContenders write to SQLite by calls in Go, without HTTP.
func sqliteContenders(opts options) []contender {
	var contenders []contender
	for _, callers := range []int{1, 16, 64, 256} {
		contenders = append(contenders, contender{storeName, callers, opts.withFolder(func(ctx context.Context, dir string, d time.Duration) (sample, error) {
			return sqliteRound(ctx, dir, callers, usually(d), d)
		})})
	}
	contenders = append(contenders, loopContender(opts, loopOf1, 1), loopContender(opts, loopOf256, 256),
		perCallContender(opts, perCallOne, 1), perCallContender(opts, perCallPool, 0))
	if !opts.has("peers") {
		return contenders
	}
	for _, callers := range []int{1, 64} {
		contenders = append(contenders, contender{handwrittenName, callers, opts.withFolder(func(ctx context.Context, dir string, d time.Duration) (sample, error) {
			return handwrittenRound(ctx, dir, callers, d)
		})})
	}
	if opts.fiberMissing == nil {
		contenders = append(contenders, contender{fiberName, 64, opts.withFolder(func(ctx context.Context, dir string, d time.Duration) (sample, error) {
			return fiberRound(ctx, dir, 64, d)
		})})
	}
	return contenders
}

// withFolder gives each round a folder of its own.
func (opts options) withFolder(round func(ctx context.Context, dir string, d time.Duration) (sample, error)) func(context.Context, time.Duration) (sample, error) {
	return func(ctx context.Context, d time.Duration) (sample, error) {
		dir, err := os.MkdirTemp(opts.dir, "checkout-bench-")
		if err != nil {
			return sample{}, err
		}
		defer os.RemoveAll(dir)
		return round(ctx, dir, d)
	}
}

// sqliteRound has callers create sessions in a database. If the database is new, it also returns the bytes per session.
func sqliteRound(ctx context.Context, dir string, callers int, warmUp, d time.Duration) (sample, error) {
	path := filepath.Join(dir, databaseName)
	_, missing := os.Stat(path)
	store, err := sqlite.Open(ctx, path)
	if err != nil {
		return sample{}, err
	}
	defer store.Close()
	checkouts, err := newCheckouts(store)
	if err != nil {
		return sample{}, err
	}
	t, err := drive(ctx, callers, warmUp, d, same(func(ctx context.Context) error {
		_, _, err := checkouts.Create(ctx, params())
		return err
	}))
	if err != nil {
		return sample{}, err
	}
	s := t.sample()
	if missing == nil {
		return s, nil
	}
	if err := store.Close(); err != nil {
		return sample{}, err
	}
	s.Extra[extraBytes], err = bytesPerRow(ctx, path, "checkout_sessions")
	return s, err
}

func loopContender(opts options, name string, rows int) contender {
	return contender{name, 1, opts.withFolder(func(ctx context.Context, dir string, d time.Duration) (sample, error) {
		return loopRound(ctx, dir, rows, usually(d), d)
	})}
}

func loopRound(ctx context.Context, dir string, rows int, warmUp, d time.Duration) (sample, error) {
	l, err := openLoop(ctx, dir, nil)
	if err != nil {
		return sample{}, err
	}
	defer l.close()
	return l.run(ctx, warmUp, d, rows)
}

// perCallContender has 256 callers write one row per transaction, over at most that many connections. 0 is no limit.
func perCallContender(opts options, name string, connections int) contender {
	const callers = 256
	return contender{name, callers, opts.withFolder(func(ctx context.Context, dir string, d time.Duration) (sample, error) {
		// If many wait for SQLite's lock, some wait for very long.
		l, err := openLoop(ctx, dir, url.Values{"_busy_timeout": {"600000"}})
		if err != nil {
			return sample{}, err
		}
		defer l.close()
		l.db.SetMaxOpenConns(connections)
		t, err := drive(ctx, callers, usually(d), d, func() (call, error) {
			own := l.clone()
			return func(ctx context.Context) error { return own.write(ctx, 1) }, nil
		})
		if err != nil {
			return sample{}, err
		}
		return t.sample(), nil
	})}
}

func handwrittenRound(ctx context.Context, dir string, callers int, d time.Duration) (sample, error) {
	path := filepath.Join(dir, databaseName)
	database, err := handwritten.Open(ctx, path)
	if err != nil {
		return sample{}, err
	}
	defer database.Close()
	request := handwritten.Request{Amount: amount, Currency: currency, UserPhone: phone, Description: description}
	t, err := drive(ctx, callers, usually(d), d, same(func(ctx context.Context) error {
		_, _, err := database.Create(ctx, accountID, newKey(), request)
		return err
	}))
	if err != nil {
		return sample{}, err
	}
	if err := database.Close(); err != nil {
		return sample{}, err
	}
	s := t.sample()
	s.Extra[extraBytes], err = bytesPerRow(ctx, path, "sessions")
	return s, err
}

// fiberRound calls fiber's handler without a network.
func fiberRound(ctx context.Context, dir string, callers int, d time.Duration) (sample, error) {
	sessions, err := handwritten.Open(ctx, filepath.Join(dir, databaseName))
	if err != nil {
		return sample{}, err
	}
	defer sessions.Close()
	app, err := fibered.New(fibered.Config{KeysPath: filepath.Join(dir, "keys.db"), Sessions: sessions, Token: token, Account: accountID})
	if err != nil {
		return sample{}, err
	}
	defer app.Close()
	serve := app.Handler()
	t, err := drive(ctx, callers, usually(d), d, func() (call, error) {
		var c fasthttp.RequestCtx
		return func(context.Context) error {
			c.Request.Reset()
			c.Response.Reset()
			c.Request.Header.SetMethod("POST")
			c.Request.SetRequestURI("/v1/checkouts")
			c.Request.Header.Set("Authorization", "Bearer "+token)
			c.Request.Header.Set("Content-Type", "application/json")
			c.Request.Header.Set("Idempotency-Key", newKey())
			c.Request.SetBodyString(requestBody)
			serve(&c)
			return wantCreated(c.Response.StatusCode(), string(c.Response.Body()))
		}, nil
	})
	if err != nil {
		return sample{}, err
	}
	return t.sample(), nil
}
