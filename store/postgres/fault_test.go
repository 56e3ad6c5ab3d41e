package postgres_test

import (
	"strings"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/postgres"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/matryer/is"
)

// openTwo opens two instances on one database.
func openTwo(t *testing.T, url string) [2]checkout.Store {
	t.Helper()
	return [2]checkout.Store{openURL(t, url), openURL(t, url)}
}

// report fails the test for each fault, and logs how many answers of each kind the callers got.
func report(t *testing.T, d *driver, faults []string) {
	t.Helper()
	for _, fault := range faults {
		t.Error(fault)
	}
	t.Logf("%d sessions acknowledged, %d answers of unknown outcome, %d refused", len(d.created), d.unknown, len(d.refused))
}

// TestBrokenCommits breaks connections around COMMIT while two instances write under the same keys. It proves that each key still names
// one session, that no acknowledged write is lost, and that nothing was written where a store said so.
func TestBrokenCommits(t *testing.T) {
	// breakUntil calls disturb until there were enough broken commits. Then it stops the callers and checks what they were told.
	breakUntil := func(t *testing.T, d *driver, pool *pgxpool.Pool, enough func() bool, disturb func()) {
		t.Helper()
		await(t, "enough broken commits", func() bool {
			disturb()
			d.mu.Lock()
			defer d.mu.Unlock()
			return enough()
		})
		d.finish()
		report(t, d, d.check(t, pool))
	}

	t.Run("contradict no answer when backends are terminated at any moment", func(t *testing.T) {
		url := pgtest.URL(t)
		pool := connect(t, url)
		d := drive(t.Context(), openTwo(t, pgtest.With(t, url, "application_name=doomed")))
		terminated := 0
		breakUntil(t, d, pool, func() bool { return terminated > 200 && len(d.created) > 200 }, func() {
			terminated += value[int](t, pool, "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'doomed' and state <> 'idle'")
		})
	})
	t.Run("contradict no answer when backends are terminated before they commit", func(t *testing.T) {
		url := pgtest.URL(t)
		instances, pool := openTwo(t, url), connect(t, url)
		exec(t, pool, `create function fall() returns trigger language plpgsql as $$ begin
			if random() < 0.02 then perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(10); end if;
			return null;
		end $$`)
		exec(t, pool, "create constraint trigger fall after insert or update on checkout_sessions initially deferred for each row execute function fall()")
		d := drive(t.Context(), instances)
		breakUntil(t, d, pool, func() bool { return d.unknown > 30 && len(d.created) > 200 }, func() {})
	})
	t.Run("contradict no answer when the answers to commits are lost", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		openURL(t, url)
		var (
			instances [2]checkout.Store
			cuts      [2]*cutter
			err       error
		)
		for i := range instances {
			cuts[i] = new(cutter)
			instances[i], err = postgres.New(connectBy(t, url, cuts[i].dial))
			is.NoErr(err)
		}
		d := drive(t.Context(), instances)
		breakUntil(t, d, connect(t, url), func() bool { return d.unknown > 30 && len(d.created) > 200 }, func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			cuts[d.unknown%2].answerLost.Store(d.unknown <= 60) // after 60 unknown outcomes no more answers are lost
		})
	})
}

// TestCrash proves that acknowledged sessions survive crashes of the server.
func TestCrash(t *testing.T) {
	// crashThreeTimes crashes the server three times while callers write. It returns the driver and what its check found.
	crashThreeTimes := func(t *testing.T, url func(*pgtest.Cluster) string, settings ...string) (*driver, []string) {
		t.Helper()
		server := pgtest.Start(t, settings...)
		d := drive(t.Context(), openTwo(t, url(server)))
		for range 3 {
			d.acknowledged(t, 100)
			server.Crash(t)
			server.Restart(t)
		}
		d.acknowledged(t, 100)
		d.finish()
		return d, d.check(t, connect(t, server.URL()))
	}
	t.Run("loses nothing that was acknowledged", func(t *testing.T) {
		t.Parallel()
		d, faults := crashThreeTimes(t, (*pgtest.Cluster).URL)
		report(t, d, faults)
	})
	t.Run("is seen to lose sessions that were acknowledged before the flush", func(t *testing.T) {
		t.Parallel()
		// Negative control: with synchronous_commit off the server acknowledges before it flushes. The check must find the loss.
		_, faults := crashThreeTimes(t, func(c *pgtest.Cluster) string {
			return pgtest.With(t, c.URL(), "synchronous_commit=off")
		}, "wal_writer_delay=10s", "wal_writer_flush_after=1GB")
		is.New(t).True(strings.Contains(strings.Join(faults, "\n"), "was acknowledged"))
	})
}

