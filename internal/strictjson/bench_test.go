package strictjson_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/caisse/checkout/internal/strictjson"
)

const typical = `{"amount": 5000, "currency": "XOF", "user_phone": "+22507987654", "payment_method": "mobile_money", ` +
	`"description": "Deux paniers d'atti\u00e9k\u00e9, \u00e0 retirer \u00e0 la porte", "expires_in": 1800}`

func BenchmarkParseObject(b *testing.B) {
	b.Run("a typical request", func(b *testing.B) {
		parse(b, []byte(typical))
	})
	// The time for each byte must not grow with the length.
	for _, n := range []int{1 << 10, 1 << 13, 1 << 16} {
		b.Run(fmt.Sprint(n, " members"), func(b *testing.B) {
			parse(b, []byte(distinct(n, "")))
		})
	}
}

func parse(b *testing.B, data []byte) {
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := strictjson.ParseObject(nil, data, maxDepth); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTokens is for comparison. It reads the tokens with encoding/json and checks nothing.
func BenchmarkTokens(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(typical)))
	for b.Loop() {
		decoder := json.NewDecoder(bytes.NewReader([]byte(typical)))
		decoder.UseNumber()
		for {
			if _, err := decoder.Token(); err != nil {
				break
			}
		}
	}
}
