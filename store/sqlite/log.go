package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// A commit appends the pages that it changed to the write-ahead log. Now and then a checkpoint moves them into the
// database file, and the log starts over. SQLite's own checkpoint runs within the commit that finds the log at 1000
// pages, and keeps an error of its flush to itself. Here the store sees to it, for two reasons:
//
//   - With 10 million sessions every row changes a page of its own in the key index. To move 16,000 such pages took 220 ms
//     in a measurement, for which every caller waited. Moved 2,000 at a time, as they then are, on another connection,
//     by one caller on its way out while the others wrote on, no transaction of 256 rows took longer than 35 ms, and as
//     many rows were written per second.
//   - When a flush of the database file fails, SQLite tries again at the next checkpoint. The second flush succeeds, since
//     Linux reports the error once, and the log that still had the pages is overwritten. A store that has seen the
//     error stops.
const (
	// An assist is due after so many pages, twice as many when one was quick, half as many when one took long: pages of a
	// small database are changed over and over, and moved once by each assist.
	leastAssist  = 2000 // 8 MB
	mostAssist   = 6000
	quickAssist  = 10 * time.Millisecond
	longAssist   = 40 * time.Millisecond
	longestPause = 200 * time.Millisecond

	// The log is given an eighth of the database's size, within these bounds. The longer it is, the more often one page
	// in it stands for many changes of it: of a small database 64 MB change every page many times over, of one of 10
	// million sessions 128 MB. The price is room, and time for the next to open it after a crash: 0.1 s.
	leastLog = 16384 // 64 MB; a quarter of a second of writing at full speed
	mostLog  = 32768
)

// writeAheadLog keeps the log from growing.
type writeAheadLog struct {
	readers *sql.DB

	// Those of the leader of the batch.
	pages   int           // written since startOver succeeded; the log may have started over by itself meanwhile
	assists int           // pages since the last assist
	bound   int           // how many pages the log should have at most; 0 until the first commit
	next    int           // and how many it has when it is next to start over, where it could not at bound
	wait    time.Duration // how long startOver last waited in vain

	// Those of everybody.
	every atomic.Int64 // pages from one assist to the next
	due   atomic.Bool  // an assist is
	busy  atomic.Bool  // a checkpoint runs
}

// committed counts what a commit on the writer's connection has written, and starts the log over when it is long.
// Nobody writes meanwhile.
func (l *writeAheadLog) committed(ctx context.Context, conn *sql.Conn) error {
	_ = conn.Raw(func(driverConn any) error {
		written, _, err := driverConn.(sqlite.DBStatus).Status(sqlite.DBStatusCacheWrite, true)
		l.pages += written
		l.assists += written
		return err // there is none: the counter exists
	})
	if l.bound == 0 {
		l.measure(ctx, conn)
	}
	bound := max(l.next, l.bound)
	full := l.pages >= bound
	// What an assist moves, nobody waits for: there is one before the log starts over too.
	if l.assists >= max(int(l.every.Load()), leastAssist) || full && l.assists >= leastAssist/2 {
		l.assists = 0
		l.due.Store(true)
	}
	assisted := !l.due.Load() || l.wait > 0 || l.pages >= bound+leastLog/4
	if !full || !assisted || !l.busy.CompareAndSwap(false, true) {
		return nil
	}
	defer l.busy.Store(false)
	l.due.Store(false)
	defer l.measure(ctx, conn)
	return l.startOver(ctx, conn)
}

// measure sets the log's bound and the writer's cache by the size that the database has come to. If it cannot be had,
// the least will do.
func (l *writeAheadLog) measure(ctx context.Context, conn *sql.Conn) {
	var pages int
	_ = conn.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages)
	l.bound = min(max(pages/8, leastLog), mostLog)
	_, _ = conn.ExecContext(ctx, fmt.Sprintf("PRAGMA cache_size = %d", min(max(pages/4, leastCache), mostCache)))
}

// startOver moves what the assists have left and makes the next commit write from the log's beginning. For this it waits
// until no reader needs the log any more: 50 ms, and where that was too short twice as long with each 16 MB more, up to
// longestPause, so that short reads that overlap do not make the log grow for ever. Every writer waits with it, those
// of other processes too, so a reader that takes longer than that makes the log grow instead.
func (l *writeAheadLog) startOver(ctx context.Context, conn *sql.Conn) error {
	l.wait = min(max(2*l.wait, shortWait), longestPause)
	defer conn.ExecContext(ctx, busyTimeout(shortWait))
	if _, err := conn.ExecContext(ctx, busyTimeout(l.wait)); err != nil {
		return err
	}
	left, err := checkpoint(ctx, conn, "RESTART")
	if left == 0 {
		l.wait = 0
	}
	l.pages, l.next = left, left+leastLog/4
	return err
}

func busyTimeout(wait time.Duration) string {
	return fmt.Sprintf("PRAGMA busy_timeout = %d", wait.Milliseconds())
}

// assist runs the checkpoint that is due, if one is, while others write. The log does not start over before fail knows
// that it has failed.
func (l *writeAheadLog) assist(ctx context.Context, fail func(error)) {
	if !l.due.Load() || !l.busy.CompareAndSwap(false, true) {
		return
	}
	defer l.busy.Store(false)
	l.due.Store(false)
	ctx = context.WithoutCancel(ctx) // the caller's own write is done
	conn, err := l.readers.Conn(ctx)
	if err != nil {
		return // no file descriptor is free, perhaps; the next assist will do
	}
	defer conn.Close()
	begun, every := time.Now(), l.every.Load()
	if _, err = checkpoint(ctx, conn, "PASSIVE"); err != nil {
		fail(err)
	}
	switch took := time.Since(begun); {
	case took < quickAssist:
		l.every.Store(min(max(2*every, leastAssist), mostAssist))
	case took > longAssist:
		l.every.Store(every / 2)
	}
}

// checkpoint returns how many pages the log still holds, 0 where it can start over. That somebody is in the way, or
// that there is no room, is no error: the pages are safe where they are.
func checkpoint(ctx context.Context, conn *sql.Conn, mode string) (left int, err error) {
	var busy, pages, moved int
	err = conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &pages, &moved)
	switch {
	case err != nil && (code(err) == sqlite3.SQLITE_IOERR || !passes(err)):
		return 0, fmt.Errorf("sqlite: checkpoint: %w", err)
	case err != nil || busy != 0:
		return pages, nil
	}
	return 0, nil
}

// keepLog makes the last connection to close leave the log as it is. Its pages, all of them flushed, are then moved into
// the database file anew when it is next opened, whether or not an earlier move came to rest on the disk.
func keepLog(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "PRAGMA journal_size_limit = -1") // or the log is cut to nothing
	return errors.Join(err, conn.Raw(func(driverConn any) error {
		_, err := driverConn.(sqlite.FileControl).FileControlPersistWAL("main", 1)
		return err
	}))
}
