package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/matryer/is"

	_ "github.com/caisse/checkout/faults/effort" // defines the flags -long and -seed
	"github.com/caisse/checkout/faults/pgfault/proxy"
	"github.com/caisse/checkout/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// countWhenUnlocked counts the rows once the server has committed the write or rolled it back: no transaction locks the table any more.
func countWhenUnlocked(t *testing.T, direct *pgx.Conn) (rows int) {
	t.Helper()
	is := is.New(t)
	for locked := true; locked; {
		is.NoErr(direct.QueryRow(t.Context(), "select exists (select from pg_locks where relation = 'rows'::regclass and mode = 'RowExclusiveLock')").Scan(&locked))
	}
	is.NoErr(direct.QueryRow(t.Context(), "select count(*) from rows").Scan(&rows))
	return rows
}

// writers insert one row, each in another way that clients use. They return the error of COMMIT or of an earlier statement.
var writers = map[string]func(ctx context.Context, conn *pgx.Conn) error{
	"a simple query": func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "insert into rows values (1)")
		return err
	},
	"an extended query": func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "with n as (select $1::int) insert into rows select * from n", 1)
		return err
	},
	"one multi-statement query": func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "begin; insert into rows values (1); commit")
		return err
	},
	"one batch": func(ctx context.Context, conn *pgx.Conn) error {
		var batch pgx.Batch
		batch.Queue("begin")
		batch.Queue("insert into rows values ($1)", 1)
		batch.Queue("commit")
		err := conn.SendBatch(ctx, &batch).Close()
		if conn.PgConn().TxStatus() == 'E' { // the server has skipped all statements after the error, COMMIT included
			conn.Exec(ctx, "rollback")
		}
		return err
	},
	"a transaction step by step": func(ctx context.Context, conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "insert into rows values ($1)", 1)
			return err
		})
	},
	pipelined: func(ctx context.Context, conn *pgx.Conn) error {
		var batch pgx.Batch
		batch.Queue("begin")
		batch.Queue("insert into rows values ($1)", 1)
		answers := conn.SendBatch(ctx, &batch)
		conn.PgConn().Frontend().SendQuery(&pgproto3.Query{String: "commit"})
		if err := conn.PgConn().Frontend().Flush(); err != nil {
			return err
		}
		err := answers.Close()
		if conn.IsClosed() {
			return fmt.Errorf("before COMMIT: %w", err)
		}
		for {
			message, lost := conn.PgConn().ReceiveMessage(ctx)
			if lost != nil {
				return lost
			}
			switch message := message.(type) {
			case *pgproto3.ErrorResponse:
				err = pgconn.ErrorResponseToPgError(message)
			case *pgproto3.ReadyForQuery:
				return err
			}
		}
	},
}

// pipelined sends COMMIT without waiting for its batch. So the proxy can withhold the answers to the batch, and COMMIT still comes.
const pipelined = "a batch with a pipelined COMMIT"

