package checkout

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/caisse/checkout/idempotency"
)

// request is a CreateParams in the form in which requests are compared and stored. CreateParams.normalize makes it. It is valid if
// normalize has found no fault.
type request struct {
	CreateParams
	phone Phone
}

// The versions of the rules by which a fingerprint is made. A fingerprint is stored with its session for years, so the rules must never
// change: a new rule gets a new version, and the old one stays for its sessions. A request without reference and metadata keeps the
// first version, so that a program of the earlier release, which may run beside this one during an upgrade, still finds its session.
const (
	fingerprintPlain   = 1
	fingerprintLabeled = 2 // has a client reference or metadata
)

// fingerprint returns a digest of what the request means. Differences that do not change the meaning do not change the fingerprint: the
// order of members, 5000.0 instead of 5000, a default that is given explicitly.
//
// A later request is compared with this digest and not with the session, because the session may have got another payment since, and a
// customer that the request did not name.
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

// sameAs reports whether held is the session of this request, and which members differ if it is not. The client gets the names of these
// members, so that it can see what it has mixed up. It does not get their values: a client that guesses a key must not learn them.
func (r request) sameAs(held Session) (same bool, differ []string) {
	if held.Fingerprint == r.fingerprint() {
		return true, nil
	}
	differ = r.differences(held)
	if v := held.Fingerprint.Version(); v != fingerprintPlain && v != fingerprintLabeled {
		// The session was made by another release, with rules that this one does not know. Compare what the session still has.
		return len(differ) == 0, differ
	}
	return false, append(differ, r.identifiersThatDiffer(held)...)
}

// differences returns the members that differ, among those that never change in a session.
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

// identifiersThatDiffer returns which of payment_id and customer_id differ. A session may have got others than its request named: a
// payment by Begin or Complete, a customer at creation. Only the fingerprint still depends on the requested ones. So the likely values
// are tried until a pair of them gives that fingerprint.
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
	// No pair gave the fingerprint, so the first request named another payment, which has been replaced since. A customer is never
	// replaced, but a card session whose request named none got one at creation.
	names := []string{"payment_id"}
	if r.CustomerID != held.CustomerID && (r.CustomerID != "" || held.PaymentMethod != Card) {
		names = append(names, "customer_id")
	}
	return names
}
