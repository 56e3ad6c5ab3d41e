package handwritten_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caisse/checkout/bench/handwritten"
	"github.com/matryer/is"
)

const (
	body = `{"amount":5000,"currency":"XOF","user_phone":"+2250707987654","description":"Two baskets of attieke"}`
	key  = "0193f0c2-a7b4-7c5e-9d3a-1b2c3d4e5f60"
)

// TestHandler proves that the hand-written endpoint works: it replays, it authenticates, it validates. A comparison with an endpoint that
// does less would be unfair.
func TestHandler(t *testing.T) {
	is := is.New(t)
	database, err := handwritten.Open(t.Context(), filepath.Join(t.TempDir(), "sessions.db"))
	is.NoErr(err)
	t.Cleanup(func() { is.NoErr(database.Close()) })
	h := &handwritten.Handler{Database: database, Token: "sk", Account: "acct_1"}
	post := func(token, key, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/v1/checkouts", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Idempotency-Key", key)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	first := post("sk", key, body)
	is.Equal(first.Code, http.StatusCreated)
	is.True(strings.Contains(first.Body.String(), `"transaction_fee":25`))
	again := post("sk", key, " "+body)
	is.Equal(again.Code, http.StatusOK)
	is.Equal(again.Body.String(), first.Body.String())
	is.Equal(post("sk", key, strings.Replace(body, "5000", "6000", 1)).Code, http.StatusUnprocessableEntity)

	is.Equal(post("no", key, body).Code, http.StatusUnauthorized)
	is.Equal(post("sk", "1", body).Code, http.StatusBadRequest)
	is.Equal(post("sk", key, "{").Code, http.StatusBadRequest)
	is.Equal(post("sk", key, strings.Repeat(" ", 70_000)).Code, http.StatusRequestEntityTooLarge)
	for _, fault := range []string{
		strings.Replace(body, "5000", "50", 1),
		strings.Replace(body, "XOF", "USD", 1),
		strings.Replace(body, "+2250707987654", "+225", 1),
		strings.Replace(body, "Two", strings.Repeat("é", 200), 1),
		strings.Replace(body, "{", `{"expires_in":60,`, 1),
	} {
		is.Equal(post("sk", key, fault).Code, http.StatusBadRequest)
	}
}
