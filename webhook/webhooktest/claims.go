package webhooktest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout/webhook"
)

func claimLeases(t *testing.T, s webhook.Store) {
	e := endpoint(1)
	create(t, s, e)
	first, second, later := delivery(e, 1), delivery(e, 2), delivery(e, 3)
	add(t, s, second, first, later)
	got, _ := claim(t, s, first.NextAttempt.Add(-time.Microsecond), 10, 10, nil)
	same(t, len(got), 0)
	got, claims := claim(t, s, first.NextAttempt, 10, 10, nil) // exactly when it is due
	same(t, got, ids(first))
	want := first
	want.NextAttempt, want.Lease = first.NextAttempt.Add(time.Minute), 1
	same(t, claims[0], webhook.Claim{Delivery: want, Endpoint: e})
	got, _ = claim(t, s, second.NextAttempt, 10, 10, nil)
	same(t, got, ids(second))
	got, _ = claim(t, s, first.NextAttempt.Add(time.Minute), 1, 10, nil) // later has been due for longer than first, whose lease ends now
	same(t, got, ids(later))
	got, claims = claim(t, s, first.NextAttempt.Add(time.Minute), 10, 10, nil) // the lease of first has ended
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

func claimSkips(t *testing.T, s webhook.Store) {
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
	same(t, slices.Contains(got, delivery(failing, 3).ID), true) // exactly at its NotBefore
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
	ok(t, s.Settle(t.Context(), []webhook.Settlement{{Delivery: stale}, {Delivery: other}})) // both are ignored
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

// settleInOrder settles a success and a failure of one endpoint in one call. In the first call the success comes before the failure, in the
// second call after it. The results are ordered by descending ID, so a store that sorts them by ID fails.
func settleInOrder(t *testing.T, s webhook.Store) {
	e := endpoint(1)
	create(t, s, e)
	fail(t, s, e, 1, now.Add(time.Hour))
	settle := func(n int, firstFails bool) webhook.Health {
		for _, d := range []webhook.StoredDelivery{delivery(e, n), delivery(e, n+1)} {
			d.NextAttempt, d.Forced = now, true
			add(t, s, d)
		}
		claims, err := s.Claim(t.Context(), now, now.Add(time.Minute), 2, 2, nil)
		ok(t, err)
		same(t, len(claims), 2)
		slices.SortFunc(claims, func(a, b webhook.Claim) int { return -strings.Compare(a.Delivery.ID, b.Delivery.ID) })
		results := make([]webhook.Settlement, 2)
		for i, c := range claims {
			d := c.Delivery
			d.State, d.NextAttempt = webhook.Delivered, time.Time{}
			results[i] = webhook.Settlement{Delivery: d, At: now.Add(time.Duration(n) * time.Minute)}
			if firstFails == (i == 0) {
				results[i].Delivery.State, results[i].Failed = webhook.Failed, true
			}
		}
		ok(t, s.Settle(t.Context(), results))
		got, err := s.GetEndpoint(t.Context(), merchant, e.ID)
		ok(t, err)
		return got.Health
	}
	same(t, settle(2, false), webhook.Health{Failures: 1, FailingSince: now.Add(2 * time.Minute)}) // the failure has no NotBefore
	same(t, settle(4, true), webhook.Health{})
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
	fail(t, s, e, 2, now.Add(time.Minute)) // an earlier NotBefore, which has no effect
	same(t, health(), webhook.Health{Failures: 2, FailingSince: now.Add(time.Second), NotBefore: now.Add(time.Hour)})
	test := delivery(e, 3)
	test.Forced, test.Once = true, true
	add(t, s, test)
	_, claims := claim(t, s, now.Add(time.Second), 1, 1, nil)
	failed := claims[0].Delivery
	failed.State, failed.NextAttempt = webhook.Failed, time.Time{}
	ok(t, s.Settle(t.Context(), []webhook.Settlement{{Delivery: failed, At: now}})) // a failed test does not change the health
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
