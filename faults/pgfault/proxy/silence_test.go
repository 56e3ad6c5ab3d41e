package proxy_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/matryer/is"

	_ "github.com/caisse/checkout/faults/effort" // the flags of every package here
	"github.com/caisse/checkout/faults/pgfault/proxy"
	"github.com/caisse/checkout/internal/pgtest"
)

func TestWithheldAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		fate    proxy.Fate
		written bool
	}{
		"of a COMMIT that was answered":      {proxy.Fate{Kind: proxy.AnswerCut, Whole: true}, true},
		"of a COMMIT that was not delivered": {proxy.Fate{Kind: proxy.RequestCut, Whole: true}, false},
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

func TestSilence(t *testing.T) {
	for name, test := range map[string]struct {
		fate    proxy.Fate
		written bool // in the end
	}{
		"before COMMIT":               {proxy.Fate{Kind: proxy.Silenced}, false},
		"after COMMIT":                {proxy.Fate{Kind: proxy.Silenced, Ran: true}, true},
		"until the client hangs up":   {proxy.Fate{Kind: proxy.Late}, true},
		"and longer":                  {proxy.Fate{Kind: proxy.Late, Delay: 10 * time.Millisecond}, true},
		"from the statement's answer": {proxy.Fate{Kind: proxy.Late, Whole: true}, true},
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
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			err = writers[pipelined](ctx, conn)
			is.True(errors.Is(err, context.DeadlineExceeded))
			conn.Close(ctx)
			is.Equal(settled(t, direct) == 1, test.written)
			is.Equal(p.Counts(), map[proxy.Kind]int{test.fate.Kind: 1})
		})
	}
}

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
	for p.Counts()[proxy.Silenced] == 0 {
		time.Sleep(time.Millisecond)
	}
	for ended := false; !ended; {
		is.NoErr(direct.QueryRow(t.Context(), "select count(pg_terminate_backend(pid)) = 0 from pg_stat_activity where application_name = 'silent'").Scan(&ended))
	}
	select {
	case err := <-done:
		t.Errorf("the client was told: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	is.True(errors.Is(<-done, context.Canceled))
}

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
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	is.True(errors.Is(writers["a simple query"](ctx, conn), context.DeadlineExceeded)) // and not that anybody hung up
	_, err = pgx.Connect(ctx, through)
	is.True(errors.Is(err, context.DeadlineExceeded))
	is.Equal(settled(t, direct), 0)
}
