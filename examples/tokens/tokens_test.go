package tokens_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/examples/tokens"
	"github.com/caisse/checkout/store/memory"
	"github.com/matryer/is"
	_ "modernc.org/sqlite"
)

// host is a server with the handler, whose tokens are in a table of the host's database.
type host struct {
	*tokens.Tokens
	handler http.Handler
	db      *sql.DB
	now     time.Time // the clock of the tokens
}

func newHost(t *testing.T) *host {
	t.Helper()
	is := is.New(t)
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "host.db"))
	is.NoErr(err)
	t.Cleanup(func() { db.Close() })
	_, err = db.Exec(tokens.Schema)
	is.NoErr(err)
	h := &host{db: db, now: time.Now()}
	h.Tokens = tokens.New(db, func() time.Time { return h.now })
	checkouts, err := checkout.New(memory.New(), checkout.Config{})
	is.NoErr(err)
	h.handler, err = checkout.NewHandler(checkouts, h.Tokens, checkout.HandlerConfig{})
	is.NoErr(err)
	return h
}

// statusOf returns the status of a request with a token.
func (h *host) statusOf(token string) int {
	r := httptest.NewRequest(http.MethodGet, "/v1/checkouts", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w.Code
}

func TestTokens(t *testing.T) {
	account := checkout.Account{ID: "acct_1"}
	t.Run("an issued token authenticates its account, and another token does not", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		token, err := h.Issue(t.Context(), checkout.Account{ID: "acct_1", Test: true})
		is.NoErr(err)
		is.True(strings.HasPrefix(token, "sk_test_"))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		a, err := h.Authenticate(r)
		is.NoErr(err)
		is.Equal(a, checkout.Account{ID: "acct_1", Test: true})
		is.Equal(h.statusOf(token), 200)
		is.Equal(h.statusOf(token+"x"), 401)
		is.Equal(h.statusOf(""), 401)
	})
	t.Run("the table does not contain the token", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		token, err := h.Issue(t.Context(), account)
		is.NoErr(err)
		var row string
		is.NoErr(h.db.QueryRow("SELECT hex(digest) || account FROM tokens").Scan(&row))
		is.True(!strings.Contains(row, token))
		is.True(!strings.Contains(row, fmt.Sprintf("%X", token)))
	})
	t.Run("after a rotation the old token works for an hour, and the new one at once", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		old, err := h.Issue(t.Context(), account)
		is.NoErr(err)
		other, err := h.Issue(t.Context(), checkout.Account{ID: "acct_2"})
		is.NoErr(err)
		new, err := h.Rotate(t.Context(), account, time.Hour)
		is.NoErr(err)
		is.Equal([]int{h.statusOf(old), h.statusOf(new)}, []int{200, 200})
		h.now = h.now.Add(time.Hour)
		is.Equal([]int{h.statusOf(old), h.statusOf(new), h.statusOf(other)}, []int{401, 200, 200})
	})
	t.Run("a second rotation does not extend the life of a token that expires", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		old, err := h.Issue(t.Context(), account)
		is.NoErr(err)
		for range 2 {
			_, err = h.Rotate(t.Context(), account, time.Hour)
			is.NoErr(err)
			h.now = h.now.Add(30 * time.Minute)
		}
		is.Equal(h.statusOf(old), 401)
	})
	t.Run("a revoked token is refused at once", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		token, err := h.Issue(t.Context(), account)
		is.NoErr(err)
		is.NoErr(h.Revoke(t.Context(), token))
		is.Equal(h.statusOf(token), 401)
	})
	t.Run("a database that is down leads to 503, not 401", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		token, err := h.Issue(t.Context(), account)
		is.NoErr(err)
		is.NoErr(h.db.Close())
		is.Equal(h.statusOf(token), 503)
	})
}

// A merchant has published a token by mistake. The merchant gets a new token, and the old one is revoked.
func ExampleTokens_Rotate() {
	ctx := context.Background()
	db, _ := sql.Open("sqlite", ":memory:")
	defer db.Close()
	db.SetMaxOpenConns(1) // with :memory: each connection would have its own database
	db.Exec(tokens.Schema)
	all := tokens.New(db, time.Now)
	token, _ := all.Issue(ctx, checkout.Account{ID: "acct_1"})
	accountOf := func(token string) any {
		r := httptest.NewRequest(http.MethodGet, "/v1/checkouts", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		a, err := all.Authenticate(r)
		if err != nil {
			return err
		}
		return a.ID
	}

	next, _ := all.Rotate(ctx, checkout.Account{ID: "acct_1"}, 24*time.Hour)
	fmt.Println("for a day:", accountOf(token), accountOf(next))
	all.Revoke(ctx, token)
	fmt.Println("revoked:", accountOf(token), accountOf(next))
	// Output:
	// for a day: acct_1 acct_1
	// revoked: checkout: unauthenticated acct_1
}
