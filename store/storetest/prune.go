package storetest

import (
	"time"

	"github.com/caisse/checkout"
)

var pruneChecks = []check{
	{"prunes only sessions that have ended", func(t *trial) {
		held := t.createEach()
		t.prunes(morning.Add(time.Hour), 100, 4)
		for _, s := range held {
			switch s.Status {
			case checkout.StatusCreated, checkout.StatusPending, checkout.StatusProcessing:
				t.kept(s)
			default:
				t.absent(s.Account, s.ID, s.IdempotencyKey)
			}
		}
		t.prunes(morning.Add(time.Hour), 100, 0)
	}},
	{"prunes only sessions created before the instant", func(t *trial) {
		old, young := t.update(completed(t.create(sample(1)))), t.update(completed(t.create(sample(2))))
		t.prunes(old.CreatedAt, 100, 0)
		t.prunes(old.CreatedAt.Add(time.Microsecond), 100, 1)
		t.absent(merchant, old.ID, old.IdempotencyKey)
		t.kept(young)
	}},
	{"prunes sessions of every account, up to the limit", func(t *trial) {
		for n, account := range []checkout.Account{merchant, sandbox, stranger, merchant, sandbox} {
			s := sample(n)
			s.Account = account
			t.update(completed(t.create(s)))
		}
		t.prunes(morning.Add(time.Hour), 2, 2)
		t.prunes(morning.Add(time.Hour), 2, 2)
		t.prunes(morning.Add(time.Hour), 2, 1)
		t.prunes(morning.Add(time.Hour), 2, 0)
	}},
	{"prunes a key with its session", func(t *trial) {
		s := t.update(completed(t.create(sample(1))))
		t.prunes(morning.Add(time.Hour), 100, 1)
		again := sample(1)
		again.ID = sampleID("sn", 1)
		t.kept(t.create(again))
		t.absent(merchant, s.ID, "")
		t.kept(t.create(sample(2)))
	}},
	{"prunes events with their session, and the feed continues", func(t *trial) {
		labeled := sample(1)
		labeled.ClientReference, labeled.Metadata = "order 1", map[string]string{"size": "XL"}
		gone := t.update(completed(t.update(began(t.create(labeled), "ORDER_1"))))
		young := sample(2)
		young.CreatedAt = morning.Add(time.Hour)
		young.UpdatedAt, young.ExpiresAt = young.CreatedAt, young.CreatedAt.Add(time.Hour)
		kept := t.update(completed(t.create(young)))
		events := t.eventsOnce("", 100, 3)
		t.prunes(morning.Add(time.Hour), 100, 1)
		_, err := t.store.History(t.Context(), merchant, gone.ID)
		t.failed("History of a session that was pruned", err, checkout.ErrNotFound)
		t.feed(kept)
		t.lists(merchant, checkout.Query{ClientReference: "order 1"})
		t.lists(merchant, checkout.Query{PaymentID: "ORDER_123"}, kept)
		for i, e := range events { // the cursors of pruned events stay valid
			want := []checkout.Session{kept}
			if i == len(events)-1 {
				want = nil
			}
			t.sameEvents("Events after one that was pruned", t.events(e.Cursor, 100), want)
		}
		last := events[len(events)-1].Cursor
		t.prunes(morning.Add(2*time.Hour), 100, 1)
		t.feed()
		next := t.update(completed(t.create(sample(3))))
		t.sameEvents("Events after all were pruned", t.eventsOnce(last, 100, 1), []checkout.Session{next})
		again := t.create(sample(1)) // nothing is left of the pruned session
		t.history(again)
		t.kept(again)
	}},
}

// prunes checks that a call removes want sessions.
func (t *trial) prunes(before time.Time, limit, want int) {
	t.Helper()
	n, err := t.store.Prune(t.Context(), before, limit)
	if err != nil {
		t.Fatalf("Prune: %v", err)
	}
	if n != want {
		t.Errorf("Prune(%v, %d) removed %d sessions, want %d", before, limit, n, want)
	}
}
