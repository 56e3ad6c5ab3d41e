package idempotency

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
)

// FingerprintSize is the length of a [Fingerprint] in bytes.
const FingerprintSize = 1 + sha256.Size

// Fingerprint is a digest of what a request means. Two requests mean the same if their fingerprints are equal, so the request
// itself need not be kept. It consists of the version of the rules by which the fields were chosen, and the SHA-256 of the fields.
// Fingerprints are comparable with ==. No request has the zero Fingerprint.
type Fingerprint [FingerprintSize]byte

// Sum makes the fingerprint of a request's fields under a version of the rules, 1 to 255. Each field is prefixed by
// its length, so that different lists of fields never give the same bytes.
func Sum(version byte, fields ...string) Fingerprint {
	text := make([]byte, 0, 512) // on the stack; a longer text moves to the heap
	for _, field := range fields {
		text = binary.BigEndian.AppendUint64(text, uint64(len(field)))
		text = append(text, field...)
	}
	digest := sha256.Sum256(text)
	var f Fingerprint
	f[0] = version
	copy(f[1:], digest[:])
	return f
}

// FingerprintFromBytes returns the Fingerprint f for which f[:] is b. It fails if b has another length than [FingerprintSize].
func FingerprintFromBytes(b []byte) (Fingerprint, error) {
	if len(b) != FingerprintSize {
		return Fingerprint{}, fmt.Errorf("idempotency: a fingerprint has %d bytes, not %d", FingerprintSize, len(b))
	}
	return Fingerprint(b), nil
}

// Version returns the version of the rules that made the fingerprint, or 0 for the zero Fingerprint.
func (f Fingerprint) Version() byte { return f[0] }

// String returns the fingerprint in hex, for a person who compares two rows. Keep it out of logs: somebody who guesses the fields of a
// request can test the guess with it.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// LogValue implements [slog.LogValuer]. It never shows the fingerprint.
func (f Fingerprint) LogValue() slog.Value { return slog.StringValue("[redacted]") }
