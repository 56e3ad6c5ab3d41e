package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/store/postgres"
	"github.com/caisse/checkout/store/sqlite"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/matryer/is"
)

// The tests of this file prove that the things that are compared do the same work. Without that the comparison says nothing.

// TestTheLoopWritesWhatTheStoreWrites compares rows of the plain loop with a row of the store: the sessions that the store reads from
// them, and the type and length of each column.
func TestTheLoopWritesWhatTheStoreWrites(t *testing.T) {
	is := is.New(t)
	dir := t.TempDir()
	l, err := openLoop(t.Context(), dir, nil)
	is.NoErr(err)
	is.NoErr(l.write(t.Context(), 3))
	is.NoErr(l.close())

	store, err := sqlite.Open(t.Context(), filepath.Join(dir, databaseName))
	is.NoErr(err)
	defer store.Close()
	checkouts, err := newCheckouts(store)
	is.NoErr(err)
	created, _, err := checkouts.Create(t.Context(), params())
	is.NoErr(err)
	sessions, total, err := store.List(t.Context(), created.Account, checkout.Query{})
	is.NoErr(err)
	is.Equal(total, 4)
	for _, s := range sessions {
		is.Equal(comparable(s), comparable(created))
	}
	is.NoErr(store.Close())

	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, databaseName))
	is.NoErr(err)
	defer db.Close()
	is.Equal(shapes(t, db, "num = 1"), shapes(t, db, "num = 4")) // the first row is the loop's, the fourth is the store's
}

// comparable returns the session without the values that differ between any two sessions. Of its ID only the prefix and the length remain,
// and of its key only the length.
func comparable(s checkout.Session) checkout.Session {
	s.ExpiresAt = time.Time{}.Add(s.ExpiresAt.Sub(s.CreatedAt))
	s.ID = fmt.Sprint(s.ID[:len("cs_ci_")], len(s.ID))
	s.IdempotencyKey = idempotency.Key(fmt.Sprint(len(s.IdempotencyKey)))
	s.CreatedAt, s.Fingerprint = time.Time{}, idempotency.Fingerprint{}
	return s
}

// shapes returns the types and lengths of a row's columns, as SQLite stores them.
func shapes(t *testing.T, db *sql.DB, where string) string {
	t.Helper()
	is := is.New(t)
	rows, err := db.QueryContext(t.Context(), "SELECT name FROM pragma_table_info('checkout_sessions')")
	is.NoErr(err)
	defer rows.Close()
	var parts []string
	for rows.Next() {
		var column string
		is.NoErr(rows.Scan(&column))
		parts = append(parts, fmt.Sprintf("'%s ' || typeof(%s) || ifnull(length(%s), '')", column, column, column))
	}
	is.NoErr(rows.Err())
	is.True(len(parts) > 10)
	var all string
	is.NoErr(db.QueryRowContext(t.Context(), "SELECT "+strings.Join(parts, " || ', ' || ")+" FROM checkout_sessions WHERE "+where).Scan(&all))
	return all
}

// TestTheStoreReadsAFilledDatabase proves that the store can read a database that fill has made, and finds the sessions in the
// proportions that it should.
func TestTheStoreReadsAFilledDatabase(t *testing.T) {
	is := is.New(t)
	dir := t.TempDir()
	const rows = fillBatch + 100
	is.NoErr(fill(t.Context(), t.Output(), dir, rows))

	store, err := sqlite.Open(t.Context(), filepath.Join(dir, databaseName))
	is.NoErr(err)
	defer store.Close()
	for status, share := range map[checkout.Status]int{checkout.StatusCompleted: 2, checkout.StatusExpired: 1} {
		sessions, total, err := store.List(t.Context(), checkout.Account{ID: accountID}, checkout.Query{Status: status, Limit: 1, At: time.Now()})
		is.NoErr(err)
		want := min(rows*share/3, checkout.MaxListTotal+1) // a store stops counting there
		is.True(total > want-3 && total < want+3)
		is.Equal(sessions[0].PaymentID != "", status == checkout.StatusCompleted)
	}
	is.NoErr(store.Close())

	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, databaseName))
	is.NoErr(err)
	defer db.Close()
	var verdict string
	is.NoErr(db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict))
	is.Equal(verdict, "ok")
}

