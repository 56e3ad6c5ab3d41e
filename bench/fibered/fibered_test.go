package fibered_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/caisse/checkout/bench/fibered"
	"github.com/caisse/checkout/bench/handwritten"
	"github.com/matryer/is"
	"github.com/valyala/fasthttp"
)

// TestApp proves that the endpoint on fiber works: it replays, it authenticates, it validates. A comparison with an endpoint that does
// less would be unfair.
func TestApp(t *testing.T) {
	for _, test := range []struct {
		name   string
		writes bool
	}{
		{"whose handler writes sessions", true},
		{"whose handler writes nothing", false},
	} {
		t.Run("replays the answer of an application "+test.name, func(t *testing.T) {
			is := is.New(t)
			cfg := fibered.Config{KeysPath: filepath.Join(t.TempDir(), "keys.db"), Token: "sk", Account: "acct_1"}
			if test.writes {
				sessions, err := handwritten.Open(t.Context(), filepath.Join(t.TempDir(), "sessions.db"))
				is.NoErr(err)
				t.Cleanup(func() { is.NoErr(sessions.Close()) })
				cfg.Sessions = sessions
			}
			app, err := fibered.New(cfg)
			is.NoErr(err)
			t.Cleanup(func() { is.NoErr(app.Close()) })
			post := func(token, key, body string) (int, string) {
				var c fasthttp.RequestCtx
				c.Request.Header.SetMethod("POST")
				c.Request.SetRequestURI("/v1/checkouts")
				c.Request.Header.Set("Authorization", "Bearer "+token)
				c.Request.Header.Set("Content-Type", "application/json")
				c.Request.Header.Set("Idempotency-Key", key)
				c.Request.SetBodyString(body)
				app.Handler()(&c)
				return c.Response.StatusCode(), string(c.Response.Body())
			}
			const (
				body = `{"amount":5000,"currency":"XOF","user_phone":"+2250707987654"}`
				key  = "0193f0c2-a7b4-7c5e-9d3a-1b2c3d4e5f60"
			)
			status, first := post("sk", key, body)
			is.Equal(status, 201)
			is.True(strings.Contains(first, `"transaction_fee":25`))
			status, again := post("sk", key, body)
			is.Equal(status, 201)
			is.Equal(again, first)

			other := strings.Replace(key, "0193", "0194", 1)
			status, _ = post("no", other, body)
			is.Equal(status, 401)
			status, _ = post("sk", other, `{"amount":1}`)
			is.Equal(status, 400)
		})
	}
}
