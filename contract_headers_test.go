package checkout_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/caisse/checkout"
	"github.com/google/uuid"
	"github.com/matryer/is"
)

func TestAuthorization(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		for name, headers := range map[string][]string{
			"a missing header":              {"Authorization:"},
			"an unknown token":              {"Authorization: Bearer sk_live_unknown"},
			"the beginning of a token":      {"Authorization: Bearer " + liveToken[:5]},
			"a token with a character more": {"Authorization: Bearer " + liveToken + "x"},
			"another scheme":                {"Authorization: Basic " + liveToken},
			"no scheme":                     {"Authorization: " + liveToken},
			"no token":                      {"Authorization: Bearer "},
			"two tokens":                    {"Authorization: Bearer " + liveToken + " " + liveToken},
			"the header twice":              {"Authorization: Bearer " + liveToken, "Authorization: Bearer " + liveToken},
			"two tokens joined by a comma":  {"Authorization: Bearer " + liveToken + ", Bearer " + liveToken},
		} {
			t.Run("answers 401 to "+name, func(t *testing.T) {
				is := is.New(t)
				got := a.post(mobileMoney, headers...)
				is.Equal(got.status, 401)
				is.Equal(got.code(), "unauthorized")
				is.Equal(got.header.Get("WWW-Authenticate"), "Bearer")
				// The text is the same for each reason, so it does not help to guess a token.
				is.Equal(got.body["detail"], a.post(mobileMoney, "Authorization:").body["detail"])
			})
		}
		t.Run("answers 401 before it checks the rest of a request", func(t *testing.T) {
			is := is.New(t)
			for _, got := range []response{
				a.get("/v1/checkouts?limit=0", "Authorization:"), a.get("/v1/checkouts/x", "Authorization:"),
				a.do("POST", "/v1/checkouts/x/cancel", "", "Authorization:"), a.do("HEAD", "/v1/checkouts", "", "Authorization:"),
			} {
				is.Equal(got.status, 401)
			}
		})
		for _, scheme := range []string{"Bearer", "bearer", "BEARER", "Bearer "} {
			t.Run("accepts the scheme "+scheme, func(t *testing.T) {
				is.New(t).Equal(a.post(mobileMoney, "Authorization: "+scheme+" "+liveToken).status, 201)
			})
		}
	})
}

// Only ErrUnauthenticated is a 401. A client that got a 401 because of an outage might give up its valid token.
func TestAuthenticatorFaults(t *testing.T) {
	for _, test := range []struct {
		name   string
		auth   checkout.AuthenticatorFunc
		status int
		code   string
	}{
		{"a wrapped ErrUnauthenticated is a 401", func(*http.Request) (checkout.Account, error) {
			return checkout.Account{}, errors.Join(errors.New("key revoked"), checkout.ErrUnauthenticated)
		}, 401, "unauthorized"},
		{"any other error is a 503", func(*http.Request) (checkout.Account, error) {
			return checkout.Account{}, errors.New("credentials database is down")
		}, 503, "unavailable"},
		{"ErrNotFound from the Authenticator is a 503 too, not a 404", func(*http.Request) (checkout.Account, error) {
			return checkout.Account{}, checkout.ErrNotFound
		}, 503, "unavailable"},
		{"an account without an ID is a 500", func(*http.Request) (checkout.Account, error) {
			return checkout.Account{}, nil
		}, 500, "internal"},
		{"an account whose ID no store can hold is a 500", func(*http.Request) (checkout.Account, error) {
			return checkout.Account{ID: "a\x00"}, nil
		}, 500, "internal"},
		{"an account whose ID is too long is a 500", func(*http.Request) (checkout.Account, error) {
			return checkout.Account{ID: strings.Repeat("a", 256)}, nil
		}, 500, "internal"},
		{"a panic is a 500", func(*http.Request) (checkout.Account, error) { panic("nil map") }, 500, "internal"},
	} {
		t.Run(test.name, func(t *testing.T) {
			is := is.New(t)
			a := newAPI(t, openSQLite(t))
			var err error
			a.handler, err = checkout.NewHandler(a.Checkouts, test.auth, checkout.HandlerConfig{})
			is.NoErr(err)
			for _, got := range []response{a.post(mobileMoney), a.get("/v1/checkouts"), a.get("/v1/checkouts/cs_x")} {
				is.Equal(got.status, test.status)
				is.Equal(got.code(), test.code)
			}
		})
	}
}

