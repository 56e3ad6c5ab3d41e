// Package webhooktest holds a webhook.Store to its contract.
package webhooktest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/webhook"
)

// Run runs the suite. Each test has a store of its own, which newStore makes and clears away with t.Cleanup.
//
//	func TestWebhooks(t *testing.T) {
//		webhooktest.Run(t, func(t *testing.T) webhook.Store { return memory.New().Webhooks() })
//	}
func Run(t *testing.T, newStore func(t *testing.T) webhook.Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, webhook.Store){
		"an endpoint is kept as it was written":                       endpointIsKept,
		"endpoints of another account or mode are not there":          endpointsAreScoped,
		"an account has as many endpoints as it may, each URL once":   endpointsAreLimited,
		"endpoints that are created at once keep to the limit":        endpointsAtOnce,
		"an update is a compare-and-swap":                             updateIsCompareAndSwap,
		"an endpoint that becomes active again is healthy":            updateHeals,
		"a delete takes the deliveries along, and may be repeated":    deleteTakesDeliveries,
		"a plan moves the position and writes, or does nothing":       planIsAtomic,
		"plans at once from one position have one winner":             plansAtOnce,
		"a claim gives what is due, and to nobody else until later":   claimLeases,
		"a claim keeps to the limit of each endpoint":                 claimIsFair,
		"a claim leaves alone who is disabled or failing":             claimLeavesAlone,
		"claims at once share the work":                               claimsAtOnce,
		"a settlement is kept, and one that comes too late is not":    settleByLease,
		"settlements tell how an endpoint fares":                      settleHealth,
		"deliveries are listed, the newest first":                     deliveriesAreListed,
		"a delivery is due again where somebody asks for it":          requeue,
		"what is settled is pruned, and what is pending is not":       prune,
		"a context that has ended changes nothing":                    endedContext,
		"what is handed over and returned is the caller's own to use": noAliases,
	} {
		t.Run(name, func(t *testing.T) { test(t, newStore(t)) })
	}
}

var (
	now      = time.Date(2026, time.November, 22, 7, 31, 56, 123456000, time.UTC)
	merchant = checkout.Account{ID: "acct_1"}
)

func endpoint(n int) webhook.StoredEndpoint {
	return webhook.StoredEndpoint{
		Endpoint: webhook.Endpoint{
			ID: fmt.Sprintf("we_%032x", n), URL: fmt.Sprintf("https://shop%d.example/hooks?a=1&é", n), Status: webhook.Active,
			CreatedAt: now.Add(time.Duration(n) * time.Microsecond),
		},
		Account: merchant, Version: 1, Sealed: []byte{0, 1, 2, byte(n)},
	}
}

func delivery(endpoint webhook.StoredEndpoint, n int) webhook.StoredDelivery {
	return webhook.StoredDelivery{
		Delivery: webhook.Delivery{
			ID: fmt.Sprintf("wd_%032x", n), EventID: fmt.Sprintf("evt_%032x_2", n), EventType: "checkout.completed", State: webhook.Pending,
			NextAttempt: now.Add(time.Duration(n) * time.Microsecond), CreatedAt: now,
		},
		EndpointID: endpoint.ID, Body: fmt.Appendf(nil, `{"n": %d}`, n),
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("the error is %v, not %v", err, want)
	}
}

