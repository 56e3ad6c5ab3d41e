package checkout_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/matryer/is"
)

func TestLatePaymentAfterTheClockAlone(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		s := a.mustCreate(live, "")
		a.clock.Set(s.ExpiresAt) // expired, though nothing swept it
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
				is.Equal(processing.StatusAt(at), checkout.StatusProcessing) // never by the clock
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

func TestExpireDue(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		start := a.clock.Now()
		var due []string
		for i := range 30 {
			a.clock.Set(start.Add(time.Duration(30-i) * time.Second)) // the last made is due first
			account := []checkout.Account{live, test, other}[i%3]
			due = append([]string{a.mustCreate(account, "").ID}, due...)
		}
		safe := reach(t, a, checkout.StatusProcessing)
		a.clock.Set(start.Add(24 * time.Hour))

		_, err := a.ExpireDue(t.Context(), 0)
		var invalid *checkout.ValidationError
		is.True(asError(err, &invalid))

		first, err := a.ExpireDue(t.Context(), 5)
		is.NoErr(err)
		is.Equal(len(first), 5)
		for i, s := range first {
			is.Equal(s.ID, due[i]) // the longest due first
			is.Equal(s.Status, checkout.StatusExpired)
			is.Equal(s.Version, int64(2))
		}
		var mu sync.Mutex
		moved := map[string]int{}
		var wg sync.WaitGroup
		for range 8 { // many instances at once
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
		kept, err := a.Get(t.Context(), live, safe.ID)
		is.NoErr(err)
		is.Equal(kept, safe)
	})
}
