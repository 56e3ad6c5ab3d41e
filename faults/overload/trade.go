//go:build unix

package overload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/workload"
)

// trade is a server and its clients, with the history of all their calls.
type trade struct {
	tb       testing.TB
	host     *host
	wire     *wire
	recorder *history.Recorder
	plan     workload.Plan

	mu   sync.Mutex
	used []order
}

// order is one session that clients ask for.
type order struct {
	request checkout.CreateParams
	id      string // of the session; "" until an answer has it
}

func newTrade(tb testing.TB, seed uint64, s settings) *trade {
	tb.Helper()
	h := newHost(tb, s)
	now := checkout.ClockFunc(time.Now)
	return &trade{
		tb:       tb,
		host:     h,
		wire:     dial(h.url),
		recorder: history.New(history.Header{Test: tb.Name(), Store: string(stores.SQLite), Seed: seed}, now),
		plan:     workload.Plan{Seed: seed, Name: "trade"},
	}
}

// order makes a new order.
func (t *trade) order() (n int, request checkout.CreateParams) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n = len(t.used)
	request = checkout.CreateParams{
		Account:        account,
		IdempotencyKey: t.plan.Key(n),
		Amount:         5000 + int64(n),
		Currency:       "XOF",
		UserPhone:      "+22507987654",
		Description:    fmt.Sprintf("order %d", n),
		ExpiresIn:      time.Hour,
	}
	t.used = append(t.used, order{request: request})
	return n, request
}

// place sends the request of order n to a service. The order may have been placed before.
func (t *trade) place(ctx context.Context, n int, by history.Service) (replayed bool, err error) {
	t.mu.Lock()
	request := t.used[n].request
	t.mu.Unlock()
	client := t.recorder.Client("client", by)
	session, replayed, err := client.Create(history.WithIntent(ctx, fmt.Sprintf("order %d", n)), request)
	if err == nil {
		t.wire.know(session.ID, request.IdempotencyKey)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.used[n].id = session.ID
	}
	return replayed, err
}

// settle kills the server, starts another, and asks it for every order: by a Get if the session is known, otherwise by placing the
// order again.
func (t *trade) settle() history.History {
	t.tb.Helper()
	t.host.restart()
	t.wire.url = t.host.url
	var done sync.WaitGroup
	const clerks = 32
	for n := range clerks {
		client := t.recorder.Client(fmt.Sprintf("clerk %d", n), t.wire)
		done.Go(func() {
			for n := n; n < len(t.used); n += clerks {
				ctx, cancel := context.WithTimeout(t.tb.Context(), 30*time.Second)
				var err error
				if id := t.used[n].id; id != "" {
					_, err = client.Get(ctx, account, id)
				} else {
					_, err = t.place(ctx, n, t.wire)
				}
				cancel()
				if err != nil && !errors.Is(err, checkout.ErrNotFound) {
					t.tb.Errorf("the server that was started again says: %v", err)
					return
				}
			}
		})
	}
	done.Wait()
	return t.history()
}

// history returns the history. A client that gave up does not know whether the server carries out the request, or when, so calls
// of unknown outcome have no end.
func (t *trade) history() history.History {
	h := t.recorder.History()
	for i := range h.Operations {
		if op := &h.Operations[i]; op.Return.Outcome == history.Unknown {
			op.Return = history.Return{ID: op.ID, At: history.Never, Outcome: history.Unknown, Code: history.NoAnswer}
		}
	}
	return h
}

// check checks the server's status codes and has the oracle judge the history.
func (t *trade) check(h history.History) oracle.Tally {
	t.tb.Helper()
	if unexpected := t.wire.unexpected(200, 201, 503); len(unexpected) > 0 {
		t.tb.Errorf("the server answered %v", unexpected)
	}
	return oracle.Check(t.tb, h, oracle.Options{}).Tally
}
