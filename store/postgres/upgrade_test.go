package postgres_test

import (
	"io/fs"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/postgres"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/matryer/is"
)

// older acts as the release before events. It works on the schema of that release, with the statements that the release sent for a
// single row.
type older struct {
	t    *testing.T
	pool *pgxpool.Pool
}

// olderSchema creates the schema of the release before events.
func olderSchema(t *testing.T, pool *pgxpool.Pool) older {
	t.Helper()
	sql, err := fs.ReadFile(postgres.Migrations(), "0001_sessions.sql")
	is.New(t).NoErr(err)
	exec(t, pool, string(sql))
	exec(t, pool, `create table checkout_migrations (version integer primary key, name text not null, applied_at timestamptz not null default now())`)
	exec(t, pool, `insert into checkout_migrations values (1, 'sessions')`)
	return older{t, pool}
}

const olderColumns = `id, account, test, idempotency_key, fingerprint, status, amount, currency, payment_method, user_phone, payment_id,
	customer_id, description, success_url, cancel_url, created_at, expires_at, completed_at, failure_reason, transaction_fee, late, version`

func olderArgs(s checkout.Session) []any {
	var completed *time.Time
	if !s.CompletedAt.IsZero() {
		completed = &s.CompletedAt
	}
	return []any{s.ID, s.Account.ID, s.Account.Test, string(s.IdempotencyKey), s.Fingerprint[:], string(s.Status), s.Amount, s.Currency,
		string(s.PaymentMethod), s.UserPhone, s.PaymentID, s.CustomerID, s.Description, s.SuccessURL, s.CancelURL, s.CreatedAt, s.ExpiresAt,
		completed, s.FailureReason, s.TransactionFee, s.Late, s.Version}
}

func (o older) create(s checkout.Session) checkout.Session {
	o.t.Helper()
	o.one(`INSERT INTO checkout_sessions (`+olderColumns+`) VALUES ($1, $2, $3, nullif($4, ''), $5, $6, $7, $8, $9, $10, nullif($11, ''),
		$12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22) ON CONFLICT DO NOTHING`, olderArgs(s)...)
	return s
}

func (o older) update(s checkout.Session) checkout.Session {
	o.t.Helper()
	o.one(`UPDATE checkout_sessions AS s SET status = $6, amount = $7, currency = $8, payment_method = $9, user_phone = $10,
		payment_id = nullif($11, ''), customer_id = $12, description = $13, success_url = $14, cancel_url = $15, expires_at = $17,
		completed_at = $18, failure_reason = $19, transaction_fee = $20, late = $21, version = $22
		WHERE s.id = $1 AND s.account = $2 AND s.test = $3 AND s.version = $22 - 1
		AND $4::text IS NOT NULL AND $5::bytea IS NOT NULL AND $16::timestamptz IS NOT NULL`, olderArgs(s)...)
	return s
}

func (o older) expire(now time.Time, want int64) {
	o.t.Helper()
	o.affects(want, `WITH due AS (
		SELECT s.id, s.account FROM checkout_sessions AS s WHERE s.due_at <= $1 ORDER BY s.due_at, s.id LIMIT 100 FOR UPDATE SKIP LOCKED
	) UPDATE checkout_sessions AS s SET status = 'expired', version = s.version + 1
	FROM due WHERE s.id = due.id AND s.account = due.account`, now)
}

func (o older) one(sql string, args ...any) { o.t.Helper(); o.affects(1, sql, args...) }

func (o older) affects(want int64, sql string, args ...any) {
	o.t.Helper()
	tag, err := o.pool.Exec(o.t.Context(), sql, args...)
	if err != nil || tag.RowsAffected() != want {
		o.t.Fatalf("error %v, %d rows affected: %s", err, tag.RowsAffected(), sql)
	}
}

// historyOf reads a history and checks what must be true of every history: each event belongs to its version, and no version is missing.
func historyOf(t *testing.T, store checkout.Store, s checkout.Session) []checkout.Session {
	t.Helper()
	is := is.New(t)
	events, err := store.History(t.Context(), s.Account, s.ID)
	is.NoErr(err)
	var states []checkout.Session
	for i, e := range events {
		is.Equal(e, checkout.NewEvent(e.Session, ""))
		is.True(i == 0 || e.Session.Version == states[i-1].Version+1) // without a gap
		states = append(states, e.Session)
	}
	return states
}