// TestWrites proves that each fate gives each writer the right error, and lets the server write the row only if it should.
func TestWrites(t *testing.T) {
	for _, test := range []struct {
		name    string
		fate    proxy.Fate
		code    string // SQLSTATE of the error that the writer gets; "" is none
		lost    bool   // the client's connection is closed
		written bool   // the server committed the row
	}{
		{"passes", proxy.Fate{}, "", false, true},
		{"is delayed", proxy.Fate{Delay: time.Millisecond}, "", false, true},
		{"loses its COMMIT", proxy.Fate{Kind: proxy.RequestCut}, "", true, false},
		{"loses its COMMIT to a TCP reset", proxy.Fate{Kind: proxy.RequestCut, Reset: true}, "", true, false},
		{"loses the end of its COMMIT", proxy.Fate{Kind: proxy.RequestCut, Bytes: 5}, "", true, false},
		{"loses its answer", proxy.Fate{Kind: proxy.AnswerCut}, "", true, true},
		{"loses its answer to a TCP reset", proxy.Fate{Kind: proxy.AnswerCut, Reset: true}, "", true, true},
		{"loses the end of its answer", proxy.Fate{Kind: proxy.AnswerCut, Bytes: 7}, "", true, true},
		{"loses the connection after the whole answer but the last byte", proxy.Fate{Kind: proxy.AnswerCut, Bytes: 1 << 20}, "", true, true},
		{"fails in its statement", proxy.Fate{Kind: proxy.StatementFailed, Code: "40001"}, "40001", false, false},
		{"loses its session in its statement", proxy.Fate{Kind: proxy.StatementFailed, Code: "57P01", Fatal: true}, "57P01", true, false},
		{"fails in COMMIT", proxy.Fate{Kind: proxy.CommitFailed, Code: "40P01"}, "40P01", false, false},
		{"loses its session in COMMIT", proxy.Fate{Kind: proxy.CommitFailed, Code: "57P01", Fatal: true}, "57P01", true, false},
		{"gets an error for a COMMIT that succeeded", proxy.Fate{Kind: proxy.CommitFailed, Code: "25006", Ran: true}, "25006", false, true},
		{"loses its session after a COMMIT that succeeded", proxy.Fate{Kind: proxy.CommitFailed, Code: "57P01", Fatal: true, Ran: true}, "57P01", true, true},
		{"gets a warning", proxy.Fate{Kind: proxy.Warned}, "", false, true},
	} {
		for writer, write := range writers {
			t.Run(writer+" "+test.name, func(t *testing.T) {
				is := is.New(t)
				url := pgtest.URL(t)
				direct := connect(t, url)
				_, err := direct.Exec(t.Context(), "create table rows (n int)")
				is.NoErr(err)
				p, through := proxy.Between(t, url)
				conn := connect(t, through)
				p.Set(proxy.Plan{Write: proxy.Once(test.fate)})

				err = write(t.Context(), conn)
				var pg *pgconn.PgError
				if test.code != "" {
					is.True(errors.As(err, &pg))
					is.Equal(pg.Code, test.code)
				} else {
					is.Equal(err != nil, test.lost)
				}
				is.Equal(conn.IsClosed(), test.lost)
				if test.lost && test.code == "" && writer == pipelined { // for simple queries pgx does not return the cause
					is.Equal(errors.Is(err, syscall.ECONNRESET), test.fate.Reset)
				}
				if test.fate.Kind != "" {
					is.Equal(p.Counts(), map[proxy.Kind]int{test.fate.Kind: 1})
				}
				rows := countWhenUnlocked(t, direct)
				is.Equal(rows == 1, test.written)

				if test.lost {
					conn = connect(t, through)
				}
				is.NoErr(write(t.Context(), conn)) // Once has spent the fate, so the second write passes
				is.NoErr(conn.QueryRow(t.Context(), "select count(*) from rows").Scan(&rows))
				is.Equal(rows == 2, test.written)
			})
		}
	}
}

func TestWarnings(t *testing.T) {
	for writer, write := range writers {
		t.Run(writer, func(t *testing.T) {
			is := is.New(t)
			url := pgtest.URL(t)
			_, err := connect(t, url).Exec(t.Context(), "create table rows (n int)")
			is.NoErr(err)
			p, through := proxy.Between(t, url)
			config, err := pgx.ParseConfig(through)
			is.NoErr(err)
			var heard []string
			config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { heard = append(heard, n.SeverityUnlocalized+" "+n.Code) }
			conn, err := pgx.ConnectConfig(t.Context(), config)
			is.NoErr(err)
			defer conn.Close(t.Context())
			p.Set(proxy.Plan{Write: proxy.Once(proxy.Fate{Kind: proxy.Warned})})
			is.NoErr(write(t.Context(), conn))
			is.NoErr(write(t.Context(), conn))
			is.Equal(heard, []string{"WARNING 01000"})
		})
	}
}

// TestCommitsWithoutSync cuts the connection just before the last byte of a batch. The server executes a COMMIT of the extended protocol
// when it arrives, and does not wait for the Sync that ends the batch. So the row is written although the request was cut.
func TestCommitsWithoutSync(t *testing.T) {
	is := is.New(t)
	url := pgtest.URL(t)
	direct := connect(t, url)
	_, err := direct.Exec(t.Context(), "create table rows (n int)")
	is.NoErr(err)
	p, through := proxy.Between(t, url)
	conn := connect(t, through)
	p.Set(proxy.Plan{Write: proxy.Once(proxy.Fate{Kind: proxy.RequestCut, Bytes: 1 << 20})})
	is.True(writers["one batch"](t.Context(), conn) != nil)
	is.True(conn.IsClosed())
	for countWhenUnlocked(t, direct) == 0 {
		time.Sleep(time.Millisecond) // until the server has executed COMMIT
	}
}