func same(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

func create(t *testing.T, s webhook.Store, endpoints ...webhook.StoredEndpoint) {
	t.Helper()
	for _, e := range endpoints {
		ok(t, s.CreateEndpoint(t.Context(), e, 100))
	}
}

func add(t *testing.T, s webhook.Store, deliveries ...webhook.StoredDelivery) {
	t.Helper()
	for _, d := range deliveries {
		ok(t, s.AddDelivery(t.Context(), d))
	}
}

func claim(t *testing.T, s webhook.Store, at time.Time, limit, perEndpoint int, busy map[string]int) (ids []string, claims []webhook.Claim) {
	t.Helper()
	claims, err := s.Claim(t.Context(), at, at.Add(time.Minute), limit, perEndpoint, busy)
	ok(t, err)
	for _, c := range claims {
		ids = append(ids, c.Delivery.ID)
	}
	slices.Sort(ids)
	return ids, claims
}

func ids(deliveries ...webhook.StoredDelivery) (all []string) {
	for _, d := range deliveries {
		all = append(all, d.ID)
	}
	slices.Sort(all)
	return all
}

func endpointIsKept(t *testing.T, s webhook.Store) {
	full := endpoint(1)
	full.Events, full.Description, full.Status, full.DisabledReason = []string{"checkout.completed", "checkout.failed"}, "My \"shop\" é\n", webhook.Disabled, webhook.DisabledGone
	full.OldSealed, full.OldUntil = []byte("old\x00"), now.Add(time.Hour)
	plain := endpoint(2)
	create(t, s, full, plain)
	for _, want := range []webhook.StoredEndpoint{full, plain} {
		got, err := s.GetEndpoint(t.Context(), merchant, want.ID)
		ok(t, err)
		same(t, got, want)
	}
	listed, err := s.ListEndpoints(t.Context(), []checkout.Account{merchant})
	ok(t, err)
	same(t, listed, []webhook.StoredEndpoint{plain, full}) // the newest first
	_, err = s.GetEndpoint(t.Context(), merchant, "we_none")
	is(t, err, checkout.ErrNotFound)
}

func endpointsAreScoped(t *testing.T, s webhook.Store) {
	mine := endpoint(1)
	create(t, s, mine)
	d := delivery(mine, 1)
	add(t, s, d)
	for _, other := range []checkout.Account{{ID: "acct_2"}, {ID: "acct_1", Test: true}} {
		_, err := s.GetEndpoint(t.Context(), other, mine.ID)
		is(t, err, checkout.ErrNotFound)
		listed, err := s.ListEndpoints(t.Context(), []checkout.Account{other})
		ok(t, err)
		same(t, len(listed), 0)
		changed := mine
		changed.Account, changed.Version = other, 2
		is(t, s.UpdateEndpoint(t.Context(), changed), checkout.ErrNotFound)
		ok(t, s.DeleteEndpoint(t.Context(), other, mine.ID)) // of nothing
		_, err = s.ListDeliveries(t.Context(), other, mine.ID, "", 10)
		is(t, err, checkout.ErrNotFound)
		_, err = s.GetDelivery(t.Context(), other, mine.ID, d.ID)
		is(t, err, checkout.ErrNotFound)
		is(t, s.Requeue(t.Context(), other, mine.ID, d.ID, now), checkout.ErrNotFound)
		theirs := endpoint(2)
		theirs.ID, theirs.Account, theirs.URL = "we_"+other.ID+fmt.Sprint(other.Test), other, mine.URL
		create(t, s, theirs) // one URL may be that of several accounts
		_, err = s.GetDelivery(t.Context(), other, theirs.ID, d.ID)
		is(t, err, checkout.ErrNotFound)
	}
	got, err := s.GetEndpoint(t.Context(), merchant, mine.ID)
	ok(t, err)
	same(t, got, mine)
	listed, err := s.ListEndpoints(t.Context(), []checkout.Account{merchant, {ID: "acct_2"}, {ID: "acct_3"}})
	ok(t, err)
	same(t, len(listed), 2)
	listed, err = s.ListEndpoints(t.Context(), nil)
	ok(t, err)
	same(t, len(listed), 0)
}

func endpointsAreLimited(t *testing.T, s webhook.Store) {
	for n := range 3 {
		ok(t, s.CreateEndpoint(t.Context(), endpoint(n), 3))
	}
	is(t, s.CreateEndpoint(t.Context(), endpoint(3), 3), webhook.ErrTooManyEndpoints)
	twin := endpoint(4)
	twin.URL = endpoint(0).URL
	is(t, s.CreateEndpoint(t.Context(), twin, 100), webhook.ErrEndpointExists)
	moved := endpoint(1)
	moved.URL, moved.Version = endpoint(0).URL, 2
	is(t, s.UpdateEndpoint(t.Context(), moved), webhook.ErrEndpointExists)
	test := endpoint(5)
	test.Account.Test = true
	ok(t, s.CreateEndpoint(t.Context(), test, 3)) // another mode
	ok(t, s.DeleteEndpoint(t.Context(), merchant, endpoint(0).ID))
	ok(t, s.CreateEndpoint(t.Context(), twin, 3))
}

func endpointsAtOnce(t *testing.T, s webhook.Store) {
	var created, exists, many int
	var mu sync.Mutex
	var all sync.WaitGroup
	for n := range 12 {
		all.Go(func() {
			e := endpoint(n)
			e.URL = endpoint(n / 2).URL // each twice
			err := s.CreateEndpoint(context.Background(), e, 4)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				created++
			case errors.Is(err, webhook.ErrEndpointExists):
				exists++
			case errors.Is(err, webhook.ErrTooManyEndpoints):
				many++
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	listed, err := s.ListEndpoints(t.Context(), []checkout.Account{merchant})
	ok(t, err)
	urls := make(map[string]bool)
	for _, e := range listed {
		urls[e.URL] = true
	}
	if created != 4 || len(listed) != 4 || len(urls) != 4 {
		t.Fatalf("%d were created, %d exist already, %d are too many; there are %d with %d URLs", created, exists, many, len(listed), len(urls))
	}
}

func updateIsCompareAndSwap(t *testing.T, s webhook.Store) {
	e := endpoint(1)
	create(t, s, e)
	next := e
	next.Version, next.URL, next.Events, next.Description = 2, "https://other.example/", []string{"checkout.failed"}, "changed"
	next.Status, next.DisabledReason = webhook.Disabled, webhook.DisabledMerchant
	next.Sealed, next.OldSealed, next.OldUntil = []byte("new"), e.Sealed, now.Add(24*time.Hour)
	ok(t, s.UpdateEndpoint(t.Context(), next))
	got, err := s.GetEndpoint(t.Context(), merchant, e.ID)
	ok(t, err)
	same(t, got, next)
	is(t, s.UpdateEndpoint(t.Context(), next), checkout.ErrConflict)
	far := next
	far.Version = 9
	is(t, s.UpdateEndpoint(t.Context(), far), checkout.ErrConflict)
	none := endpoint(7)
	none.Version = 2
	is(t, s.UpdateEndpoint(t.Context(), none), checkout.ErrNotFound)
	back := next
	back.Version, back.Events, back.Description, back.OldSealed, back.OldUntil = 3, nil, "", nil, time.Time{}
	back.Status, back.DisabledReason = webhook.Active, ""
	ok(t, s.UpdateEndpoint(t.Context(), back))
	got, err = s.GetEndpoint(t.Context(), merchant, e.ID)
	ok(t, err)
	same(t, got, back)
}

func fail(t *testing.T, s webhook.Store, e webhook.StoredEndpoint, n int, notBefore time.Time) {
	t.Helper()
	d := delivery(e, n)
	d.NextAttempt, d.Forced = now, true
	add(t, s, d)
	claims, err := s.Claim(t.Context(), now, now.Add(time.Minute), 1, 1, nil)
	ok(t, err)
	d = claims[0].Delivery
	d.State, d.NextAttempt = webhook.Failed, time.Time{}
	ok(t, s.Settle(t.Context(), []webhook.Settlement{{Delivery: d, Failed: true, At: now.Add(time.Duration(n) * time.Second), NotBefore: notBefore}}))
}

func updateHeals(t *testing.T, s webhook.Store) {
	e := endpoint(1)
	create(t, s, e)
	fail(t, s, e, 1, now.Add(time.Hour))
	want := webhook.Health{Failures: 1, FailingSince: now.Add(time.Second), NotBefore: now.Add(time.Hour)}
	e.Version, e.Status = 2, webhook.Disabled
	ok(t, s.UpdateEndpoint(t.Context(), e))
	got, err := s.GetEndpoint(t.Context(), merchant, e.ID)
	ok(t, err)
	same(t, got.Health, want)
	e.Version, e.Status = 3, webhook.Active
	ok(t, s.UpdateEndpoint(t.Context(), e))
	got, err = s.GetEndpoint(t.Context(), merchant, e.ID)
	ok(t, err)
	same(t, got.Health, webhook.Health{})
}

func deleteTakesDeliveries(t *testing.T, s webhook.Store) {
	one, two := endpoint(1), endpoint(2)
	create(t, s, one, two)
	add(t, s, delivery(one, 1), delivery(two, 2))
	for range 2 {
		ok(t, s.DeleteEndpoint(t.Context(), merchant, one.ID))
	}
	_, err := s.GetDelivery(t.Context(), merchant, one.ID, delivery(one, 1).ID)
	is(t, err, checkout.ErrNotFound)
	is(t, s.AddDelivery(t.Context(), delivery(one, 3)), checkout.ErrNotFound)
	got, _ := claim(t, s, now.Add(time.Hour), 10, 10, nil)
	same(t, got, ids(delivery(two, 2)))
}

func planIsAtomic(t *testing.T, s webhook.Store) {
	e := endpoint(1)
	create(t, s, e)
	at, err := s.Position(t.Context())
	ok(t, err)
	same(t, at, checkout.Cursor(""))
	gone := endpoint(9)
	ok(t, s.Plan(t.Context(), "", "7", []webhook.StoredDelivery{delivery(e, 1), delivery(gone, 2), delivery(e, 3)}))
	at, err = s.Position(t.Context())
	ok(t, err)
	same(t, at, checkout.Cursor("7"))
	is(t, s.Plan(t.Context(), "", "8", []webhook.StoredDelivery{delivery(e, 4)}), checkout.ErrConflict)
	is(t, s.Plan(t.Context(), "6", "8", []webhook.StoredDelivery{delivery(e, 4)}), checkout.ErrConflict)
	ok(t, s.Plan(t.Context(), "7", "9:1", nil))
	at, err = s.Position(t.Context())
	ok(t, err)
	same(t, at, checkout.Cursor("9:1"))
	got, err := s.ListDeliveries(t.Context(), merchant, e.ID, "", 10)
	ok(t, err)
	same(t, got, []webhook.StoredDelivery{delivery(e, 3), delivery(e, 1)})
}

func plansAtOnce(t *testing.T, s webhook.Store) {
	e := endpoint(1)
	create(t, s, e)
	var won sync.Map
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			switch err := s.Plan(context.Background(), "", checkout.Cursor(fmt.Sprint(n+1)), []webhook.StoredDelivery{delivery(e, n)}); {
			case err == nil:
				won.Store(n, true)
			case !errors.Is(err, checkout.ErrConflict):
				t.Error(err)
			}
		})
	}
	all.Wait()
	winner, winners := 0, 0
	won.Range(func(n, _ any) bool { winner, winners = n.(int), winners+1; return true })
	same(t, winners, 1)
	got, err := s.ListDeliveries(t.Context(), merchant, e.ID, "", 10)
	ok(t, err)
	same(t, got, []webhook.StoredDelivery{delivery(e, winner)})
}

func claimLeases(t *testing.T, s webhook.Store) {
	e := endpoint(1)
	create(t, s, e)
	first, second, later := delivery(e, 1), delivery(e, 2), delivery(e, 3)
	add(t, s, second, first, later)
	got, _ := claim(t, s, first.NextAttempt.Add(-time.Microsecond), 10, 10, nil)
	same(t, len(got), 0)
	got, claims := claim(t, s, first.NextAttempt, 10, 10, nil) // to the instant
	same(t, got, ids(first))
	want := first
	want.NextAttempt, want.Lease = first.NextAttempt.Add(time.Minute), 1
	same(t, claims[0], webhook.Claim{Delivery: want, Endpoint: e})
	got, _ = claim(t, s, second.NextAttempt, 10, 10, nil)
	same(t, got, ids(second))
	got, _ = claim(t, s, first.NextAttempt.Add(time.Minute), 1, 10, nil) // the longest due of what is: later, whose time has come meanwhile
	same(t, got, ids(later))
	got, claims = claim(t, s, first.NextAttempt.Add(time.Minute), 10, 10, nil) // a lease that ran out
	same(t, got, ids(first))
	same(t, claims[0].Delivery.Lease, int64(2))
}

func claimIsFair(t *testing.T, s webhook.Store) {
	one, two := endpoint(1), endpoint(2)
	create(t, s, one, two)
	for n := range 20 {
		add(t, s, delivery(one, n))
	}
	add(t, s, delivery(two, 20), delivery(two, 21))
	at := now.Add(time.Second)
	got, _ := claim(t, s, at, 100, 3, map[string]int{two.ID: 2})
	same(t, got, ids(delivery(one, 0), delivery(one, 1), delivery(one, 2), delivery(two, 20)))
	got, _ = claim(t, s, at, 100, 3, map[string]int{one.ID: 3, two.ID: 1})
	same(t, got, ids(delivery(two, 21)))
	got, _ = claim(t, s, at, 2, 100, nil)
	same(t, got, ids(delivery(one, 3), delivery(one, 4)))
}

func claimLeavesAlone(t *testing.T, s webhook.Store) {
	active, disabled, failing := endpoint(1), endpoint(2), endpoint(3)
	create(t, s, active, disabled, failing)
	fail(t, s, failing, 100, now.Add(time.Hour))
	disabled.Version, disabled.Status, disabled.DisabledReason = 2, webhook.Disabled, webhook.DisabledMerchant
	ok(t, s.UpdateEndpoint(t.Context(), disabled))
	forced, test := delivery(disabled, 4), delivery(failing, 5)
	forced.Forced, test.Forced, test.Once = true, true, true
	add(t, s, delivery(active, 1), delivery(disabled, 2), delivery(failing, 3), forced, test)
	got, claims := claim(t, s, now.Add(time.Second), 10, 10, nil)
	same(t, got, ids(delivery(active, 1), forced, test))
	for _, c := range claims {
		same(t, c.Delivery.Forced, c.Delivery.ID != delivery(active, 1).ID)
		same(t, c.Delivery.Once, c.Delivery.ID == test.ID)
	}
	got, _ = claim(t, s, now.Add(time.Hour), 10, 10, nil)
	same(t, slices.Contains(got, delivery(failing, 3).ID), true) // to the instant
	same(t, slices.Contains(got, delivery(disabled, 2).ID), false)
}

func claimsAtOnce(t *testing.T, s webhook.Store) {
	const endpoints, each = 4, 10
	for n := range endpoints {
		e := endpoint(n)
		create(t, s, e)
		for i := range each {
			add(t, s, delivery(e, n*each+i))
		}
	}
	var mu sync.Mutex
	seen := make(map[string]int)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				claims, err := s.Claim(context.Background(), now.Add(time.Second), now.Add(time.Minute), 3, 100, nil)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, c := range claims {
					seen[c.Delivery.ID]++
				}
				done := len(seen) == endpoints*each
				mu.Unlock()
				if done {
					return
				}
			}
		})
	}
	all.Wait()
	same(t, len(seen), endpoints*each)
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was claimed %d times", id, n)
		}
	}
}

