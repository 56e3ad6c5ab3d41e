package storetest

import (
	"errors"
	"sync"
	"time"

	"github.com/caisse/checkout"
)

var raceChecks = []check{
	{"creates one session for many calls with one key at once", func(t *trial) {
		const rounds, callers = 4, 16
		for round := range rounds {
			held := make([]checkout.Session, callers)
			created := make([]bool, callers)
			atOnce(callers, func(i int) {
				s := sample(100*round + i)
				s.IdempotencyKey = sampleKey(round)
				var err error
				if held[i], created[i], err = t.store.Create(t.Context(), s); err != nil {
					t.Errorf("Create: %v", err)
				}
			})
			winners := 0
			for i := range callers {
				if created[i] {
					winners++
				}
				t.same("what a caller was given", held[i], held[0])
			}
			if winners != 1 {
				t.Errorf("%d of %d callers were told that they created the session, want 1", winners, callers)
			}
			t.kept(held[0])
			if _, total := t.list(merchant, checkout.Query{}); total != round+1 {
				t.Fatalf("List counted %d sessions after %d keys", total, round+1)
			}
		}
	}},
	{"creates every session for many calls with different keys at once", func(t *trial) {
		const callers = 16
		atOnce(callers, func(i int) {
			for n := i; n < 4*callers; n += callers {
				held, created, err := t.store.Create(t.Context(), sample(n))
				if err != nil || !created {
					t.Errorf("Create: created %t, %v", created, err)
				}
				t.same("what a caller was given", held, sample(n))
			}
		})
		for n := range 4 * callers {
			t.same("what Get returned", t.get(merchant, sample(n).ID), sample(n))
		}
	}},
	{"lets exactly one of many updates of one version win", func(t *trial) {
		const rounds, callers = 4, 8
		for round := range rounds {
			s := t.create(sample(round))
			won := make([]bool, callers)
			atOnce(callers, func(i int) {
				err := t.store.Update(t.Context(), began(s, string(sampleKey(i))))
				if won[i] = err == nil; err != nil {
					t.failed("Update that lost", err, checkout.ErrConflict)
				}
			})
			winners, paid := 0, ""
			for i := range callers {
				if won[i] {
					winners++
					paid = string(sampleKey(i))
				}
			}
			if winners != 1 {
				t.Fatalf("%d of %d updates of one version won, want 1", winners, callers)
			}
			t.kept(began(s, paid))
			t.history(s, began(s, paid))
		}
	}},
	{"lets either an update or an expiry win", func(t *trial) {
		for n := range 12 {
			s := t.create(sample(n))
			var updateErr, expireErr error
			var moved []checkout.Session
			atOnce(2, func(i int) {
				if i == 0 {
					updateErr = t.store.Update(t.Context(), completed(s))
				} else {
					moved, expireErr = t.store.Expire(t.Context(), s.ExpiresAt, 1)
				}
			})
			if expireErr != nil {
				t.Fatalf("Expire beside an Update: %v", expireErr)
			}
			if updateErr == nil {
				t.sameIDs("Expire that lost", moved, nil)
				t.kept(completed(s))
				t.history(s, completed(s))
			} else {
				t.failed("Update that lost", updateErr, checkout.ErrConflict)
				t.sameIDs("Expire that won", moved, []checkout.Session{s})
				t.kept(expired(s))
				t.history(s, expired(s))
			}
		}
	}},
	{"returns each expired session once when many sweeps run at once", func(t *trial) {
		const due, sweepers = 40, 8
		for n := range due {
			t.create(sample(n))
		}
		now := morning.Add(time.Hour)
		handed := make(map[string]int)
		var mu sync.Mutex
		hand := func(sessions []checkout.Session) {
			mu.Lock()
			defer mu.Unlock()
			for _, s := range sessions {
				handed[s.ID]++
			}
		}
		atOnce(sweepers, func(int) {
			for range due / sweepers {
				moved, err := t.store.Expire(t.Context(), now, 2)
				if err != nil {
					t.Errorf("Expire: %v", err)
				}
				hand(moved)
			}
		})
		for range due { // the sessions that the sweepers skipped because another one had locked them
			moved := t.expire(now, due)
			if len(moved) == 0 {
				break
			}
			hand(moved)
		}
		for n := range due {
			s := expired(sample(n))
			if handed[s.ID] != 1 {
				t.Errorf("Expire handed out %s %d times, want once", s.ID, handed[s.ID])
			}
			t.same("what Get returned", t.get(merchant, s.ID), s)
			t.history(sample(n), s)
		}
	}},
	{"prunes a session completely while another call changes it", func(t *trial) {
		for n := range 12 {
			s := t.create(sample(n))
			t.expires(s.ExpiresAt, 1, s)
			late := completed(expired(s))
			late.Late = true
			var updateErr, pruneErr error
			var pruned int
			atOnce(2, func(i int) {
				if (i+n)%2 == 0 { // the two goroutines swap their calls in each round
					updateErr = t.store.Update(t.Context(), late)
				} else {
					pruned, pruneErr = t.store.Prune(t.Context(), morning.Add(time.Hour), 1)
				}
			})
			if pruneErr != nil {
				t.Fatalf("Prune beside an Update: %v", pruneErr)
			}
			if updateErr != nil {
				t.failed("Update of what was pruned meanwhile", updateErr, checkout.ErrNotFound)
			}
			if pruned == 0 { // Prune skipped the session, because the update had locked it
				t.history(s, expired(s), late)
				t.prunes(morning.Add(time.Hour), 1, 1)
			}
			t.absent(merchant, s.ID, s.IdempotencyKey)
			t.feed()
		}
	}},
	{"lists sessions and counts them at the same moment", func(t *trial) {
		for n := range 24 {
			t.createWhile(sample(n), func(bool) {
				sessions, total, err := t.store.List(t.Context(), merchant, checkout.Query{Limit: 100, At: morning})
				if err != nil {
					t.Errorf("List: %v", err)
				}
				if len(sessions) != total {
					t.Errorf("List returned %d sessions and counted %d", len(sessions), total)
				}
			})
		}
	}},
	{"shows a new session completely or not at all", func(t *trial) {
		for n := range 24 {
			s := sample(n)
			t.createWhile(s, func(created bool) {
				for _, read := range t.reads(s) {
					held, err := read()
					if errors.Is(err, checkout.ErrNotFound) && !created {
						continue
					}
					if err != nil {
						t.Errorf("reading a session that is there: %v", err)
						return
					}
					t.same("what was read beside a Create", held, s)
					created = true // a session that was seen once must be seen from then on
				}
			})
		}
	}},
	{"shows an update completely or not at all", func(t *trial) {
		for n := range 12 {
			before := t.create(sample(n))
			after := successor(before, forms()[1])
			t.while(func() {
				if err := t.store.Update(t.Context(), after); err != nil {
					t.Errorf("Update: %v", err)
				}
			}, func(updated bool) {
				for _, read := range t.reads(before) {
					held, err := read()
					if err != nil {
						t.Errorf("reading a session beside an Update: %v", err)
						return
					}
					updated = updated || held.Version == after.Version
					want := before
					if updated {
						want = after
					}
					t.same("what was read beside an Update", held, want)
				}
			})
		}
	}},
}

