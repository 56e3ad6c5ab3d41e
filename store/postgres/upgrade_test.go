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

// older is the release before events: its schema and its statements, as it sent them for one row.
type older struct {
	t    *testing.T
	pool *pgxpool.Pool
}

// olderSchema makes the database as that release left it.
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
		o.t.Fatalf("%v, %d rows: %s", err, tag.RowsAffected(), sql)
	}
}

// historyOf reads a history, and checks what is true of any.
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

// as is a session as a store tells it whose last change has no time of its own.
func as(s checkout.Session, updated time.Time) checkout.Session {
	s.UpdatedAt = updated
	return s
}

func TestUpgradeFromTheReleaseWithoutEvents(t *testing.T) {
	setUp := func(t *testing.T) (older, string) {
		t.Helper()
		url := pgtest.URL(t)
		return olderSchema(t, connect(t, url)), url
	}

	t.Run("keeps rows, replays keys, and begins histories with what is known", func(t *testing.T) {
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
		want := []checkout.Session{untouched, as(begun, begun.CreatedAt), as(paid, paid.CompletedAt), due}
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

		// What is changed now keeps the state before, which is no event of the feed.
		more := change(t, store, want[1], checkout.StatusProcessing)
		is.Equal(historyOf(t, store, more), []checkout.Session{want[1], more})
		last := change(t, store, more, checkout.StatusCompleted)
		is.Equal(historyOf(t, store, last), []checkout.Session{want[1], more, last})
		expired, err := store.Expire(t.Context(), due.ExpiresAt, 10)
		is.NoErr(err)
		is.Equal(len(expired), 1)
		is.Equal(historyOf(t, store, due), []checkout.Session{due, expired[0]})
		quiet(t, old.pool)
		feed, _ = feedOf(t, store, "")
		is.Equal(feed, []string{eventOf(more), eventOf(last), eventOf(expired[0])})
	})

	t.Run("lets the older release go on beside this one, and keeps histories without a gap", func(t *testing.T) {
		is := is.New(t)
		old, url := setUp(t)
		old.create(newSession()) // its statements are prepared before the schema changes
		store := openURL(t, url)

		// By turns: this one creates and begins, the older one takes it up, this one completes.
		first := newSession()
		first.PaymentID = "pay_1"
		first, _, err := store.Create(t.Context(), first)
		is.NoErr(err)
		second := next(first, checkout.StatusPending)
		second.PaymentID = "pay_2"
		is.NoErr(store.Update(t.Context(), second))
		third := old.update(next(second, checkout.StatusProcessing))
		is.Equal(historyOf(t, store, third), []checkout.Session{first, second, as(third, second.UpdatedAt)})
		fourth := change(t, store, third, checkout.StatusCompleted)
		states := []checkout.Session{first, second, as(third, second.UpdatedAt), fourth}
		is.Equal(historyOf(t, store, fourth), states)
		listed, _, err := store.List(t.Context(), fourth.Account, checkout.Query{Status: checkout.StatusCompleted, Limit: 50, At: fourth.CreatedAt})
		is.NoErr(err)
		is.Equal(listed, []checkout.Session{fourth})

		// The older one makes the first change, and the last.
		begun := made(t, store)
		begun = as(old.update(next(begun, checkout.StatusPending)), begun.CreatedAt)
		failed := next(begun, checkout.StatusFailed)
		failed.FailureReason = "no money"
		is.NoErr(store.Update(t.Context(), failed))
		paid := next(failed, checkout.StatusCompleted)
		paid.Late = true
		old.update(paid)
		is.Equal(historyOf(t, store, paid), []checkout.Session{begun, failed, as(paid, paid.CompletedAt)})

		// The older one sweeps, and this one takes the late payment.
		swept := made(t, store)
		pending := change(t, store, swept, checkout.StatusPending)
		old.expire(swept.ExpiresAt, 2) // and the very first
		expired := next(pending, checkout.StatusExpired)
		expired.UpdatedAt = pending.UpdatedAt
		late := next(expired, checkout.StatusCompleted)
		late.Late = true
		is.NoErr(store.Update(t.Context(), late))
		is.Equal(historyOf(t, store, late), []checkout.Session{swept, pending, expired, late})

		quiet(t, old.pool)
		feed, _ := feedOf(t, store, "")
		is.Equal(feed, []string{eventOf(second), eventOf(fourth), eventOf(failed), eventOf(pending), eventOf(late)})

		// Nothing of it hinders Prune.
		n, err := store.Prune(t.Context(), late.CreatedAt.Add(time.Hour), 100)
		is.NoErr(err)
		is.Equal(n, 4)
		is.Equal(value[int](t, old.pool, "select count(*) from checkout_events"), 0)
	})

	t.Run("rewrites no row for events, and changes none", func(t *testing.T) {
		is := is.New(t)
		old, _ := setUp(t)
		old.create(newSession())
		const file = "select pg_relation_filenode('checkout_sessions')::bigint"
		before := value[int64](t, old.pool, file)
		sql, err := fs.ReadFile(postgres.Migrations(), "0002_events.sql")
		is.NoErr(err)
		exec(t, old.pool, string(sql))
		is.Equal(value[int64](t, old.pool, file), before)
	})
}

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
		is.New(t).Equal(value[int](t, now, pages), value[int](t, before, pages)) // 8 bytes a row would be two more
	})
	t.Run("writes no index that was not there", func(t *testing.T) {
		is := is.New(t)
		for _, index := range []string{"checkout_sessions_rest", "checkout_sessions_settled", "checkout_sessions_reference", "checkout_sessions_pending"} {
			is.Equal(value[int](t, now, "select pg_relation_size($1::regclass) / 8192", index), 1) // the root's place, and no root
		}
		is.Equal(value[int](t, now, "select count(*) from checkout_events"), 0)
		const indexes = "select count(*) from pg_index where indrelid = 'checkout_sessions'::regclass"
		is.Equal(value[int](t, now, indexes), value[int](t, before, indexes)+4) // checkout_sessions_created stands for checkout_sessions_list
	})
}
