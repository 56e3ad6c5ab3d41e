package checkout

import (
	"context"
	"sync"
	"time"
)

const (
	// feedTurn is the pause between two reads of the feed. A change by another process is seen within this time plus the time of one
	// read.
	feedTurn = 400 * time.Millisecond
	// feedPage is how many events one read takes. If it gets that many, the next read follows at once.
	feedPage = 1000
	// If the last read of the feed is longer ago than feedForgotten, nobody has waited meanwhile, and the next read begins at the
	// end.
	feedForgotten = 10 * time.Second
)

// Wait returns the account's session as soon as it differs from seen: its Version is another, or the clock has expired it. It returns at
// once if it differs already, or if the session has ended. So a program that shows a payer "waiting" needs no loop with a sleep:
//
//	for err == nil && session.Status == checkout.StatusPending {
//		session, err = checkouts.Wait(ctx, account, session.ID, session)
//	}
//
// A change that is made through the same Checkouts ends the wait at once. A change by another process, or in a transaction of the host
// ([Checkouts.WithStore]), ends it within a second after its commit. On PostgreSQL, another transaction that has written and is left
// open delays these changes.
//
// If ctx ends first, Wait returns the session as it was last known, with ctx's error. If [Checkouts.StopWaiting] is called, Wait returns
// it with [ErrStopped]. The wait goes on while the feed of events cannot be read. Other errors are those of [Checkouts.Get].
//
// Wait starts no goroutine. All waiting callers take turns to read the feed of events. So ten thousand callers cost the store as much as
// one, less than three reads a second. Besides, each caller costs a read when it begins and when its session changes.
func (c *Checkouts) Wait(ctx context.Context, account Account, id string, seen Session) (Session, error) {
	w := c.waits.enter(account, id)
	defer c.waits.leave(w)
	for {
		kept, err := c.get(ctx, account, id)
		if err != nil {
			return Session{}, err
		}
		now := c.now()
		s := kept.at(now)
		if s.Version != seen.Version || s.Status != seen.Status || s.Status.ended() {
			return s, nil
		}
		var due <-chan time.Time
		if s.Status.expires() {
			c.waits.setDue(w, s.ExpiresAt)
			timer := time.NewTimer(s.ExpiresAt.Sub(now))
			defer timer.Stop()
			due = timer.C
		}
		if err := c.waitForWake(ctx, w, due); err != nil {
			return kept.at(c.now()), err
		}
	}
}

// waitForWake returns nil when the session should be read again. Of all callers, one gets the turn and reads the feed; the others
// sleep.
func (c *Checkouts) waitForWake(ctx context.Context, w *waiter, due <-chan time.Time) error {
	select {
	case <-w.woken:
		return nil
	case <-due:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.waits.stopped:
		return ErrStopped
	case f := <-c.waits.turn:
		defer func() { c.waits.turn <- f }() // also if the store panics
		return c.takeTurn(ctx, w, due, f)
	}
}

// takeTurn reads the feed for all waiting callers, until the wait of this caller is over.
func (c *Checkouts) takeTurn(ctx context.Context, w *waiter, due <-chan time.Time, f *feed) error {
	rest := time.NewTimer(time.Until(f.looked.Add(feedTurn)))
	defer rest.Stop()
	for {
		select {
		case <-w.woken:
			return nil
		case <-due:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-c.waits.stopped:
			return ErrStopped
		case <-rest.C:
			c.waits.read(ctx, f)
			c.waits.wakeDue(c.now())
			rest.Reset(feedTurn)
		}
	}
}

// waits has the callers that wait for a change, and the turn to read the feed for all of them.
//
// A caller that waits is woken in one of three ways: by a change through this Checkouts, at once; by the feed, which shows changes of
// other processes; or when its session is due. A caller that is woken reads its session again. So an unnecessary wake costs a read, and
// does no harm.
//
// There is no goroutine that reads the feed. The callers pass the turn on: the caller that takes it from the channel reads the feed until
// its own wait is over, and puts it back. Without callers nothing is read.
type waits struct {
	store   Store
	turn    chan *feed // holds the feed while no caller reads it
	stopped chan struct{}
	stop    func()

	mu      sync.Mutex
	waiting map[sessionName]map[*waiter]bool
}

// sessionName identifies a session.
type sessionName struct {
	account Account
	id      string
}

// waiter is one call of Wait.
type waiter struct {
	of    sessionName
	woken chan struct{} // holds a value once the session may have changed since it was read
	due   time.Time     // when the clock expires the session; zero: it does not. Guarded by waits.mu.
}

// feed is how far the feed has been read.
type feed struct {
	known  bool // after is valid: all callers were woken for the events up to it, and need only the later ones
	after  Cursor
	looked time.Time // when the feed was last read, or a read has failed
}

func newWaits(store Store) *waits {
	s := &waits{
		store:   store,
		turn:    make(chan *feed, 1),
		stopped: make(chan struct{}),
		waiting: make(map[sessionName]map[*waiter]bool),
	}
	s.stop = sync.OnceFunc(func() { close(s.stopped) })
	s.turn <- new(feed)
	return s
}

func (s *waits) enter(account Account, id string) *waiter {
	w := &waiter{of: sessionName{account, id}, woken: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting[w.of] == nil {
		s.waiting[w.of] = make(map[*waiter]bool)
	}
	s.waiting[w.of][w] = true
	return w
}

func (s *waits) leave(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting[w.of], w)
	if len(s.waiting[w.of]) == 0 {
		delete(s.waiting, w.of)
	}
}

func (s *waits) setDue(w *waiter, due time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.due = due
}

// wake makes the callers that wait for a session read it again.
func (s *waits) wake(account Account, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.waiting[sessionName{account, id}] {
		w.wake()
	}
}

// wakeDue wakes the callers whose sessions the clock has expired. Timers are not enough, because the host may have set another
// clock than the system's.
func (s *waits) wakeDue(now time.Time) {
	s.wakeWhere(func(w *waiter) bool { return !w.due.IsZero() && !w.due.After(now) })
}

func (s *waits) wakeWhere(is func(*waiter) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, same := range s.waiting {
		for w := range same {
			if is(w) {
				w.wake()
			}
		}
	}
}

func (w *waiter) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// read reads the feed and wakes the callers whose sessions have changed. After an error it reads again from the same place.
func (s *waits) read(ctx context.Context, f *feed) {
	idle := time.Since(f.looked)
	defer func() { f.looked = time.Now() }()
	if !f.known || idle > feedForgotten {
		s.begin(ctx, f)
		return
	}
	for {
		events, err := s.store.Events(ctx, f.after, feedPage)
		for _, e := range events {
			s.wake(e.Session.Account, e.Session.ID)
			f.after = e.Cursor
		}
		if err != nil || len(events) < feedPage {
			return
		}
	}
}

// begin goes to the end of the feed, because nobody has waited for the events before it. Then it makes all callers read their
// sessions once more, because they may have read them before the last of these events.
func (s *waits) begin(ctx context.Context, f *feed) {
	last, err := s.store.Events(ctx, LastEvent, 1)
	if f.known = err == nil; err != nil {
		return
	}
	f.after = ""
	for _, e := range last {
		f.after = e.Cursor
	}
	s.wakeWhere(func(*waiter) bool { return true })
}

// StopWaiting ends every [Checkouts.Wait] that is under way, and every later one, so that a server can stop without waiting for its
// waiting clients:
//
//	server.RegisterOnShutdown(checkouts.StopWaiting)
//
// Over HTTP those clients are answered at once, with the session as it is. It may be called more than once.
func (c *Checkouts) StopWaiting() { c.waits.stop() }
