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

// The reasons of refusals, as sessions then have them in FailureReason. [Explain] puts them into a payer's words.
const (
	ReasonFunds    = "insufficient funds"
	ReasonPIN      = "wrong PIN"
	ReasonDeclined = "declined by the payer"
	ReasonCard     = "card declined"
	ReasonReplaced = "no answer from the payer"
)

// MaxPayments is how many payments are known at once. Beyond, Pay is an error that wraps [checkout.ErrUnavailable].
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
	keepFor     = time.Hour // how long a payment is known after the end of its session
)

// Config is what a host may settle. The zero Config works.
type Config struct {
	_ struct{} // keyed literals only

	// Clock tells when something is due; nil is the system's. It must be the one of Checkouts.
	Clock checkout.Clock
	// CardURL is where CardPage is mounted, as payers see it: absolute, http or https, without a slash at its end. "" has card
	// payments go through without a page.
	CardURL string
	// Return is where CardPage sends the payer back to: the Link of the payer's page. Required with CardURL.
	Return func(checkout.Session) string
	// Tell is told what becomes of payments, as an operator calls a host back: after an error it is told again a second later.
	// With it the host under test drives its sessions itself, and asks by Lookup for what it was not told. nil has the
	// simulator drive the sessions.
	Tell func(context.Context, News) error
	// Interactive has payments wait for Answer, rather than follow the table.
	Interactive bool
	// Logger hears of what could not be applied (Error) and of refunds (Warn). nil is silent.
	Logger *slog.Logger
}

// Simulator plays the operator, the card processor and the host between them and the sessions. Make one with [New]. It is safe
// for concurrent use.
type Simulator struct {
	checkouts   *checkout.Checkouts
	clock       checkout.Clock
	cardURL     string
	back        func(checkout.Session) string
	interactive bool
	tell        func(context.Context, News) error
	drives      bool // rather than the host
	log         *slog.Logger
	outage      outage.Outage
	woken       chan struct{} // holds a value when Run should look anew

	ticking sync.Mutex // one Tick at a time, so that what happens has an order

	mu       sync.Mutex
	payments map[string]*payment
	due      queue
	planned  uint64 // how many things were planned: the order of those that are due at one instant
	refunds  []Refund
	driven   []checkout.Account
	looked   time.Time // when the sessions of driven were last looked for; zero: never
}

// Refund is a payment that took money it should not have.
type Refund struct {
	News
	Why string
}

// New makes a Simulator over checkouts. The error joins a [*checkout.ConfigError] for each fault of cfg, or of nil checkouts.
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

// Pay asks the simulated operator for the payment of a session, under its PaymentID, or names the card processor's page. It fits
// paypage.Config.Pay: asking again under the same ID changes nothing.
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

// Drive has the mobile-money sessions of test accounts drive themselves, those that are there and those that will be created.
// Accounts that are not in test mode are left alone. Tick looks for new sessions twice a second, by [checkout.Checkouts.List].
func (s *Simulator) Drive(accounts ...checkout.Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range accounts {
		if a.Test && !slices.Contains(s.driven, a) {
			s.driven = append(s.driven, a)
		}
	}
	s.wake()
}

// Tick does what is due, in the order in which it is, and returns when the next thing is; zero where nothing is to come. The
// error joins what could not be done; it is tried again a second later.
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

// Run calls Tick in time until ctx ends, and returns ctx's error. Failures of the store are logged and outlived.
func (s *Simulator) Run(ctx context.Context) error {
	for {
		next, _ := s.Tick(ctx) // which has logged its error
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

// Refunds are the payments that took money they should not have, the oldest first, the last thousand of them.
func (s *Simulator) Refunds() []Refund {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refunds)
}

const maxRefunds = 1000

func (s *Simulator) refund(ctx context.Context, n News, why string) {
	s.mu.Lock()
	r := Refund{n, why}
	if !slices.Contains(s.refunds, r) { // an operator tells the same more than once
		s.refunds = append(s.refunds, r)
	}
	if len(s.refunds) > maxRefunds {
		s.refunds = slices.Delete(s.refunds, 0, 1)
	}
	s.mu.Unlock()
	s.log.LogAttrs(ctx, slog.LevelWarn, "simulated payment is to be refunded", slog.String("session", n.SessionID),
		slog.String("payment", n.PaymentID), slog.String("why", why))
}

// look finds the sessions that are to drive themselves.
func (s *Simulator) look(ctx context.Context) error {
	now := s.clock.Now()
	s.mu.Lock()
	accounts, looked := slices.Clone(s.driven), s.looked
	if len(accounts) == 0 || now.Sub(looked) < lookEvery {
		s.mu.Unlock()
		return nil
	}
	s.looked = now
	s.mu.Unlock()
	var errs []error
	for _, account := range accounts {
		if looked.IsZero() { // those of an earlier run of the program
			errs = append(errs, s.driveAll(ctx, account, checkout.StatusPending))
		}
		errs = append(errs, s.driveAll(ctx, account, checkout.StatusCreated))
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

// task is something that happens at an instant.
type task struct {
	at  time.Time
	seq uint64
	do  func(context.Context) error
}

// queue is what is still to happen, as a heap: the earliest first, and of one instant what was planned first.
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
