package checkout

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Authenticator tells on whose behalf a request is made.
type Authenticator interface {
	// Authenticate returns the account whose credentials the request carries. An error that is
	// [ErrUnauthenticated] is answered with 401, whatever its text; any other (the database of credentials is
	// down) with 503 and logged, so it must not hold a credential. An account without an ID is a fault of the host
	// and is answered with 500.
	Authenticate(r *http.Request) (Account, error)
}

// AuthenticatorFunc makes a function an [Authenticator].
type AuthenticatorFunc func(*http.Request) (Account, error)

// Authenticate implements [Authenticator].
func (f AuthenticatorFunc) Authenticate(r *http.Request) (Account, error) { return f(r) }

// BearerToken returns the token of a request's one Authorization header, "Bearer <token>" (RFC 6750 section 2.1) with the
// scheme in any case, for hosts that look it up themselves. ok is false where there is no such header, or more than
// one.
func BearerToken(r *http.Request) (token string, ok bool) {
	headers := r.Header["Authorization"]
	if len(headers) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	token = strings.TrimLeft(token, " ")
	if !strings.EqualFold(scheme, "Bearer") || !isToken(token) {
		return "", false
	}
	return token, true
}

// BearerTokens is the ready [Authenticator]: a fixed set of bearer tokens and the account that each stands for. It keeps
// only their SHA-256 digests and compares them in constant time. The error joins a [*ConfigError] for each fault: no
// tokens, an empty token or one with other than visible ASCII characters, an account without an ID. No error holds a
// token.
func BearerTokens(tokens map[string]Account) (Authenticator, error) {
	var errs []error
	if len(tokens) == 0 {
		errs = append(errs, &ConfigError{Field: "BearerTokens", Reason: "must hold at least one token"})
	}
	var b bearerTokens
	for _, token := range slices.Sorted(maps.Keys(tokens)) {
		account := tokens[token]
		if !isToken(token) {
			errs = append(errs, &ConfigError{
				Field:  "BearerTokens",
				Reason: fmt.Sprintf("must not hold a token of account %q that is empty or has other than visible ASCII characters", account.ID),
			})
		}
		var f faults
		if f.account(account); f != nil {
			errs = append(errs, &ConfigError{Field: "BearerTokens", Reason: "must not hold an account whose ID " + f[0].Detail})
		}
		b = append(b, bearerDigest{sha256.Sum256([]byte(token)), account})
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return b, nil
}

type bearerDigest struct {
	digest  [sha256.Size]byte
	account Account
}

type bearerTokens []bearerDigest

func (b bearerTokens) Authenticate(r *http.Request) (Account, error) {
	token, ok := BearerToken(r)
	if !ok {
		return Account{}, ErrUnauthenticated
	}
	digest := sha256.Sum256([]byte(token))
	found := -1
	for i := range b {
		if subtle.ConstantTimeCompare(b[i].digest[:], digest[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return Account{}, ErrUnauthenticated
	}
	return b[found].account, nil
}

func isToken(s string) bool { return s != "" && isVisibleASCII(s) }

func isVisibleASCII(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
