package checkout_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/memory"
	"github.com/google/uuid"
	"github.com/matryer/is"
)

// Sessions stay in the store when the host deploys a new release. If the new release computed another fingerprint, it would refuse the
// retry of a request that the old release accepted. So this test fixes the fingerprint of each dialect, member by member.
func TestFingerprintsOfRequestsArePinned(t *testing.T) {
	is := is.New(t)
	a := newAPI(t, memory.New())
	mobile := params(live, "")
	mobile.Description, mobile.PaymentID, mobile.CustomerID = "Attiéké", "ORDER_123", "CUSTOMER_1"
	s, _, err := a.Create(t.Context(), mobile)
	is.NoErr(err)
	is.Equal(s.Fingerprint, idempotency.Sum(1, "mobile_money", "5000", "XOF", "+22507987654", "Attiéké", "1800", "", "", "ORDER_123", "CUSTOMER_1"))

	byCard := params(live, "")
	asCard(&byCard)
	byCard.UserPhone = ""
	s, _, err = a.Create(t.Context(), byCard)
	is.NoErr(err)
	is.Equal(s.Fingerprint, idempotency.Sum(1, "card", "5000", "USD", "", "", "1800", "https://example.com/s", "https://example.com/c", "", ""))
}

// anotherRelease is a store that keeps each session with a fingerprint of version 9, which this release does not know.
type anotherRelease struct{ checkout.Store }

func (s anotherRelease) Create(ctx context.Context, session checkout.Session) (checkout.Session, bool, error) {
	session.Fingerprint = idempotency.Sum(9, session.ID)
	return s.Store.Create(ctx, session)
}

// If the release does not know the version of a stored fingerprint, it compares the members instead. Otherwise it would refuse retries
// after an upgrade or a downgrade.
func TestASessionOfAnotherReleasesRulesIsComparedByItsMembers(t *testing.T) {
	is := is.New(t)
	a := newAPI(t, anotherRelease{memory.New()})
	key := keyHeader()
	first := a.post(mobileMoney, key)
	is.Equal(first.status, 201)
	again := a.post(mobileMoney, key)
	is.Equal(again.status, 200)
	is.Equal(again.id(), first.id())
	is.Equal(a.post(with(t, mobileMoney, "amount", "5001"), key).faults(), []string{"#/amount differs"})
}

// Create must return an empty session with a KeyReusedError. A host that overlooks the error would otherwise use the session of another
// payment.
func TestAReusedKeyHandsOutNoSession(t *testing.T) {
	is := is.New(t)
	a := newAPI(t, memory.New())
	key := uuid.NewString()
	a.mustCreate(live, key)
	p := params(live, key)
	p.Amount++
	s, replayed, err := a.Create(t.Context(), p)
	is.True(err != nil)
	is.Equal(s, checkout.Session{})
	is.True(!replayed)
	is.True(strings.Contains(err.Error(), "amount"))
}

// A card session gets a generated customer ID only if the host gives none.
func TestACustomerOfTheHostIsKept(t *testing.T) {
	is := is.New(t)
	p := params(live, "")
	asCard(&p)
	p.CustomerID = "CUSTOMER_1"
	s, _, err := newAPI(t, memory.New()).Create(t.Context(), p)
	is.NoErr(err)
	is.Equal(s.CustomerID, "CUSTOMER_1")
}

func TestWithStoreKeepsTheConfiguration(t *testing.T) {
	is := is.New(t)
	first, second := memory.New(), memory.New()
	a := newAPIWith(t, first, checkout.Config{MaxAmount: 6000, CardCurrencies: []string{"GBP"}, PhoneRegions: []string{"CI"}}, checkout.HandlerConfig{})
	moved := a.WithStore(second)
	s, _, err := moved.Create(t.Context(), params(live, ""))
	is.NoErr(err)
	is.Equal(s.TransactionFee, int64(25))
	is.Equal(s.CreatedAt, a.clock.Now())
	_, err = a.Get(t.Context(), live, s.ID)
	is.True(errors.Is(err, checkout.ErrNotFound)) // only the second store has the session
	for member, change := range map[string]func(*checkout.CreateParams){
		"amount":     func(p *checkout.CreateParams) { p.Amount = 6001 },
		"user_phone": func(p *checkout.CreateParams) { p.UserPhone = "+221771234567" },
		"currency":   asCard, // in USD, but only GBP is accepted
	} {
		p := params(live, "")
		change(&p)
		_, _, err := moved.Create(t.Context(), p)
		var invalid *checkout.ValidationError
		is.True(asError(err, &invalid))
		is.Equal(len(invalid.Fields), 1)
		is.Equal(invalid.Fields[0].Field, member)
	}
}

func TestASessionCannotBeReadBackFromItsJSON(t *testing.T) {
	is := is.New(t)
	s := newAPI(t, memory.New()).mustCreate(live, uuid.NewString())
	text, err := json.Marshal(s)
	is.NoErr(err)
	is.True(!strings.Contains(string(text), string(s.IdempotencyKey)))
	is.True(json.Unmarshal(text, &s) != nil) // an error, and not a session without its key
}
