package storetest_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/storetest"
)

// fault is one way to break a store, and the check that catches it.
type fault struct {
	name   string // a sentence whose subject is the store
	check  string
	broken func(n *naive) checkout.Store
}

// part makes a fault: change replaces some of the functions of a naive store.
func part(change func(n *naive)) func(*naive) checkout.Store {
	return func(n *naive) checkout.Store {
		change(n)
		return n
	}
}

func faults() []fault {
	return slices.Concat(createFaults, fieldFaults, lostFields(), keyFaults, scopeFaults, updateFaults, listFaults,
		filterFaults, walkFaults, expireFaults, historyFaults, feedFaults, pruneFaults, contextFaults, raceFaults)
}

// TestRunPassesAStoreThatKeepsTheContract proves that the naive store passes without a fault. So if a check fails in the tests below, the
// planted fault is the reason.
func TestRunPassesAStoreThatKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) checkout.Store { return newNaive() })
}

// TestRunRefusesAStoreThat proves for each fault that its check catches it.
func TestRunRefusesAStoreThat(t *testing.T) {
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			complaints := storetest.Complaints(t.Context(), f.check, f.broken(newNaive()))
			if len(complaints) == 0 {
				t.Fatalf("passed the check %q", f.check)
			}
			t.Logf("caught by %q: %s", f.check, complaints[0])
		})
	}
}

// TestEveryCheckCatchesAFault proves that every check of the suite can fail.
func TestEveryCheckCatchesAFault(t *testing.T) {
	caught := make(map[string]bool)
	for _, f := range faults() {
		caught[f.check] = true
	}
	for _, name := range storetest.Checks() {
		if !caught[name] {
			t.Errorf("no fault shows that the check %q can fail", name)
		}
	}
}

// changing has the names of the fields that an update may change.
var changing = []string{"Status", "PaymentID", "CompletedAt", "FailureReason", "Late", "UpdatedAt", "Version"}

// TestSamplesGiveEveryFieldAValue proves that the suite would notice a store that loses a field, also a field that is added later.
func TestSamplesGiveEveryFieldAValue(t *testing.T) {
	for _, field := range reflect.VisibleFields(reflect.TypeFor[checkout.Session]()) {
		given := slices.ContainsFunc(storetest.Samples(), func(s checkout.Session) bool {
			return !reflect.ValueOf(s).FieldByIndex(field.Index).IsZero()
		})
		if !given && !slices.Contains(changing, field.Name) {
			t.Errorf("no sample gives Session.%s a value, so no check notices a store that loses it", field.Name)
		}
	}
}

// TestASessionSharesNoMemoryButItsMetadata fails if Session gets a further field that refers to memory. The suite then needs a check that a
// store does not share it.
func TestASessionSharesNoMemoryButItsMetadata(t *testing.T) {
	for _, field := range reflect.VisibleFields(reflect.TypeFor[checkout.Session]()) {
		switch field.Type.Kind() {
		case reflect.Pointer, reflect.Chan, reflect.Interface, reflect.Slice, reflect.Map:
			if field.Name != "Metadata" {
				t.Errorf("Session.%s refers to memory, and no check notices a store that shares it", field.Name)
			}
		}
	}
}

// lostFields returns faults for each field of a session: the store loses the field in a create, or keeps its old value in an update.
func lostFields() []fault {
	var all []fault
	for _, field := range reflect.VisibleFields(reflect.TypeFor[checkout.Session]()) {
		index := field.Index
		lost := part(func(n *naive) {
			n.written = func(s checkout.Session) checkout.Session {
				s = own(s)
				reflect.ValueOf(&s).Elem().FieldByIndex(index).SetZero()
				return s
			}
		})
		if !slices.Contains([]string{"CompletedAt", "FailureReason", "Late"}, field.Name) { // no session is created with a value in these
			all = append(all, fault{"loses " + field.Name + " when it creates", "keeps every field of a session that it creates", lost})
		}
		if !slices.Contains(changing, field.Name) {
			continue
		}
		left := part(func(n *naive) {
			right := n.replaced
			n.replaced = func(was, s checkout.Session) checkout.Session {
				s = right(was, s)
				reflect.ValueOf(&s).Elem().FieldByIndex(index).Set(reflect.ValueOf(was).FieldByIndex(index))
				return s
			}
		})
		all = append(all, fault{"keeps the old " + field.Name + " when it updates", "keeps every field of a session that it updates", left})
	}
	return all
}