func TestContentType(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		for _, accepted := range []string{"application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;charset=UTF-8", `application/json; profile="x"`} {
			t.Run("accepts "+accepted, func(t *testing.T) {
				is.New(t).Equal(a.post(mobileMoney, "Content-Type: "+accepted).status, 201)
			})
		}
		for name, headers := range map[string][]string{
			"a missing header":            {"Content-Type:"},
			"text/plain":                  {"Content-Type: text/plain"},
			"a form":                      {"Content-Type: application/x-www-form-urlencoded"},
			"application/jso":             {"Content-Type: application/jso"},
			"application/json-patch+json": {"Content-Type: application/json-patch+json"},
			"two lines":                   {"Content-Type: application/json", "Content-Type: application/json"},
			"a list of two types":         {"Content-Type: application/json, application/json"},
			"a broken parameter":          {"Content-Type: application/json; charset"},
		} {
			t.Run("answers 415 to "+name, func(t *testing.T) {
				is := is.New(t)
				got := a.post(mobileMoney, headers...)
				is.Equal(got.status, 415)
				is.Equal(got.code(), "unsupported_media_type")
			})
		}
	})
}

func TestContentEncoding(t *testing.T) {
	a := newAPI(t, openSQLite(t))
	t.Run("accepts identity", func(t *testing.T) {
		is.New(t).Equal(a.post(mobileMoney, "Content-Encoding: Identity").status, 201)
	})
	t.Run("checks every line of the header", func(t *testing.T) {
		is.New(t).Equal(a.post(mobileMoney, "Content-Encoding: identity", "Content-Encoding: gzip").status, 415)
	})
	for _, encoding := range []string{"gzip", "br", "identity, gzip", "x"} {
		t.Run("answers 415 to "+encoding, func(t *testing.T) {
			is.New(t).Equal(a.post(mobileMoney, "Content-Encoding: "+encoding).status, 415)
		})
	}
}

