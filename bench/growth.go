package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
)

// A filled database is like that of a host that has run for a while: a session every second or so, each completed or expired, with
// a payment for each that was completed.
const (
	fillBatch    = 20_000
	fillInterval = time.Second
)

// grown returns a contender's name with the number of sessions.
func grown(name string, rows int) string { return fmt.Sprintf("%s, beside %s", name, thousands(rows)) }

// growthContenders write to an empty database and to a filled one, after a warm-up that is as long as the measurement. A host that
// has run for a while has the hot pages in its cache, and overwrites its log instead of extending it.
func growthContenders(opts options, full string) []contender {
	var contenders []contender
	add := func(name string, callers int, round func(ctx context.Context, dir string, d time.Duration) (sample, error)) {
		contenders = append(contenders,
			contender{grown(name, 0), callers, opts.withFolder(round)},
			contender{grown(name, opts.rows), callers, func(ctx context.Context, d time.Duration) (sample, error) { return round(ctx, full, d) }},
		)
	}
	for _, callers := range []int{1, 64, 256} {
		add(storeName, callers, func(ctx context.Context, dir string, d time.Duration) (sample, error) {
			return sqliteRound(ctx, dir, callers, d, d)
		})
	}
	add(loopOf256, 1, func(ctx context.Context, dir string, d time.Duration) (sample, error) {
		return loopRound(ctx, dir, 256, d, d)
	})
	if opts.has("http") {
		add(sqliteName, connections, func(ctx context.Context, dir string, d time.Duration) (sample, error) {
			return httpRound(ctx, serving{Name: sqliteName, Dir: dir}, bareClient, d, d)
		})
	}
	return contenders
}

// fill makes a database in dir with that many sessions, in the order of their times. IDs grow, and keys are random. It flushes nothing,
// because the data need not survive a crash.
func fill(ctx context.Context, progress io.Writer, dir string, rows int) error {
	l, err := openLoop(ctx, dir, url.Values{
		"_journal_mode": {"OFF"},
		"_synchronous":  {"OFF"},
		"_pragma":       {"cache_size(-1000000)"},
	})
	if err != nil {
		return err
	}
	defer l.close()
	at := time.Now().Add(-time.Duration(rows) * fillInterval)
	for n := 0; n < rows; n += fillBatch {
		if n%500_000 == 0 {
			fmt.Fprintf(progress, "filled %s of %s\n", thousands(n), thousands(rows))
		}
		if err := l.writeOld(ctx, at, min(fillBatch, rows-n)); err != nil {
			return err
		}
		at = at.Add(fillBatch * fillInterval)
	}
	return l.close()
}

// writeOld writes sessions of which two in three were completed, and the rest expired.
func (l *loop) writeOld(ctx context.Context, at time.Time, rows int) error {
	defer func() { l.status, l.pay = 0, nil }()
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	insert := tx.StmtContext(ctx, l.insert)
	for i := range rows {
		l.status, l.pay = 3, "pay_"+uuid.NewString()
		if i%3 == 0 {
			l.status, l.pay = 5, nil
		}
		if err := l.writeRow(ctx, insert, at.Add(time.Duration(i)*fillInterval)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// bytesPerRow returns the size of a database's file, divided by the number of rows of a table. The file must not be open elsewhere.
func bytesPerRow(ctx context.Context, path, table string) (float64, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(path))
	if err != nil {
		return 0, err
	}
	defer db.Close()
	// What is still in the log counts too.
	if _, err := db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return 0, err
	}
	var rows int64
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&rows); err != nil {
		return 0, err
	}
	file, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return float64(file.Size()) / float64(max(rows, 1)), nil
}
