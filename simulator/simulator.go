package simulator

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/outage"
	"github.com/caisse/checkout/paypage"
)

// The reasons of refusals, as sessions have them in FailureReason. [Explain] translates them for a payer.
const (
	ReasonFunds    = "insufficient funds"
	ReasonPIN      = "wrong PIN"
	ReasonDeclined = "declined by the payer"
	ReasonCard     = "card declined"
	ReasonReplaced = "no answer from the payer"
)

// MaxPayments is how many payments the simulator can have at once. Beyond it, the error of Pay wraps [checkout.ErrUnavailable].
const MaxPayments = 100_000

const (
	heldAfter   = time.Second
	secondAfter = time.Second     // 07, 08: the second attempt
	firstEnds   = 2 * time.Second // 07, 08: the first attempt
	paidAfter   = 3 * time.Second
	lateAfter   = 3 * time.Second // 04: after the session has expired
	askAfter    = 10 * time.Second
	maxAskAfter = 5 * time.Minute
	tellAgain   = time.Second // after a callback that could not be applied
	lookEvery   = 500 * time.Millisecond
	keepFor     = time.Hour // how long a payment is kept after the end of its session
)

// Config configures a [Simulator]. The zero Config works.
type Config struct {
	_ struct{} // keyed literals only

	// Clock decides when something is due; nil is the system's clock. It must be the clock of Checkouts.
	Clock checkout.Clock
	// CardURL is where CardPage is mounted, as payers see it: absolute, http or https, without a slash at its end. If it is "", card
	// payments are paid without a page.
	CardURL string
	// Return returns the URL to which CardPage redirects the payer: the Link of the payer's page. It is required with CardURL.
	Return func(checkout.Session) string
	// Tell is called with the outcomes of payments, as an operator calls back a host. After an error it is called again a second
	// later. The host under test then applies the outcomes to its sessions, and calls Lookup if a callback was lost. If Tell is nil, the
	// simulator applies them.
	Tell func(context.Context, News) error
	// Interactive makes payments wait for Answer instead of following the table.
	Interactive bool
	// Logger gets a line for news that could not be applied (Error), for its end (Info), and for payments that a person must look at,
	// such as refunds (Warn). nil logs nothing.
	Logger *slog.Logger
}

// Simulator plays the operator, the card processor, and the host that applies their news to sessions. Make one with [New]. It is safe for
// concurrent use.
type Simulator struct {
	checkouts   *checkout.Checkouts
	clock       checkout.Clock
	cardURL     string
	back        func(checkout.Session) string
	interactive bool
	tell        func(context.Context, News) error
	drives      bool // the simulator applies outcomes to the sessions, not the host
	log         *slog.Logger
	outage      outage.Outage
	woken       chan struct{} // has a value when Run should look again

	ticking sync.Mutex // one Tick at a time, so that things happen in order

	mu       sync.Mutex
	payments map[string]*payment
	due      queue
	planned  uint64 // how many tasks were planned; it orders tasks of the same instant
	refunds  []Refund
	driven   []*drive
	looked   time.Time // when sessions of driven accounts were last looked for; zero: never
}

// drive is an account of [Simulator.Drive].
type drive struct {
	account checkout.Account
	resumed bool // its pending sessions, of an earlier run of the program, were found; only look uses it
}

// Refund is a payment that took money and must be paid back.
type Refund struct {
	News
	Why string
}