func settleByLease(t *testing.T, s webhook.Store) {
	e := endpoint(1)
	create(t, s, e)
	add(t, s, delivery(e, 1))
	_, claims := claim(t, s, now.Add(time.Second), 1, 1, nil)
	stale := claims[0].Delivery
	_, claims = claim(t, s, now.Add(time.Hour), 1, 1, nil)
	d := claims[0].Delivery
	d.Attempts = []webhook.Attempt{
		{At: now, StatusCode: 503, Error: webhook.FaultStatus, Duration: 1500 * time.Microsecond},
		{At: now.Add(time.Second), Error: webhook.FaultTimeout, Duration: 15 * time.Second},
	}
	d.NextAttempt = now.Add(2 * time.Hour)
	ok(t, s.Settle(t.Context(), []webhook.Settlement{{Delivery: d, Failed: true, At: now}}))
	stale.State, stale.NextAttempt = webhook.Delivered, time.Time{}
	other := delivery(e, 99)
	ok(t, s.Settle(t.Context(), []webhook.Settlement{{Delivery: stale}, {Delivery: other}})) // passed over
	got, err := s.GetDelivery(t.Context(), merchant, e.ID, d.ID)
	ok(t, err)
	same(t, got, d)
	_, claims = claim(t, s, now.Add(2*time.Hour), 1, 1, nil)
	d = claims[0].Delivery
	d.State, d.NextAttempt = webhook.Delivered, time.Time{}
	d.Attempts = append(d.Attempts, webhook.Attempt{At: now.Add(2 * time.Hour), StatusCode: 204, Duration: time.Millisecond})
	ok(t, s.Settle(t.Context(), []webhook.Settlement{{Delivery: d, At: now}}))
	got, err = s.GetDelivery(t.Context(), merchant, e.ID, d.ID)
	ok(t, err)
	same(t, got, d)
	ids, _ := claim(t, s, now.Add(1000*time.Hour), 10, 10, nil)
	same(t, len(ids), 0)
}