// TestPgbenchWritesWhatTheStoreWrites proves that the SQL that pgbench runs writes the same session as the store.
func TestPgbenchWritesWhatTheStoreWrites(t *testing.T) {
	is := is.New(t)
	if _, err := newPgbench(""); err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	is.NoErr(withServer(t.Context(), os.Getenv("CHECKOUT_BENCH_POSTGRES"), func(server string) error {
		return withSchema(t.Context(), server, func(server string) error {
			is.NoErr(execute(t.Context(), server, insertOne))
			pool, err := pgxpool.New(t.Context(), server)
			is.NoErr(err)
			defer pool.Close()
			store, err := postgres.New(pool)
			is.NoErr(err)
			checkouts, err := newCheckouts(store)
			is.NoErr(err)
			created, _, err := checkouts.Create(t.Context(), params())
			is.NoErr(err)
			sessions, total, err := store.List(t.Context(), created.Account, checkout.Query{})
			is.NoErr(err)
			is.Equal(total, 2)
			for _, s := range sessions {
				is.Equal(comparable(s), comparable(created))
			}
			return nil
		})
	}))
}

// TestTheFloorAnswersAsMuchAsTheLibrary proves that the bare net/http handler sends as many bytes as the library does for a new session,
// within a few bytes.
func TestTheFloorAnswersAsMuchAsTheLibrary(t *testing.T) {
	is := is.New(t)
	library, err := newHandler(memory.New())
	is.NoErr(err)
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/v1/checkouts", strings.NewReader(requestBody))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", newKey())
	library.ServeHTTP(w, r)
	is.Equal(w.Code, 201)
	// The library's answer may be some bytes shorter: it writes a time without the zeros at its end.
	is.True(w.Body.Len() <= len(floorAnswer) && w.Body.Len() > len(floorAnswer)-8)
}

// TestKeysAreUUIDs proves that every request has a valid key of its own. With a key used twice, the library would measure replays.
func TestKeysAreUUIDs(t *testing.T) {
	is := is.New(t)
	seen := make(map[string]bool)
	for range 1000 {
		key := newKey()
		parsed, err := idempotency.Parse(key, idempotency.UUID)
		is.NoErr(err)
		is.Equal(string(parsed), key)
		is.True(!seen[key])
		seen[key] = true
	}
}

// TestTheLoadReadsAnswers proves that the load counts only answers of new sessions, and reads each to its end.
func TestTheLoadReadsAnswers(t *testing.T) {
	read := func(answer string) error { return readCreated(bufio.NewReader(strings.NewReader(answer))) }
	t.Run("reads one answer after the other", func(t *testing.T) {
		is := is.New(t)
		in := bufio.NewReader(strings.NewReader(strings.Repeat("HTTP/1.1 201 Created\r\ncontent-length: 2\r\nX: y\r\n\r\n{}", 2)))
		is.NoErr(readCreated(in))
		is.NoErr(readCreated(in))
		is.Equal(in.Buffered(), 0)
	})
	t.Run("accepts only a new session", func(t *testing.T) {
		is := is.New(t)
		err := read("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nfull")
		is.True(err != nil)
		is.Equal(err.Error(), "answered 503: full")
		is.True(read("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") != nil) // a replay
		is.True(read("HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n{}") != nil)
		is.True(read("HTTP/1.1 201 Created\r\n\r\n") != nil)
		is.True(read("hello\n") != nil)
		is.True(read("") != nil)
	})
	t.Run("closes its connection when its context ends", func(t *testing.T) {
		is := is.New(t)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		is.NoErr(err)
		defer listener.Close()
		ctx, cancel := context.WithCancel(t.Context())
		send, err := newClient(ctx, listener.Addr().String())
		is.NoErr(err)
		cancel()
		is.True(errors.Is(send(ctx), net.ErrClosed))
	})
}