// TestAbandonedCommits proves that the server commits although the client has gone. COMMIT ignores the cancel request that pgx sends.
func TestAbandonedCommits(t *testing.T) {
	for _, writer := range []string{"a transaction step by step", "one batch", pipelined} {
		t.Run(writer, func(t *testing.T) {
			is := is.New(t)
			url := pgtest.URL(t)
			direct := connect(t, url)
			_, err := direct.Exec(t.Context(), "create table rows (n int)")
			is.NoErr(err)
			p, through := proxy.Between(t, url)
			conn := connect(t, through)
			p.Set(proxy.Plan{Write: proxy.Once(proxy.Fate{Kind: proxy.Abandoned})})
			is.True(writers[writer](t.Context(), conn) != nil)
			is.True(conn.IsClosed())
			for p.Counts()[proxy.Abandoned] == 0 {
				time.Sleep(time.Millisecond) // until the server has answered COMMIT
			}
			is.Equal(countWhenUnlocked(t, direct), 1)
		})
	}
}

// TestAbandonedBeforeTheServerIsDone proves that the proxy does not wait for COMMIT: here a trigger keeps COMMIT from ending.
func TestAbandonedBeforeTheServerIsDone(t *testing.T) {
	is := is.New(t)
	url := pgtest.URL(t)
	direct := connect(t, url)
	for _, sql := range []string{
		"create table rows (n int)",
		"create function hold() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock(1); return null; end $$",
		"create constraint trigger hold after insert on rows initially deferred for each row execute function hold()",
		"select pg_advisory_lock(1)", // COMMIT now waits for this lock
	} {
		_, err := direct.Exec(t.Context(), sql)
		is.NoErr(err)
	}
	p, through := proxy.Between(t, url)
	conn := connect(t, through)
	p.Set(proxy.Plan{Write: proxy.Once(proxy.Fate{Kind: proxy.Abandoned})})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	is.True(writers[pipelined](ctx, conn) != nil)
	is.NoErr(ctx.Err())
}

// TestCommitsThatFailedAreNotCounted makes COMMIT fail, by a deferred constraint. A report must not count faults that did not happen.
func TestCommitsThatFailedAreNotCounted(t *testing.T) {
	for _, kind := range []proxy.Kind{proxy.AnswerCut, proxy.Abandoned, proxy.Warned} {
		t.Run(string(kind), func(t *testing.T) {
			is := is.New(t)
			url := pgtest.URL(t)
			direct := connect(t, url)
			_, err := direct.Exec(t.Context(), "create table rows (n int unique deferrable initially deferred); insert into rows values (1)")
			is.NoErr(err)
			p, through := proxy.Between(t, url)
			conn := connect(t, through)
			p.Set(proxy.Plan{Write: proxy.Once(proxy.Fate{Kind: kind})})
			is.True(writers["a transaction step by step"](t.Context(), conn) != nil)
			is.Equal(countWhenUnlocked(t, direct), 1)
			_, err = connect(t, through).Exec(t.Context(), "delete from rows") // the second write has no fate
			is.NoErr(err)
			is.Equal(p.Counts(), map[proxy.Kind]int{})
		})
	}
}

// TestStatementsThatRanAndFailed counts with a sequence that the statement ran, because a rollback does not reset a sequence.
func TestStatementsThatRanAndFailed(t *testing.T) {
	for _, writer := range []string{"a transaction step by step", "one batch", pipelined} {
		t.Run(writer, func(t *testing.T) {
			is := is.New(t)
			url := pgtest.URL(t)
			direct := connect(t, url)
			_, err := direct.Exec(t.Context(), "create table rows (n int); create sequence ran")
			is.NoErr(err)
			_, err = direct.Exec(t.Context(), "create function ran() returns trigger language plpgsql as $$ begin perform nextval('ran'); return new; end $$")
			is.NoErr(err)
			_, err = direct.Exec(t.Context(), "create trigger ran before insert on rows for each row execute function ran()")
			is.NoErr(err)
			p, through := proxy.Between(t, url)
			conn := connect(t, through)
			p.Set(proxy.Plan{Write: proxy.Once(proxy.Fate{Kind: proxy.StatementFailed, Code: "40001", Ran: true})})
			var pg *pgconn.PgError
			is.True(errors.As(writers[writer](t.Context(), conn), &pg))
			is.Equal(pg.Code, "40001")
			var rows, ran int
			is.NoErr(direct.QueryRow(t.Context(), "select (select count(*) from rows), last_value from ran").Scan(&rows, &ran))
			is.Equal(rows, 0)
			is.Equal(ran, 1)
		})
	}
}

