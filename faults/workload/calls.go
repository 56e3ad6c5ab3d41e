package workload

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/google/uuid"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/idempotency"
)

// Key returns the nth key of the plan. All accounts use the same keys, which must make no difference.
func (p Plan) Key(n int) idempotency.Key {
	h := fnv.New128a()
	fmt.Fprintf(h, "%d/%s/%d", p.Seed, p.Name, n)
	id := uuid.UUID(h.Sum(nil))
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return idempotency.Key(id.String())
}

// Request returns what the plan asks for under its nth key. Odd ones pay by card.
func (p Plan) Request(account checkout.Account, n int) checkout.CreateParams {
	r := checkout.CreateParams{
		Account:        account,
		IdempotencyKey: p.Key(n),
		Amount:         5000 + int64(n),
		Currency:       "XOF",
		UserPhone:      "+22507987654",
		Description:    fmt.Sprintf("order %d of %s", n, p.Name),
		ExpiresIn:      time.Duration(5+25*(n%2)) * time.Minute,
	}
	if n%2 == 1 {
		r.Currency, r.PaymentMethod, r.UserPhone = "USD", checkout.Card, ""
		r.SuccessURL, r.CancelURL = "https://shop.example/thanks", "https://shop.example/cart"
	}
	return r
}

// act makes one call, and repeats it if it got no answer.
func (c *caller) act(ctx context.Context) {
	c.tick()
	s := slot{c.anyone(), c.random.IntN(c.Keys)}
	id := c.ids.id(s)
	n := c.random.IntN(100)
	if id == "" || n < 22 {
		c.create(ctx, s, c.vary(c.Request(s.account, s.key)))
		return
	}
	move := func(call func() (checkout.Session, error)) {
		c.again(ctx, func() error {
			_, err := call()
			return err
		})
	}
	switch {
	case n < 40:
		move(func() (checkout.Session, error) { return c.service.Get(ctx, s.account, id) })
	case n < 44:
		c.again(ctx, func() error {
			_, err := c.service.History(ctx, c.anyone(), id)
			return err
		})
	case n < 46:
		other := c.anyone()
		move(func() (checkout.Session, error) { return c.service.Get(ctx, other, id) })
	case n < 50:
		other := c.anyone()
		move(func() (checkout.Session, error) { return c.service.Cancel(ctx, other, id) })
	case n < 62:
		payment := c.payment()
		move(func() (checkout.Session, error) { return c.service.Begin(ctx, s.account, id, payment) })
	case n < 69:
		payment := c.payment()
		move(func() (checkout.Session, error) { return c.service.Process(ctx, s.account, id, payment) })
	case n < 77:
		payment := c.payment()
		move(func() (checkout.Session, error) { return c.service.Complete(ctx, s.account, id, payment) })
	case n < 81:
		reason := fmt.Sprintf("refused %d", c.random.IntN(3))
		payment := c.payment()
		move(func() (checkout.Session, error) { return c.service.Fail(ctx, s.account, id, payment, reason) })
	case n < 85:
		move(func() (checkout.Session, error) { return c.service.Cancel(ctx, s.account, id) })
	case n < 95:
		c.again(ctx, func() error {
			_, err := c.service.List(ctx, s.account, c.query())
			return err
		})
	default:
		limit := 1 + c.random.IntN(5)
		c.again(ctx, func() error {
			_, err := c.service.ExpireDue(ctx, limit)
			return err
		})
	}
}

func (c *caller) anyone() checkout.Account {
	accounts := c.Accounts()
	return accounts[c.random.IntN(len(accounts))]
}

// create creates a session and notes its ID, which is in the session or in the error of a reused key.
func (c *caller) create(ctx context.Context, s slot, p checkout.CreateParams) {
	intent := fmt.Sprintf("%s/%s/%t/%d", c.Name, s.account.ID, s.account.Test, s.key)
	ctx = history.WithIntent(ctx, intent)
	c.again(ctx, func() error {
		session, _, err := c.service.Create(ctx, p)
		var reused *checkout.KeyReusedError
		switch {
		case err == nil:
			c.ids.learn(s, session.ID)
		case errors.As(err, &reused):
			c.ids.learn(s, reused.SessionID)
		}
		return err
	})
}

// vary spells a request in another way, or now and then changes it.
func (c *caller) vary(p checkout.CreateParams) checkout.CreateParams {
	if c.random.IntN(2) == 0 && p.ExpiresIn == checkout.DefaultExpiresIn {
		p.ExpiresIn = 0
	}
	if c.random.IntN(2) == 0 && p.UserPhone != "" {
		p.UserPhone = "+225 07 98-76-54"
	}
	if c.random.IntN(2) == 0 && p.PaymentMethod == checkout.Card {
		p.Currency = "usd"
	}
	if c.random.IntN(20) == 0 {
		p.Amount++
	}
	return p
}

func (c *caller) payment() string {
	if n := c.random.IntN(4); n > 0 {
		return fmt.Sprintf("pay_%d", n)
	}
	return ""
}

func (c *caller) query() checkout.Query {
	q := checkout.Query{Limit: 1 + c.random.IntN(100), Offset: max(c.random.IntN(8)-4, 0)}
	switch c.random.IntN(4) {
	case 0:
		q.Status = checkout.Statuses()[c.random.IntN(7)]
	case 1:
		q.PaymentID = c.payment()
	case 2:
		q.Limit, q.Offset = 100, 0
	}
	return q
}
