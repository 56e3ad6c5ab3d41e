package memory_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) checkout.Store { return memory.New() })
}

// TestLimit proves that a full store refuses new sessions and forgets none. If it forgot a session, the session's key would be free, and
// the client's retry would be a second payment.
func TestLimit(t *testing.T) {
	full := func(t *testing.T) *memory.Store {
		t.Helper()
		m := memory.NewLimit(2)
		create(t, m, session(1))
		create(t, m, session(2))
		return m
	}

	t.Run("refuses a session beyond the limit and writes nothing", func(t *testing.T) {
		is := is.New(t)
		m := full(t)
		_, created, err := m.Create(t.Context(), session(3))
		is.True(errors.Is(err, checkout.ErrUnavailable)) // the store is full
		is.True(!created)
		_, err = m.Get(t.Context(), session(3).Account, session(3).ID)
		is.True(errors.Is(err, checkout.ErrNotFound)) // the refused session is not stored
		_, err = m.GetByKey(t.Context(), session(3).Account, session(3).IdempotencyKey)
		is.True(errors.Is(err, checkout.ErrNotFound)) // its key is free
	})
	t.Run("refuses a session of another account, and one without a key", func(t *testing.T) {
		is := is.New(t)
		m := full(t)
		other := session(3)
		other.Account.ID = "acct_2"
		_, _, err := m.Create(t.Context(), other)
		is.True(errors.Is(err, checkout.ErrUnavailable))
		unkeyed := session(3)
		unkeyed.IdempotencyKey = ""
		_, _, err = m.Create(t.Context(), unkeyed)
		is.True(errors.Is(err, checkout.ErrUnavailable))
	})
	t.Run("lets a full store return the session of a used key", func(t *testing.T) {
		is := is.New(t)
		m := full(t)
		again := session(3)
		again.IdempotencyKey = session(1).IdempotencyKey
		held, created, err := m.Create(t.Context(), again)
		is.NoErr(err)
		is.True(!created)
		is.Equal(held, session(1))
	})
	t.Run("evicts no session, not even an expired one", func(t *testing.T) {
		is := is.New(t)
		m := full(t)
		moved, err := m.Expire(t.Context(), session(2).ExpiresAt, 10)
		is.NoErr(err)
		is.Equal(len(moved), 2)
		for n := 3; n < 10; n++ {
			_, _, err := m.Create(t.Context(), session(n))
			is.True(errors.Is(err, checkout.ErrUnavailable)) // the store is still full after the sweep
		}
		_, total, err := m.List(t.Context(), session(1).Account, checkout.Query{})
		is.NoErr(err)
		is.Equal(total, 2)
	})
	t.Run("lets a full store update its sessions", func(t *testing.T) {
		is := is.New(t)
		m := full(t)
		next := session(1)
		next.Status, next.Version = checkout.StatusPending, 2
		is.NoErr(m.Update(t.Context(), next))
	})
	t.Run("allows no session if the limit is 0 or less", func(t *testing.T) {
		is := is.New(t)
		for _, n := range []int{0, -1} {
			_, _, err := memory.NewLimit(n).Create(t.Context(), session(1))
			is.True(errors.Is(err, checkout.ErrUnavailable))
		}
	})
}

// TestCreateCopiesEveryText proves that a stored session shares no text with the caller. A text that was cut out of a request would keep
// the whole request in memory.
func TestCreateCopiesEveryText(t *testing.T) {
	is := is.New(t)
	m := memory.New()
	given := session(1)
	given.PaymentID, given.CustomerID, given.FailureReason = "ORDER_123", "cus_1", "none"
	given.ClientReference, given.Metadata = "order 1", map[string]string{"size": "XL"}
	given.SuccessURL, given.CancelURL = "https://shop.example/thanks", "https://shop.example/cart"
	create(t, m, given)
	kept, err := m.Get(t.Context(), given.Account, given.ID)
	is.NoErr(err)
	is.Equal(kept, given)
	wantNoSharedText(t, reflect.ValueOf(given), reflect.ValueOf(kept), "Session")

	next := given
	next.Status, next.Version = checkout.StatusPending, 2
	is.NoErr(m.Update(t.Context(), next))
	kept, err = m.Get(t.Context(), given.Account, given.ID)
	is.NoErr(err)
	is.Equal(kept, next)
	wantNoSharedText(t, reflect.ValueOf(next), reflect.ValueOf(kept), "Session")

	unkeyed := session(2)
	unkeyed.IdempotencyKey = ""
	create(t, m, unkeyed)
	kept, err = m.Get(t.Context(), unkeyed.Account, unkeyed.ID)
	is.NoErr(err)
	wantNoSharedText(t, reflect.ValueOf(unkeyed.ID), reflect.ValueOf(kept.ID), "ID")
}

// wantNoSharedText checks that no string in kept has the same address as the corresponding string in given.
func wantNoSharedText(t *testing.T, given, kept reflect.Value, name string) {
	t.Helper()
	switch given.Kind() {
	case reflect.String:
		if given.Len() == 0 {
			t.Errorf("%s is empty, so this test proves nothing about it", name)
		} else if unsafe.StringData(given.String()) == unsafe.StringData(kept.String()) {
			t.Errorf("%s is kept in the memory of the caller's string", name)
		}
	case reflect.Struct:
		for i := range given.NumField() {
			if field := given.Type().Field(i); field.IsExported() {
				wantNoSharedText(t, given.Field(i), kept.Field(i), name+"."+field.Name)
			}
		}
	case reflect.Map:
		for _, key := range given.MapKeys() {
			for _, same := range kept.MapKeys() {
				if same.String() == key.String() {
					wantNoSharedText(t, key, same, "a key of "+name)
				}
			}
			wantNoSharedText(t, given.MapIndex(key), kept.MapIndex(key), "a value of "+name)
		}
	}
}

// TestClose proves that the store still works after Close.
func TestClose(t *testing.T) {
	is := is.New(t)
	m := memory.New()
	create(t, m, session(1))
	is.NoErr(m.Close())
	is.NoErr(m.Close())
	_, err := m.Get(t.Context(), session(1).Account, session(1).ID)
	is.NoErr(err)
}

// session returns the nth session of an account. It is as large as a real one: its ID has 38 bytes, its key 36 and its description 30.
func session(n int) checkout.Session {
	first := time.Date(2026, time.November, 22, 7, 31, 56, 123456000, time.UTC)
	created := first.Add(time.Duration(n) * time.Millisecond)
	return checkout.Session{
		ID:             fmt.Sprintf("cs_ci_0193f0c2a7b47c5e9d3a%012x", n),
		Account:        checkout.Account{ID: "acct_1"},
		Status:         checkout.StatusCreated,
		Amount:         5000,
		Currency:       "XOF",
		PaymentMethod:  checkout.MobileMoney,
		UserPhone:      "+22507987654",
		Description:    "Three baskets of fresh attieke",
		CreatedAt:      created,
		ExpiresAt:      created.Add(30 * time.Minute),
		UpdatedAt:      created,
		TransactionFee: 25,
		IdempotencyKey: idempotency.Key(fmt.Sprintf("0193f0c2-a7b4-4c5e-9d3a-%012x", n)),
		Fingerprint:    idempotency.Sum(1, fmt.Sprint(n)),
		Version:        1,
	}
}

func create(t testing.TB, m *memory.Store, s checkout.Session) {
	t.Helper()
	if _, created, err := m.Create(t.Context(), s); err != nil || !created {
		t.Fatalf("Create: created %t, %v", created, err)
	}
}
