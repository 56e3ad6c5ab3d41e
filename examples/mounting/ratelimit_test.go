package mounting_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/examples/mounting"
	"github.com/matryer/is"
)

// TestLimits proves that the limit counts requests by account and mode, not by token, and leaves unknown tokens to the handler.
func TestLimits(t *testing.T) {
	is := is.New(t)
	auth, err := checkout.BearerTokens(map[string]checkout.Account{
		"one": {ID: "acct_1"}, "another": {ID: "acct_1"}, "test": {ID: "acct_1", Test: true},
	})
	is.NoErr(err)
	h := mounting.NewLimits(auth, 0.001, 2).Limit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := auth.Authenticate(r); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	ask := func(token string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/v1/checkouts", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	is.Equal(ask("one").Code, 200)
	is.Equal(ask("another").Code, 200) // another token of the same account
	refused := ask("one")
	is.Equal(refused.Code, 429)
	is.Equal(refused.Header().Get("Retry-After"), "1")
	is.True(strings.Contains(refused.Body.String(), `"code":"rate_limited"`))
	is.Equal(ask("test").Code, 200) // test mode has its own limit
	for range 5 {
		is.Equal(ask("none").Code, 401) // the handler answers an unknown token
	}
}
