package postgres_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/matryer/is"
)

// expectedPage works out in memory, from all rows, what a list must return.
func expectedPage(all []checkout.Session, account checkout.Account, q checkout.Query) (page []string, total int) {
	var some []checkout.Session
	for _, s := range all {
		after := q.AfterID == "" || s.CreatedAt.Before(q.AfterCreatedAt) || s.CreatedAt.Equal(q.AfterCreatedAt) && s.ID < q.AfterID
		if s.Account == account && after &&
			(q.Status == "" || s.StatusAt(q.At) == q.Status) &&
			(q.PaymentID == "" || s.PaymentID == q.PaymentID) &&
			(q.ClientReference == "" || s.ClientReference == q.ClientReference) &&
			(q.CreatedAfter.IsZero() || !s.CreatedAt.Before(q.CreatedAfter)) &&
			(q.CreatedBefore.IsZero() || s.CreatedAt.Before(q.CreatedBefore)) {
			some = append(some, s)
		}
	}
	slices.SortFunc(some, func(a, b checkout.Session) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})
	if q.AfterID == "" {
		total = min(len(some), checkout.MaxListTotal+1)
	}
	for _, s := range some[min(q.Offset, len(some)):min(q.Offset+q.Limit, len(some))] {
		page = append(page, s.ID)
	}
	return page, total
}

// TestListReturnsTheExpectedPage proves that lists with many filters return the expected page. The statement of a list, and the way in
// which it counts, depend on the filters, on how many sessions are due, and on how many the account has.
func TestListReturnsTheExpectedPage(t *testing.T) {
	for _, test := range []struct {
		name                 string
		alive, due, settled  int // sessions of the account
		otherAlive, otherDue int // of the same account in test mode
		every                time.Duration
		limits               []int
	}{
		{"few sessions of each kind", 300, 300, 600, 100, 100, time.Second, []int{1, 7, 100}},
		{"many waiting and due sessions of others", 300, 300, 600, 2500, 2500, time.Second, []int{50}},
		{"many waiting and due sessions of the account", 3000, 3000, 1000, 10, 10, time.Second, []int{50}},
		{"a busy account", 9000, 2500, 2000, 10, 10, time.Second, []int{50}},
		{"more waiting sessions than a list counts, and few that are due", 15_000, 900, 100, 10, 10, time.Second, []int{50}},
		{"many sessions created at one instant", 150, 150, 300, 10, 10, 0, []int{1, 50, 100}},
	} {
		t.Run(test.name, func(t *testing.T) {
			is := is.New(t)
			url := pgtest.URL(t)
			store, pool := openURL(t, url), connect(t, url)
			now := time.Now().UTC().Truncate(time.Second)
			mine, other := checkout.Account{ID: "acct_1"}, checkout.Account{ID: "acct_1", Test: true}
			insert := func(account checkout.Account, n int, status string, lifetime time.Duration, tag string) {
				t.Helper()
				_, err := pool.Exec(t.Context(), `insert into checkout_sessions (
					id, account, test, idempotency_key, fingerprint, status, amount, currency, payment_method, user_phone, payment_id, customer_id,
					description, success_url, cancel_url, created_at, expires_at, failure_reason, transaction_fee, late, version, client_reference
				) select 'cs_ci_' || md5($1 || n), $2, $3, null, sha256(n::text::bytea) || '\x01', `+status+`, 5000, 'XOF', 'mobile_money',
					'+22507' || lpad((n % 300)::text, 8, '0'), 'pay_' || n % 200, '', '', '', '', $4::timestamptz - (n / 2) * $5::interval,
					$4::timestamptz - (n / 2) * $5::interval + $6::interval, '', 25, false, 1, case when n % 3 = 0 then 'ref_' || n % 5 end
				from generate_series(1, $7::int) as n`, tag, account.ID, account.Test, now, test.every, lifetime, n)
				is.NoErr(err)
			}
			waiting := "case when n % 3 = 0 then 'pending' else 'created' end"
			insert(mine, test.alive, waiting, 24*time.Hour, "alive")
			insert(mine, test.due, waiting, -time.Hour, "due") // due before its creation, which is as good here as a list at a later instant
			insert(mine, test.settled, "(array['processing', 'completed', 'failed', 'expired', 'cancelled'])[1 + n % 5]", time.Hour, "settled")
			insert(other, test.otherAlive, waiting, 24*time.Hour, "other alive")
			insert(other, test.otherDue, waiting, -time.Hour, "other due")
			exec(t, pool, "analyze checkout_sessions")
			all := everySession(t, pool)

			for _, base := range everyFilter(now, test.every) {
				for _, limit := range test.limits {
					q := base
					q.At, q.Limit = now, limit
					for place := range 4 { // the first page, the two pages after it, and one by offset
						if place == 3 {
							q.AfterID, q.AfterCreatedAt, q.Offset = "", time.Time{}, 3*limit
						}
						want, total := expectedPage(all, mine, q)
						got, n, err := store.List(t.Context(), mine, q)
						is.NoErr(err)
						var ids []string
						for _, s := range got {
							ids = append(ids, s.ID)
						}
						if !slices.Equal(ids, want) || n != total {
							t.Fatalf("List(%+v) returned %d sessions and the total %d, want %d and %d", q, len(ids), n, len(want), total)
						}
						if len(got) > 0 && place < 2 {
							last := got[len(got)-1]
							q.AfterID, q.AfterCreatedAt = last.ID, last.CreatedAt
						}
					}
				}
			}
		})
	}
}

