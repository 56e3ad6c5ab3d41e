package simulator_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/caisse/checkout/simulator"
	"github.com/caisse/checkout/store/memory"
	"github.com/matryer/is"
)

var (
	live = checkout.Account{ID: "acct_1"}
	test = checkout.Account{ID: "acct_1", Test: true}
)

// clock is a checkout.Clock that stands still until a test moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// scene is a simulator with its Checkouts and a clock. run moves the clock to the next thing that the simulator will do.
type scene struct {
	*checkout.Checkouts
	t     *testing.T
	clock *clock
	store *store
	sim   *simulator.Simulator
	began time.Time
}

// store is a store whose updates fail while down is set, and whose lists fail while unreadable is set.
type store struct {
	checkout.Store
	down, unreadable bool
}

func (s *store) List(ctx context.Context, account checkout.Account, q checkout.Query) ([]checkout.Session, int, error) {
	if s.unreadable {
		return nil, 0, fmt.Errorf("connection refused: %w", checkout.ErrUnavailable)
	}
	return s.Store.List(ctx, account, q)
}

func (s *store) Update(ctx context.Context, session checkout.Session) error {
	if s.down {
		return fmt.Errorf("connection refused: %w", checkout.ErrUnavailable)
	}
	return s.Store.Update(ctx, session)
}

func newScene(t *testing.T, cfg simulator.Config) *scene {
	t.Helper()
	began := time.Date(2026, 11, 22, 7, 31, 56, 0, time.UTC)
	s := &scene{t: t, clock: &clock{now: began}, store: &store{Store: memory.New()}, began: began}
	var err error
	if s.Checkouts, err = checkout.New(s.store, checkout.Config{Clock: s.clock}); err != nil {
		t.Fatal(err)
	}
	cfg.Clock = s.clock
	if s.sim, err = simulator.New(s.Checkouts, cfg); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *scene) create(account checkout.Account, digits string) checkout.Session {
	s.t.Helper()
	session, _, err := s.Create(s.t.Context(), checkout.CreateParams{Account: account, Amount: 5000, Currency: "XOF", UserPhone: "+22507079876" + digits})
	if err != nil {
		s.t.Fatal(err)
	}
	return session
}

// pay begins a payment and asks the simulator for it, as the payer's page does.
func (s *scene) pay(session checkout.Session, paymentID string) {
	s.t.Helper()
	begun, err := s.Begin(s.t.Context(), session.Account, session.ID, paymentID)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.sim.Pay(s.t.Context(), begun); err != nil {
		s.t.Fatal(err)
	}
}