func settleHealth(t *testing.T, s webhook.Store) {
	e := endpoint(1)
	create(t, s, e)
	health := func() webhook.Health {
		got, err := s.GetEndpoint(t.Context(), merchant, e.ID)
		ok(t, err)
		return got.Health
	}
	fail(t, s, e, 1, now.Add(time.Hour))
	fail(t, s, e, 2, now.Add(time.Minute)) // earlier
	same(t, health(), webhook.Health{Failures: 2, FailingSince: now.Add(time.Second), NotBefore: now.Add(time.Hour)})
	test := delivery(e, 3)
	test.Forced, test.Once = true, true
	add(t, s, test)
	_, claims := claim(t, s, now.Add(time.Second), 1, 1, nil)
	failed := claims[0].Delivery
	failed.State, failed.NextAttempt = webhook.Failed, time.Time{}
	ok(t, s.Settle(t.Context(), []webhook.Settlement{{Delivery: failed, At: now}})) // a test that failed says nothing
	same(t, health(), webhook.Health{Failures: 2, FailingSince: now.Add(time.Second), NotBefore: now.Add(time.Hour)})
	add(t, s, delivery(e, 4))
	_, claims = claim(t, s, now.Add(2*time.Hour), 1, 1, nil)
	done := claims[0].Delivery
	done.State, done.NextAttempt = webhook.Delivered, time.Time{}
	ok(t, s.Settle(t.Context(), []webhook.Settlement{{Delivery: done, At: now}}))
	same(t, health(), webhook.Health{})
	got, err := s.GetEndpoint(t.Context(), merchant, e.ID)
	ok(t, err)
	same(t, got, e) // nothing else has changed
}

