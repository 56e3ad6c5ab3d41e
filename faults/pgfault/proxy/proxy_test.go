package proxy_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/matryer/is"

	"github.com/caisse/checkout/faults/pgfault/proxy"
	"github.com/caisse/checkout/internal/pgtest"
)

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
		{"loses the last byte of its answer", proxy.Fate{Kind: proxy.AnswerCut, Bytes: 1 << 20}, "", true, true},
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
				is.NoErr(write(t.Context(), conn)) // Once chooses a fate for the first write only, so the second write passes
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
	await(t, "the server to execute COMMIT", func() bool { return countWhenUnlocked(t, direct) == 1 })
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
			await(t, "the server's answer to COMMIT", func() bool { return p.Counts()[proxy.Abandoned] == 1 })
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

// TestStatementsThatRanAndFailed counts with a sequence how often the statement ran, because a rollback does not reset a sequence.
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
			const counts = "select (select count(*) from rows), case when is_called then last_value else 0 end from ran" // a new sequence has 1 too
			is.NoErr(direct.QueryRow(t.Context(), counts).Scan(&rows, &ran))
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
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			done := make(chan error, 1)
			go func() {
				_, err := pgx.Connect(ctx, through)
				done <- err
			}()
			await(t, "the fate of the connection", func() bool { return p.Counts()[proxy.OfConnection(test.fate.Kind)] >= 1 })
			if test.fate.Kind == proxy.Silenced {
				cancel()
			}
			err := <-done
			var pg *pgconn.PgError
			is.True(err != nil)
			is.Equal(errors.As(err, &pg) && pg.Code == test.code, test.code != "")
			is.Equal(errors.Is(err, context.Canceled), test.fate.Kind == proxy.Silenced) // a silent proxy does not end the wait
			is.Equal(errors.Is(err, syscall.ECONNRESET), test.fate.Reset)

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