// TestReads proves that Plan.Read, and not Plan.Write, applies to a statement outside of a transaction that writes nothing.
func TestReads(t *testing.T) {
	for name, test := range map[string]struct {
		fate proxy.Fate
		code string
		lost bool
	}{
		"lose a request":  {proxy.Fate{Kind: proxy.RequestCut}, "", true},
		"lose an answer":  {proxy.Fate{Kind: proxy.AnswerCut, Bytes: 20}, "", true},
		"fail":            {proxy.Fate{Kind: proxy.StatementFailed, Code: "53200"}, "53200", false},
		"end the session": {proxy.Fate{Kind: proxy.StatementFailed, Code: "57P01", Fatal: true}, "57P01", true},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			p, through := proxy.Between(t, pgtest.URL(t))
			conn := connect(t, through)
			p.Set(proxy.Plan{Read: proxy.Once(test.fate), Write: proxy.Always(proxy.Fate{Kind: proxy.RequestCut})})
			var n int
			err := conn.QueryRow(t.Context(), "select $1::int", 1).Scan(&n)
			var pg *pgconn.PgError
			is.True(err != nil)
			is.Equal(errors.As(err, &pg) && pg.Code == test.code, test.code != "")
			is.Equal(conn.IsClosed(), test.lost)
			if test.lost {
				conn = connect(t, through)
			}
			is.NoErr(conn.QueryRow(t.Context(), "select $1::int", 1).Scan(&n))
			is.Equal(p.Counts(), map[proxy.Kind]int{test.fate.Kind: 1})
		})
	}
}

func TestConnections(t *testing.T) {
	for name, test := range map[string]struct {
		fate proxy.Fate
		code string
	}{
		"are refused":   {proxy.Fate{Kind: proxy.StatementFailed, Code: "53300"}, "53300"},
		"are closed":    {proxy.Fate{Kind: proxy.RequestCut}, ""},
		"are reset":     {proxy.Fate{Kind: proxy.RequestCut, Reset: true}, ""},
		"get no answer": {proxy.Fate{Kind: proxy.Silenced}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			p, through := proxy.Between(t, pgtest.URL(t))
			p.Set(proxy.Plan{Connect: proxy.Always(test.fate)})
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err := pgx.Connect(ctx, through)
			var pg *pgconn.PgError
			is.True(err != nil)
			is.Equal(errors.As(err, &pg) && pg.Code == test.code, test.code != "")
			is.True(p.Counts()[proxy.OfConnection(test.fate.Kind)] >= 1)

			p.Set(proxy.Plan{})
			connect(t, through)
		})
	}
}

func TestCancelsAreForwarded(t *testing.T) {
	is := is.New(t)
	_, through := proxy.Between(t, pgtest.URL(t))
	conn := connect(t, through)
	done := make(chan error)
	go func() {
		_, err := conn.Exec(context.WithoutCancel(t.Context()), "select pg_sleep(60)")
		done <- err
	}()
	for {
		is.NoErr(conn.PgConn().CancelRequest(t.Context()))
		select {
		case err := <-done:
			var pg *pgconn.PgError
			is.True(errors.As(err, &pg))
			is.Equal(pg.Code, "57014")
			return
		case <-time.After(10 * time.Millisecond): // the cancel request may have come before the statement: send another
		}
	}
}

func TestFatesFollowFromTheSeed(t *testing.T) {
	is := is.New(t)
	cut, failed := proxy.Fate{Kind: proxy.AnswerCut}, proxy.Fate{Kind: proxy.CommitFailed}
	choose, again := proxy.Random(7, 0.5, cut, failed), proxy.Random(7, 0.5, cut, failed)
	counts := make(map[proxy.Kind]int)
	for n := range 1000 {
		f := choose(n)
		is.Equal(f, again(n))
		counts[f.Kind]++
	}
	is.True(counts[""] > 400 && counts[proxy.AnswerCut] > 200 && counts[proxy.CommitFailed] > 200)
}
