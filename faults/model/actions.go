package model

import (
	"context"
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/oracle"
)

// act makes a call, moves the clock, or changes the host's settings.
func (m *machine) act(rt *rapid.T) {
	actions := []struct {
		odds int
		act  func(*rapid.T)
	}{
		{7, m.create}, {7, m.repeat}, {4, m.get}, {6, m.list}, {5, m.begin}, {3, m.process}, {6, m.complete}, {3, m.fail}, {4, m.cancel},
		{4, m.sweep}, {7, m.tick}, {1, m.change},
	}
	sum := 0
	for _, a := range actions {
		sum += a.odds
	}
	n := pick(rt, "action", sum)
	for _, a := range actions {
		if n -= a.odds; n < 0 {
			a.act(rt)
			return
		}
	}
}

func (m *machine) change(rt *rapid.T) {
	host := Hosts()[pick(rt, "host", len(Hosts()))]
	rt.Logf("host is %s", host.Name)
	m.configure(rt, host)
}

// call makes the same call on the model and on every target, and compares the answers.
func (m *machine) call(rt *rapid.T, what string, model func(Call, *target) Answer, real func(context.Context, *target) Answer) {
	rt.Helper()
	ctx := rt.Context()
	over := pick(rt, "context is over", 40) == 39
	if over {
		gone, cancel := context.WithCancel(ctx)
		cancel()
		ctx, what = gone, what+" with a context that is over"
	}
	what = strings.ReplaceAll(what, m.name+" ", "") // so that a failure reads the same in every program
	now := m.clock.Now().UTC().Truncate(time.Microsecond)
	rt.Logf("at %s: %s", now.Format("15:04:05.000000"), what)
	for i, t := range m.targets {
		want := model(Call{Now: now, Over: over}, t)
		got := real(ctx, t)
		if i == 0 {
			rt.Logf("\t%s", summary(want))
			m.report.count(what, want)
		}
		if d := differences(got, want); d != "" {
			rt.Fatalf("%s: %s:%s", t.Name, what, strings.ReplaceAll(d, m.name+" ", ""))
		}
	}
}

func summary(a Answer) string {
	if a.Error != "" {
		return a.Error
	}
	var all []string
	for _, s := range a.Sessions {
		all = append(all, fmt.Sprintf("%s %s v%d", s.ID, s.Status, s.Version))
	}
	return fmt.Sprintf("%s; replayed %t, total %d", strings.Join(all, ", "), a.Replayed, a.Total)
}

// create creates a session, now and then with values that the contract does not allow.
func (m *machine) create(rt *rapid.T) {
	r := Request{
		Account:  m.account(rt),
		Key:      draw(rt, "key", 6, keys()),
		Amount:   draw(rt, "amount", 7, amounts()),
		Currency: "XOF",
		Method:   draw(rt, "method", 3, []string{"", "mobile_money", "card", "Card", "cash"}),
		Phone:    draw(rt, "phone", 7, phones()),
	}
	r.ExpiresIn = draw(rt, "expires_in", 5, lifetimes())
	r.Description = draw(rt, "description", 5, texts(200))
	if r.Method == "card" {
		r.Currency = draw(rt, "currency", 8, currencies())
		r.Success, r.Cancel = draw(rt, "success_url", 2, urls()), draw(rt, "cancel_url", 2, urls())
		r.Customer = draw(rt, "customer", 3, texts(255))
	} else {
		r.Currency = draw(rt, "currency", 1, currencies())
		r.Success = draw(rt, "success_url", 4, urls())
	}
	r.PaymentID = draw(rt, "payment", 3, texts(255))
	m.send(rt, r)
}

