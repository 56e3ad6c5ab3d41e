package model

import (
	"strings"
	"time"

	"github.com/caisse/checkout"
)

// Phone is a phone number with what the contract says about it.
type Phone struct {
	Sent   string
	Number string // as answers have it
	Region string
	Fault  string // the code of the fault, for a number that no host accepts
}

// phones are the contract's examples, and numbers close to them.
func phones() []Phone {
	return []Phone{
		{Sent: "+22507987654", Number: "+22507987654", Region: "CI"}, // the page's own, of the old plan
		{Sent: "+225 07 98 76 54", Number: "+22507987654", Region: "CI"},
		{Sent: "+2250707987654", Number: "+2250707987654", Region: "CI"}, // the same payer, another request
		{Sent: "+225(07)07-98.76 54", Number: "+2250707987654", Region: "CI"},
		{Sent: "+221771234567", Number: "+221771234567", Region: "SN"},
		{Sent: "+22997123456", Number: "+22997123456", Region: "BJ"},
		{Sent: "+33612345678", Number: "+33612345678", Region: "FR"},
		{Sent: ""},
		{Sent: "07987654", Fault: checkout.CodeMalformed},
		{Sent: "+225 07 98 76 5a", Fault: checkout.CodeMalformed},
		{Sent: "+22", Fault: checkout.CodeMalformed},
		{Sent: "+22521234567", Fault: checkout.CodeUnsupported},  // Côte d'Ivoire, a fixed line of the old plan
		{Sent: "+221338201234", Fault: checkout.CodeUnsupported}, // Senegal, a fixed line
	}
}

// URL is a URL with what the contract says about it.
type URL struct {
	Sent  string
	Fault string
}

func urls() []URL {
	longest := "https://shop.example/" + strings.Repeat("é", 2048-len("https://shop.example/"))
	return []URL{
		{Sent: "https://shop.example/thanks?order=123"},
		{Sent: "http://shop.example:8080/cart#top"},
		{Sent: ""},
		{Sent: longest},
		{Sent: longest + "x", Fault: checkout.CodeTooLong},
		{Sent: "https://user:secret@shop.example/", Fault: checkout.CodeMalformed},
		{Sent: "ftp://shop.example/", Fault: checkout.CodeMalformed},
		{Sent: "/thanks", Fault: checkout.CodeMalformed},
		{Sent: "https:///thanks", Fault: checkout.CodeMalformed},
	}
}

// currencies are codes. Those that are not in ISO 4217 come last.
func currencies() []string {
	return []string{"XOF", "USD", "usd", "EUR", "eur", "xof", "GBP", "gbp", "", "ZZZ", "US", "uſd"}
}

// isoCode returns the code in upper case. ok is false if it is not in ISO 4217.
func isoCode(s string) (code string, ok bool) {
	switch s {
	case "XOF", "USD", "EUR", "GBP":
		return s, true
	case "xof", "usd", "eur", "gbp":
		return strings.ToUpper(s), true
	}
	return "", false
}

func amounts() []int64 {
	return []int64{5000, 100, 101, 4999, 5001, 1_000_000_000, 9007199254740991, 99, 0, -5000, 9007199254740992}
}

func lifetimes() []time.Duration {
	return []time.Duration{
		0, 30 * time.Minute, 5 * time.Minute, 24 * time.Hour, 301 * time.Second,
		299 * time.Second, 24*time.Hour + time.Second, -time.Minute, 300*time.Second + 500*time.Millisecond,
	}
}

// texts are texts of up to n characters. Those that are refused come last.
func texts(n int) []string {
	return []string{
		"", "one", "two", "deux paniers d'attiéké", strings.Repeat("é", n),
		strings.Repeat("é", n+1), "cut \xff off", "a\x00b",
	}
}

// keys are idempotency keys. The first two are the same key. Those that no policy accepts come last.
func keys() []string {
	return []string{
		"0193f0c2-a7b4-4c5e-9d3a-1b2c3d4e5f60", "0193F0C2-A7B4-4C5E-9D3A-1B2C3D4E5F60",
		"0193f0c2-a7b4-4c5e-9d3a-1b2c3d4e5f61", "order-1", "ORDER-1", "",
		"two words", "a,b", "é", "00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
	}
}
