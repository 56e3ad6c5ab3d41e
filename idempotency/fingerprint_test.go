package idempotency_test

import (
	"testing"

	"github.com/caisse/checkout/idempotency"
	"github.com/matryer/is"
)

func TestFingerprint(t *testing.T) {
	is := is.New(t)
	f := idempotency.Sum(1, "5000", "XOF")
	is.Equal(f, idempotency.Sum(1, "5000", "XOF"))
	is.True(f != idempotency.Sum(2, "5000", "XOF")) // another version of the rules
	is.True(f != idempotency.Sum(1, "5000XOF"))     // fields do not run together
	is.True(f != idempotency.Sum(1, "5000", "XOF", ""))
	is.True(f != idempotency.Sum(1, "XOF", "5000"))
	is.True(idempotency.Sum(1, "a", "") != idempotency.Sum(1, "", "a"))
	is.True(idempotency.Sum(1) != idempotency.Fingerprint{})
	is.Equal(f.Version(), byte(1))

	again, err := idempotency.FingerprintFromBytes(f[:])
	is.NoErr(err)
	is.Equal(again, f)
	for _, n := range []int{0, 32, 34} {
		_, err := idempotency.FingerprintFromBytes(make([]byte, n))
		is.True(err != nil)
	}
}

// Sessions outlive a release, so the fingerprint of a request must never change. The value was computed with
// printf '\0\0\0\0\0\0\0\0045000\0\0\0\0\0\0\0\003XOF' | sha256sum
func TestFingerprintIsPinned(t *testing.T) {
	is.New(t).Equal(idempotency.Sum(1, "5000", "XOF").String(), "015a06bc071e48b286a429a10eca75d6a2109a0a818ef62db78b8b4dd4cc063b57")
}
