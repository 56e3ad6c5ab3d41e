//go:build unix

package delivery

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/webhook"
)

// config configures a dispatcher.
type config struct {
	Place string
	Ahead time.Duration // how far its clock is ahead, so that deliveries claimed by an earlier dispatcher are due again
	// Dies is the step at which the dispatcher kills itself, one time in three. If it is "", only the parent kills it.
	Dies string
	// Planted is a bug that must be caught. "" is the store without a bug.
	Planted string
}

// The steps at which a dispatcher may die.
const (
	beforePlan, afterPlan     = "before a plan", "after a plan"
	afterClaim                = "after a claim, before it is sent"
	beforeSettle, afterSettle = "after the answer, before it is settled", "after a settlement"
)

// The planted bugs.
const (
	planInTwo   = "the place in the feed moves before the deliveries are written"
	settleFirst = "a delivery is settled before it is sent"
)

const opened = "open" // the line that a dispatcher sends once it runs

// program is the program of a dispatcher.
func program() child.Program { return child.Program{Name: "dispatcher", Run: dispatch} }

func dispatch(ctx context.Context, self *child.Self) error {
	var c config
	if err := self.Config(&c); err != nil {
		return err
	}
	place, err := stores.Parse(c.Place)
	if err != nil {
		return err
	}
	held, err := place.Open(ctx)
	if err != nil {
		return err
	}
	store, ok := held.(Store)
	if !ok {
		return fmt.Errorf("%s has no webhooks", place.Kind)
	}
	now := checkout.ClockFunc(func() time.Time { return time.Now().Add(c.Ahead) })
	checkouts, err := checkout.New(store, checkout.Config{Clock: now})
	if err != nil {
		return err
	}
	hooks, err := webhook.New(checkouts, &mortal{Store: store.Webhooks(), config: c},
		webhook.Config{AllowPrivate: true, Clock: now})
	if err != nil {
		return err
	}
	if err := self.Tell(opened); err != nil {
		return err
	}
	return hooks.Run(ctx)
}

// mortal is a store that kills its process at one step, or that has a bug. Only Run uses it, and calls each step from one
// goroutine.
type mortal struct {
	webhook.Store
	config config
}

// die kills the process, one time in three, if this is the step at which it dies.
func (m *mortal) die(step string) {
	if m.config.Dies == step && time.Now().UnixNano()%3 == 0 {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func (m *mortal) Plan(ctx context.Context, from, to checkout.Cursor, deliveries []webhook.StoredDelivery) error {
	m.die(beforePlan)
	if m.config.Planted == planInTwo {
		if err := m.Store.Plan(ctx, from, to, nil); err != nil {
			return err
		}
		m.die(afterPlan)
		for _, d := range deliveries {
			if err := m.Store.AddDelivery(ctx, d); err != nil {
				return err
			}
		}
		return nil
	}
	err := m.Store.Plan(ctx, from, to, deliveries)
	m.die(afterPlan)
	return err
}

func (m *mortal) Claim(ctx context.Context, now, until time.Time, limit, perEndpoint int, busy map[string]int) ([]webhook.Claim, error) {
	claims, err := m.Store.Claim(ctx, now, until, limit, perEndpoint, busy)
	if m.config.Planted == settleFirst {
		var done []webhook.Settlement
		for _, c := range claims {
			d := c.Delivery
			d.State, d.NextAttempt = webhook.Delivered, time.Time{}
			done = append(done, webhook.Settlement{Delivery: d, At: now})
		}
		if len(done) > 0 {
			if err := m.Store.Settle(ctx, done); err != nil {
				return nil, err
			}
		}
	}
	if len(claims) > 0 {
		m.die(afterClaim)
	}
	return claims, err
}

func (m *mortal) Settle(ctx context.Context, results []webhook.Settlement) error {
	m.die(beforeSettle)
	err := m.Store.Settle(ctx, results)
	m.die(afterSettle)
	return err
}