func TestIdempotencyKeyHeader(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		const key = "0193f0c2-a7b4-4c5e-9d3a-1b2c3d4e5f60"
		for _, test := range []struct {
			name    string
			headers []string
			code    string
		}{
			{"missing", []string{"Idempotency-Key:"}, "idempotency_key_missing"},
			{"blank", []string{"Idempotency-Key:  \t "}, "idempotency_key_missing"},
			{"an empty quoted string", []string{`Idempotency-Key: ""`}, "idempotency_key_missing"},
			{"sent twice", []string{"Idempotency-Key: " + key, "Idempotency-Key: " + key}, "idempotency_key_invalid"},
			{"joined by a comma", []string{"Idempotency-Key: " + key + ", " + key}, "idempotency_key_invalid"},
			{"too long", []string{"Idempotency-Key: " + strings.Repeat("a", 1001)}, "idempotency_key_invalid"},
			{"quoted, with a parameter", []string{`Idempotency-Key: "` + key + `";a=1`}, "idempotency_key_invalid"},
			{"not quoted, with a parameter", []string{"Idempotency-Key: " + key + ";a=1"}, "idempotency_key_invalid"},
			{"quoted without a closing quote", []string{`Idempotency-Key: "` + key}, "idempotency_key_invalid"},
			{"not a UUID", []string{"Idempotency-Key: order-17"}, "idempotency_key_invalid"},
			{"a UUID without hyphens", []string{"Idempotency-Key: " + strings.ReplaceAll(key, "-", "")}, "idempotency_key_invalid"},
			{"a UUID in braces", []string{"Idempotency-Key: {" + key + "}"}, "idempotency_key_invalid"},
			{"a URN", []string{"Idempotency-Key: urn:uuid:" + key}, "idempotency_key_invalid"},
			{"a UUID with a letter that is not a hex digit", []string{"Idempotency-Key: " + "g" + key[1:]}, "idempotency_key_invalid"},
			{"a UUID with a hyphen in another place", []string{"Idempotency-Key: 0193f0c2a-7b4-4c5e-9d3a-1b2c3d4e5f60"}, "idempotency_key_invalid"},
			{"the nil UUID", []string{"Idempotency-Key: " + uuid.Nil.String()}, "idempotency_key_invalid"},
			{"the max UUID", []string{"Idempotency-Key: " + strings.ToUpper(uuid.Max.String())}, "idempotency_key_invalid"},
		} {
			t.Run("refuses a key that is "+test.name, func(t *testing.T) {
				is := is.New(t)
				got := a.post(mobileMoney, test.headers...)
				is.Equal(got.status, 400)
				is.Equal(got.code(), test.code)
			})
		}
		t.Run("accepts a UUID of any version", func(t *testing.T) {
			for _, version := range "12345678" {
				is.New(t).Equal(a.post(mobileMoney, "Idempotency-Key: 0193f0c2-a7b4-"+string(version)+"c5e-9d3a-1b2c3d4e5f60").status, 201)
			}
		})
		t.Run("treats a key as the same with and without quotes, in upper and lower case", func(t *testing.T) {
			is := is.New(t)
			const key = "ab93f0c2-a7b4-4c5e-9d3a-1b2c3d4e5f60"
			first := a.post(mobileMoney, "Idempotency-Key: "+key)
			is.Equal(first.status, 201)
			for _, same := range []string{`"` + key + `"`, strings.ToUpper(key), `"` + strings.ToUpper(key) + `"`, "  " + key + "\t"} {
				got := a.post(mobileMoney, "Idempotency-Key: "+same)
				is.Equal(got.status, 200)
				is.Equal(got.id(), first.id())
			}
			s, replayed, err := a.Create(t.Context(), params(live, strings.ToUpper(key)))
			is.NoErr(err)
			is.True(replayed) // a Go call finds the same key
			is.Equal(s.ID, first.id())
		})
	})
}

func TestAnyIdempotencyKey(t *testing.T) {
	a := newAPIWith(t, openSQLite(t), checkout.Config{}, checkout.HandlerConfig{AnyIdempotencyKey: true})
	for _, key := range []string{"o", "order-17", "a;b=c", `it"s`, strings.Repeat("~", 1000), `"order-18"`} {
		t.Run("accepts "+key[:min(len(key), 20)], func(t *testing.T) {
			is.New(t).Equal(a.post(mobileMoney, "Idempotency-Key: "+key).status, 201)
		})
	}
	for _, key := range []string{"a,b", "a b", "clé", "\x7f", strings.Repeat("a", 1001), `"a b"`, `"a`, `"a"b`, `"\a"`} {
		t.Run("refuses "+key[:min(len(key), 20)], func(t *testing.T) {
			is.New(t).Equal(a.post(mobileMoney, "Idempotency-Key: "+key).code(), "idempotency_key_invalid")
		})
	}
	t.Run("treats a key as the same with and without quotes", func(t *testing.T) {
		is := is.New(t)
		for bare, quoted := range map[string]string{"order-19": `"order-19"`, `it's"19"`: `"it's\"19\""`, `a\b`: `"a\\b"`} {
			first := a.post(mobileMoney, "Idempotency-Key: "+bare)
			is.Equal(first.status, 201)
			again := a.post(mobileMoney, "Idempotency-Key: "+quoted)
			is.Equal(again.status, 200)
			is.Equal(again.id(), first.id())
		}
	})
	t.Run("is case-sensitive if the key is not a UUID", func(t *testing.T) {
		is := is.New(t)
		is.Equal(a.post(mobileMoney, "Idempotency-Key: Case").status, 201)
		is.Equal(a.post(mobileMoney, "Idempotency-Key: case").status, 201)
	})
}