// withUpdatedAt returns s with another UpdatedAt. The older release did not store the time of a change, so the store shows the latest time
// that it knows.
func withUpdatedAt(s checkout.Session, updated time.Time) checkout.Session {
	s.UpdatedAt = updated
	return s
}

// TestUpgradeFromTheReleaseWithoutEvents proves that a database of the release before events can be upgraded, also while programs of that
// release still write.
func TestUpgradeFromTheReleaseWithoutEvents(t *testing.T) {
	setUp := func(t *testing.T) (older, string) {
		t.Helper()
		url := pgtest.URL(t)
		return olderSchema(t, connect(t, url)), url
	}

	t.Run("keeps rows, replays keys, and begins histories with the state that it finds", func(t *testing.T) {
		is := is.New(t)
		old, url := setUp(t)
		untouched := old.create(newSession())
		begun := newSession()
		begun.PaymentID = "pay_1"
		old.create(begun)
		begun = next(begun, checkout.StatusPending)
		begun.PaymentID = "pay_2"
		old.update(begun)
		paid := old.update(next(old.update(next(old.create(newSession()), checkout.StatusProcessing)), checkout.StatusCompleted))
		due := newSession()
		due.ExpiresAt = due.CreatedAt.Add(5 * time.Minute)
		old.create(due)

		store := openURL(t, url)
		want := []checkout.Session{untouched, withUpdatedAt(begun, begun.CreatedAt), withUpdatedAt(paid, paid.CompletedAt), due}
		for _, s := range want {
			got, err := store.Get(t.Context(), s.Account, s.ID)
			is.NoErr(err)
			is.Equal(got, s)
			again := newSession()
			again.IdempotencyKey = s.IdempotencyKey
			held, created, err := store.Create(t.Context(), again)
			is.NoErr(err)
			is.True(!created)
			is.Equal(held, s)
			is.Equal(historyOf(t, store, s), []checkout.Session{s})
		}
		for status, s := range map[checkout.Status]checkout.Session{
			checkout.StatusCreated: untouched, checkout.StatusPending: want[1], checkout.StatusCompleted: want[2], checkout.StatusExpired: due,
		} {
			listed, total, err := store.List(t.Context(), s.Account, checkout.Query{Status: status, Limit: 50, At: due.ExpiresAt})
			is.NoErr(err)
			is.Equal(listed, []checkout.Session{s})
			is.Equal(total, 1)
		}
		feed, _ := feedOf(t, store, "")
		is.Equal(len(feed), 0)

		// A change by this release keeps the state before it in the history. That state is not an event of the feed.
		more := change(t, store, want[1], checkout.StatusProcessing)
		is.Equal(historyOf(t, store, more), []checkout.Session{want[1], more})
		last := change(t, store, more, checkout.StatusCompleted)
		is.Equal(historyOf(t, store, last), []checkout.Session{want[1], more, last})
		expired, err := store.Expire(t.Context(), due.ExpiresAt, 10)
		is.NoErr(err)
		is.Equal(len(expired), 1)
		is.Equal(historyOf(t, store, due), []checkout.Session{due, expired[0]})
		awaitTransactions(t, old.pool)
		feed, _ = feedOf(t, store, "")
		is.Equal(feed, []string{eventOf(more), eventOf(last), eventOf(expired[0])})
	})

	t.Run("lets the older release write beside this one, and keeps histories without a gap", func(t *testing.T) {
		is := is.New(t)
		old, url := setUp(t)
		old.create(newSession()) // its statements are prepared before the schema changes
		store := openURL(t, url)

		// In turns: this release creates and begins the session, the older one sets it to processing, this one completes it.
		first := newSession()
		first.PaymentID = "pay_1"
		first, _, err := store.Create(t.Context(), first)
		is.NoErr(err)
		second := next(first, checkout.StatusPending)
		second.PaymentID = "pay_2"
		is.NoErr(store.Update(t.Context(), second))
		third := old.update(next(second, checkout.StatusProcessing))
		is.Equal(historyOf(t, store, third), []checkout.Session{first, second, withUpdatedAt(third, second.UpdatedAt)})
		fourth := change(t, store, third, checkout.StatusCompleted)
		states := []checkout.Session{first, second, withUpdatedAt(third, second.UpdatedAt), fourth}
		is.Equal(historyOf(t, store, fourth), states)
		listed, _, err := store.List(t.Context(), fourth.Account, checkout.Query{Status: checkout.StatusCompleted, Limit: 50, At: fourth.CreatedAt})
		is.NoErr(err)
		is.Equal(listed, []checkout.Session{fourth})

		// The older release makes the first change and the last one.
		begun := createNew(t, store)
		begun = withUpdatedAt(old.update(next(begun, checkout.StatusPending)), begun.CreatedAt)
		failed := next(begun, checkout.StatusFailed)
		failed.FailureReason = "no money"
		is.NoErr(store.Update(t.Context(), failed))
		paid := next(failed, checkout.StatusCompleted)
		paid.Late = true
		old.update(paid)
		is.Equal(historyOf(t, store, paid), []checkout.Session{begun, failed, withUpdatedAt(paid, paid.CompletedAt)})

		// The older release sweeps, and this one records the late payment.
		swept := createNew(t, store)
		pending := change(t, store, swept, checkout.StatusPending)
		old.expire(swept.ExpiresAt, 2) // this session, and the one that the older release created at first
		expired := next(pending, checkout.StatusExpired)
		expired.UpdatedAt = pending.UpdatedAt
		late := next(expired, checkout.StatusCompleted)
		late.Late = true
		is.NoErr(store.Update(t.Context(), late))
		is.Equal(historyOf(t, store, late), []checkout.Session{swept, pending, expired, late})

		awaitTransactions(t, old.pool)
		feed, _ := feedOf(t, store, "")
		is.Equal(feed, []string{eventOf(second), eventOf(fourth), eventOf(failed), eventOf(pending), eventOf(late)})

		// Prune removes all of this.
		n, err := store.Prune(t.Context(), late.CreatedAt.Add(time.Hour), 100)
		is.NoErr(err)
		is.Equal(n, 4)
		is.Equal(value[int](t, old.pool, "select count(*) from checkout_events"), 0)
	})

	t.Run("neither rewrites the table for events nor changes a row", func(t *testing.T) {
		is := is.New(t)
		old, _ := setUp(t)
		old.create(newSession())
		const file = "select pg_relation_filenode('checkout_sessions')::bigint"
		const row = "select ctid::text || ' ' || xmin::text from checkout_sessions" // another text if a statement has changed the row
		fileBefore, rowBefore := value[int64](t, old.pool, file), value[string](t, old.pool, row)
		sql, err := fs.ReadFile(postgres.Migrations(), "0002_events.sql")
		is.NoErr(err)
		exec(t, old.pool, string(sql))
		is.Equal(value[int64](t, old.pool, file), fileBefore)
		is.Equal(value[string](t, old.pool, row), rowBefore)
	})
}

