package idempotency_test

import (
	"fmt"

	"github.com/caisse/checkout/idempotency"
)

// The header may have the key in quotes, as in the draft, or without quotes.
func ExampleParse() {
	for _, header := range []string{
		"6f1c2a52-5a0e-4a7e-9d55-0c2b8f3a7d11",
		`"6f1c2a52-5a0e-4a7e-9d55-0c2b8f3a7d11"`,
		"order 7",
	} {
		key, err := idempotency.Parse(header, idempotency.UUID)
		fmt.Println(len(key), err)
	}
	// Output:
	// 36 <nil>
	// 36 <nil>
	// 0 idempotency key invalid: not a UUID in its canonical form of 36 characters
}
