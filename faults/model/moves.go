package model

import (
	"context"
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/caisse/checkout"
)

// session draws an account and a session ID: mostly a session of the account, now and then one of another or an invalid ID.
func (m *machine) session(rt *rapid.T) (checkout.Account, string) {
	sessions := m.targets[0].model.sessions
	ids := []string{"", "cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f60", "nonsense", "a\x00b", "\xff", string(make([]byte, 300))}
	if len(sessions) == 0 {
		return m.accounts[0], draw(rt, "ID", 2, ids)
	}
	s := sessions[pick(rt, "session", len(sessions))]
	account, id := s.Account, s.ID
	if pick(rt, "another's", 8) == 7 {
		account = draw(rt, "account", 4, append(m.accounts, m.strangers()...))
	}
	if pick(rt, "no session's", 20) == 19 {
		id = draw(rt, "ID", len(ids), ids)
	}
	return account, id
}

func (m *machine) get(rt *rapid.T) {
	account, id := m.session(rt)
	m.call(rt, fmt.Sprintf("Get(%v, %q)", account, id),
		func(c Call, t *target) Answer { return t.model.Get(c, account, id) },
		func(ctx context.Context, t *target) Answer {
			s, err := t.service.Get(ctx, account, t.id(id))
			return t.answer(err, s)
		})
}

func (m *machine) begin(rt *rapid.T) {
	account, id := m.session(rt)
	payment := draw(rt, "payment", 5, texts(255))
	m.call(rt, fmt.Sprintf("Begin(%v, %q, %.30q)", account, id, payment),
		func(c Call, t *target) Answer { return t.model.Begin(c, account, id, payment) },
		func(ctx context.Context, t *target) Answer {
			s, err := t.service.Begin(ctx, account, t.id(id), payment)
			return t.answer(err, s)
		})
}

func (m *machine) process(rt *rapid.T) {
	account, id := m.session(rt)
	payment := draw(rt, "payment", 5, texts(255))
	m.call(rt, fmt.Sprintf("Process(%v, %q, %.30q)", account, id, payment),
		func(c Call, t *target) Answer { return t.model.Process(c, account, id, payment) },
		func(ctx context.Context, t *target) Answer {
			s, err := t.service.Process(ctx, account, t.id(id), payment)
			return t.answer(err, s)
		})
}

func (m *machine) complete(rt *rapid.T) {
	account, id := m.session(rt)
	payment := draw(rt, "payment", 5, texts(255))
	m.call(rt, fmt.Sprintf("Complete(%v, %q, %.30q)", account, id, payment),
		func(c Call, t *target) Answer { return t.model.Complete(c, account, id, payment) },
		func(ctx context.Context, t *target) Answer {
			s, err := t.service.Complete(ctx, account, t.id(id), payment)
			return t.answer(err, s)
		})
}

func (m *machine) fail(rt *rapid.T) {
	account, id := m.session(rt)
	payment := draw(rt, "payment", 5, texts(255))
	reason := draw(rt, "reason", 5, texts(1000))
	m.call(rt, fmt.Sprintf("Fail(%v, %q, %.30q, %.20q)", account, id, payment, reason),
		func(c Call, t *target) Answer { return t.model.Fail(c, account, id, payment, reason) },
		func(ctx context.Context, t *target) Answer {
			s, err := t.service.Fail(ctx, account, t.id(id), payment, reason)
			return t.answer(err, s)
		})
}

func (m *machine) cancel(rt *rapid.T) {
	account, id := m.session(rt)
	m.call(rt, fmt.Sprintf("Cancel(%v, %q)", account, id),
		func(c Call, t *target) Answer { return t.model.Cancel(c, account, id) },
		func(ctx context.Context, t *target) Answer {
			s, err := t.service.Cancel(ctx, account, t.id(id))
			return t.answer(err, s)
		})
}

// list asks for one page, or for all pages.
func (m *machine) list(rt *rapid.T) {
	account := m.account(rt)
	q := checkout.Query{
		Limit:  draw(rt, "limit", 5, []int{0, 1, 2, 3, 100, 101, -1}),
		Offset: draw(rt, "offset", 2, []int{0, 1, 3, 50, 1 << 40, -1}),
	}
	switch pick(rt, "filter", 6) {
	case 1:
		q.Status = draw(rt, "status", 7, append(checkout.Statuses(), "paid"))
	case 2:
		q.PaymentID = draw(rt, "payment", 3, texts(255))
	case 3:
		q.Status = draw(rt, "status", 7, append(checkout.Statuses(), "paid"))
		q.PaymentID = draw(rt, "payment", 3, texts(255))
	}
	for {
		next := 0
		m.call(rt, fmt.Sprintf("List(%v, %+v)", account, q),
			func(c Call, t *target) Answer {
				answer := t.model.List(c, account, q)
				next = answer.Next
				return answer
			},
			func(ctx context.Context, t *target) Answer {
				page, err := t.service.List(ctx, account, q)
				answer := t.answer(err, page.Sessions...)
				answer.Total, answer.More, answer.Next = page.Total, page.HasMore, page.NextOffset
				return answer
			})
		if next == 0 {
			return
		}
		q.Offset = next
	}
}

func (m *machine) sweep(rt *rapid.T) {
	limit := draw(rt, "limit", 5, []int{1, 2, 3, 100, 5000, 0, -1})
	m.call(rt, fmt.Sprintf("ExpireDue(%d)", limit),
		func(c Call, t *target) Answer { return t.model.ExpireDue(c, limit) },
		func(ctx context.Context, t *target) Answer {
			sessions, err := t.service.ExpireDue(ctx, limit)
			return t.answer(err, sessions...)
		})
}

// tick sets the clock forward, back, or to an instant around an expiry.
func (m *machine) tick(rt *rapid.T) {
	now := m.clock.Now()
	steps := []time.Duration{
		time.Microsecond, time.Nanosecond, time.Second, time.Minute, 10 * time.Minute,
		-time.Microsecond, -time.Minute, -time.Hour, 25 * time.Hour,
	}
	if sessions := m.targets[0].model.sessions; len(sessions) > 0 && pick(rt, "to an expiry", 3) > 0 {
		now = sessions[pick(rt, "session", len(sessions))].ExpiresAt
		steps = []time.Duration{0, -time.Nanosecond, time.Nanosecond, -time.Microsecond, time.Microsecond, time.Minute}
	}
	now = now.Add(draw(rt, "step", 5, steps))
	if pick(rt, "in another zone", 2) == 1 {
		now = now.In(time.FixedZone("east", 3*60*60))
	}
	rt.Logf("clock is %s", now.Format(time.RFC3339Nano))
	m.clock.Set(now)
}
