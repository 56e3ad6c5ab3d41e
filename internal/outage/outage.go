// Package outage keeps a log readable while a store does not answer: there is one line when calls begin to fail and one when they
// succeed again, rather than one for each call in between.
package outage

import (
	"sync"
	"sync/atomic"
	"time"
)

// An outage is over when no call has failed for this time. Otherwise a store that fails now and then would cause two lines for
// each failure.
const settle = 5 * time.Second

// Outage counts the calls that fail during an outage. The zero Outage is ready, and is safe for concurrent use.
type Outage struct {
	on atomic.Bool // Answered checks it first, because it is called for every request

	mu          sync.Mutex
	first, last time.Time // of the failures
	failures    int
}

// Failed counts a call that failed because the store does not answer. It reports whether this call begins an outage, which is to be
// logged.
func (o *Outage) Failed() (begins bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = time.Now()
	o.failures++
	if o.on.Swap(true) {
		return false
	}
	o.first, o.failures = o.last, 1
	return true
}

// Ongoing reports whether an outage has begun and is not over.
func (o *Outage) Ongoing() bool { return o.on.Load() }

// Answered records that the store has answered a call. If that ends an outage, ended is true for this one call, and Answered
// returns how long calls have failed and how many.
func (o *Outage) Answered() (lasted time.Duration, failures int, ended bool) {
	if !o.on.Load() {
		return 0, 0, false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.last) < settle || !o.on.Swap(false) {
		return 0, 0, false
	}
	return o.last.Sub(o.first), o.failures, true
}