var createFaults = []fault{
	{"forgets what it creates", "keeps the session that it creates",
		func(n *naive) checkout.Store { return forgetful{n} }},
	{"creates a session for every call", "replays the first session under a used key",
		part(func(n *naive) { n.sameKey = func(held, s *checkout.Session) bool { return false } })},
	{"overwrites a session that it replays", "writes nothing for a replay",
		func(n *naive) checkout.Store { return lastWriteWins{n} }},
	{"always replays its first answer", "replays a session as it is now",
		func(n *naive) checkout.Store { return &answerCache{naive: n} }},
	{"looks at the id before the key", "replays a used key even if the id is also taken",
		func(n *naive) checkout.Store { return idFirst{n} }},
	{"lets two sessions have one id", "refuses an id that is taken and writes nothing",
		part(func(n *naive) { n.sameID = func(held, s *checkout.Session) bool { return false } })},
	{"lets two accounts have the same id", "refuses an id that is taken and writes nothing",
		part(func(n *naive) {
			n.sameID = func(held, s *checkout.Session) bool { return held.ID == s.ID && held.Account == s.Account }
		})},
	{"returns no error for an id that is taken", "refuses an id that is taken and writes nothing",
		part(func(n *naive) { n.taken = nil })},
	{"keeps a key whose session it refused", "leaves a key free when its session was refused",
		func(n *naive) checkout.Store { return &keyThenRow{naive: n} }},
}

var keyFaults = []fault{
	{"ignores the account of a key", "scopes keys by account",
		sameKey(func(held, s *checkout.Session) bool {
			return held.Account.Test == s.Account.Test && held.IdempotencyKey == s.IdempotencyKey
		})},
	{"ignores the mode of a key", "scopes keys by mode",
		sameKey(func(held, s *checkout.Session) bool {
			return held.Account.ID == s.Account.ID && held.IdempotencyKey == s.IdempotencyKey
		})},
	{"joins account and key to one text", "distinguishes keys when account and key together give the same text",
		sameKey(func(held, s *checkout.Session) bool {
			text := func(s *checkout.Session) string { return s.Account.ID + ":" + string(s.IdempotencyKey) }
			return held.Account.Test == s.Account.Test && text(held) == text(s)
		})},
	{"cuts keys at 255 characters", "distinguishes keys that differ only in the last of 1000 characters",
		sameKey(func(held, s *checkout.Session) bool {
			a, b := held.IdempotencyKey, s.IdempotencyKey
			return held.Account == s.Account && a[:min(len(a), 255)] == b[:min(len(b), 255)]
		})},
	{"ignores the case of keys", "distinguishes keys by case and by every visible character",
		sameKey(func(held, s *checkout.Session) bool {
			return held.Account == s.Account && strings.EqualFold(string(held.IdempotencyKey), string(s.IdempotencyKey))
		})},
	{"treats the empty key as a key", "accepts any number of sessions without a key",
		part(func(n *naive) {
			n.sameKey = func(held, s *checkout.Session) bool {
				return held.Account == s.Account && held.IdempotencyKey == s.IdempotencyKey
			}
		})},
	{"frees a key when its session is completed", "keeps the key of a session after every change",
		sameKey(func(held, s *checkout.Session) bool {
			return held.Account == s.Account && held.IdempotencyKey == s.IdempotencyKey && held.CompletedAt.IsZero()
		})},
}

// sameKey makes a fault: same decides whether s has the key of held. If s has no key, the answer is always no.
func sameKey(same func(held, s *checkout.Session) bool) func(*naive) checkout.Store {
	return part(func(n *naive) {
		n.sameKey = func(held, s *checkout.Session) bool { return s.IdempotencyKey != "" && same(held, s) }
	})
}
