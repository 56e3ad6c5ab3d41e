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

// A commit appends the pages that it changed to the write-ahead log. Now and then a checkpoint moves them into the database file, and
// the log starts over. SQLite's own checkpoint runs in the commit that finds 1000 pages in the log, and does not report an error of
// its flush. The store makes the checkpoints itself, for two reasons:
//
//   - With 10 million sessions, every row changes a page of its own in the key index. To move 16,000 such pages took 220 ms in a
//     measurement, and every caller waited. Instead, a caller whose own write is done moves 2,000 pages on another connection,
//     while the others go on writing. This is called an assist. With assists, no transaction of 256 rows took longer than 35 ms,
//     and the number of rows per second was the same.
//   - When a flush of the database file fails, SQLite tries again at the next checkpoint. This second flush succeeds, since Linux
//     reports an error only once. Then SQLite overwrites the log, although only the log has the lost pages. This store stops at the
//     first error instead.
const (
	// An assist is due after leastAssist to mostAssist pages: twice as many after a quick assist, half as many after a slow one. In a
	// small database the same pages are changed again and again. Each assist moves such a page once, so fewer assists have less to do.
	leastAssist  = 2000 // 8 MB
	mostAssist   = 6000
	quickAssist  = 10 * time.Millisecond
	longAssist   = 40 * time.Millisecond
	longestPause = 200 * time.Millisecond

	// The log may have an eighth of the database's size, within these bounds. The longer the log is, the more of its changes are changes
	// of the same pages, and a checkpoint moves each page only once. 64 MB of changes touch every page of a small database many times,
	// and 128 MB do so for a database of 10 million sessions. The price is disk space, and 0.1 s to open the database after a crash.
	leastLog = 16384 // 64 MB; a quarter of a second of writing at full speed
	mostLog  = 32768
)

// writeAheadLog makes the checkpoints, so that the log does not grow without limit.
type writeAheadLog struct {
	readers *sql.DB

	// Used only by the goroutine that writes a batch.
	pages   int           // written since startOver last succeeded; the log may have started over by itself meanwhile
	assists int           // pages written since an assist last became due
	bound   int           // how many pages the log should have at most; 0 until the first commit
	next    int           // at how many pages startOver is tried next; more than bound if it failed there
	wait    time.Duration // how long startOver waited when it last failed; 0 after a success

	// Used by all callers.
	every atomic.Int64 // pages from one assist to the next; at least leastAssist is used
	due   atomic.Bool  // an assist is due
	busy  atomic.Bool  // a checkpoint is running
}

// committed counts the pages that a commit has written, and starts the log over when it is long. The goroutine that writes a batch calls
// it after the commit, so no other caller of this store writes meanwhile.
func (l *writeAheadLog) committed(ctx context.Context, conn *sql.Conn) error {
	_ = conn.Raw(func(driverConn any) error {
		written, _, err := driverConn.(sqlite.DBStatus).Status(sqlite.DBStatusCacheWrite, true)
		l.pages += written
		l.assists += written
		return err // does not happen: the counter exists
	})
	if l.bound == 0 {
		l.measure(ctx, conn)
	}
	bound := max(l.next, l.bound)
	full := l.pages >= bound
	// The others go on writing while an assist moves pages, but not while startOver does. So an assist runs before startOver.
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

// measure sets the log's bound and the writer's page cache by the size of the database. If it cannot read the size, it sets the least
// values.
func (l *writeAheadLog) measure(ctx context.Context, conn *sql.Conn) {
	var pages int
	_ = conn.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages)
	l.bound = min(max(pages/8, leastLog), mostLog)
	_, _ = conn.ExecContext(ctx, fmt.Sprintf("PRAGMA cache_size = %d", min(max(pages/4, leastCache), mostCache)))
}

// startOver moves the pages that the assists have left, and makes the next commit write from the log's beginning. That is
// possible only when no reader needs the log any more. It waits 50 ms for readers. If that was too short, it tries again when the log
// has 16 MB more, and waits twice as long each time, up to longestPause. So short reads that overlap cannot make the log grow for
// ever. All writers wait meanwhile, also those of other processes. So it does not wait for a longer read: the log grows instead.
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

// assist runs a checkpoint if an assist is due, while others write. If the checkpoint fails, it calls fail before the log can start over.
func (l *writeAheadLog) assist(ctx context.Context, fail func(error)) {
	if !l.due.Load() || !l.busy.CompareAndSwap(false, true) {
		return
	}
	defer l.busy.Store(false)
	l.due.Store(false)
	ctx = context.WithoutCancel(ctx) // the caller's own write is done already
	conn, err := l.readers.Conn(ctx)
	if err != nil {
		return // perhaps no file descriptor is free; the next assist will move the pages
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

// checkpoint moves pages and returns how many the log still has, or 0 if it can start over. After a temporary error, such as a full
// disk, it returns 0 too. It is no error if a reader still needs the log or the disk is full: the pages are safe in the log.
func checkpoint(ctx context.Context, conn *sql.Conn, mode string) (left int, err error) {
	var busy, pages, moved int
	err = conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &pages, &moved)
	switch {
	case err != nil && (code(err) == sqlite3.SQLITE_IOERR || !temporary(err)):
		return 0, fmt.Errorf("sqlite: checkpoint: %w", err)
	case err != nil || busy != 0:
		return pages, nil
	}
	return 0, nil
}

// keepLog makes SQLite keep the log as it is when the last connection is closed. All pages of the log are flushed. The next program
// that opens the database moves them again, whether or not an earlier move reached the disk.
func keepLog(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "PRAGMA journal_size_limit = -1") // otherwise the log is truncated
	return errors.Join(err, conn.Raw(func(driverConn any) error {
		_, err := driverConn.(sqlite.FileControl).FileControlPersistWAL("main", 1)
		return err
	}))
}