func TestRequestID(t *testing.T) {
	a := newAPI(t, openSQLite(t))
	for _, own := range []string{"r", "req-1/2", strings.Repeat("x", 128)} {
		t.Run("returns the ID of the request, "+own[:min(8, len(own))], func(t *testing.T) {
			is := is.New(t)
			got := a.post(`{}`, "Request-Id: "+own)
			is.Equal(got.header.Get("Request-Id"), own)
			is.Equal(got.body["request_id"], own)
		})
	}
	for name, headers := range map[string][]string{
		"is missing":              nil,
		"is too long":             {"Request-Id: " + strings.Repeat("x", 129)},
		"has a space":             {"Request-Id: a b"},
		"is not ASCII":            {"Request-Id: é"},
		"has a control character": {"Request-Id: a\tb"},
		"comes twice":             {"Request-Id: a", "Request-Id: b"},
	} {
		t.Run("makes a UUID if the Request-Id "+name, func(t *testing.T) {
			is := is.New(t)
			got := a.get("/v1/checkouts", headers...)
			_, err := uuid.Parse(got.header.Get("Request-Id"))
			is.NoErr(err)
		})
	}
}

func TestEveryAnswerHasCacheControlAndRequestID(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		created := a.post(mobileMoney)
		for _, got := range []response{
			created,
			a.get("/v1/checkouts"), a.get("/v1/checkouts/" + created.id()), a.get("/v1/openapi.yaml"), a.get("/nowhere"),
			a.do("DELETE", "/v1/checkouts", ""), a.do("OPTIONS", "/v1/checkouts", ""), a.do("HEAD", "/v1/checkouts", ""),
			a.do("POST", "/v1/checkouts/"+created.id()+"/cancel", ""),
			a.post(mobileMoney, "Authorization:"), a.post(mobileMoney, "Content-Type:"), a.post(`{`), a.post(`{}`),
		} {
			is := is.New(t)
			is.Equal(got.header.Get("Cache-Control"), "no-store")
			is.True(got.header.Get("Request-Id") != "")
		}
	})
}

func TestOrderOfChecks(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPIWith(t, store, checkout.Config{MaxAmount: 6000}, checkout.HandlerConfig{})
		key := uuid.NewString()
		is.Equal(a.post(mobileMoney, "Idempotency-Key: "+key).status, 201)

		// The first request has every fault. Each step corrects one fault, and the answer must name the next one in the order of
		// docs/contract.md.
		path, method := "/v1/nowhere", "PUT"
		headers := []string{"Authorization: Bearer wrong", "Content-Type: text/plain", "Idempotency-Key:"}
		body := strings.Repeat(" ", 64<<10) + `{`
		check := func(status int, code string) {
			t.Helper()
			got := a.do(method, path, body, headers...)
			if got.status != status || got.code() != code {
				t.Errorf("got %d %s, want %d %s", got.status, got.code(), status, code)
			}
		}
		check(404, "not_found")
		path = "/v1/checkouts"
		check(405, "method_not_allowed")
		method = "POST"
		check(401, "unauthorized")
		headers[0] = "Authorization: Bearer " + liveToken
		check(415, "unsupported_media_type")
		headers[1] = "Content-Type: application/json"
		check(413, "payload_too_large")
		body = `{`
		check(400, "idempotency_key_missing")
		headers[2] = "Idempotency-Key: " + key
		check(400, "invalid_json")
		body = `{"amount": 7000}`
		check(400, "validation_failed")
		body = with(t, mobileMoney, "amount", "7000") // more than MaxAmount, but the key is looked up first
		check(422, "idempotency_key_reused")
		headers[2] = "Idempotency-Key: " + uuid.NewString()
		check(400, "validation_failed")
		body = mobileMoney
		check(201, "")
	})
}
