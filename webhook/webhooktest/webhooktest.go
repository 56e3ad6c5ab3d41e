// Package webhooktest tests a webhook.Store against its contract.
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

// Run runs the suite. Each test gets a store of its own from newStore, which should remove it with t.Cleanup.
//
//	func TestWebhooks(t *testing.T) {
//		webhooktest.Run(t, func(t *testing.T) webhook.Store { return memory.New().Webhooks() })
//	}
func Run(t *testing.T, newStore func(t *testing.T) webhook.Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, webhook.Store){
		"an endpoint is kept as it was written":                                      endpointIsKept,
		"endpoints of another account or mode are not visible":                       endpointsAreScoped,
		"an account has no more endpoints than the limit, and each URL once":         endpointsAreLimited,
		"endpoints that are created at once do not exceed the limit":                 endpointsAtOnce,
		"an update replaces only the version before it":                              updateIsCompareAndSwap,
		"an endpoint that becomes active again has no failures":                      updateHeals,
		"a delete also removes the deliveries, and may be repeated":                  deleteRemovesDeliveries,
		"a plan moves the position and adds its deliveries, or changes nothing":      planIsAtomic,
		"only one of several plans from one position succeeds":                       plansAtOnce,
		"a claim returns due deliveries, and other claims do not until it expires":   claimLeases,
		"a claim does not exceed the limit of each endpoint":                         claimIsFair,
		"a claim skips disabled and failing endpoints, except for forced deliveries": claimSkips,
		"claims at once return each delivery once":                                   claimsAtOnce,
		"a settlement is stored, unless the delivery was claimed again":              settleByLease,
		"settlements change the health of an endpoint":                               settleHealth,
		"settlements of one call are applied in their order":                         settleInOrder,
		"deliveries are listed with the newest first":                                deliveriesAreListed,
		"a delivery is due again after a requeue":                                    requeue,
		"settled deliveries are pruned, and pending ones are not":                    prune,
		"a call whose context has ended changes nothing":                             endedContext,
		"the store shares no memory with its callers":                                noAliases,
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
		t.Fatalf("the error is %v, want %v", err, want)
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
	ok(t, s.Settle(t.Context(), []webhook.Settlement{{Delivery: stale}})) // ignored, because its Lease is from before the Requeue
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
	d := delivery(e, 1)
	add(t, s, d)
	changed := e
	changed.Version, changed.Description = 2, "changed"
	settled := d
	settled.State, settled.NextAttempt = webhook.Delivered, time.Time{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"CreateEndpoint": func() error { return s.CreateEndpoint(ctx, endpoint(2), 10) },
		"GetEndpoint":    func() error { _, err := s.GetEndpoint(ctx, merchant, e.ID); return err },
		"ListEndpoints":  func() error { _, err := s.ListEndpoints(ctx, []checkout.Account{merchant}); return err },
		"UpdateEndpoint": func() error { return s.UpdateEndpoint(ctx, changed) },
		"DeleteEndpoint": func() error { return s.DeleteEndpoint(ctx, merchant, e.ID) },
		"Position":       func() error { _, err := s.Position(ctx); return err },
		"Plan":           func() error { return s.Plan(ctx, "", "1", []webhook.StoredDelivery{delivery(e, 2)}) },
		"AddDelivery":    func() error { return s.AddDelivery(ctx, delivery(e, 3)) },
		"Claim": func() error {
			_, err := s.Claim(ctx, now.Add(time.Hour), now.Add(2*time.Hour), 10, 10, nil)
			return err
		},
		"Settle":          func() error { return s.Settle(ctx, []webhook.Settlement{{Delivery: settled, At: now}}) },
		"GetDelivery":     func() error { _, err := s.GetDelivery(ctx, merchant, e.ID, d.ID); return err },
		"ListDeliveries":  func() error { _, err := s.ListDeliveries(ctx, merchant, e.ID, "", 10); return err },
		"Requeue":         func() error { return s.Requeue(ctx, merchant, e.ID, d.ID, now.Add(time.Hour)) },
		"PruneDeliveries": func() error { _, err := s.PruneDeliveries(ctx, now.Add(time.Hour), 10); return err },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: the error is %v, want context.Canceled", name, err)
		}
	}
	listed, err := s.ListEndpoints(t.Context(), []checkout.Account{merchant})
	ok(t, err)
	same(t, listed, []webhook.StoredEndpoint{e})
	deliveries, err := s.ListDeliveries(t.Context(), merchant, e.ID, "", 10)
	ok(t, err)
	same(t, deliveries, []webhook.StoredDelivery{d})
	at, err := s.Position(t.Context())
	ok(t, err)
	same(t, at, checkout.Cursor(""))
}

// noAliases changes the memory of everything that it gives to the store or gets from it. After each change the store must still return
// the values that were written.
func noAliases(t *testing.T, s webhook.Store) {
	scribble := func(e webhook.StoredEndpoint, d webhook.StoredDelivery) {
		e.Events[0], e.Sealed[0], d.Body[0] = "x", 'x', 'x'
		for i := range d.Attempts {
			d.Attempts[i] = webhook.Attempt{Error: "x"}
		}
	}
	fresh := func() (webhook.StoredEndpoint, webhook.StoredDelivery) {
		e := endpoint(1)
		e.Events = []string{"checkout.failed"}
		return e, delivery(e, 1)
	}
	wantEndpoint, want := fresh()
	check := func(after string) {
		t.Helper()
		e, err := s.GetEndpoint(t.Context(), merchant, wantEndpoint.ID)
		ok(t, err)
		d, err := s.GetDelivery(t.Context(), merchant, wantEndpoint.ID, want.ID)
		ok(t, err)
		if !reflect.DeepEqual(e, wantEndpoint) || !reflect.DeepEqual(d, want) {
			t.Fatalf("the store shares memory with the caller of %s: it has %+v and %+v, want %+v and %+v", after, e, d, wantEndpoint, want)
		}
		scribble(e, d)
	}
	e, d := fresh()
	create(t, s, e)
	add(t, s, d)
	scribble(e, d)
	check("CreateEndpoint or AddDelivery")
	check("GetEndpoint or GetDelivery")

	e, _ = fresh()
	e.Version, wantEndpoint.Version = 2, 2
	ok(t, s.UpdateEndpoint(t.Context(), e))
	scribble(e, d)
	check("UpdateEndpoint")

	claims, err := s.Claim(t.Context(), now.Add(time.Hour), now.Add(2*time.Hour), 1, 1, nil)
	ok(t, err)
	want.Lease, want.NextAttempt = 1, now.Add(2*time.Hour)
	scribble(claims[0].Endpoint, claims[0].Delivery)
	check("Claim")

	_, d = fresh()
	want.Attempts = []webhook.Attempt{{At: now, StatusCode: 503, Error: webhook.FaultStatus, Duration: time.Second}}
	d.Lease, d.NextAttempt, d.Attempts = 1, want.NextAttempt, slices.Clone(want.Attempts)
	ok(t, s.Settle(t.Context(), []webhook.Settlement{{Delivery: d, At: now}}))
	e, _ = fresh()
	scribble(e, d)
	check("Settle")

	endpoints, err := s.ListEndpoints(t.Context(), []checkout.Account{merchant})
	ok(t, err)
	deliveries, err := s.ListDeliveries(t.Context(), merchant, wantEndpoint.ID, "", 10)
	ok(t, err)
	scribble(endpoints[0], deliveries[0])
	check("ListEndpoints or ListDeliveries")
}
