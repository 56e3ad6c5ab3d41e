package webhooktest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/webhook"
)

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
		ok(t, s.DeleteEndpoint(t.Context(), other, mine.ID)) // deletes nothing
		_, err = s.ListDeliveries(t.Context(), other, mine.ID, "", 10)
		is(t, err, checkout.ErrNotFound)
		_, err = s.GetDelivery(t.Context(), other, mine.ID, d.ID)
		is(t, err, checkout.ErrNotFound)
		is(t, s.Requeue(t.Context(), other, mine.ID, d.ID, now), checkout.ErrNotFound)
		theirs := endpoint(2)
		theirs.ID, theirs.Account, theirs.URL = "we_"+other.ID+fmt.Sprint(other.Test), other, mine.URL
		create(t, s, theirs) // another account or mode may have the same URL
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
	ok(t, s.CreateEndpoint(t.Context(), test, 3)) // another mode has a limit of its own
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
			e.URL = endpoint(n / 2).URL // two endpoints with each URL
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
		t.Fatalf("%d were created, %d existed, %d were too many; the store has %d with %d URLs", created, exists, many, len(listed), len(urls))
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

// fail adds a forced delivery to an endpoint, claims it and settles it as failed.
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

func deleteRemovesDeliveries(t *testing.T, s webhook.Store) {
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