// reads returns the ways to read a session. Get comes twice, before and after GetByKey.
func (t *trial) reads(s checkout.Session) []func() (checkout.Session, error) {
	byID := func() (checkout.Session, error) { return t.store.Get(t.Context(), s.Account, s.ID) }
	byKey := func() (checkout.Session, error) { return t.store.GetByKey(t.Context(), s.Account, s.IdempotencyKey) }
	return []func() (checkout.Session, error){byID, byKey, byID}
}

// createWhile creates s while look is called.
func (t *trial) createWhile(s checkout.Session, look func(created bool)) {
	t.while(func() {
		if _, _, err := t.store.Create(t.Context(), s); err != nil {
			t.Errorf("Create: %v", err)
		}
	}, look)
}

// while calls look before act begins, again and again while act runs, and once after it, with done true. After a hundred calls it
// pauses between them, because a reader that never pauses can keep a writer from ever getting the lock.
func (t *trial) while(act func(), look func(done bool)) {
	watched, done := make(chan struct{}), make(chan struct{})
	atOnce(2, func(i int) {
		if i == 0 {
			defer close(done)
			<-watched
			act()
			return
		}
		look(false)
		close(watched)
		for looks := 0; ; looks++ {
			pause := time.Millisecond
			if looks < 100 {
				pause = 0
			}
			select {
			case <-done:
				look(true)
				return
			case <-time.After(pause):
				look(false)
			}
		}
	})
}
