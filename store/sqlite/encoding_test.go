package sqlite_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// lookalikes are IDs and keys of the form that is stored as bytes, and others. Most of the others differ from that form in one detail.
var lookalikes = []string{
	"x", "_", "cs_", "cs__", "cs_ci_", "\x00", "\x00\x00",
	"0193f0c2a7b47c5e9d3a1b2c3d4e5f60",
	"_0193f0c2a7b47c5e9d3a1b2c3d4e5f60",
	"cs_0193f0c2a7b47c5e9d3a1b2c3d4e5f60",
	"cs__0193f0c2a7b47c5e9d3a1b2c3d4e5f60",
	"cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f60",
	"cs_CI_0193f0c2a7b47c5e9d3a1b2c3d4e5f60",
	"cs_ci_0193F0C2A7B47C5E9D3A1B2C3D4E5F60",
	"cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f6",
	"cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f600",
	"cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f6g",
	"cs_ci_sn_0193f0c2a7b47c5e9d3a1b2c3d4e5f60",
	"cs_\xff_0193f0c2a7b47c5e9d3a1b2c3d4e5f60",
	"cs_\x00_0193f0c2a7b47c5e9d3a1b2c3d4e5f60",
	"ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f60",
	"cus_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f60",
	"0193f0c2-a7b4-7c5e-9d3a-1b2c3d4e5f60",
	"0193F0C2-A7B4-7C5E-9D3A-1B2C3D4E5F60",
	"{0193f0c2-a7b4-7c5e-9d3a-1b2c3d4e5f60}",
	"urn:uuid:0193f0c2-a7b4-7c5e-9d3a-1b2c3d4e5f60",
	"0193f0c2-a7b4-7c5e-9d3a-1b2c3d4e5f6",
	"0193f0c2-a7b4-7c5e-9d3a-1b2c3d4e5f6g",
	"00000000-0000-0000-0000-000000000000",
	"A193f0c2-a7b4-7c5e-9d3a-1b2c3d4e5f60",
	"a193f0c2-a7b4-7c5e-9d3a-1b2c3d4e5f60",
	"a193f0c2-a7b4-7c5e-9d3A-1b2c3d4e5f60",
	"a193f0c2-a7b4-7c5e-9d3a-1b2c3d4e5f6F",
	"a193f0c2-a7b4-7c5e-9d3a-1b2c3d4e5f6f",
	"cs_ci_A193f0c2a7b47c5e9d3a1b2c3d4e5f60",
	"cs_ci_a193f0c2a7b47c5e9d3a1b2c3d4e5f60",
	"cs_ci_a193f0c2a7b47c5e9d3a1b2c3d4e5f6F",
	"cs_ci_a193f0c2a7b47c5e9d3a1b2c3d4e5f6f",
	strings.Repeat("k", 1000),
}

func TestEncoding(t *testing.T) {
	t.Run("every ID and every key comes back unchanged and names its own session", func(t *testing.T) {
		is := is.New(t)
		s := open(t, newPath(t))
		for _, text := range lookalikes {
			session := newSession(t)
			session.ID, session.IdempotencyKey = text, idempotency.Key(text)
			is.Equal(create(t, s, session), session) // and not a session with a similar ID or key
		}
		for _, text := range lookalikes {
			byID, err := s.Get(t.Context(), merchant, text)
			is.NoErr(err)
			is.Equal(byID.ID, text)
			byKey, err := s.GetByKey(t.Context(), merchant, idempotency.Key(text))
			is.NoErr(err)
			is.Equal(byKey, byID)
		}
	})
	t.Run("sessions of one instant are in the order of the text of their IDs", func(t *testing.T) {
		is := is.New(t)
		s := open(t, newPath(t))
		first := newSession(t)
		for _, text := range lookalikes {
			session := first
			session.ID, session.IdempotencyKey = text, ""
			create(t, s, session)
		}
		listed, _, err := s.List(t.Context(), merchant, checkout.Query{Limit: 100})
		is.NoErr(err)
		is.Equal(len(listed), len(lookalikes))
		for i := range len(listed) - 1 {
			is.True(listed[i].ID > listed[i+1].ID)
		}
		expired, err := s.Expire(t.Context(), first.ExpiresAt, 3)
		is.NoErr(err)
		is.Equal(len(expired), 3)
		for i, session := range expired {
			is.Equal(session.ID, listed[len(listed)-1-i].ID)
		}
	})
	t.Run("the view checkout_readable shows values as people read them", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		s := open(t, path)
		db := hostPool(t, hostDSN(path))
		for _, status := range checkout.Statuses() {
			session := newSession(t)
			session.Status, session.Account.Test = status, true
			create(t, s, session)
			var id, account, method, kept, created string
			var test bool
			is.NoErr(db.QueryRow("SELECT id, account, test, status, payment_method, created_at FROM checkout_readable WHERE id = ?", session.ID).
				Scan(&id, &account, &test, &kept, &method, &created))
			is.Equal(id, session.ID)
			is.Equal(checkout.Account{ID: account, Test: test}, session.Account)
			is.Equal(checkout.Status(kept), status)
			is.Equal(checkout.PaymentMethod(method), checkout.MobileMoney)
			is.Equal(created, session.CreatedAt.Format("2006-01-02 15:04:05"))
		}
	})
}

// FuzzText creates and finds sessions with any ID, key and text. Each must come back unchanged.
func FuzzText(f *testing.F) {
	for i, text := range lookalikes {
		f.Add(text, lookalikes[(i+1)%len(lookalikes)], lookalikes[(i+2)%len(lookalikes)])
	}
	f.Add("cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f60", "0193f0c2-a7b4-4c5e-9d3a-1b2c3d4e5f60", "Deux paniers d'attiéké")
	db := hostPool(f, ":memory:")
	db.SetMaxOpenConns(1)
	s := migrated(f, db)
	used := map[string]bool{} // IDs
	f.Fuzz(func(t *testing.T, id, key, text string) {
		is := is.New(t)
		session := newSession(t)
		session.ID, session.IdempotencyKey = id, idempotency.Key(key)
		session.Account.ID, session.Description, session.PaymentMethod = text, text, checkout.PaymentMethod(text)
		held, created, err := s.Create(t.Context(), session)
		if err != nil {
			is.True(used[id]) // only an ID that an earlier input has used is refused
			for _, kind := range errorKinds {
				is.True(!errors.Is(err, kind))
			}
			return
		}
		if !created {
			is.Equal(held.IdempotencyKey, session.IdempotencyKey)
			return
		}
		used[id] = true
		is.Equal(held, session)
		wantStored(t, s, session)
		found, err := s.GetByKey(t.Context(), session.Account, session.IdempotencyKey)
		if key == "" {
			is.True(errors.Is(err, checkout.ErrNotFound))
			return
		}
		is.NoErr(err)
		is.Equal(found, session)
	})
}
