package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	operator "github.com/caisse/checkout/examples/operator"
	"github.com/caisse/checkout/store/memory"
	"github.com/matryer/is"
)

var (
	secret  = []byte("shared with the operator alone")
	account = checkout.Account{ID: "acct_1"}
)

// fixture is a host with one session, created and asked for by nobody yet.
type fixture struct {
	now       time.Time
	store     *faultyStore
	books     *faultyBooks
	gateway   *gateway
	host      *operator.Host
	callbacks *operator.Callbacks
	log       bytes.Buffer
	id        string // of the session
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	is := is.New(t)
	f := &fixture{
		now:     time.Date(2026, 11, 22, 7, 30, 0, 0, time.UTC),
		store:   &faultyStore{Store: memory.New()},
		books:   &faultyBooks{},
		gateway: &gateway{},
	}
	checkouts, err := checkout.New(f.store, checkout.Config{Clock: checkout.ClockFunc(func() time.Time { return f.now })})
	is.NoErr(err)
	f.host = &operator.Host{Checkouts: checkouts, Account: account, Operator: f.gateway, Books: f.books}
	f.callbacks, err = operator.NewCallbacks(f.host, secret, slog.New(slog.NewTextHandler(&f.log, nil)))
	is.NoErr(err)
	f.id = f.create(t)
	return f
}

func (f *fixture) create(t *testing.T) string {
	t.Helper()
	is := is.New(t)
	session, _, err := f.host.Checkouts.Create(t.Context(), checkout.CreateParams{
		Account: account, Amount: 5000, Currency: "XOF", UserPhone: "+2250707987654",
	})
	is.NoErr(err)
	return session.ID
}

// session is the session as it is now.
func (f *fixture) session(t *testing.T) checkout.Session {
	t.Helper()
	is := is.New(t)
	s, err := f.host.Checkouts.Get(t.Context(), account, f.id)
	is.NoErr(err)
	return s
}

// event is what the operator tells of a payment of the session.
func (f *fixture) event(paymentID string, outcome operator.Outcome) operator.Event {
	return operator.Event{PaymentID: paymentID, Reference: f.id, Outcome: outcome, Amount: 5000, Currency: "XOF"}
}

// send calls back as the operator does and returns what it is answered.
func (f *fixture) send(e operator.Event) int {
	body, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return f.post(body, operator.Sign(secret, body)).Code
}

func (f *fixture) post(body []byte, signature string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/callbacks", bytes.NewReader(body))
	r.Header.Set(operator.SignatureHeader, signature)
	w := httptest.NewRecorder()
	f.callbacks.ServeHTTP(w, r)
	return w
}

// faultyStore answers its next calls with errors.
type faultyStore struct {
	checkout.Store
	get     error // surely not read
	update  error // surely not written
	written error // what is answered to an update that was written
}

func (s *faultyStore) Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	if err := s.get; err != nil {
		s.get = nil
		return checkout.Session{}, err
	}
	return s.Store.Get(ctx, account, id)
}

func (s *faultyStore) Update(ctx context.Context, session checkout.Session) error {
	if err := s.update; err != nil {
		s.update = nil
		return err
	}
	err := s.Store.Update(ctx, session)
	if s.written != nil {
		err, s.written = s.written, nil
	}
	return err
}

// faultyBooks fails its next call.
type faultyBooks struct {
	operator.MemoryBooks
	err error
}

func (b *faultyBooks) fails() error {
	if b.err == nil {
		return nil // and nothing written, for the tests that call at once
	}
	err := b.err
	b.err = nil
	return err
}

func (b *faultyBooks) Deliver(ctx context.Context, s checkout.Session) error {
	if err := b.fails(); err != nil {
		return err
	}
	return b.MemoryBooks.Deliver(ctx, s)
}

func (b *faultyBooks) Note(ctx context.Context, n operator.Note) error {
	if err := b.fails(); err != nil {
		return err
	}
	return b.MemoryBooks.Note(ctx, n)
}

// gateway is an operator that is asked and looked up, and never calls.
type gateway struct {
	mu    sync.Mutex
	err   error // of the next Ask
	asked []operator.Payment
	onAsk func(operator.Payment)
	known map[string]operator.Event
	down  map[string]error // of Lookup
}

func (g *gateway) Ask(_ context.Context, p operator.Payment) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.err; err != nil {
		g.err = nil
		return err
	}
	g.asked = append(g.asked, p)
	if g.onAsk != nil {
		g.onAsk(p)
	}
	return nil
}

func (g *gateway) Lookup(_ context.Context, paymentID string) (operator.Event, bool, error) {
	e, ok := g.known[paymentID]
	return e, ok, g.down[paymentID]
}
