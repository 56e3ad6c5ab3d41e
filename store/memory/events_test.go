package memory_test

import (
	"errors"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
)

func TestEventCursors(t *testing.T) {
	m := memory.New()
	for n := range 3 {
		s := session(n)
		create(t, m, s)
		s.Status, s.Version = checkout.StatusCompleted, 2
		if err := m.Update(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("are accepted if the store has given them", func(t *testing.T) {
		is := is.New(t)
		for n, cursor := range []checkout.Cursor{"", "1", "2", "3"} {
			events, err := m.Events(t.Context(), cursor, 10)
			is.NoErr(err)
			is.Equal(len(events), 3-n)
		}
	})
	t.Run("are refused if the store has not given them", func(t *testing.T) {
		for _, cursor := range []checkout.Cursor{
			"0", "4", "-1", "+1", "01", " 1", "1 ", "1.0", "0x1", "18446744073709551616", "1\x00", "Last", "\u0661",
		} {
			_, err := m.Events(t.Context(), cursor, 10)
			invalid, ok := errors.AsType[*checkout.ValidationError](err)
			if !ok || len(invalid.Fields) != 1 || invalid.Fields[0].Field != "cursor" || invalid.Fields[0].Code != checkout.CodeMalformed {
				t.Errorf("Events after %q: %v, want a *ValidationError for the field cursor with the code malformed", cursor, err)
			}
		}
	})
	t.Run("are still accepted when their events were pruned, and are not given to new events", func(t *testing.T) {
		is := is.New(t)
		n, err := m.Prune(t.Context(), session(9).CreatedAt, 10)
		is.NoErr(err)
		is.Equal(n, 3)
		events, err := m.Events(t.Context(), "3", 10)
		is.NoErr(err)
		is.Equal(len(events), 0)
		s := session(9)
		create(t, m, s)
		s.Status, s.Version = checkout.StatusPending, 2
		is.NoErr(m.Update(t.Context(), s))
		events, err = m.Events(t.Context(), "3", 10)
		is.NoErr(err)
		is.Equal(len(events), 1)
		is.Equal(events[0].Cursor, checkout.Cursor("4"))
	})
}

func TestListByPhoneBeginsAtItsOffset(t *testing.T) {
	is := is.New(t)
	m := memory.New()
	for n := range 5 {
		create(t, m, session(n))
	}
	sessions, total, err := m.List(t.Context(), session(0).Account,
		checkout.Query{UserPhone: session(0).UserPhone, Limit: 2, Offset: 1, At: session(0).CreatedAt})
	is.NoErr(err)
	is.Equal(total, 0) // a list by phone does not count
	is.Equal(len(sessions), 2)
	is.Equal(sessions[0].ID, session(3).ID)
	is.Equal(sessions[1].ID, session(2).ID)
}

// TestMetadataIsCopied changes a map that the store was given, and a map that it has returned. The stored metadata must not change.
func TestMetadataIsCopied(t *testing.T) {
	is := is.New(t)
	m := memory.New()
	given := session(1)
	given.Metadata = map[string]string{"size": "XL"}
	create(t, m, given)
	given.Metadata["size"] = "S"
	for range 2 {
		kept, err := m.Get(t.Context(), given.Account, given.ID)
		is.NoErr(err)
		is.Equal(kept.Metadata, map[string]string{"size": "XL"})
		kept.Metadata["size"] = "M"
	}
}
