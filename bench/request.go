package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/shopspring/decimal"
)

// Every contender serves the same request: the page's, with a phone number of today's plan, for one account, each time with another key.
const (
	accountID   = "acct_0193f0c2a7b4"
	token       = "sk_live_4f0c2a7b47c5e9d3a1b2c3d4"
	amount      = 5000
	currency    = "XOF"
	phone       = "+2250707987654"
	description = "Two baskets of attieke"
)

var requestBody = fmt.Sprintf(`{"amount":%d,"currency":%q,"user_phone":%q,"description":%q}`, amount, currency, phone, description)

// params is the request in Go.
func params() checkout.CreateParams {
	return checkout.CreateParams{
		Account:        checkout.Account{ID: accountID},
		IdempotencyKey: idempotency.Key(newKey()),
		Amount:         amount,
		Currency:       currency,
		UserPhone:      phone,
		Description:    description,
	}
}

// newKey returns a random UUID, from a fast source, so that the source is not what is measured.
func newKey() string {
	key := make([]byte, 36)
	putKey(key)
	return string(key)
}

// putKey writes a new key into 36 bytes.
func putKey(key []byte) {
	var id [16]byte
	binary.LittleEndian.PutUint64(id[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64())
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	hex.Encode(key[0:8], id[0:4])
	hex.Encode(key[9:13], id[4:6])
	hex.Encode(key[14:18], id[6:8])
	hex.Encode(key[19:23], id[8:10])
	hex.Encode(key[24:36], id[10:16])
	key[8], key[13], key[18], key[23] = '-', '-', '-', '-'
}

// newCheckouts makes a Checkouts with the fee of the page's example.
func newCheckouts(store checkout.Store) (*checkout.Checkouts, error) {
	return checkout.New(store, checkout.Config{
		Fees: map[string]checkout.FeeSchedule{currency: {Rate: decimal.RequireFromString("0.005")}},
	})
}
