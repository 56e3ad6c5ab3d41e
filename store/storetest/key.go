package storetest

import (
	"strings"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

var keyChecks = []check{
	{"scopes keys by account", func(t *trial) {
		t.sharesKey(merchant, stranger)
	}},
	{"scopes keys by mode", func(t *trial) {
		t.sharesKey(merchant, sandbox)
	}},
	{"distinguishes keys when account and key together give the same text", func(t *trial) {
		pairs := []struct {
			account checkout.Account
			key     idempotency.Key
		}{
			{checkout.Account{ID: "acct_1"}, "2:3"},
			{checkout.Account{ID: "acct_1:2"}, "3"},
			{checkout.Account{ID: "acct_1"}, "/2/3"},
			{checkout.Account{ID: "acct_1/2"}, "/3"},
			{checkout.Account{ID: "acct_12"}, "3"},
			{checkout.Account{ID: "acct_1"}, "23"},
			{checkout.Account{ID: "acct_1", Test: true}, "1"},
			{checkout.Account{ID: "acct_1"}, "true1"},
			{checkout.Account{ID: "acct_1true"}, "1"},
		}
		for n, pair := range pairs {
			s := sample(n)
			s.Account, s.IdempotencyKey = pair.account, pair.key
			t.kept(t.create(s))
		}
	}},
	{"distinguishes keys that differ only in the last of 1000 characters", func(t *trial) {
		stem := strings.Repeat("k", idempotency.MaxKeyLength-1)
		t.distinguishesKeys(idempotency.Key(stem+"1"), idempotency.Key(stem+"2"), idempotency.Key(stem))
	}},
	{"distinguishes keys by case and by every visible character", func(t *trial) {
		keys := []idempotency.Key{"1", "01", "1.0", "1e0", "null", "NULL"}
		for c := '!'; c <= '~'; c++ {
			if c != ',' { // no key has a comma
				keys = append(keys, idempotency.Key("order"+string(c)))
			}
		}
		t.distinguishesKeys(keys...)
	}},
	{"accepts any number of sessions without a key", func(t *trial) {
		first, second, third := sample(1), sample(2), sample(3)
		first.IdempotencyKey, second.IdempotencyKey, third.IdempotencyKey = "", "", ""
		third.Account = stranger
		first, second, third = t.create(first), t.create(second), t.create(third)
		t.lists(merchant, checkout.Query{}, second, first)
		t.lists(stranger, checkout.Query{}, third)
		_, err := t.store.GetByKey(t.Context(), merchant, "")
		t.failed("GetByKey of no key", err, checkout.ErrNotFound)
	}},
	{"keeps the key of a session after every change", func(t *trial) {
		for n, form := range forms() {
			first := t.create(sample(n))
			t.update(successor(first, form))
			again := sample(n)
			again.ID = sampleID("sn", n)
			t.replay(again, successor(first, form))
		}
	}},
}

// sharesKey checks that one key can name a session of each of two accounts.
func (t *trial) sharesKey(one, other checkout.Account) {
	t.Helper()
	first, second := sample(1), sample(2)
	first.Account, second.Account = one, other
	second.IdempotencyKey = first.IdempotencyKey
	first = t.create(first)
	t.absent(other, first.ID, first.IdempotencyKey)
	second = t.create(second)
	t.kept(first)
	t.kept(second)
	t.replay(first, first)
	t.replay(second, second)
}

// distinguishesKeys checks that each key names a session of its own.
func (t *trial) distinguishesKeys(keys ...idempotency.Key) {
	t.Helper()
	all := make([]checkout.Session, len(keys))
	for n, key := range keys {
		all[n] = sample(n)
		all[n].IdempotencyKey = key
		all[n] = t.create(all[n])
	}
	for _, s := range all {
		t.kept(s)
	}
}
