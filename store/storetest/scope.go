package storetest

import (
	"github.com/caisse/checkout"
)

var scopeChecks = []check{
	{"hides the sessions of other accounts", func(t *trial) {
		t.hides(merchant, stranger)
	}},
	{"hides test sessions from live mode", func(t *trial) {
		t.hides(sandbox, merchant)
	}},
	{"hides live sessions from test mode", func(t *trial) {
		t.hides(merchant, sandbox)
	}},
	{"distinguishes accounts with similar ids", func(t *trial) {
		for n, id := range []string{
			"acct_1", "Acct_1", "acct-1", "acct_1 ", "acct_", "acct_é", "acct_e", "acct_%", "1", "01",
		} {
			s := sample(1)
			s.ID, s.Account.ID = sampleID("ci", n), id
			t.kept(t.create(s))
			t.lists(s.Account, checkout.Query{}, s)
		}
	}},
	{"finds no session that was not created", func(t *trial) {
		t.absent(merchant, sampleID("ci", 1), sampleKey(1))
		t.absent(merchant, "", "")
		next := completed(sample(1))
		t.failed("Update of an absent session", t.store.Update(t.Context(), next), checkout.ErrNotFound)
		t.lists(merchant, checkout.Query{})
		t.lists(merchant, checkout.Query{Offset: 7})
		t.expires(next.ExpiresAt, 10)

		t.create(sample(2)) // the same checks, now that the account has another session
		t.absent(merchant, sampleID("ci", 1), sampleKey(1))
		t.failed("Update of an absent session", t.store.Update(t.Context(), next), checkout.ErrNotFound)
	}},
}

// hides checks that the other account can neither see nor change a session of the owner.
func (t *trial) hides(owner, other checkout.Account) {
	t.Helper()
	secret, own := sample(1), sample(2)
	secret.Account, own.Account = owner, other
	secret.PaymentID, own.PaymentID = "ORDER_123", "ORDER_123"
	secret, own = t.create(secret), t.create(own)

	t.absent(other, secret.ID, secret.IdempotencyKey)
	t.lists(other, checkout.Query{}, own)
	t.lists(other, checkout.Query{Status: checkout.StatusCreated, At: morning}, own)
	t.lists(other, checkout.Query{PaymentID: "ORDER_123"}, own)

	for _, version := range []int64{1, 2, 3} {
		theft := completed(secret)
		theft.Account, theft.Version = other, version
		t.failed("Update of another's session", t.store.Update(t.Context(), theft), checkout.ErrNotFound)
	}
	t.kept(secret)
}
