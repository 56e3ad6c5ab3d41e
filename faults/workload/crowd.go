package workload

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
)

// Crowd is a number of callers that repeat the same call until they leave.
type Crowd struct {
	made    atomic.Int64 // how often it succeeded
	pace    *time.Ticker // each tick lets one caller make one try
	left    chan struct{}
	leaving sync.Once
	done    sync.WaitGroup
}

// Gather starts callers, which call try again and again. At each tick of the pace at most one of them begins a call. The Crowd counts how
// often try reports success.
func Gather(callers int, pace time.Duration, try func(caller int) bool) *Crowd {
	c := &Crowd{pace: time.NewTicker(pace), left: make(chan struct{})}
	for n := range callers {
		c.done.Go(func() {
			for c.wait() {
				if try(n) {
					c.made.Add(1)
				}
			}
		})
	}
	return c
}

// wait waits for a tick. It reports false once the callers are to leave.
func (c *Crowd) wait() bool {
	select {
	case <-c.left:
		return false
	case <-c.pace.C:
		return true
	}
}

// Await waits until the callers have succeeded more times from now on, as many as more says. It fails the test after three minutes.
func (c *Crowd) Await(tb testing.TB, more int64) {
	tb.Helper()
	want := c.made.Load() + more
	for deadline := time.Now().Add(3 * time.Minute); c.made.Load() < want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("the callers did not succeed %d times in three minutes", more)
		}
	}
}

// Leave stops the callers, and returns when their last calls have returned.
func (c *Crowd) Leave() {
	c.leaving.Do(func() {
		close(c.left)
		c.done.Wait()
		c.pace.Stop()
	})
}

// Shoppers are a crowd who create sessions. Each asks again under the same key until it has an answer, and then pays for every
// fourth session. A reader follows the feed meanwhile. All of it is recorded.
type Shoppers struct {
	*Crowd
	plan Plan

	mu   sync.Mutex
	keys int // how many keys were used
	ids  map[int]string
}

// Shop starts the callers of a plan, and divides them among the services. It uses only Seed, Name and Callers of the plan.
func Shop(ctx context.Context, plan Plan, pace time.Duration, recorder *history.Recorder, services ...history.Service) *Shoppers {
	s := &Shoppers{plan: plan, ids: make(map[int]string)}
	clients, keys := make([]*history.Client, plan.Callers), make([]int, plan.Callers)
	for n := range clients {
		clients[n] = recorder.Client(fmt.Sprintf("caller %d", n), services[n%len(services)])
		keys[n] = s.key()
	}
	s.Crowd = Gather(plan.Callers, pace, func(n int) bool {
		key := keys[n]
		if s.create(ctx, clients[n], key) != nil {
			return false
		}
		if key%4 == 0 {
			s.pay(ctx, clients[n], key)
		}
		keys[n] = s.key()
		return true
	})
	s.done.Go(func() { Follow(ctx, recorder.Client("reader", services[0]), "", pace, s.left) })
	return s
}

func (s *Shoppers) create(ctx context.Context, client *history.Client, key int) error {
	session, _, err := client.Create(history.WithIntent(ctx, fmt.Sprintf("order %d", key)), s.request(key))
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ids[key] = session.ID
	}
	return err
}

// pay completes the session that was created under a key. If a call fails, it is not repeated.
func (s *Shoppers) pay(ctx context.Context, client *history.Client, key int) {
	account, id := s.plan.Accounts()[0], s.id(key)
	client.Begin(ctx, account, id, "pay_1")
	client.Complete(ctx, account, id, "pay_1")
}

func (s *Shoppers) key() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys++
	return s.keys - 1
}

func (s *Shoppers) id(key int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids[key]
}

func (s *Shoppers) request(key int) checkout.CreateParams {
	r := s.plan.Request(s.plan.Accounts()[0], key)
	r.ExpiresIn = time.Hour // so that nothing here depends on how long it takes
	return r
}

// Settle repeats every create under its key, gets every session, gets the history of every fourth one, which a caller may have paid, and
// reads the feed to its end. The callers must have left. Every call but those of the feed is repeated until it is answered.
func (s *Shoppers) Settle(tb testing.TB, recorder *history.Recorder, service history.Service) {
	tb.Helper()
	ctx := tb.Context()
	var done sync.WaitGroup
	for n := range s.plan.Callers {
		client := recorder.Client(fmt.Sprintf("settler %d", n), service)
		done.Go(func() {
			for key := n; key < s.keys; key += s.plan.Callers {
				id := s.id(key) // the ID that its caller got; "" if the caller got no answer
				Insist(tb, func() error { return s.create(ctx, client, key) })
				id = cmp.Or(id, s.id(key))
				Insist(tb, func() error {
					_, err := client.Get(ctx, s.plan.Accounts()[0], id)
					return err
				})
				if key%4 == 0 {
					Insist(tb, func() error {
						_, err := client.History(ctx, s.plan.Accounts()[0], id)
						return err
					})
				}
			}
		})
	}
	done.Wait()
	ReadAll(ctx, recorder, recorder.Client("settler", service), "", FeedTime)
}

// Insist repeats a call until the service answers it. It fails the test after a minute, because a call without an answer cannot
// show a loss.
func Insist(tb testing.TB, call func() error) {
	tb.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := call()
		if err == nil || answered(err) {
			return
		}
		if time.Now().After(deadline) {
			tb.Errorf("not answered in a minute: %v", err)
			return
		}
	}
}
