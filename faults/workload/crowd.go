package workload

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
)

// Crowd is callers who create sessions until they leave. Each asks again under the same key until it has an answer. A reader
// follows the feed meanwhile.
type Crowd struct {
	plan    Plan
	created atomic.Int64 // sessions
	pace    *time.Ticker // at which the callers create
	left    chan struct{}
	leaving sync.Once
	done    sync.WaitGroup

	mu   sync.Mutex
	keys int // that were used
	ids  map[int]string
}

// Gather starts the callers of a plan. Of the plan they need its Seed, its Name and its Callers.
func Gather(ctx context.Context, plan Plan, recorder *history.Recorder, service history.Service) *Crowd {
	c := &Crowd{
		plan: plan,
		pace: time.NewTicker(time.Millisecond),
		left: make(chan struct{}),
		ids:  make(map[int]string),
	}
	for n := range plan.Callers {
		client := recorder.Client(fmt.Sprintf("caller %d", n), service)
		c.done.Go(func() { c.create(ctx, client) })
	}
	c.done.Go(func() { Follow(ctx, recorder.Client("reader", service), "", c.left) })
	return c
}

func (c *Crowd) create(ctx context.Context, client *history.Client) {
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
func (c *Crowd) pay(ctx context.Context, client *history.Client, key int) {
	account, id := c.plan.Accounts()[0], c.id(key)
	client.Begin(ctx, account, id, "pay_1")
	client.Complete(ctx, account, id, "pay_1")
}

func (c *Crowd) key() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys++
	return c.keys - 1
}

func (c *Crowd) note(key int, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids[key] = id
}

func (c *Crowd) id(key int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ids[key]
}

func (c *Crowd) request(key int) checkout.CreateParams {
	r := c.plan.Request(c.plan.Accounts()[0], key)
	r.ExpiresIn = time.Hour // so that nothing here depends on how long it takes
	return r
}

// Await waits until the callers have created so many more.
func (c *Crowd) Await(tb testing.TB, more int64) {
	tb.Helper()
	want := c.created.Load() + more
	for deadline := time.Now().Add(3 * time.Minute); c.created.Load() < want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("the callers had no %d answers in three minutes", more)
		}
	}
}

// Leave sends the callers home, and returns when their calls have.
func (c *Crowd) Leave() {
	c.leaving.Do(func() {
		close(c.left)
		c.done.Wait()
		c.pace.Stop()
	})
}

// Settle asks for all that was created, again under every key, and for what the feed tells.
func (c *Crowd) Settle(ctx context.Context, recorder *history.Recorder, service history.Service) {
	var done sync.WaitGroup
	for n := range c.plan.Callers {
		client := recorder.Client(fmt.Sprintf("settler %d", n), service)
		done.Go(func() {
			for key := n; key < c.keys; key += c.plan.Callers {
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
	ReadAll(ctx, recorder, recorder.Client("settler", service), "", FeedTime)
}