// run moves the clock from one thing that the simulator does to the next, until it has nothing more to do before the given time.
func (s *scene) run(until time.Time) {
	s.t.Helper()
	for {
		next, err := s.sim.Tick(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		if next.IsZero() || next.After(until) {
			return
		}
		if next.After(s.clock.Now()) {
			s.clock.set(next)
		}
	}
}

// story returns the history of a session after its creation: for each change the time, the status and the payment.
func (s *scene) story(session checkout.Session) string {
	s.t.Helper()
	events, err := s.History(s.t.Context(), session.Account, session.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	var lines []string
	for _, e := range events[1:] {
		line := fmt.Sprintf("%v %s %s", e.At.Sub(s.began), e.Session.Status, e.Session.PaymentID)
		if e.Session.FailureReason != "" {
			line += ": " + e.Session.FailureReason
		}
		if e.Session.Late {
			line += ", late"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// table is the table in the package's documentation: for the last two digits of the phone, the story and the refunds.
var table = []struct{ digits, story, refunds string }{
	{"01", "0s pending P\n3s failed P: insufficient funds", ""},
	{"02", "0s pending P\n3s failed P: wrong PIN", ""},
	{"03", "0s pending P\n30m0s expired P", ""},
	{"04", "0s pending P\n30m0s expired P\n30m3s completed P, late", ""},
	{"05", "0s pending P\n1s processing P\n10s completed P", ""},
	{"06", "0s pending P\n1s processing P\n3s completed P", ""},
	{"07", "0s pending P\n1s pending P-2\n3s completed P-2", ""},
	{"08", "0s pending P\n1s pending P-2\n2s completed P", "P-2 5000 XOF: P has paid already"},
	{"00", "0s pending P\n1s processing P\n3s completed P", ""},
	{"09", "0s pending P\n1s processing P\n3s completed P", ""},
	{"54", "0s pending P\n1s processing P\n3s completed P", ""},
}

func (s *scene) refunds() string {
	var lines []string
	for _, r := range s.sim.Refunds() {
		lines = append(lines, fmt.Sprintf("%s %d %s: %s", r.PaymentID, r.Amount, r.Currency, r.Why))
	}
	return strings.Join(lines, "\n")
}

func TestTheLastTwoDigitsChoose(t *testing.T) {
	for _, line := range table {
		t.Run(line.digits, func(t *testing.T) {
			is := is.New(t)
			s := newScene(t, simulator.Config{})
			session := s.create(live, line.digits)
			s.pay(session, "P")
			s.pay(session, "P") // a second click changes nothing
			s.run(session.ExpiresAt.Add(-time.Microsecond))
			s.clock.set(session.ExpiresAt)
			_, err := s.ExpireDue(t.Context(), 10)
			is.NoErr(err)
			s.run(session.ExpiresAt.Add(2 * time.Hour))
			is.Equal(s.story(session), line.story)
			is.Equal(s.refunds(), line.refunds)
		})
	}
}

func TestTestModeDrivesItself(t *testing.T) {
	for _, line := range table {
		t.Run(line.digits, func(t *testing.T) {
			is := is.New(t)
			s := newScene(t, simulator.Config{})
			s.sim.Drive(test, live) // Drive ignores the live account
			session := s.create(test, line.digits)
			untouched := s.create(live, line.digits)
			s.run(s.began.Add(time.Minute))
			s.clock.set(session.ExpiresAt)
			_, err := s.ExpireDue(t.Context(), 10)
			is.NoErr(err)
			s.run(session.ExpiresAt.Add(time.Minute))
			id := "sim_" + session.ID[strings.LastIndex(session.ID, "_")+1:]
			want := regexp.MustCompile(`\bP\b`).ReplaceAllString(line.story, id)
			is.Equal(s.story(session), want)
			is.Equal(s.story(untouched), "30m0s expired ")
		})
	}

	t.Run("and drives later sessions and those of an earlier run, but none that the payer's page has begun", func(t *testing.T) {
		is := is.New(t)
		s := newScene(t, simulator.Config{})
		s.sim.Drive(test)
		earlier, onPage := s.create(test, "54"), s.create(test, "55")
		_, err := s.Begin(t.Context(), test, onPage.ID, "PAGE")
		is.NoErr(err)
		_, err = s.sim.Tick(t.Context())
		is.NoErr(err)

		restarted, err := simulator.New(s.Checkouts, simulator.Config{Clock: s.clock})
		is.NoErr(err)
		s.sim = restarted
		s.sim.Drive(test)
		s.store.unreadable = true
		_, err = s.sim.Tick(t.Context())
		is.True(errors.Is(err, checkout.ErrUnavailable)) // the next search finds the sessions of the earlier run
		s.store.unreadable = false
		s.run(s.began.Add(10 * time.Second))
		later := s.create(test, "01")
		s.run(s.began.Add(20 * time.Second))
		for session, want := range map[string]checkout.Status{
			earlier.ID: checkout.StatusCompleted, later.ID: checkout.StatusFailed, onPage.ID: checkout.StatusPending,
		} {
			now, err := s.Get(t.Context(), test, session)
			is.NoErr(err)
			is.Equal(now.Status, want)
		}
	})

	t.Run("and drives more sessions than a page of a list has", func(t *testing.T) {
		is := is.New(t)
		s := newScene(t, simulator.Config{})
		s.sim.Drive(test)
		const n = checkout.MaxListLimit*2 + 10
		for range n {
			s.create(test, "54")
		}
		s.run(s.began.Add(5 * time.Second))
		page, err := s.List(t.Context(), test, checkout.Query{Status: checkout.StatusCompleted})
		is.NoErr(err)
		is.Equal(page.Total, n)
	})
}

// If the store is unavailable, the simulator repeats the news a second later, as an operator repeats a callback.
func TestNewsIsRepeatedWhileTheStoreIsUnavailable(t *testing.T) {
	is := is.New(t)
	s := newScene(t, simulator.Config{})
	session := s.create(live, "54")
	s.pay(session, "P")
	s.store.down = true
	s.clock.set(s.began.Add(3 * time.Second))
	next, err := s.sim.Tick(t.Context())
	is.True(errors.Is(err, checkout.ErrUnavailable))
	is.Equal(next, s.began.Add(4*time.Second))
	s.store.down = false
	s.run(s.began.Add(time.Minute))
	is.Equal(s.story(session), "0s pending P\n4s processing P\n4s completed P")
}

func TestInteractive(t *testing.T) {
	t.Run("a payment waits for the answer on the phone", func(t *testing.T) {
		is := is.New(t)
		s := newScene(t, simulator.Config{Interactive: true})
		agreed, declined, unanswered := s.create(live, "01"), s.create(live, "01"), s.create(live, "02")
		for id, session := range map[string]checkout.Session{"A": agreed, "B": declined, "C": unanswered} {
			s.pay(session, id)
		}
		s.run(s.began.Add(time.Minute))
		is.Equal(len(s.sim.Requests("")), 3)
		is.Equal(len(s.sim.Requests(agreed.UserPhone)), 2)
		is.Equal(s.sim.Requests(unanswered.UserPhone)[0].PaymentID, "C")
		is.True(s.sim.Answer("A", true, ""))
		is.True(s.sim.Answer("B", false, simulator.ReasonDeclined))
		is.True(!s.sim.Answer("A", false, "")) // answered already
		is.True(!s.sim.Answer("X", true, ""))
		now := s.clock.Now()
		s.run(now.Add(5 * time.Second))
		at := now.Sub(s.began)
		is.Equal(s.story(agreed), fmt.Sprintf("0s pending A\n%v processing A\n%v completed A", at, at+2*time.Second))
		is.Equal(s.story(declined), fmt.Sprintf("0s pending B\n%v failed B: declined by the payer", at))
		is.Equal(s.story(unanswered), "0s pending C")
		is.Equal(len(s.sim.Requests("")), 1)
		s.clock.set(unanswered.ExpiresAt)
		is.Equal(len(s.sim.Requests("")), 0) // no payer is asked about an expired session
	})

	t.Run("a payment that follows the table takes no answer", func(t *testing.T) {
		is := is.New(t)
		s := newScene(t, simulator.Config{})
		s.pay(s.create(live, "03"), "P")
		is.Equal(len(s.sim.Requests("")), 0)
		is.True(!s.sim.Answer("P", true, ""))
	})
}

// With Config.Tell the simulator does not apply outcomes to sessions. It tells the host the news, and repeats it after an error.
func TestTellLeavesTheSessionsToTheHost(t *testing.T) {
	is := is.New(t)
	var told []string
	down := true
	s := newScene(t, simulator.Config{Tell: func(_ context.Context, n simulator.News) error {
		if down {
			return errors.New("the host is down")
		}
		told = append(told, fmt.Sprintf("%s %s %d %s %s", n.PaymentID, n.Outcome, n.Amount, n.Currency, n.Reason))
		return nil
	}})
	refused, lost := s.create(live, "01"), s.create(live, "05")
	s.pay(refused, "R")
	s.pay(lost, "L")
	_, known := s.sim.Lookup("L")
	is.True(!known)
	s.clock.set(s.began.Add(3 * time.Second))
	_, err := s.sim.Tick(t.Context())
	is.True(err != nil)
	down = false
	s.run(s.began.Add(time.Minute))
	is.Equal(told, []string{"L held 5000 XOF ", "R refused 5000 XOF insufficient funds"})
	n, known := s.sim.Lookup("L")
	is.True(known)
	is.Equal(n.Outcome, simulator.Paid)
	is.Equal(n.SessionID, lost.ID)
	is.Equal(s.story(refused), "0s pending R") // the simulator has not applied the outcome
	is.Equal(s.story(lost), "0s pending L")
}

func TestPay(t *testing.T) {
	is := is.New(t)
	s := newScene(t, simulator.Config{})
	session := s.create(live, "54")
	var pay func(context.Context, checkout.Session) (paypage.Next, error) = s.sim.Pay // the type that paypage.Config.Pay has
	_, err := pay(t.Context(), session)
	is.True(err != nil) // the payment has not begun
	s.pay(session, "P")
	other, err := s.Begin(t.Context(), live, s.create(live, "54").ID, "P")
	is.NoErr(err)
	_, err = pay(t.Context(), other)
	is.True(err != nil) // the payment of another session has this ID
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		checkouts, err := checkout.New(memory.New(), checkout.Config{})
		is.NoErr(err)
		sim, err := simulator.New(checkouts, simulator.Config{})
		is.NoErr(err)
		sim.Drive(test)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- sim.Run(ctx) }()
		synctest.Wait()
		s, _, err := checkouts.Create(ctx, checkout.CreateParams{Account: test, Amount: 5000, Currency: "XOF", UserPhone: "+2250707987654"})
		is.NoErr(err)
		seen, began := s, time.Now()
		for seen.Status != checkout.StatusCompleted {
			seen, err = checkouts.Wait(ctx, test, s.ID, seen)
			is.NoErr(err)
		}
		is.True(time.Since(began) <= 3500*time.Millisecond)
		stop()
		is.Equal(<-ended, context.Canceled)
	})
}

func TestConfig(t *testing.T) {
	is := is.New(t)
	_, err := simulator.New(nil, simulator.Config{CardURL: "/card/"})
	for _, field := range []string{"Checkouts", "simulator.Config.CardURL", "simulator.Config.Return"} {
		is.True(strings.Contains(err.Error(), field))
	}
}

func TestExplain(t *testing.T) {
	is := is.New(t)
	for _, reason := range []string{simulator.ReasonFunds, simulator.ReasonPIN, simulator.ReasonDeclined, simulator.ReasonCard, simulator.ReasonReplaced} {
		is.True(simulator.Explain("fr", reason) != reason)
		is.True(simulator.Explain("fr", reason) != simulator.Explain("en", reason))
	}
	is.Equal(simulator.Explain("fr", "autre"), "autre")
}