// everyFilter returns queries with filters of all kinds except the phone, each with every status and with none.
func everyFilter(now time.Time, every time.Duration) (queries []checkout.Query) {
	for _, status := range append([]checkout.Status{""}, checkout.Statuses()...) {
		for _, q := range []checkout.Query{
			{}, {PaymentID: "pay_30"}, {ClientReference: "ref_3"}, {PaymentID: "pay_30", ClientReference: "ref_0"},
			{CreatedAfter: now.Add(-70 * every)}, {CreatedBefore: now.Add(-70 * every)},
			{CreatedAfter: now.Add(-120 * every), CreatedBefore: now.Add(-20 * every)},
			{CreatedAfter: now.Add(-120 * every), CreatedBefore: now.Add(-120 * every)},
		} {
			q.Status = status
			queries = append(queries, q)
		}
	}
	return queries
}

// everySession reads all sessions from the table, without the store.
func everySession(t *testing.T, pool *pgxpool.Pool) []checkout.Session {
	t.Helper()
	rows, err := pool.Query(t.Context(), `select id, account, test, status, created_at, expires_at, coalesce(payment_id, ''),
		coalesce(client_reference, ''), user_phone from checkout_sessions`)
	is.New(t).NoErr(err)
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s checkout.Session, err error) {
		err = row.Scan(&s.ID, &s.Account.ID, &s.Account.Test, &s.Status, &s.CreatedAt, &s.ExpiresAt, &s.PaymentID, &s.ClientReference, &s.UserPhone)
		return s, err
	})
	is.New(t).NoErr(err)
	return all
}

// TestListByPhone proves that a list by phone reads at most the first 10,000 sessions. If the page is not full then, it must end with the
// last session that was read, so that the caller can go on from there.
func TestListByPhone(t *testing.T) {
	is := is.New(t)
	url := pgtest.URL(t)
	store, pool := openURL(t, url), connect(t, url)
	const n = checkout.MaxPhoneScan + 500
	exec(t, pool, insertRareAndCommon("acct_1", n, 2, "completed", "failed")) // the phone number has n % 1000
	account := checkout.Account{ID: "acct_1"}
	phone := func(n int) string { return fmt.Sprintf("+22507%08d", n) }
	q := checkout.Query{UserPhone: phone(7), Limit: 100, At: time.Now()}
	page, total, err := store.List(t.Context(), account, q)
	is.NoErr(err)
	is.Equal(total, 0)
	is.Equal(len(page), 11) // the ten with this phone among the first 10,000, and the last session that was read
	is.Equal(page[9].UserPhone, phone(7))
	is.True(page[10].UserPhone != phone(7))
	q.AfterID, q.AfterCreatedAt = page[10].ID, page[10].CreatedAt
	page, _, err = store.List(t.Context(), account, q)
	is.NoErr(err)
	is.Equal(len(page), 1) // the 10,007th; there are no further sessions to read
	is.Equal(page[0].UserPhone, phone(7))
	q = checkout.Query{UserPhone: phone(8), Limit: 3, At: time.Now()}
	page, _, err = store.List(t.Context(), account, q)
	is.NoErr(err)
	is.Equal(len(page), 3) // the page is full, so that the caller goes on from its last session
	q.Limit, q.Status = 100, checkout.StatusCompleted
	page, _, err = store.List(t.Context(), account, q)
	is.NoErr(err)
	is.Equal(len(page), 11) // 8, 1008, … and 10,008: fewer than 10,000 sessions are completed, so that all are read
	for _, s := range page {
		is.Equal(s.UserPhone, phone(8))
	}
}
