package sqlite_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// odd are ids and keys that are nearly of the form that is kept as bytes.
var odd = []string{
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
	t.Run("any id and any key is its own", func(t *testing.T) {
		is := is.New(t)
		s := open(t, newPath(t))
		for _, text := range odd {
			session := fresh(t)
			session.ID, session.IdempotencyKey = text, idempotency.Key(text)
			is.Equal(create(t, s, session), session) // and not the one of another that looks like it
		}
		for _, text := range odd {
			byID, err := s.Get(t.Context(), merchant, text)
			is.NoErr(err)
			is.Equal(byID.ID, text)
			byKey, err := s.GetByKey(t.Context(), merchant, idempotency.Key(text))
			is.NoErr(err)
			is.Equal(byKey, byID)
		}
	})
	t.Run("ids of equal instants are in the order of their text", func(t *testing.T) {
		is := is.New(t)
		s := open(t, newPath(t))
		first := fresh(t)
		for _, text := range odd {
			session := first
			session.ID, session.IdempotencyKey = text, ""
			create(t, s, session)
		}
		listed, _, err := s.List(t.Context(), merchant, checkout.Query{Limit: 100})
		is.NoErr(err)
		is.Equal(len(listed), len(odd))
		for i := range len(listed) - 1 {
			is.True(listed[i].ID > listed[i+1].ID)
		}
		expired, err := s.Expire(t.Context(), first.ExpiresAt, 3)
		is.NoErr(err)
		for i, session := range expired {
			is.Equal(session.ID, listed[len(listed)-1-i].ID)
		}
	})
	t.Run("people can read it", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		s := open(t, path)
		db := hostPool(t, hostDSN(path))
		for _, status := range checkout.Statuses() {
			session := fresh(t)
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

// FuzzText keeps and finds sessions with any id, key and text.
func FuzzText(f *testing.F) {
	for i, text := range odd {
		f.Add(text, odd[(i+1)%len(odd)], odd[(i+2)%len(odd)])
	}
	f.Add("cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f60", "0193f0c2-a7b4-4c5e-9d3a-1b2c3d4e5f60", "Deux paniers d'attiéké")
	db := hostPool(f, ":memory:")
	db.SetMaxOpenConns(1)
	s := migrated(f, db)
	f.Fuzz(func(t *testing.T, id, key, text string) {
		is := is.New(t)
		session := fresh(t)
		session.ID, session.IdempotencyKey = id, idempotency.Key(key)
		session.Account.ID, session.Description, session.PaymentMethod = text, text, checkout.PaymentMethod(text)
		held, created, err := s.Create(t.Context(), session)
		if err != nil { // taken by another text of the corpus
			_, err = s.Get(t.Context(), session.Account, id)
			is.True(err == nil || errors.Is(err, checkout.ErrNotFound))
			return
		}
		if !created {
			is.Equal(held.IdempotencyKey, session.IdempotencyKey)
			return
		}
		is.Equal(held, session)
		kept(t, s, session)
		found, err := s.GetByKey(t.Context(), session.Account, session.IdempotencyKey)
		if key == "" {
			is.True(errors.Is(err, checkout.ErrNotFound))
			return
		}
		is.NoErr(err)
		is.Equal(found, session)
	})
}
