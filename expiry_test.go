package checkout_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/matryer/is"
)

// A session expires by the clock, even if ExpireDue has not run. A payment that comes after that is late.
func TestLatePaymentAfterTheClockAlone(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		s := a.mustCreate(live, "")
		a.clock.Set(s.ExpiresAt) // expired, although ExpireDue has not run
		_, err := a.Process(t.Context(), live, s.ID, "")
		var refused *checkout.TransitionError
		is.True(asError(err, &refused))
		is.Equal(refused.From, checkout.StatusExpired)
		s, err = a.Complete(t.Context(), live, s.ID, "PAY_1")
		is.NoErr(err)
		is.True(s.Late)
		is.Equal(s.Status, checkout.StatusCompleted)
		swept, err := a.ExpireDue(t.Context(), 10)
		is.NoErr(err)
		is.Equal(len(swept), 0)
	})
}

// StatusAt, Get, List and Cancel must agree on the instant at which a session expires, without a sweep.
func TestExpiryIsAFunctionOfRowAndClock(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		for _, offset := range []time.Duration{-time.Microsecond, -1, 0, 1, time.Microsecond} {
			t.Run(fmt.Sprint(int64(offset), " ns from ExpiresAt"), func(t *testing.T) {
				is := is.New(t)
				want := checkout.StatusPending
				if offset >= 0 {
					want = checkout.StatusExpired
				}
				pending := reach(t, a, checkout.StatusPending)
				processing := reach(t, a, checkout.StatusProcessing)
				at := pending.ExpiresAt.Add(offset)
				is.Equal(pending.StatusAt(at), want)
				is.Equal(processing.StatusAt(at), checkout.StatusProcessing) // the clock never expires it
				a.clock.Set(at)

				got, err := a.Get(t.Context(), live, pending.ID)
				is.NoErr(err)
				is.Equal(got.Status, want)
				for _, status := range checkout.Statuses() {
					page, err := a.List(t.Context(), live, checkout.Query{Status: status, Limit: 100})
					is.NoErr(err)
					found := false
					for _, s := range page.Sessions {
						is.Equal(s.Status, status)
						found = found || s.ID == pending.ID
					}
					is.Equal(found, status == want)
					is.Equal(page.Total, len(page.Sessions))
				}
				_, err = a.Cancel(t.Context(), live, pending.ID)
				is.Equal(err == nil, want == checkout.StatusPending)
			})
		}
	})
}

// ExpireDue expires the sessions that have been due longest first. If several instances call it at once, it returns each session to one
// of them only.
func TestExpireDue(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		start := a.clock.Now()
		var due []string
		for i := range 30 {
			a.clock.Set(start.Add(time.Duration(30-i) * time.Second)) // the session made last is due first
			account := []checkout.Account{live, test, other}[i%3]
			due = append([]string{a.mustCreate(account, "").ID}, due...)
		}
		processing := reach(t, a, checkout.StatusProcessing)
		a.clock.Set(start.Add(24 * time.Hour))

		_, err := a.ExpireDue(t.Context(), 0)
		var invalid *checkout.ValidationError
		is.True(asError(err, &invalid))

		first, err := a.ExpireDue(t.Context(), 5)
		is.NoErr(err)
		is.Equal(len(first), 5)
		for i, s := range first {
			is.Equal(s.ID, due[i]) // the session that has been due longest comes first
			is.Equal(s.Status, checkout.StatusExpired)
			is.Equal(s.Version, int64(2))
		}
		var mu sync.Mutex
		moved := map[string]int{}
		var wg sync.WaitGroup
		for range 8 { // as several instances of a host do
			wg.Go(func() {
				for {
					sessions, err := a.ExpireDue(t.Context(), 3)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					for _, s := range sessions {
						moved[s.ID]++
					}
					mu.Unlock()
					if len(sessions) == 0 {
						return
					}
				}
			})
		}
		wg.Wait()
		is.Equal(len(moved), 25)
		for _, id := range due[5:] {
			is.Equal(moved[id], 1)
		}
		kept, err := a.Get(t.Context(), live, processing.ID)
		is.NoErr(err)
		is.Equal(kept, processing)
	})
}