// repeat repeats an earlier create: unchanged, spelled in another way, or changed.
func (m *machine) repeat(rt *rapid.T) {
	if len(m.requests) == 0 {
		m.create(rt)
		return
	}
	r := m.requests[pick(rt, "request", len(m.requests))]
	for range pick(rt, "changes", 3) {
		switch pick(rt, "change", 13) {
		case 0:
			r.Amount = draw(rt, "amount", 7, amounts())
		case 1:
			r.Currency = draw(rt, "currency", 8, currencies())
		case 2:
			r.Phone = draw(rt, "phone", 8, phones())
		case 3:
			r.Method = draw(rt, "method", 3, []string{"", "mobile_money", "card", "cash"})
		case 4:
			r.Success = draw(rt, "success_url", 4, urls())
		case 5:
			r.Cancel = draw(rt, "cancel_url", 4, urls())
		case 6:
			r.Description = draw(rt, "description", 5, texts(200))
		case 7:
			r.ExpiresIn = draw(rt, "expires_in", 5, lifetimes())
		case 8:
			r.PaymentID = draw(rt, "payment", 5, texts(255))
		case 9:
			r.Customer = draw(rt, "customer", 5, texts(255))
		case 10:
			r.Account = m.account(rt)
		case 11:
			r.Key = draw(rt, "key", 6, keys())
		case 12:
			if isUUID(r.Key) {
				r.Key = strings.ToUpper(r.Key)
			}
		}
	}
	m.send(rt, r)
}

func (m *machine) send(rt *rapid.T, r Request) {
	m.requests = append(m.requests, r)
	m.call(rt, fmt.Sprintf("Create(%v)", r),
		func(c Call, t *target) Answer { return t.model.Create(c, r) },
		func(ctx context.Context, t *target) Answer {
			s, replayed, err := t.service.Create(ctx, r.params())
			if err == nil && len(t.model.sessions) > len(t.ids) {
				if err := t.bind(s, scope(r)); err != nil {
					rt.Fatalf("%s: Create: %v", t.Name, err)
				}
				_, meant := r.normal()
				m.checkFingerprint(rt, t, meant, s.Fingerprint)
			}
			answer := t.answer(err, s)
			answer.Replayed = replayed
			return answer
		})
}

// checkFingerprint checks that two requests have the same fingerprint exactly if they mean the same, on every store.
func (m *machine) checkFingerprint(rt *rapid.T, t *target, meant, fingerprint any) {
	for key, value := range map[any]any{meant: fingerprint, fingerprint: meant} {
		if known, ok := m.prints[key]; ok && known != value {
			rt.Fatalf("%s: %+v and the fingerprint %s: one of the two was seen before with %v", t.Name, meant, fingerprint, known)
		}
		m.prints[key] = value
	}
}

// scope returns the part of an ID between the prefix and the UUID.
func scope(r Request) string {
	switch {
	case r.Account.Test:
		return "test"
	case r.Phone.Region != "":
		return strings.ToLower(r.Phone.Region)
	}
	return "live"
}

// judge has the oracle judge the answers of each target. The oracle does not know the model.
func (m *machine) judge(rt *rapid.T) {
	for _, t := range m.targets {
		verdict := oracle.Judge(t.recorder.History(), oracle.Options{Faultless: true})
		m.report.Tally.Add(verdict.Tally)
		for _, v := range verdict.Violations {
			rt.Errorf("%s: %s", t.Name, v.Rule)
			rt.Logf("%s", v)
		}
	}
}

// account draws an account, mostly the first, so that this one has lists of some length.
func (m *machine) account(rt *rapid.T) checkout.Account {
	if pick(rt, "first account", 3) < 2 {
		return m.accounts[0]
	}
	return draw(rt, "account", 4, append(m.accounts, m.strangers()...))
}

// strangers returns accounts without sessions, and invalid accounts.
func (m *machine) strangers() []checkout.Account {
	return []checkout.Account{{ID: m.accounts[0].ID + "x"}, {}, {ID: strings.Repeat("é", 256)}, {ID: "a\xff"}}
}

// draw draws one of the choices. In 39 of 40 cases it draws from the first n of them only, where n is usual.
func draw[T any](rt *rapid.T, label string, usual int, choices []T) T {
	if usual < len(choices) && pick(rt, label+" is unusual", 40) < 39 {
		choices = choices[:usual]
	}
	return choices[pick(rt, label, len(choices))]
}

// pick draws a number from 0 to n-1, each with nearly the same probability. Rapid itself draws small numbers more often.
func pick(rt *rapid.T, label string, n int) int {
	return rapid.Custom(func(rt *rapid.T) int {
		v := 0
		for range 10 {
			v *= 2
			if rapid.Bool().Draw(rt, "bit") {
				v++
			}
		}
		return v % n
	}).Draw(rt, label)
}
