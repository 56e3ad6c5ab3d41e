package pgfault

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
	"github.com/caisse/checkout/faults/workload"
)

// failover loses a primary while many callers create, and makes its standby the primary.
type failover struct {
	vanish  bool // the primary's machine does: no connection is refused or reset
	forsake bool // the control: commits do not wait for the standby, which receives nothing for a while before
}

// How many callers create at once, and how many sessions they have before and after the failover.
const (
	failoverCallers  = 64
	failoverSessions = 500
)

// failovers lose the primary by turns: its process, which its clients are told, and its whole machine, which nobody is.
func failovers(tb testing.TB, o suite.Options) (result suite.Result) {
	tb.Helper()
	rounds := 2
	if o.Long {
		rounds = 40
	}
	var (
		mu                 sync.Mutex
		without, promoting [2][]time.Duration
	)
	each(tb, rounds, 2, func(tb testing.TB, n int) {
		h, promotion := failover{vanish: n%2 == 1}.lose(tb, o.Seed+uint64(n))
		tally := oracle.Check(tb, h, oracle.Options{}).Tally
		mu.Lock()
		defer mu.Unlock()
		result.Add(tally)
		without[n%2] = append(without[n%2], h.LongestGap(history.Create))
		promoting[n%2] = append(promoting[n%2], promotion)
	})
	for n, how := range []string{"the server crashed", "its machine vanished"} {
		gaps := without[n]
		if len(gaps) == 0 {
			continue
		}
		slices.Sort(gaps)
		slices.Sort(promoting[n])
		result.Notes = append(result.Notes, fmt.Sprintf("%d times %s: %d callers without a success for %.1f s, at most %.1f s, and the standby took %.1f s to take writes",
			len(gaps), how, failoverCallers, gaps[len(gaps)/2].Seconds(), gaps[len(gaps)-1].Seconds(), promoting[n][len(gaps)/2].Seconds()))
	}
	return result
}

func (f failover) round(tb testing.TB, seed uint64) history.History {
	tb.Helper()
	h, _ := f.lose(tb, seed)
	return h
}

// lose is a round. It also returns how long it took from the loss until the standby took writes.
func (f failover) lose(tb testing.TB, seed uint64) (h history.History, promotion time.Duration) {
	tb.Helper()
	servers := startPair(tb, !f.forsake)
	now := checkout.ClockFunc(time.Now)
	checkouts, err := checkout.New(servers.open(), checkout.Config{Clock: now})
	if err != nil {
		tb.Fatal(err)
	}
	recorder := history.New(history.Header{Test: tb.Name(), Store: string(stores.Postgres), Seed: seed}, now)
	crowd := assemble(tb.Context(), seed, recorder, checkouts)
	crowd.done.Go(func() { workload.Follow(tb.Context(), recorder.Client("reader", checkouts), "", crowd.left) })
	defer crowd.leave()
	crowd.await(tb, failoverSessions)
	if f.forsake {
		servers.detach()
		crowd.await(tb, failoverSessions)
	}
	if f.vanish {
		servers.proxy.Vanish()
	}
	lost := time.Now()
	servers.failOver()
	promotion = time.Since(lost)
	crowd.await(tb, failoverSessions)
	crowd.leave()

	sound, err := checkout.New(open(tb, servers.standby.URL()), checkout.Config{Clock: now})
	if err != nil {
		tb.Fatal(err)
	}
	crowd.settle(tb.Context(), recorder, sound)
	return recorder.History(), promotion
}

// crowd are callers who create sessions until they leave. Each asks again under the same key until it has an answer.
type crowd struct {
	plan    workload.Plan
	created atomic.Int64 // sessions
	pace    *time.Ticker // at which the callers create
	left    chan struct{}
	leaving sync.Once
	done    sync.WaitGroup

	mu   sync.Mutex
	keys int // that were used
	ids  map[int]string
}

func assemble(ctx context.Context, seed uint64, recorder *history.Recorder, service history.Service) *crowd {
	c := &crowd{
		plan: workload.Plan{Seed: seed, Name: "crowd"},
		pace: time.NewTicker(time.Millisecond),
		left: make(chan struct{}),
		ids:  make(map[int]string),
	}
	for n := range failoverCallers {
		c.done.Go(func() { c.create(ctx, recorder.Client(fmt.Sprintf("caller %d", n), service)) })
	}
	return c
}

func (c *crowd) create(ctx context.Context, client *history.Client) {
	for {
		key := c.key()
		ctx := history.WithIntent(ctx, fmt.Sprintf("order %d", key))
		for answered := false; !answered; {
			select {
			case <-c.left:
				return
			case <-c.pace.C:
			}
			session, _, err := client.Create(ctx, c.request(key))
			if answered = err == nil; answered {
				c.note(key, session.ID)
			}
		}
		if key%4 == 0 {
			c.pay(ctx, client, key)
		}
		c.created.Add(1)
	}
}

// pay moves what was created under a key, and does not insist.
func (c *crowd) pay(ctx context.Context, client *history.Client, key int) {
	account, id := c.plan.Accounts()[0], c.id(key)
	client.Begin(ctx, account, id, "pay_1")
	client.Complete(ctx, account, id, "pay_1")
}

func (c *crowd) key() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys++
	return c.keys - 1
}

func (c *crowd) note(key int, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids[key] = id
}

func (c *crowd) id(key int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ids[key]
}

func (c *crowd) request(key int) checkout.CreateParams {
	r := c.plan.Request(c.plan.Accounts()[0], key)
	r.ExpiresIn = time.Hour // so that nothing here depends on how long it takes
	return r
}

// await waits until the callers have created so many more.
func (c *crowd) await(tb testing.TB, more int64) {
	tb.Helper()
	want := c.created.Load() + more
	for deadline := time.Now().Add(3 * time.Minute); c.created.Load() < want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("the callers had no %d answers in three minutes", more)
		}
	}
}

// leave sends the callers home, and returns when their calls have.
func (c *crowd) leave() {
	c.leaving.Do(func() {
		close(c.left)
		c.done.Wait()
		c.pace.Stop()
	})
}

// settle asks for all that was created, again under every key, and for what the feed tells.
func (c *crowd) settle(ctx context.Context, recorder *history.Recorder, service history.Service) {
	var done sync.WaitGroup
	for n := range failoverCallers {
		client := recorder.Client(fmt.Sprintf("settler %d", n), service)
		done.Go(func() {
			for key := n; key < c.keys; key += failoverCallers {
				session, _, _ := client.Create(history.WithIntent(ctx, fmt.Sprintf("order %d", key)), c.request(key))
				if id := c.ids[key]; id != "" {
					client.Get(ctx, c.plan.Accounts()[0], id)
				}
				if key%4 == 0 {
					client.History(ctx, c.plan.Accounts()[0], session.ID)
				}
			}
		})
	}
	done.Wait()
	workload.ReadAll(ctx, recorder, recorder.Client("settler", service), "", workload.FeedTime)
}
