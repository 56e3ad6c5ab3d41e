package webhook

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/caisse/checkout"
)

const (
	lease = time.Minute // longer than Timeout plus the time to store the results

	// A delivery that has no answer after slowAfter gives its place among the Concurrency to another delivery. Nearly all
	// endpoints answer sooner, and those that hang must not occupy all places for the 15 seconds of a timeout.
	slowAfter = 250 * time.Millisecond
	slowMost  = 16 // at most slowMost times Concurrency deliveries have given their places away at any time

	planPage   = 500                   // how many events are planned in one transaction
	claimPage  = 100                   // how many deliveries are claimed in one transaction
	settlePage = 256                   // how many results are stored in one transaction
	settleWait = 50 * time.Millisecond // how long a result waits for more results, to be stored in one transaction with them

	// gather is how long a step that found work waits before it looks again, so that one transaction takes all work that came
	// meanwhile. Otherwise each change would be planned, claimed and settled in transactions of its own, on the disk that the
	// creates need. Measured with 200 changes a second, creates ran at 0.79 of their normal rate without this wait, and at 0.90
	// with it.
	gather = 25 * time.Millisecond

	busyPoll  = 50 * time.Millisecond  // the pause of a step that found work in the last 5 seconds (calm)
	idlePoll  = 250 * time.Millisecond // the pause of a step that found work in the last minute (quiet)
	quietPoll = time.Second            // the pause of a step that found no work for longer
	calm      = 5 * time.Second
	quiet     = time.Minute
	failPoll  = time.Second // the pause after an error of the store

	sweepEvery = 15 * time.Second
	pruneEvery = 10 * time.Minute
	sweepPage  = 500
)

// Run plans and delivers until ctx ends. Then it claims nothing more, waits for the requests that are under way, at most 15 seconds, stores
// their results and returns nil. Any number of instances may run at once. It also sweeps ([checkout.Checkouts.ExpireDue]), so a host
// that runs it needs no timer for that.
//
// If the store fails, Run tries again later; nothing is lost. Call Run only once at a time on one Webhooks.
func (w *Webhooks) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	parts.Go(func() { w.poll(ctx, "plan", nil, w.plan) })
	parts.Go(func() { w.every(ctx, "sweep", sweepEvery, w.sweep) })
	parts.Go(func() { w.every(ctx, "prune deliveries", pruneEvery, w.prune) })
	w.deliver(ctx)
	parts.Wait()
	w.client.CloseIdleConnections() // a receiver that stops would wait for them
	return nil
}

// poll repeats a step until ctx ends. After a step that found work it waits for gather. Otherwise its wait depends on how long ago
// there was work, and a value on wake ends the wait.
func (w *Webhooks) poll(ctx context.Context, doing string, wake <-chan struct{}, step func(context.Context) (did bool, err error)) {
	worked := time.Now()
	for ctx.Err() == nil {
		did, err := step(ctx)
		if err == nil {
			w.logRecovery()
		}
		pause := quietPoll
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, checkout.ErrConflict): // another instance does it
			pause = jittered(idlePoll)
		case err != nil:
			w.logFailure(doing, err)
			pause = failPoll
		case did:
			worked = time.Now()
			select { // wake does not end this wait, so that the next step finds more work at once
			case <-ctx.Done():
			case <-time.After(gather):
			}
			continue
		case time.Since(worked) < calm:
			pause = busyPoll
		case time.Since(worked) < quiet:
			pause = idlePoll
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-time.After(pause):
		}
	}
}

// every repeats a step after each pause, and without a pause as long as the step reports that there is more work.
func (w *Webhooks) every(ctx context.Context, doing string, pause time.Duration, step func(context.Context) (did bool, err error)) {
	for ctx.Err() == nil {
		did, err := step(ctx)
		if err != nil && ctx.Err() == nil {
			w.logFailure(doing, err)
		}
		if did && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(jittered(pause)):
		}
	}
}

// logFailure logs that a step failed. While the store is unavailable it logs the first failure, and counts the others.
func (w *Webhooks) logFailure(doing string, err error) {
	if !errors.Is(err, checkout.ErrUnavailable) || w.outage.Failed() {
		w.log.Error("webhooks: cannot "+doing, "error", err)
	}
}

// logRecovery logs the end of an outage, once.
func (w *Webhooks) logRecovery() {
	if lasted, failures, ended := w.outage.Answered(); ended {
		w.log.Info("webhooks: the store answers again", "failed_for", lasted, "failed", failures)
	}
}

func (w *Webhooks) sweep(ctx context.Context) (bool, error) {
	expired, err := w.checkouts.ExpireDue(ctx, sweepPage)
	return len(expired) == sweepPage, err
}

func (w *Webhooks) prune(ctx context.Context) (bool, error) {
	n, err := w.store.PruneDeliveries(ctx, w.now().Add(-KeepTime), sweepPage)
	return n == sweepPage, err
}

