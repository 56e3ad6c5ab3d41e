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

// Authenticator finds the account for which a request is made. [BearerTokens] makes one from a fixed set of tokens. Hosts with a table
// of tokens, client certificates or cookies write their own; examples/tokens has one that issues, rotates and revokes tokens.
//
// It is called once for each request to a path that needs credentials, before the body is read. It must be safe for concurrent use and
// must not read the body. An authenticator with a database should look up a digest of the token, so that somebody who gets a copy of
// the database gets no usable token:
//
//	checkout.AuthenticatorFunc(func(r *http.Request) (checkout.Account, error) {
//		token, ok := checkout.BearerToken(r)
//		if !ok {
//			return checkout.Account{}, checkout.ErrUnauthenticated
//		}
//		return accountByDigest(r.Context(), sha256.Sum256([]byte(token)))
//	})
type Authenticator interface {
	// Authenticate returns the account whose credentials the request carries.
	//
	// An error that is [ErrUnauthenticated] is answered with 401, whatever its text. Use it for absent, unknown, expired and revoked
	// credentials alike, so that nobody learns which it was. Any other error, such as that of a database that is down, is answered
	// with 503 and logged, so it must not contain a credential. Do not answer 401 in that case: clients would throw away a good
	// token. An account without an ID is a fault of the host and is answered with 500.
	Authenticate(r *http.Request) (Account, error)
}

// AuthenticatorFunc makes a function an [Authenticator].
type AuthenticatorFunc func(*http.Request) (Account, error)

// Authenticate implements [Authenticator].
func (f AuthenticatorFunc) Authenticate(r *http.Request) (Account, error) { return f(r) }

// BearerToken returns the token of a request's Authorization header, "Bearer <token>" (RFC 6750 section 2.1), with the scheme in any
// letter case. It is for hosts that look up tokens themselves. ok is false if there is no such header, or more than one. With two
// headers, a proxy and this program could each read another one, and take the same request for that of different merchants.
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

// BearerTokens returns an [Authenticator] for a fixed set of bearer tokens, each with its account. Several tokens may have the same
// account, as during a rotation. It keeps only SHA-256 digests of the tokens and compares them in constant time.
//
// Use tokens of at least 128 random bits, such as "sk_live_" + rand.Text() of crypto/rand.
//
// The error joins a [*ConfigError] for each fault: no tokens at all, a token that is empty or has other than visible ASCII
// characters, an account without an ID. An empty token is refused because it is what an environment variable that is not set gives.
// No error contains a token.
func BearerTokens(tokens map[string]Account) (Authenticator, error) {
	var errs []error
	if len(tokens) == 0 {
		errs = append(errs, &ConfigError{Field: "BearerTokens", Reason: "must have at least one token"})
	}
	var b bearerTokens
	for _, token := range slices.Sorted(maps.Keys(tokens)) {
		account := tokens[token]
		if !isToken(token) {
			errs = append(errs, &ConfigError{
				Field:  "BearerTokens",
				Reason: fmt.Sprintf("must not have an empty token, or one with other than visible ASCII characters, for account %q", account.ID),
			})
		}
		var f faults
		if f.account(account); f != nil {
			errs = append(errs, &ConfigError{Field: "BearerTokens", Reason: "must not have an account whose ID " + f[0].Detail})
		}
		b = append(b, bearerDigest{sha256.Sum256([]byte(token)), account})
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return b, nil
}

// bearerDigest is a token's digest with its account. The tokens themselves are not kept.
type bearerDigest struct {
	digest  [sha256.Size]byte
	account Account
}

type bearerTokens []bearerDigest

// Authenticate compares with every token, also after it has found the right one, so that the time it takes reveals nothing about the
// tokens.
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
