package checkout

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/caisse/checkout/idempotency"
)

// request is a CreateParams that holds to the contract, in the form in which requests are compared and kept.
type request struct {
	CreateParams
	phone Phone
}

// The versions of the rules below. Sessions outlive a release: a rule that changes gets a new number, and the old one
// stays for the sessions that it made. A request without reference and metadata keeps the first version, by which a program
// of the release before finds its session, where both run side by side.
const (
	fingerprintPlain   = 1
	fingerprintLabeled = 2 // has a client reference or metadata
)

// fingerprint is over what the request means, so that what does not change the meaning (the order of members, 5000.0
// for 5000, a default that is spelled out) does not change the fingerprint.
func (r request) fingerprint() idempotency.Fingerprint {
	plain := [...]string{
		string(r.PaymentMethod),
		strconv.FormatInt(r.Amount, 10),
		r.Currency,
		r.UserPhone,
		r.Description,
		strconv.FormatInt(int64(r.ExpiresIn/time.Second), 10),
		r.SuccessURL,
		r.CancelURL,
		r.PaymentID,
		r.CustomerID,
	}
	if r.ClientReference == "" && len(r.Metadata) == 0 {
		return idempotency.Sum(fingerprintPlain, plain[:]...)
	}
	labeled := append(plain[:], r.ClientReference)
	for _, name := range slices.Sorted(maps.Keys(r.Metadata)) {
		labeled = append(labeled, name, r.Metadata[name])
	}
	return idempotency.Sum(fingerprintLabeled, labeled...)
}

// sameAs reports whether held is the session of this request, and which members differ if it is not.
func (r request) sameAs(held Session) (same bool, differ []string) {
	if held.Fingerprint == r.fingerprint() {
		return true, nil
	}
	differ = r.differences(held)
	if v := held.Fingerprint.Version(); v != fingerprintPlain && v != fingerprintLabeled {
		// Another release's rules: what was kept of the first request decides.
		return len(differ) == 0, differ
	}
	return false, append(differ, r.identifiersThatDiffer(held)...)
}

// differences compares what a session never changes.
func (r request) differences(held Session) []string {
	var names []string
	add := func(name string, differs bool) {
		if differs {
			names = append(names, name)
		}
	}
	add("amount", r.Amount != held.Amount)
	add("currency", r.Currency != held.Currency)
	add("user_phone", r.UserPhone != held.UserPhone)
	add("payment_method", r.PaymentMethod != held.PaymentMethod)
	add("success_url", r.SuccessURL != held.SuccessURL)
	add("cancel_url", r.CancelURL != held.CancelURL)
	add("description", r.Description != held.Description)
	add("expires_in", r.ExpiresIn != held.ExpiresAt.Sub(held.CreatedAt))
	add("client_reference", r.ClientReference != held.ClientReference)
	add("metadata", !maps.Equal(r.Metadata, held.Metadata))
	return names
}

// identifiersThatDiffer compares what a session may have got since it was created: a payment by Begin or Complete, a
// customer at creation. The first request's own are known by its fingerprint alone, so they are tried against it.
func (r request) identifiersThatDiffer(held Session) []string {
	first := request{CreateParams: CreateParams{
		PaymentMethod: held.PaymentMethod,
		Amount:        held.Amount,
		Currency:      held.Currency,
		UserPhone:     held.UserPhone,
		Description:   held.Description,
		ExpiresIn:     held.ExpiresAt.Sub(held.CreatedAt),
		SuccessURL:    held.SuccessURL,
		CancelURL:     held.CancelURL,

		ClientReference: held.ClientReference,
		Metadata:        held.Metadata,
	}}
	for _, first.CustomerID = range []string{r.CustomerID, held.CustomerID, ""} {
		for _, first.PaymentID = range []string{r.PaymentID, held.PaymentID, ""} {
			if first.fingerprint() != held.Fingerprint {
				continue
			}
			var names []string
			if first.PaymentID != r.PaymentID {
				names = append(names, "payment_id")
			}
			if first.CustomerID != r.CustomerID {
				names = append(names, "customer_id")
			}
			return names
		}
	}
	// The first request's payment has been replaced since, so it was another. A customer never is replaced, but a card
	// session may have got its own at creation.
	names := []string{"payment_id"}
	if r.CustomerID != held.CustomerID && (r.CustomerID != "" || held.PaymentMethod != Card) {
		names = append(names, "customer_id")
	}
	return names
}
