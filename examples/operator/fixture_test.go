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

// fixture is a host with one session. The session is created, and the operator has not been asked for its payment.
type fixture struct {
	now       time.Time
	store     *faultyStore
	books     *faultyBooks
	gateway   *gateway
	host      *operator.Host
	callbacks *operator.Callbacks
	log       bytes.Buffer
	id        string // the session's ID
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

// session reads the session from the store.
func (f *fixture) session(t *testing.T) checkout.Session {
	t.Helper()
	is := is.New(t)
	s, err := f.host.Checkouts.Get(t.Context(), account, f.id)
	is.NoErr(err)
	return s
}

// event returns the callback in which the operator reports the outcome of a payment of the session.
func (f *fixture) event(paymentID string, outcome operator.Outcome) operator.Event {
	return operator.Event{PaymentID: paymentID, Reference: f.id, Outcome: outcome, Amount: 5000, Currency: "XOF"}
}

// send sends a callback with the operator's signature, and returns the status of the answer.
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

// faultyStore is a store whose next call fails. Each error is returned once.
type faultyStore struct {
	checkout.Store
	get     error // Get returns it and reads nothing
	update  error // Update returns it and writes nothing
	written error // Update returns it after it has written
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

// faultyBooks are books whose next call returns err and writes nothing.
type faultyBooks struct {
	operator.MemoryBooks
	err error
}

func (b *faultyBooks) fails() error {
	if b.err == nil {
		return nil // do not write to b.err here: some tests make concurrent calls
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

// gateway is an operator that can be asked for a payment and for its state, but never calls back.
type gateway struct {
	mu    sync.Mutex
	err   error // the next Ask returns it
	asked []operator.Payment
	onAsk func(operator.Payment)    // called in each Ask
	known map[string]operator.Event // the answers of Lookup, by payment ID
	down  map[string]error          // the errors of Lookup, by payment ID
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