// TestCreateOnDisk proves that a create writes no more to the disk than in the release without events: no larger rows, no further index.
func TestCreateOnDisk(t *testing.T) {
	is := is.New(t)
	const rows = 2000
	sessions := newSessions(rows)
	before := connect(t, pgtest.URL(t))
	old := olderSchema(t, before)
	for _, s := range sessions {
		old.create(s)
	}
	url := pgtest.URL(t)
	store, now := openURL(t, url), connect(t, url)
	for _, s := range sessions {
		_, _, err := store.Create(t.Context(), s)
		is.NoErr(err)
	}
	t.Run("takes as many pages as in the release without events", func(t *testing.T) {
		const pages = "select pg_relation_size('checkout_sessions') / 8192"
		is.New(t).Equal(value[int](t, now, pages), value[int](t, before, pages)) // 8 bytes more in each row would take two more pages
	})
	t.Run("writes to none of the new indexes", func(t *testing.T) {
		is := is.New(t)
		for _, index := range []string{"checkout_sessions_rest", "checkout_sessions_settled", "checkout_sessions_reference", "checkout_sessions_pending"} {
			is.Equal(value[int](t, now, "select pg_relation_size($1::regclass) / 8192", index), 1) // only the metapage: the index has no root yet
		}
		is.Equal(value[int](t, now, "select count(*) from checkout_events"), 0)
		const indexes = "select count(*) from pg_index where indrelid = 'checkout_sessions'::regclass"
		is.Equal(value[int](t, now, indexes), value[int](t, before, indexes)+4) // checkout_sessions_created replaces checkout_sessions_list
	})
}
