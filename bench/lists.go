package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/postgres"
	"github.com/caisse/checkout/store/sqlite"
)

// listTime is the median time of a list query for each number of sessions.
type listTime struct {
	Store string        `json:"store"`
	What  string        `json:"what"`
	Kind  string        `json:"kind"` // chooses its target
	Took  []timeAtLarge `json:"took"`
}

type timeAtLarge struct {
	Sessions int           `json:"sessions"`
	Median   time.Duration `json:"median_ns"`
}

// The kinds of targets.
const (
	listPage   = "page"
	listPhone  = "phone"
	listOffset = "offset"
)

// listSizes are the numbers of sessions that the account has.
func listSizes(opts options) []int {
	const small, large = 10_000, 1_000_000
	switch n := opts.rows; {
	case n == 0:
		return []int{small, large}
	case n <= small:
		return []int{max(n/10, 1), n}
	case n <= large:
		return []int{small, n}
	default:
		return []int{small, large, n}
	}
}

// listQuestions is how often each query is made.
const listQuestions = 15

// measureLists measures pages of accounts with few sessions and with many.
func measureLists(ctx context.Context, opts options, progress io.Writer, r *report) error {
	for _, n := range listSizes(opts) {
		if err := opts.inFolder(func(dir string) error {
			store, err := sqlite.Open(ctx, filepath.Join(dir, databaseName))
			if err != nil {
				return err
			}
			defer store.Close()
			return r.timeLists(ctx, progress, "SQLite", store, n, func() error { return nil })
		}); err != nil {
			return err
		}
	}
	err := withServer(ctx, opts.postgres, func(server string) error {
		for _, n := range listSizes(opts) {
			if err := inSchema(ctx, server, func(server string) error {
				store, err := postgres.Open(ctx, server)
				if err != nil {
					return err
				}
				defer store.Close()
				return r.timeLists(ctx, progress, "PostgreSQL", store, n, func() error {
					return execute(ctx, server, "VACUUM ANALYZE checkout_sessions") // as autovacuum does
				})
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errNoServer) {
		r.Skipped = append(r.Skipped, fmt.Sprintf("lists on PostgreSQL: %v", err))
		return nil
	}
	return err
}

func (opts options) inFolder(f func(dir string) error) error {
	dir, err := os.MkdirTemp(opts.dir, "checkout-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return f(dir)
}

// The accounts. Each has the same number of sessions. The merchant has sessions of every status, from a whole year; those that are
// created or pending are from the last 12 hours. Each of the other accounts has sessions of one status only.
var (
	listMerchant  = checkout.Account{ID: "acct_merchant"}
	listCreated   = checkout.Account{ID: "acct_created"}
	listCompleted = checkout.Account{ID: "acct_completed"}
)

// listSession returns the nth newest session of an account.
func listSession(account checkout.Account, n, of int, now time.Time) checkout.Session {
	at := now.Add(-time.Duration(n+1) * (365 * 24 * time.Hour / time.Duration(of))).Truncate(time.Microsecond)
	s := checkout.Session{
		Account: account, Amount: 5000, Currency: "XOF", PaymentMethod: checkout.MobileMoney, TransactionFee: 25, Version: 1,
		UserPhone: fmt.Sprintf("+22507%08d", n%1000), Description: "Two baskets of attieke", IdempotencyKey: idempotency.Key(uuid.NewString()),
		Status: checkout.Statuses()[n%7],
	}
	rand.Read(s.Fingerprint[:])
	switch account {
	case listCreated:
		s.Status = checkout.StatusCreated
	case listCompleted:
		s.Status = checkout.StatusCompleted
	}
	if s.Status == checkout.StatusCreated || s.Status == checkout.StatusPending { // an older one would have expired
		at = now.Add(-time.Duration(n+1) * (12 * time.Hour / time.Duration(of))).Truncate(time.Microsecond)
	}
	s.CreatedAt, s.ExpiresAt, s.UpdatedAt = at, at.Add(24*time.Hour), at
	if s.Status == checkout.StatusCompleted {
		s.CompletedAt = at.Add(time.Minute)
	}
	if s.Status != checkout.StatusCreated {
		s.PaymentID = fmt.Sprintf("pay_%d", n)
	}
	if n%10 == 0 {
		s.ClientReference = fmt.Sprintf("order_%d", n)
	}
	id, _ := uuid.NewV7()
	milliseconds := at.UnixMilli()
	for i := range 6 {
		id[i] = byte(milliseconds >> (40 - 8*i))
	}
	s.ID = "cs_ci_" + hex.EncodeToString(id[:])
	return s
}

// listDay is how many sessions a day has, if the year has a million.
const listDay = 2740

// timeLists fills a store and makes the queries.
func (r *report) timeLists(ctx context.Context, progress io.Writer, name string, store checkout.Store, n int, filled func() error) error {
	fmt.Fprintf(progress, "filling %s with three times %s sessions\n", name, thousands(n))
	now := time.Now().UTC().Truncate(time.Microsecond)
	for _, account := range []checkout.Account{listMerchant, listCreated, listCompleted} {
		if err := fillAccount(ctx, store, account, n, now); err != nil {
			return err
		}
	}
	if err := filled(); err != nil {
		return err
	}
	checkouts, err := checkout.New(store, checkout.Config{})
	if err != nil {
		return err
	}
	ask := func(kind, what string, account checkout.Account, q checkout.Query, want bool) error {
		if q.Limit == 0 {
			q.Limit = 50
		}
		took := make([]float64, listQuestions)
		for i := range took {
			begin := time.Now()
			found, err := 0, error(nil)
			if q.AfterID != "" { // a page by cursor
				var sessions []checkout.Session
				sessions, _, err = store.List(ctx, account, q)
				found = len(sessions)
			} else {
				var page checkout.Page
				page, err = checkouts.List(ctx, account, q)
				found = len(page.Sessions)
			}
			took[i] = float64(time.Since(begin))
			if err != nil {
				return fmt.Errorf("%s, %s: %w", name, what, err)
			}
			if (found > 0) != want {
				return fmt.Errorf("%s, %s: %d sessions", name, what, found)
			}
		}
		r.addList(name, what, kind, n, time.Duration(median(took)))
		return nil
	}
	var errs []error
	does := func(kind, what string, account checkout.Account, q checkout.Query, want bool) {
		errs = append(errs, ask(kind, what, account, q, want))
	}
	// At most 50 sessions of the merchant are older than this.
	nearTheEnd := now.AddDate(-1, 0, 0).Add(365 * 24 * time.Hour / time.Duration(n) * 50)
	does(listPage, "the newest page", listMerchant, checkout.Query{}, true)
	does(listPage, "the last page of a walk", listMerchant, checkout.Query{AfterCreatedAt: nearTheEnd, AfterID: "cs_ci_f", At: now}, true)
	for _, status := range checkout.Statuses() {
		does(listPage, "a page of "+string(status), listMerchant, checkout.Query{Status: status}, true)
	}
	does(listPage, "a page of created, where all are created", listCreated, checkout.Query{Status: checkout.StatusCreated}, true)
	does(listPage, "a page of completed, where all are completed", listCompleted, checkout.Query{Status: checkout.StatusCompleted}, true)
	for _, status := range checkout.Statuses() {
		if status != checkout.StatusCreated {
			does(listPage, "no "+string(status)+", where all are created", listCreated, checkout.Query{Status: status}, false)
		}
		if status != checkout.StatusCompleted {
			does(listPage, "no "+string(status)+", where all are completed", listCompleted, checkout.Query{Status: status}, false)
		}
	}
	does(listPage, "a reference", listMerchant, checkout.Query{ClientReference: fmt.Sprintf("order_%d", n/20*10)}, true)
	does(listPage, "no such reference", listMerchant, checkout.Query{ClientReference: "order"}, false)
	does(listPage, "a payment", listMerchant, checkout.Query{PaymentID: fmt.Sprintf("pay_%d", n/14*7+3)}, true)
	// The period has as many sessions as a day of an account with a million, whatever the size of the account: the query measures what
	// sessions outside the period cost. A period with more sessions takes longer, because they are counted, up to 10,000.
	day := 365 * 24 * time.Hour / time.Duration(n) * listDay
	does(listPage, "a day", listMerchant, checkout.Query{CreatedAfter: now.AddDate(0, -6, 0), CreatedBefore: now.AddDate(0, -6, 0).Add(day)}, true)
	does(listPhone, "a phone", listMerchant, checkout.Query{UserPhone: fmt.Sprintf("+22507%08d", 3)}, true)
	if n > checkout.MaxListOffset {
		does(listOffset, "offset 10,000", listMerchant, checkout.Query{Offset: checkout.MaxListOffset}, true)
	}
	return errors.Join(errs...)
}

func fillAccount(ctx context.Context, store checkout.Store, account checkout.Account, n int, now time.Time) error {
	var (
		callers sync.WaitGroup
		mu      sync.Mutex
		failed  error
	)
	next := n
	for range 256 {
		callers.Go(func() {
			for {
				mu.Lock()
				next-- // the oldest first
				i, stop := next, failed != nil
				mu.Unlock()
				if i < 0 || stop {
					return
				}
				if _, _, err := store.Create(ctx, listSession(account, i, n, now)); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
			}
		})
	}
	callers.Wait()
	return failed
}

func (r *report) addList(store, what, kind string, n int, took time.Duration) {
	for i := range r.Lists {
		if l := &r.Lists[i]; l.Store == store && l.What == what {
			l.Took = append(l.Took, timeAtLarge{n, took})
			return
		}
	}
	r.Lists = append(r.Lists, listTime{store, what, kind, []timeAtLarge{{n, took}}})
}

// listTargets adds the targets of each store. A target is for the slowest query of a kind. Queries of the kind listPage have two: a
// ratio to the time with few sessions, and a time. The other kinds have only a time.
func (r *report) listTargets(atMost func(what string, want, reached float64)) {
	for _, store := range []string{"SQLite", "PostgreSQL"} {
		worst := make(map[string]listTime) // by target
		values := make(map[string]float64)
		note := func(target string, l listTime, value float64) {
			if value > values[target] {
				values[target], worst[target] = value, l
			}
		}
		for _, l := range r.Lists {
			if l.Store != store || len(l.Took) < 2 && l.Kind == listPage {
				continue
			}
			last := l.Took[len(l.Took)-1]
			switch l.Kind {
			case listPage:
				for _, at := range l.Took[1:] {
					note("over", l, float64(at.Median)/float64(l.Took[0].Median))
				}
				note("page", l, float64(last.Median)/1e6)
			default:
				note(l.Kind, l, float64(last.Median)/1e6)
			}
		}
		for _, target := range []struct {
			key, what string
			want      float64
		}{
			{"over", "a page beside many sessions over one beside few", 3},
			{"page", "a page, ms", 5},
			{listPhone, "a page by phone, ms", 30},
			{listOffset, "a page at offset 10,000, ms", 10},
		} {
			if l, ok := worst[target.key]; ok {
				atMost(fmt.Sprintf("%s: %s (the slowest: %s)", store, target.what, l.What), target.want, values[target.key])
			}
		}
	}
}

// listTable writes the table of lists.
func listTable(b *strings.Builder, r *report) {
	if len(r.Lists) == 0 {
		return
	}
	columns := []string{"store", "query"}
	for _, at := range r.Lists[0].Took {
		columns = append(columns, " beside "+thousands(at.Sessions)+", ms")
	}
	head(b, "Lists", columns...)
	for _, l := range r.Lists {
		cells := []string{l.Store, l.What}
		for i := len(l.Took); i < len(columns)-2; i++ {
			cells = append(cells, "")
		}
		for _, at := range l.Took {
			cells = append(cells, fmt.Sprintf("%.2f", at.Median.Seconds()*1000))
		}
		row(b, cells...)
	}
}
