package main

import (
	"slices"
	"time"
)

// Timeline is the clock of the story, and what is still to happen on it. Nothing passes but what is asked to: two runs
// are the same. It is for one goroutine.
type Timeline struct {
	now   time.Time
	plans []plan // the next one first
}

type plan struct {
	at time.Time
	do func()
}

// Now implements [checkout.Clock].
func (t *Timeline) Now() time.Time { return t.now }

// After plans something. What is planned for one instant happens in the order in which it was planned.
func (t *Timeline) After(d time.Duration, do func()) {
	at := t.now.Add(d)
	i := len(t.plans)
	for i > 0 && t.plans[i-1].at.After(at) {
		i--
	}
	t.plans = slices.Insert(t.plans, i, plan{at, do})
}

// Run lets everything happen that is planned, and what is planned meanwhile.
func (t *Timeline) Run() {
	for len(t.plans) > 0 {
		next := t.plans[0]
		t.plans = t.plans[1:]
		t.now = next.at
		next.do()
	}
}