func deliveriesAreListed(t *testing.T, s webhook.Store) {
	e, other := endpoint(1), endpoint(2)
	create(t, s, e, other)
	for n := range 5 {
		add(t, s, delivery(e, n))
	}
	add(t, s, delivery(other, 9))
	got, err := s.ListDeliveries(t.Context(), merchant, e.ID, "", 3)
	ok(t, err)
	same(t, got, []webhook.StoredDelivery{delivery(e, 4), delivery(e, 3), delivery(e, 2)})
	got, err = s.ListDeliveries(t.Context(), merchant, e.ID, got[2].ID, 3)
	ok(t, err)
	same(t, got, []webhook.StoredDelivery{delivery(e, 1), delivery(e, 0)})
	_, err = s.ListDeliveries(t.Context(), merchant, "we_none", "", 3)
	is(t, err, checkout.ErrNotFound)
}

func requeue(t *testing.T, s webhook.Store) {
	e := endpoint(1)
	create(t, s, e)
	add(t, s, delivery(e, 1))
	_, claims := claim(t, s, now.Add(time.Second), 1, 1, nil)
	d := claims[0].Delivery
	ok(t, s.Requeue(t.Context(), merchant, e.ID, d.ID, now.Add(2*time.Second)))
	stale := d
	stale.State, stale.NextAttempt = webhook.Failed, time.Time{}
	ok(t, s.Settle(t.Context(), []webhook.Settlement{{Delivery: stale}})) // of a lease from before
	d.NextAttempt, d.Forced, d.Lease = now.Add(2*time.Second), true, 2
	got, err := s.GetDelivery(t.Context(), merchant, e.ID, d.ID)
	ok(t, err)
	same(t, got, d)
	_, claims = claim(t, s, now.Add(2*time.Second), 1, 1, nil)
	done := claims[0].Delivery
	done.State, done.NextAttempt, done.Forced = webhook.Delivered, time.Time{}, false
	ok(t, s.Settle(t.Context(), []webhook.Settlement{{Delivery: done}}))
	ok(t, s.Requeue(t.Context(), merchant, e.ID, d.ID, now.Add(3*time.Second)))
	again, _ := claim(t, s, now.Add(3*time.Second), 1, 1, nil)
	same(t, again, ids(d))
	is(t, s.Requeue(t.Context(), merchant, e.ID, "wd_none", now), checkout.ErrNotFound)
}

