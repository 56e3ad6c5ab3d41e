package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/postgres"
	"github.com/caisse/checkout/store/sqlite"
	"github.com/caisse/checkout/webhook"
)

// hookCost is how fast one instance delivers to receivers on this machine.
type hookCost struct {
	Store string  `json:"store"`
	Rate  float64 `json:"rate"` // deliveries a second, if hookWaiting deliveries wait at the start
	// Median is the time from just before a change until its delivery arrives, while a tenth of the endpoints hang. Deliveries to
	// those are not counted.
	Median time.Duration `json:"median_ns"`
	P99    time.Duration `json:"p99_ns"`
	// Creates is the ratio of creates per second beside a dispatcher, which delivers hookPace changes a second, to creates without one.
	Creates float64 `json:"creates"`
}

const (
	hookEndpoints = 1000 // each of an account of its own
	hookWaiting   = 5000 // deliveries that wait when the dispatcher starts
	hookPace      = 200  // changes a second, while a tenth of the endpoints hang and beside creates
	hookCallers   = 256  // of creates
	hookRounds    = 5    // of creates alone and beside a dispatcher
)

// measureWebhooks delivers to a thousand endpoints.
func measureWebhooks(ctx context.Context, opts options, progress io.Writer, r *report) error {
	measure := func(name string, store hookStore) error {
		fmt.Fprintf(progress, "delivering from %s\n", name)
		cost, err := hookRound(ctx, store, opts.measure)
		cost.Store = name
		r.Webhooks = append(r.Webhooks, cost)
		return err
	}
	if err := opts.inFolder(func(dir string) error {
		store, err := sqlite.Open(ctx, filepath.Join(dir, databaseName))
		if err != nil {
			return err
		}
		defer store.Close()
		return measure("SQLite", store)
	}); err != nil {
		return err
	}
	err := withServer(ctx, opts.postgres, func(server string) error {
		return inSchema(ctx, server, func(server string) error {
			store, err := postgres.Open(ctx, server)
			if err != nil {
				return err
			}
			defer store.Close()
			return measure("PostgreSQL", store)
		})
	})
	if errors.Is(err, errNoServer) {
		r.Skipped = append(r.Skipped, fmt.Sprintf("webhooks on PostgreSQL: %v", err))
		return nil
	}
	return err
}

type hookStore interface {
	checkout.Store
	Webhooks() webhook.Store
}