// TestFailover proves that a failover to a synchronous standby loses no acknowledged session, and that the instances find the new
// primary by themselves.
func TestFailover(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	standby := primary.Standby(t)
	primary.WaitForStandby(t, true)
	both := strings.Replace(primary.URL(), primary.Address(), primary.Address()+","+standby.Address(), 1)
	d := drive(t.Context(), openTwo(t, pgtest.With(t, both, "target_session_attrs=read-write")))
	d.acknowledged(t, 200)
	primary.Crash(t)
	standby.Promote(t)
	d.acknowledged(t, 200)
	d.finish()
	report(t, d, d.check(t, connect(t, standby.URL())))
}

// TestMissingStandby proves what callers see while commits wait for a synchronous standby that is gone.
func TestMissingStandby(t *testing.T) {
	// setUp returns a server whose commits wait for a standby that is gone, and a session that was written while the standby was there.
	setUp := func(t *testing.T) (primary *pgtest.Cluster, session checkout.Session) {
		t.Helper()
		is := is.New(t)
		primary = pgtest.Start(t)
		standby := primary.Standby(t)
		session = newSession()
		_, _, err := openURL(t, primary.URL()).Create(t.Context(), session)
		is.NoErr(err)
		primary.WaitForStandby(t, true)
		standby.Crash(t)
		return primary, session
	}
	// onHostsPool returns a store on a pool with the application name waiting.
	onHostsPool := func(t *testing.T, primary *pgtest.Cluster) (*postgres.Store, *pgxpool.Pool) {
		t.Helper()
		pool := connect(t, pgtest.With(t, primary.URL(), "application_name=waiting"))
		store, err := postgres.New(pool)
		is.New(t).NoErr(err)
		return store, pool
	}

	t.Run("leaves the outcome unknown when the wait for the standby is cancelled", func(t *testing.T) {
		t.Parallel()
		is := is.New(t)
		primary, session := setUp(t)
		store, _ := onHostsPool(t, primary)
		admin := connect(t, primary.URL())
		cancelled := func(call func() error) error {
			done := make(chan error, 1)
			go func() { done <- call() }()
			await(t, "the wait for the standby", func() bool {
				return value[int](t, admin, "select count(pg_cancel_backend(pid)) from pg_stat_activity where application_name = 'waiting' and wait_event = 'SyncRep'") > 0
			})
			return receive(t, "the call to end", done)
		}
		s := newSession()
		is.Equal(kindOf(t, cancelled(func() error { _, _, err := store.Create(t.Context(), s); return err })), checkout.ErrOutcomeUnknown)
		session.Version++
		is.Equal(kindOf(t, cancelled(func() error { return store.Update(t.Context(), session) })), checkout.ErrOutcomeUnknown)
		is.Equal(kindOf(t, cancelled(func() error { _, err := store.Expire(t.Context(), s.ExpiresAt, 1); return err })), checkout.ErrOutcomeUnknown)
		_, err := store.Get(t.Context(), s.Account, s.ID)
		is.NoErr(err) // the primary has written it, so the error must not say otherwise
	})

	t.Run("leaves the outcome unknown after ten seconds, and shows nobody a session that no standby has", func(t *testing.T) {
		t.Parallel()
		is := is.New(t)
		primary, _ := setUp(t)
		store, pool := onHostsPool(t, primary)
		s := newSession()
		_, _, err := store.Create(t.Context(), s)
		is.Equal(kindOf(t, err), checkout.ErrOutcomeUnknown)
		_, err = store.GetByKey(t.Context(), s.Account, s.IdempotencyKey)
		is.Equal(err, checkout.ErrNotFound) // otherwise a replay would acknowledge a session that a failover then loses
		again := newSession()
		again.IdempotencyKey = s.IdempotencyKey
		_, _, err = store.Create(t.Context(), again)
		is.Equal(kindOf(t, err), checkout.ErrUnavailable) // the waiting commit has locked the key

		primary.WaitForStandby(t, false) // an administrator decides to go on without a standby
		await(t, "the commit to end", func() bool {
			return value[int](t, pool, "select count(*) from checkout_sessions where version = 1") == 2
		})
		held, created, err := store.Create(t.Context(), again)
		is.NoErr(err)
		is.True(!created)
		is.Equal(held, s)
	})
}