func prune(t *testing.T, s webhook.Store) {
	e := endpoint(1)
	create(t, s, e)
	for n := range 4 {
		d := delivery(e, n)
		d.CreatedAt = now.Add(time.Duration(n) * time.Hour)
		add(t, s, d)
	}
	_, claims := claim(t, s, now.Add(time.Second), 3, 10, nil)
	for i, c := range claims {
		c.Delivery.State, c.Delivery.NextAttempt = []webhook.State{webhook.Delivered, webhook.Failed}[i%2], time.Time{}
		ok(t, s.Settle(t.Context(), []webhook.Settlement{{Delivery: c.Delivery}}))
	}
	before := now.Add(2 * time.Hour)
	n, err := s.PruneDeliveries(t.Context(), before, 1)
	ok(t, err)
	same(t, n, 1)
	n, err = s.PruneDeliveries(t.Context(), before, 10)
	ok(t, err)
	same(t, n, 1)
	n, err = s.PruneDeliveries(t.Context(), now.Add(100*time.Hour), 10)
	ok(t, err)
	same(t, n, 1)
	left, err := s.ListDeliveries(t.Context(), merchant, e.ID, "", 10)
	ok(t, err)
	same(t, len(left), 1)
	same(t, left[0].State, webhook.Pending)
}