// plan reads the new events of the feed and writes a delivery for each endpoint that wants them. It reads the feed before the endpoints,
// so it finds every endpoint that existed when the event was written.
func (w *Webhooks) plan(ctx context.Context) (did bool, err error) {
	from, err := w.store.Position(ctx)
	if err != nil {
		return false, err
	}
	events, err := w.checkouts.Events(ctx, from, planPage)
	if err != nil || len(events) == 0 {
		return false, err
	}
	var accounts []checkout.Account
	known := make(map[checkout.Account]bool)
	for _, e := range events {
		if a := e.Session.Account; !known[a] {
			known[a] = true
			accounts = append(accounts, a)
		}
	}
	stored, err := w.store.ListEndpoints(ctx, accounts)
	if err != nil {
		return false, err
	}
	endpoints := make(map[checkout.Account][]StoredEndpoint)
	for _, e := range stored {
		endpoints[e.Account] = append(endpoints[e.Account], e)
	}
	now := w.now()
	var deliveries []StoredDelivery
	for _, event := range events {
		var body []byte
		for _, e := range endpoints[event.Session.Account] {
			if creation(event) || e.Status != Active || !e.Wants(event.Type) || event.At.Before(e.CreatedAt) {
				continue
			}
			if body == nil {
				if body, err = event.MarshalJSON(); err != nil {
					return false, err
				}
			}
			d, err := w.newDelivery(e.ID, event.ID, event.Type, body, now)
			if err != nil {
				return false, err
			}
			deliveries = append(deliveries, d)
		}
	}
	if err := w.store.Plan(ctx, from, events[len(events)-1].Cursor, deliveries); err != nil {
		return false, err
	}
	if len(deliveries) > 0 {
		w.signal()
	}
	return true, nil
}

// deliver claims deliveries that are due, sends them and stores the results. It returns when ctx has ended and all results are stored.
func (w *Webhooks) deliver(ctx context.Context) {
	results := make(chan Settlement, w.config.Concurrency)
	freed := make(chan struct{}, 1)
	var (
		mu        sync.Mutex
		busy      = make(map[string]int) // how many deliveries are under way, by endpoint
		inFlight  int                    // how many deliveries occupy one of the Concurrency places
		slow      = make(map[string]int) // how many deliveries have given their place away, by endpoint
		slowCount int                    // the sum of slow
		more      bool                   // there may be more due deliveries than the last claim took
		sent      sync.WaitGroup
	)
	settled := make(chan struct{})
	go func() {
		defer close(settled)
		w.settle(results)
	}()
	claim := func(ctx context.Context) (bool, error) {
		mu.Lock()
		most := min(w.config.Concurrency-inFlight, claimPage)
		taken := make(map[string]int, len(busy))
		for endpoint, n := range busy {
			taken[endpoint] = n
			if slow[endpoint] > 0 { // the endpoint may hang: send it nothing more until it answers
				taken[endpoint] = w.config.PerEndpoint
			}
		}
		more = true
		mu.Unlock()
		if most <= 0 {
			return false, nil
		}
		now := w.now()
		claims, err := w.store.Claim(ctx, now, now.Add(lease), most, w.config.PerEndpoint, taken)
		if err != nil {
			return false, err
		}
		mu.Lock()
		for _, c := range claims {
			inFlight++
			busy[c.Endpoint.ID]++
		}
		more = len(claims) == most
		mu.Unlock()
		for _, c := range claims {
			sent.Go(func() {
				free := func() {
					select {
					case freed <- struct{}{}:
					default:
					}
				}
				isSlow, isDone := false, false
				timer := time.AfterFunc(slowAfter, func() {
					mu.Lock()
					defer mu.Unlock()
					if isDone || slowCount >= slowMost*w.config.Concurrency {
						return
					}
					isSlow = true
					slowCount++
					slow[c.Endpoint.ID]++
					inFlight--
					free()
				})
				// A request that has begun is finished even if ctx ends. Otherwise it would be sent again.
				results <- w.try(context.WithoutCancel(ctx), c)
				timer.Stop()
				mu.Lock()
				isDone = true
				wanted := more || busy[c.Endpoint.ID] >= w.config.PerEndpoint || slow[c.Endpoint.ID] > 0
				if isSlow {
					slowCount--
					if slow[c.Endpoint.ID]--; slow[c.Endpoint.ID] == 0 {
						delete(slow, c.Endpoint.ID)
					}
				} else {
					inFlight--
				}
				if busy[c.Endpoint.ID]--; busy[c.Endpoint.ID] == 0 {
					delete(busy, c.Endpoint.ID)
				}
				mu.Unlock()
				if wanted { // otherwise a claim would find nothing
					free()
				}
			})
		}
		return len(claims) > 0, nil
	}
	wake := make(chan struct{}, 1)
	stop := make(chan struct{})
	go func() { // wakes poll when there is a new delivery and when a place is free
		for {
			select {
			case <-stop:
				return
			case <-w.wake:
			case <-freed:
			}
			select {
			case wake <- struct{}{}:
			default:
			}
		}
	}()
	w.poll(ctx, "claim deliveries", wake, claim)
	sent.Wait()
	close(results)
	close(stop)
	<-settled
}

// settle stores results, many in one transaction, until there are no more. While the store fails it tries again, until the leases
// are nearly over. Deliveries whose results could not be stored are sent again.
func (w *Webhooks) settle(results <-chan Settlement) {
	for first := range results {
		batch := []Settlement{first}
		enough := time.After(settleWait)
	more:
		for len(batch) < settlePage {
			select {
			case next, ok := <-results:
				if !ok {
					break more
				}
				batch = append(batch, next)
			case <-enough:
				break more
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), lease-Timeout)
		for {
			err := w.store.Settle(ctx, batch)
			if err == nil {
				break
			}
			w.logFailure("settle deliveries", err)
			select {
			case <-ctx.Done():
			case <-time.After(failPoll):
				continue
			}
			break
		}
		cancel()
	}
}

// endpointAttr names an endpoint in the log.
func endpointAttr(e StoredEndpoint) slog.Attr { return slog.Any("endpoint", e.Endpoint) }
