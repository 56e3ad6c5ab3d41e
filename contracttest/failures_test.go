package contracttest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// failure is a store or an authenticator that fails, and what the handler must answer.
type failure struct {
	store  func(checkout.Store) checkout.Store
	auth   checkout.Authenticator
	status int
	code   string
}

var failures = map[string]failure{
	"a fault of the store":                   {store: failing(errors.New("no such table: sessions")), status: 500, code: "internal"},
	"a panic of the store":                   {store: failing(nil), status: 500, code: "internal"},
	"a store that is down":                   {store: failing(fmt.Errorf("dial: %w", checkout.ErrUnavailable)), status: 503, code: "unavailable"},
	"a store that does not know the outcome": {store: failing(checkout.ErrOutcomeUnknown), status: 503, code: "unavailable"},
	"credentials that cannot be read":        {store: sound, auth: authenticator(checkout.Account{}, errors.New("dial")), status: 503, code: "unavailable"},
	"credentials without an account":         {store: sound, auth: authenticator(checkout.Account{}, nil), status: 500, code: "internal"},
}

// inEveryOperation calls every operation of a host with the failure. An operation that documents the failure's status must answer with
// it. The others must not be affected.
func (f failure) inEveryOperation(h *host, name string) {
	for id, op := range inOrder(h.document.operations) {
		if op.spec.Responses.Status(f.status) == nil {
			h.expect(id+" is not affected by "+name, call{operation: id}, fits, 200, "")
			continue
		}
		h.expect(id+" answers for "+name, call{operation: id, id: "any", body: bodyOf(id)}, fits, f.status, f.code)
	}
}

func sound(s checkout.Store) checkout.Store { return s }

func failing(err error) func(checkout.Store) checkout.Store {
	return func(checkout.Store) checkout.Store { return failingStore{err} }
}

// failingStore fails every call with err, or panics if err is nil.
type failingStore struct{ err error }

func (s failingStore) fail() error {
	if s.err == nil {
		panic("the store panics")
	}
	return s.err
}

func (s failingStore) Create(context.Context, checkout.Session) (checkout.Session, bool, error) {
	return checkout.Session{}, false, s.fail()
}

func (s failingStore) Get(context.Context, checkout.Account, string) (checkout.Session, error) {
	return checkout.Session{}, s.fail()
}

func (s failingStore) GetByKey(context.Context, checkout.Account, idempotency.Key) (checkout.Session, error) {
	return checkout.Session{}, s.fail()
}

func (s failingStore) Update(context.Context, checkout.Session) error { return s.fail() }

func (s failingStore) List(context.Context, checkout.Account, checkout.Query) ([]checkout.Session, int, error) {
	return nil, 0, s.fail()
}

func (s failingStore) Expire(context.Context, time.Time, int) ([]checkout.Session, error) {
	return nil, s.fail()
}

func (s failingStore) Events(context.Context, checkout.Cursor, int) ([]checkout.Event, error) {
	return nil, s.fail()
}

func (s failingStore) History(context.Context, checkout.Account, string) ([]checkout.Event, error) {
	return nil, s.fail()
}

func (s failingStore) Prune(context.Context, time.Time, int) (int, error) { return 0, s.fail() }

func authenticator(account checkout.Account, err error) checkout.Authenticator {
	return checkout.AuthenticatorFunc(func(*http.Request) (checkout.Account, error) { return account, err })
}