func endedContext(t *testing.T, s webhook.Store) {
	e := endpoint(1)
	create(t, s, e)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{
		"create": s.CreateEndpoint(ctx, endpoint(2), 10),
		"delete": s.DeleteEndpoint(ctx, merchant, e.ID),
		"plan":   s.Plan(ctx, "", "1", nil),
		"add":    s.AddDelivery(ctx, delivery(e, 1)),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	listed, err := s.ListEndpoints(t.Context(), []checkout.Account{merchant})
	ok(t, err)
	same(t, listed, []webhook.StoredEndpoint{e})
	at, err := s.Position(t.Context())
	ok(t, err)
	same(t, at, checkout.Cursor(""))
}

func noAliases(t *testing.T, s webhook.Store) {
	e := endpoint(1)
	e.Events = []string{"checkout.failed"}
	d := delivery(e, 1)
	create(t, s, e)
	add(t, s, d)
	e.Events[0], e.Sealed[0], d.Body[0] = "x", 'x', 'x'
	got, err := s.GetEndpoint(t.Context(), merchant, e.ID)
	ok(t, err)
	got.Events[0], got.Sealed[0] = "y", 'y'
	got, err = s.GetEndpoint(t.Context(), merchant, e.ID)
	ok(t, err)
	same(t, got.Events, []string{"checkout.failed"})
	same(t, got.Sealed, endpoint(1).Sealed)
	kept, err := s.GetDelivery(t.Context(), merchant, e.ID, d.ID)
	ok(t, err)
	same(t, kept.Body, delivery(e, 1).Body)
}
