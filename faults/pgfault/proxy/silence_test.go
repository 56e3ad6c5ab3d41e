package proxy_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/matryer/is"

	"github.com/caisse/checkout/faults/pgfault/proxy"
	"github.com/caisse/checkout/internal/pgtest"
)

// TestWithheldAnswers proves that Fate.Whole also withholds the answers to the statements before COMMIT. The writer then gets its error
// while it waits for these answers, whether the server committed or not.
func TestWithheldAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		fate    proxy.Fate
		written bool
	}{
		"with a COMMIT that succeeded":         {proxy.Fate{Kind: proxy.AnswerCut, Whole: true}, true},
		"with a COMMIT that was not delivered": {proxy.Fate{Kind: proxy.RequestCut, Whole: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			url := pgtest.URL(t)
			direct := connect(t, url)
			_, err := direct.Exec(t.Context(), "create table rows (n int)")
			is.NoErr(err)
			p, through := proxy.Between(t, url)
			conn := connect(t, through)
			p.Set(proxy.Plan{Write: proxy.Once(test.fate)})
			err = writers[pipelined](t.Context(), conn)
			is.True(err != nil && strings.HasPrefix(err.Error(), "before COMMIT"))
			is.True(conn.IsClosed())
			var rows int
			is.NoErr(direct.QueryRow(t.Context(), "select count(*) from rows").Scan(&rows))
			is.Equal(rows == 1, test.written)
		})
	}
}

// TestSilence proves that the client of a silent connection gets only the error of its own context. The row is written if the fate
// delivers COMMIT, even after the client has hung up, and otherwise not.
func TestSilence(t *testing.T) {
	for name, test := range map[string]struct {
		fate    proxy.Fate
		written bool // once the server holds no lock any more
	}{
		"that never delivers COMMIT":                        {proxy.Fate{Kind: proxy.Silenced}, false},
		"that withholds the answer to COMMIT":               {proxy.Fate{Kind: proxy.Silenced, Ran: true}, true},
		"that delivers COMMIT when the client hangs up":     {proxy.Fate{Kind: proxy.Late}, true},
		"that delivers COMMIT some time after the hang-up":  {proxy.Fate{Kind: proxy.Late, Delay: 10 * time.Millisecond}, true},
		"that also withholds the answers to the statements": {proxy.Fate{Kind: proxy.Late, Whole: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			url := pgtest.URL(t)
			direct := connect(t, url)
			_, err := direct.Exec(t.Context(), "create table rows (n int)")
			is.NoErr(err)
			p, through := proxy.Between(t, url)
			conn := connect(t, through)
			p.Set(proxy.Plan{Write: proxy.Once(test.fate)})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- writers[pipelined](ctx, conn) }()
			await(t, "the silence", func() bool { return p.Counts()[test.fate.Kind] == 1 })
			cancel()
			await(t, "the client's error", func() bool { return len(done) == 1 })
			err = <-done
			is.True(errors.Is(err, context.Canceled))
			if test.fate.Whole {
				is.True(strings.HasPrefix(err.Error(), "before COMMIT")) // the answers to the batch were withheld too
			}
			conn.Close(ctx)
			is.Equal(countWhenUnlocked(t, direct) == 1, test.written)
			is.Equal(p.Counts(), map[proxy.Kind]int{test.fate.Kind: 1})
		})
	}
}

// TestSilenceLasts proves that the proxy passes on nothing even when the server ends the connection. The client gets an error only when
// its own context ends, as on a silent network.
func TestSilenceLasts(t *testing.T) {
	is := is.New(t)
	url := pgtest.URL(t, "application_name=silent")
	direct := connect(t, pgtest.With(t, url, "application_name=direct"))
	_, err := direct.Exec(t.Context(), "create table rows (n int)")
	is.NoErr(err)
	p, through := proxy.Between(t, url)
	conn := connect(t, through)
	p.Set(proxy.Plan{Write: proxy.Once(proxy.Fate{Kind: proxy.Silenced, Ran: true})})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- writers[pipelined](ctx, conn) }()
	await(t, "the silence", func() bool { return p.Counts()[proxy.Silenced] == 1 })
	await(t, "the end of the server's connection", func() (ended bool) {
		is.NoErr(direct.QueryRow(t.Context(), "select count(pg_terminate_backend(pid)) = 0 from pg_stat_activity where application_name = 'silent'").Scan(&ended))
		return ended
	})
	select {
	case err := <-done:
		t.Errorf("the client got an answer through the silence: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	await(t, "the client's error", func() bool { return len(done) == 1 })
	is.True(errors.Is(<-done, context.Canceled))
}

// TestServersThatVanish proves that after Vanish nothing comes from the server any more: no answer, no end of an open connection, and no
// answer to a new one. Clients see only their own timeouts, as when a machine loses its power.
func TestServersThatVanish(t *testing.T) {
	is := is.New(t)
	url := pgtest.URL(t, "application_name=vanished")
	direct := connect(t, pgtest.With(t, url, "application_name=direct"))
	_, err := direct.Exec(t.Context(), "create table rows (n int)")
	is.NoErr(err)
	p, through := proxy.Between(t, url)
	conn := connect(t, through)
	p.Vanish()
	_, err = direct.Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'vanished'")
	is.NoErr(err)
	for what, call := range map[string]func(ctx context.Context) error{
		"an open connection": func(ctx context.Context) error { return writers["a simple query"](ctx, conn) },
		"a new connection": func(ctx context.Context) error {
			_, err := pgx.Connect(ctx, through)
			return err
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the client of %s got another answer than its own timeout: %v", what, err)
		}
		cancel()
	}
	is.Equal(countWhenUnlocked(t, direct), 0)
}
