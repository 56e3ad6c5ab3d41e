package idempotency

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// MaxKeyLength is the greatest length of a key, in characters. The documentation of the API sets it.
const MaxKeyLength = 1000

// Key names one request of one account, so that sending it again does no harm. The zero Key is "no key".
//
// Through log/slog a Key appears as "[redacted]": somebody who has a key can learn of the payment that it names.
type Key string

// LogValue implements [slog.LogValuer]. It never shows the key.
func (k Key) LogValue() slog.Value {
	if k == "" {
		return slog.StringValue("")
	}
	return slog.StringValue("[redacted]")
}

// Policy says which keys are acceptable.
type Policy int

const (
	// UUID accepts UUIDs of any version in their canonical form (RFC 9562 section 4), hex in either case. It refuses the nil and
	// the max UUID: a program that sends a variable that was never set would otherwise use one key for all requests.
	UUID Policy = iota
	// Any accepts 1 to 1000 visible ASCII characters without comma. They are opaque and case-sensitive. But a key in the
	// form of a UUID is treated as under the policy UUID.
	Any
)

var (
	// ErrMissing says that there is no key: the header is absent, blank, or an empty quoted string.
	ErrMissing = errors.New("idempotency key missing")
	// ErrInvalid says that there is a key that the policy does not accept. Errors that wrap it say why, without
	// the key.
	ErrInvalid = errors.New("idempotency key invalid")
)

// Parse reads the value of an Idempotency-Key header. Most clients send the key without quotes. Parse also reads the quoted string of
// draft-ietf-httpapi-idempotency-key-header (an sf-string of RFC 9651 section 3.3.3), which names the same key. The error is
// [ErrMissing] or wraps [ErrInvalid].
func Parse(header string, policy Policy) (Key, error) {
	header = strings.Trim(header, " \t")
	if header == "" {
		return "", ErrMissing
	}
	if header[0] == '"' {
		unquoted, err := unquote(header)
		if err != nil {
			return "", err
		}
		header = unquoted
	}
	if header == "" {
		return "", ErrMissing
	}
	return Key(header).Normalize(policy)
}

// Normalize returns the one spelling under which the key is kept: a UUID in lower case, any other key as it is. The
// error is [ErrMissing] for the zero Key, or wraps [ErrInvalid].
func (k Key) Normalize(policy Policy) (Key, error) {
	switch {
	case k == "":
		return "", ErrMissing
	case len(k) > MaxKeyLength:
		return "", fmt.Errorf("%w: longer than %d characters", ErrInvalid, MaxKeyLength)
	case isUUID(string(k)):
		k = Key(strings.ToLower(string(k)))
		if k == nilUUID || k == maxUUID {
			return "", fmt.Errorf("%w: the nil and the max UUID name no request", ErrInvalid)
		}
		return k, nil
	case policy != Any:
		return "", fmt.Errorf("%w: not a UUID in its canonical form of 36 characters", ErrInvalid)
	}
	for i := range len(k) {
		if c := k[i]; c <= ' ' || c > '~' || c == ',' {
			return "", fmt.Errorf("%w: only visible ASCII characters without comma", ErrInvalid)
		}
	}
	return k, nil
}

const (
	nilUUID Key = "00000000-0000-0000-0000-000000000000"
	maxUUID Key = "ffffffff-ffff-ffff-ffff-ffffffffffff"
)

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
				return false
			}
		}
	}
	return true
}

// unquote reads an sf-string that fills all of s. Its only escapes are \" and \\.
func unquote(s string) (string, error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			if i != len(s)-1 {
				return "", fmt.Errorf("%w: something follows the quoted string", ErrInvalid)
			}
			return b.String(), nil
		case c == '\\':
			i++
			if i == len(s) || s[i] != '"' && s[i] != '\\' {
				return "", fmt.Errorf("%w: not a quoted string of RFC 9651", ErrInvalid)
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("%w: the quoted string does not end", ErrInvalid)
}
