package memory_test

import (
	"errors"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
)

func TestEventsTakesItsOwnCursorsOnly(t *testing.T) {
	m := memory.New()
	for n := range 3 {
		s := session(n)
		create(t, m, s)
		s.Status, s.Version = checkout.StatusCompleted, 2
		if err := m.Update(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("which are the numbers that it has given", func(t *testing.T) {
		is := is.New(t)
		for n, cursor := range []checkout.Cursor{"", "1", "2", "3"} {
			events, err := m.Events(t.Context(), cursor, 10)
			is.NoErr(err)
			is.Equal(len(events), 3-n)
		}
	})
	t.Run("and refuses any other", func(t *testing.T) {
		for _, cursor := range []checkout.Cursor{
			"0", "4", "-1", "+1", "01", " 1", "1 ", "1.0", "0x1", "18446744073709551616", "1\x00", "Last", "\u0661",
		} {
			_, err := m.Events(t.Context(), cursor, 10)
			invalid, ok := errors.AsType[*checkout.ValidationError](err)
			if !ok || len(invalid.Fields) != 1 || invalid.Fields[0].Field != "cursor" || invalid.Fields[0].Code != checkout.CodeMalformed {
				t.Errorf("Events after %q: %v, want a *ValidationError about cursor that says malformed", cursor, err)
			}
		}
	})
	t.Run("also when their events are gone, and never uses a number again", func(t *testing.T) {
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
	is.Equal(total, 0)
	is.Equal(len(sessions), 2)
	is.Equal(sessions[0].ID, session(3).ID)
	is.Equal(sessions[1].ID, session(2).ID)
}

func TestMetadataIsNobodyElses(t *testing.T) {
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