// New makes a Simulator over checkouts. The error joins a [*checkout.ConfigError] for each fault of cfg, and one if checkouts is
// nil.
func New(checkouts *checkout.Checkouts, cfg Config) (*Simulator, error) {
	var errs []error
	fault := func(field, reason string) {
		errs = append(errs, &checkout.ConfigError{Field: field, Reason: reason})
	}
	if checkouts == nil {
		fault("Checkouts", "must not be nil")
	}
	if cfg.CardURL != "" {
		u, err := url.Parse(cfg.CardURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || strings.HasSuffix(cfg.CardURL, "/") {
			fault("simulator.Config.CardURL", "must be an absolute http or https URL without query or a slash at its end")
		}
		if cfg.Return == nil {
			fault("simulator.Config.Return", "must not be nil where there is a CardURL")
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	s := &Simulator{
		checkouts: checkouts, clock: cfg.Clock, cardURL: cfg.CardURL, back: cfg.Return, interactive: cfg.Interactive, log: cfg.Logger,
		woken: make(chan struct{}, 1), payments: make(map[string]*payment),
	}
	if f, ok := s.clock.(checkout.ClockFunc); s.clock == nil || ok && f == nil {
		s.clock = checkout.ClockFunc(time.Now)
	}
	if s.tell = cfg.Tell; s.tell == nil {
		s.tell, s.drives = s.apply, true
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s, nil
}

// Pay asks the simulated operator for the payment of a session, with its PaymentID, or returns the card processor's page. It fits
// paypage.Config.Pay: a second call with the same ID changes nothing.
func (s *Simulator) Pay(_ context.Context, session checkout.Session) (paypage.Next, error) {
	if session.PaymentID == "" {
		return paypage.Next{}, errors.New("simulator: the session has no PaymentID: Begin comes first")
	}
	p, err := s.ask(session)
	if err != nil || p.card == "" {
		return paypage.Next{}, err
	}
	return paypage.Next{URL: p.card}, nil
}

// Drive makes the simulator begin a payment for every mobile-money session of test accounts, existing and new ones. It ignores
// accounts that are not in test mode. Tick looks for new sessions twice a second, with [checkout.Checkouts.List].
func (s *Simulator) Drive(accounts ...checkout.Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range accounts {
		if a.Test && !slices.ContainsFunc(s.driven, func(d *drive) bool { return d.account == a }) {
			s.driven = append(s.driven, &drive{account: a})
		}
	}
	s.wake()
}

// Tick does what is due, in order. It returns the time at which the next thing is due, or zero if there is none. The error joins
// the failures. A step of a payment that has failed is logged, and tried again a second later. A search for sessions of
// [Simulator.Drive] that has failed is not logged, and tried again half a second later.
func (s *Simulator) Tick(ctx context.Context) (next time.Time, err error) {
	s.ticking.Lock()
	defer s.ticking.Unlock()
	err = s.look(ctx)
	for {
		now := s.clock.Now()
		t, found := s.take(now)
		if !found {
			return s.next(), err
		}
		if failed := t.do(ctx); failed != nil {
			if !errors.Is(failed, checkout.ErrUnavailable) || s.outage.Failed() { // one line, however many payments wait
				s.log.LogAttrs(ctx, slog.LevelError, "simulated payment could not be applied", slog.Any("error", failed))
			}
			err = errors.Join(err, failed)
			s.plan(now.Add(tellAgain), t.do)
		} else if lasted, failures, ended := s.outage.Answered(); ended {
			s.log.LogAttrs(ctx, slog.LevelInfo, "simulated payments are applied again", slog.Duration("failed_for", lasted), slog.Int("failed", failures))
		}
		if ctx.Err() != nil {
			return s.next(), err
		}
	}
}

// Run calls Tick whenever something is due, until ctx ends, and returns ctx's error. An error of Tick does not end it.
func (s *Simulator) Run(ctx context.Context) error {
	for {
		next, _ := s.Tick(ctx) // it logs payments that fail
		pause := time.Minute
		if !next.IsZero() {
			pause = min(pause, max(0, next.Sub(s.clock.Now())))
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-s.woken:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Refunds returns the last thousand payments that must be paid back, the oldest first.
func (s *Simulator) Refunds() []Refund {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refunds)
}

const maxRefunds = 1000

func (s *Simulator) refund(ctx context.Context, n News, why string) {
	s.mu.Lock()
	r := Refund{n, why}
	if !slices.Contains(s.refunds, r) { // the operator may report it more than once
		s.refunds = append(s.refunds, r)
	}
	if len(s.refunds) > maxRefunds {
		s.refunds = slices.Delete(s.refunds, 0, 1)
	}
	s.mu.Unlock()
	s.log.LogAttrs(ctx, slog.LevelWarn, "simulated payment is to be refunded", slog.String("session", n.SessionID),
		slog.String("payment", n.PaymentID), slog.String("why", why))
}

// look finds the sessions of driven accounts. Only one call runs at a time.
func (s *Simulator) look(ctx context.Context) error {
	now := s.clock.Now()
	s.mu.Lock()
	driven := slices.Clone(s.driven)
	if len(driven) == 0 || now.Sub(s.looked) < lookEvery {
		s.mu.Unlock()
		return nil
	}
	s.looked = now
	s.mu.Unlock()
	var errs []error
	for _, d := range driven {
		if !d.resumed {
			err := s.driveAll(ctx, d.account, checkout.StatusPending)
			d.resumed = err == nil
			errs = append(errs, err)
		}
		errs = append(errs, s.driveAll(ctx, d.account, checkout.StatusCreated))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("simulator: find sessions of test accounts: %w", err)
	}
	return nil
}

func (s *Simulator) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// task is something that is due at an instant.
type task struct {
	at  time.Time
	seq uint64
	do  func(context.Context) error
}

// queue is a heap of the tasks to come: the earliest first, and at the same instant in the order in which they were planned.
type queue []task

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at.Before(q[j].at) || q[i].at.Equal(q[j].at) && q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(t any)   { *q = append(*q, t.(task)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	t := (*q)[last]
	(*q)[last] = task{}
	*q = (*q)[:last]
	return t
}

func (s *Simulator) plan(at time.Time, do func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.planned++
	heap.Push(&s.due, task{at, s.planned, do})
	s.wake()
}

func (s *Simulator) take(now time.Time) (task, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.due) == 0 || s.due[0].at.After(now) {
		return task{}, false
	}
	return heap.Pop(&s.due).(task), true
}

func (s *Simulator) next() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	var next time.Time
	if len(s.due) > 0 {
		next = s.due[0].at
	}
	if look := s.looked.Add(lookEvery); len(s.driven) > 0 && (next.IsZero() || look.Before(next)) {
		next = look
	}
	return next
}
