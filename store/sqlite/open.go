package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const (
	// The writer's page cache is a quarter of the database, within these bounds. Keys are random, so with SQLite's default of 2 MB nearly
	// every row of a large database needs a read from the operating system first: 34 µs of processor time per row at 10 million
	// sessions, and 28 µs with 64 MB. The cache should not be larger than necessary, since SQLite goes through all of it at the end of
	// most transactions. In a small database, 16 MB hold everything that is changed at random.
	leastCache = 4096 // pages: 16 MB
	mostCache  = 16384

	// readerCacheKiB is small, because a reader drops its cache whenever somebody else has written.
	readerCacheKiB = 2 << 10

	// shortWait is how long SQLite itself waits for a lock. See patiently.
	shortWait = 50 * time.Millisecond
)

// Open opens the database file at path and brings its schema up to date. If there is no file, it creates one that only its owner can
// read. Several processes may open one file, also at the same time.
//
// The path is a file path and not a DSN. It may contain any characters. "" and ":memory:" are refused. The folder must exist and be
// writable, because SQLite creates files beside the database. Open fails with [checkout.ErrUnavailable] if the file stays locked for
// more than 5 seconds, and with ctx's error if ctx ends before that. After Open has returned, ctx has no effect on the store.
func Open(ctx context.Context, path string) (*Store, error) {
	path, err := usablePath(path)
	if err != nil {
		return nil, err
	}
	if err := makeFile(path); err != nil {
		return nil, fmt.Errorf("sqlite: make %s: %w", path, err)
	}
	writer, err := openPool(path, 1, url.Values{
		"_txlock":       {"immediate"},
		"_journal_mode": {"WAL"},
		"_pragma": {
			fmt.Sprintf("cache_size(%d)", leastCache),
			"wal_autocheckpoint(0)", // see writeAheadLog
			fmt.Sprintf("journal_size_limit(%d)", mostLog*4096),
		},
	})
	if err != nil {
		return nil, err
	}
	readers, err := openPool(path, min(max(runtime.GOMAXPROCS(0), 4), 16), url.Values{
		"_query_only": {"1"},
		"_pragma":     {fmt.Sprintf("cache_size(-%d)", readerCacheKiB)},
	})
	if err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	s, err := open(ctx, writer, readers)
	if err != nil {
		return nil, errors.Join(err, readers.Close(), writer.Close())
	}
	return s, nil
}

func open(ctx context.Context, writer, readers *sql.DB) (*Store, error) {
	waiting, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	// The first connection switches the file to WAL mode. If other processes do so too, SQLite refuses some of them without waiting.
	if err := patiently(waiting, func() error { return writer.PingContext(ctx) }); err != nil {
		return nil, failed(ctx, "open", err)
	}
	var mode string
	if err := writer.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return nil, failed(ctx, "open", err)
	}
	if mode != "wal" {
		return nil, fmt.Errorf("sqlite: the file cannot be used in WAL mode, only in %s: is it on a network file system?", mode)
	}
	if err := Migrate(ctx, writer); err != nil {
		return nil, err
	}
	var write, read *pool
	for _, of := range []struct {
		pool       **pool
		db         *sql.DB
		statements []string
	}{{&write, writer, writes}, {&read, readers, reads}} {
		// Another process that closes the file, or recovers it after a crash, locks it for a moment.
		err := patiently(waiting, func() (err error) {
			*of.pool, err = newPool(ctx, of.db, of.statements)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return newStore(write, read, &writeAheadLog{readers: readers}), nil
}

// openPool opens no connection yet. Settings must be in the DSN, so that every connection gets them.
func openPool(path string, connections int, settings url.Values) (*sql.DB, error) {
	settings.Set("_busy_timeout", fmt.Sprint(shortWait.Milliseconds()))
	settings.Set("_synchronous", "FULL")
	// On macOS fsync leaves the pages in the drive's cache. These settings flush that too. Elsewhere they do nothing.
	settings["_pragma"] = append(settings["_pragma"], "fullfsync(1)", "checkpoint_fullfsync(1)")
	if !strings.HasPrefix(path, "/") {
		path = "/" + filepath.ToSlash(path) // file:///C:/checkouts.db
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: settings.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("sqlite: open %s: %w", path, err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// usablePath makes path absolute, so that it stays the same file if the program changes its working directory. It refuses paths
// that Open cannot use, such as a DSN or a folder.
func usablePath(path string) (string, error) {
	switch {
	case path == "":
		return "", errors.New("sqlite: the path is empty")
	case path == ":memory:":
		return "", errors.New(`sqlite: Open keeps sessions in a file; use store/memory, or New with one connection to ":memory:"`)
	case strings.HasPrefix(path, "file:"):
		return "", errors.New(`sqlite: Open takes a path, not a DSN; use New with sql.Open("sqlite", dsn)`)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("sqlite: %w", err)
	}
	if found, err := os.Stat(path); err == nil && found.IsDir() {
		return "", fmt.Errorf("sqlite: %s is a folder: name a file in it", path)
	}
	if _, err := os.Stat(filepath.Dir(path)); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("sqlite: the folder of %s does not exist: make it first: %w", path, err)
	}
	return path, nil
}

// makeFile creates an empty file at path, if there is none, that only its owner can read. A file that SQLite creates can be read
// by everybody, and this one contains phone numbers. The files beside it get the same mode. The file is created under another
// name and then linked, because opening and closing path itself could drop the locks of another Store in this process. SQLite
// flushes the folder, and so the file's name, when it creates the log.
func makeFile(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	draft, err := os.CreateTemp(filepath.Dir(path), ".checkout-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name())
	if err := draft.Close(); err != nil {
		return err
	}
	if err := os.Link(draft.Name(), path); err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	// This file system has no hard links, and then usually no modes either. SQLite creates the file.
	return nil
}