func hookRound(ctx context.Context, store hookStore, d time.Duration) (cost hookCost, err error) {
	checkouts, err := newCheckouts(store)
	if err != nil {
		return cost, err
	}
	var (
		mu      sync.Mutex
		arrived = make(map[string]time.Time) // by event
		hanging bool
	)
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(arrived)
	}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		mu.Lock()
		hangs := hanging && n%10 == 0
		if !hangs {
			arrived[r.Header.Get("Webhook-Id")] = time.Now()
		}
		mu.Unlock()
		if hangs {
			io.Copy(io.Discard, r.Body) // otherwise the server does not notice that the client has gone
			<-r.Context().Done()
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer receiver.Close()
	defer receiver.CloseClientConnections()
	hooks, err := webhook.New(checkouts, store.Webhooks(), webhook.Config{AllowPrivate: true})
	if err != nil {
		return cost, err
	}
	account := func(n int) checkout.Account { return checkout.Account{ID: fmt.Sprintf("acct_%d", n%hookEndpoints)} }
	if err := together(hookEndpoints, 64, func(n int) error {
		_, err := hooks.Create(ctx, account(n), webhook.EndpointParams{URL: fmt.Sprintf("%s/%d", receiver.URL, n)})
		return err
	}); err != nil {
		return cost, err
	}
	change := func(n int) (event string, err error) {
		p := params()
		p.Account = account(n)
		s, _, err := checkouts.Create(ctx, p)
		if err != nil {
			return "", err
		}
		s, err = checkouts.Cancel(ctx, p.Account, s.ID)
		return checkout.NewEvent(s, "").ID, err
	}
	if err := together(hookWaiting, 64, func(n int) error { _, err := change(n); return err }); err != nil {
		return cost, err
	}

	begin := time.Now()
	stop := inBackground(ctx, hooks.Run)
	defer func() { stop() }()
	for count() < hookWaiting {
		if time.Since(begin) > 2*time.Minute {
			return cost, fmt.Errorf("only %d of %d deliveries came in two minutes", count(), hookWaiting)
		}
		time.Sleep(time.Millisecond)
	}
	cost.Rate = hookWaiting / time.Since(begin).Seconds()

	// Creates without a dispatcher are measured before and after, because they become slower as the table grows.
	stop()
	var alone, ratios []float64
	for round := range hookRounds + 1 {
		rate, err := createsBeside(ctx, checkouts, change, d)
		if err != nil {
			return cost, err
		}
		alone = append(alone, rate)
		stop = inBackground(ctx, hooks.Run)
		for last := -1; count() > last; time.Sleep(500 * time.Millisecond) { // until everything is delivered
			last = count()
		}
		if round == hookRounds {
			break
		}
		if rate, err = createsBeside(ctx, checkouts, change, d); err != nil {
			return cost, err
		}
		ratios = append(ratios, rate)
		stop()
	}
	for i := range ratios {
		ratios[i] /= (alone[i] + alone[i+1]) / 2
	}
	cost.Creates = median(ratios)

	mu.Lock()
	hanging = true
	mu.Unlock()
	type made struct {
		event string
		at    time.Time
	}
	var changes []made
	pace := time.NewTicker(time.Second / hookPace)
	defer pace.Stop()
	for n := 0; time.Duration(n)*time.Second/hookPace < 10*d; n++ {
		<-pace.C
		at := time.Now()
		event, err := change(n * 7)
		if err != nil {
			return cost, err
		}
		if n*7%10 != 0 {
			changes = append(changes, made{event, at})
		}
	}
	var took []time.Duration
	for _, c := range changes {
		for {
			mu.Lock()
			at, ok := arrived[c.event]
			mu.Unlock()
			if ok {
				took = append(took, at.Sub(c.at))
				break
			}
			if time.Since(c.at) > time.Minute {
				took = append(took, time.Minute)
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	slices.Sort(took)
	cost.Median, cost.P99 = took[len(took)/2], took[len(took)*99/100]
	receiver.CloseClientConnections() // ends the requests that hang
	return cost, nil
}

// inBackground calls run in a goroutine. The function stop ends its context, and waits until run has returned.
func inBackground(ctx context.Context, run func(context.Context) error) (stop func()) {
	running, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { run(running) })
	return func() {
		cancel()
		done.Wait()
	}
}

// createsBeside returns the creates per second by hookCallers callers, while other sessions change at hookPace.
func createsBeside(ctx context.Context, checkouts *checkout.Checkouts, change func(int) (string, error), d time.Duration) (float64, error) {
	paced, stop := context.WithTimeout(ctx, 2*d)
	defer stop()
	var (
		created atomic.Int64
		all     sync.WaitGroup
		mu      sync.Mutex
		failed  error
	)
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		failed = errors.Join(failed, err)
	}
	all.Go(func() {
		pace := time.NewTicker(time.Second / hookPace)
		defer pace.Stop()
		for n := 0; paced.Err() == nil; n++ {
			<-pace.C
			if _, err := change(n * 7); err != nil {
				fail(err)
				return
			}
		}
	})
	begin := time.Now()
	for range hookCallers {
		all.Go(func() {
			for paced.Err() == nil {
				if _, _, err := checkouts.Create(ctx, params()); err != nil {
					fail(err)
					return
				}
				created.Add(1)
			}
		})
	}
	all.Wait()
	return float64(created.Load()) / time.Since(begin).Seconds(), failed
}

// together calls do with the numbers from 0 to n-1, from that many goroutines. After an error it begins no more calls.
func together(n, callers int, do func(n int) error) error {
	var (
		mu     sync.Mutex
		failed error
		next   int
		all    sync.WaitGroup
	)
	for range callers {
		all.Go(func() {
			for {
				mu.Lock()
				i, stop := next, failed != nil
				next++
				mu.Unlock()
				if i >= n || stop {
					return
				}
				if err := do(i); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return failed
}

func hookTable(b *strings.Builder, r *report) {
	if len(r.Webhooks) == 0 {
		return
	}
	head(b, fmt.Sprintf("Webhooks, %s endpoints", thousands(hookEndpoints)), "store", " deliveries/s", " while a tenth hang: median, ms", " 99 %, ms", " creates during deliveries, × creates alone")
	for _, c := range r.Webhooks {
		row(b, c.Store, fmt.Sprintf("%.0f", c.Rate), fmt.Sprintf("%.0f", c.Median.Seconds()*1000), fmt.Sprintf("%.0f", c.P99.Seconds()*1000), fmt.Sprintf("%.2f", c.Creates))
	}
}
