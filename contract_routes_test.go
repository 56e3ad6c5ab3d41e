package checkout_test

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/matryer/is"
)

// memberNames returns the names of an object's members, sorted.
func memberNames(m map[string]any) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), " ")
}

func asError[E error](err error, target *E) bool { return errors.As(err, target) }

func TestGetAnswersTheSession(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		created := a.post(mobileMoney)
		got := a.get(created.header.Get("Location"))
		is.Equal(got.status, 200)
		is.Equal(got.raw, created.raw)
		is.Equal(got.header.Get("Content-Type"), "application/json")
	})
}

func TestAnIDThatIsNotYoursIsNotFound(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		id := a.post(mobileMoney).id()
		unknown := a.get("/v1/checkouts/cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f60")
		for name, token := range map[string]string{"another account": otherToken, "another mode": testToken} {
			t.Run("to "+name, func(t *testing.T) {
				is := is.New(t)
				as := "Authorization: Bearer " + token
				for _, got := range []response{a.get("/v1/checkouts/"+id, as), a.do("POST", "/v1/checkouts/"+id+"/cancel", "", as),
					a.get("/v1/checkouts/"+id+"/events", as)} {
					is.Equal(got.status, 404)
					is.Equal(got.code(), "not_found")
					is.Equal(got.body["detail"], unknown.body["detail"]) // the same answer as for an ID that does not exist
				}
				is.Equal(a.get("/v1/checkouts", as).body["total_count"], 0.0)
			})
		}
		is.New(t).Equal(a.get("/v1/checkouts/" + id).body["status"], "created")
		for _, strange := range []string{id + "%2Fcancel", "x", "%00", "%ff", "..", "a%2Fb", strings.Repeat("x", 4000), "%F0%9F%98%80", id + "%20", strings.ToUpper(id)} {
			is.New(t).Equal(a.get("/v1/checkouts/"+strange).status, 404)
		}
	})
}

func TestUnknownPathsAre404BeforeCredentials(t *testing.T) {
	a := newAPI(t, openSQLite(t))
	id := a.post(mobileMoney).id()
	for _, path := range []string{"/", "/v1", "/v1/", "/v2/checkouts", "/v1/checkouts/", "/v1//checkouts", "/V1/checkouts", "/v1/Checkouts",
		"/v1/checkouts/" + id + "/", "/v1/checkouts/" + id + "/cancel/", "/v1/checkouts/" + id + "/refund", "/v1/checkouts/" + id + "/cancel/x",
		"/v1/openapi.yaml/", "/v1/openapi.json", "/v1/checkouts/../checkouts"} {
		t.Run(path, func(t *testing.T) {
			is := is.New(t)
			for _, method := range []string{"GET", "POST", "PUT", "OPTIONS"} {
				got := a.do(method, path, "", "Authorization:")
				is.Equal(got.status, 404)
				is.Equal(got.code(), "not_found")
				is.Equal(got.header.Get("Content-Type"), "application/problem+json")
			}
		})
	}
}

func TestOtherMethodsAre405WithAllow(t *testing.T) {
	a := newAPI(t, openSQLite(t))
	id := a.post(mobileMoney).id()
	for path, allow := range map[string]string{
		"/v1/checkouts":                   "GET, HEAD, POST",
		"/v1/checkouts/" + id:             "GET, HEAD",
		"/v1/checkouts/" + id + "/cancel": "POST",
		"/v1/checkouts/" + id + "/events": "GET, HEAD",
		"/v1/openapi.yaml":                "GET, HEAD",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "BREW"} {
			if slices.Contains(strings.Split(allow, ", "), method) {
				continue
			}
			t.Run(method+" "+path, func(t *testing.T) {
				is := is.New(t)
				got := a.do(method, path, "", "Authorization:") // 405 comes before 401
				is.Equal(got.status, 405)
				is.Equal(got.header.Get("Allow"), allow)
				if method != "HEAD" {
					is.Equal(got.code(), "method_not_allowed")
				}
			})
		}
	}
}

func TestHeadAnswersLikeGetWithoutABody(t *testing.T) {
	a := newAPI(t, openSQLite(t))
	id := a.post(mobileMoney).id()
	for _, path := range []string{"/v1/checkouts", "/v1/checkouts?limit=0", "/v1/checkouts/" + id, "/v1/checkouts/x", "/v1/openapi.yaml"} {
		t.Run(path, func(t *testing.T) {
			is := is.New(t)
			const own = "Request-Id: r"
			get, head := a.get(path, own), a.do("HEAD", path, "", own)
			is.Equal(head.status, get.status)
			is.Equal(head.header, get.header)
			is.Equal(head.raw, "")
			is.True(get.raw != "")
		})
	}
}

func TestOpenAPIDocumentNeedsNoCredentials(t *testing.T) {
	is := is.New(t)
	got := newAPI(t, openSQLite(t)).get("/v1/openapi.yaml", "Authorization:")
	is.Equal(got.status, 200)
	is.Equal(got.header.Get("Content-Type"), "application/yaml")
	is.True(strings.HasPrefix(got.raw, "openapi: 3.1"))
}

func TestCancelOnTheWire(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		cancel := func(id string) response { return a.do(http.MethodPost, "/v1/checkouts/"+id+"/cancel", "") }
		for name, body := range map[string]string{"created": mobileMoney, "pending": card} {
			t.Run("answers 200 for a session that is "+name+", and again when it is repeated", func(t *testing.T) {
				is := is.New(t)
				id := a.post(body).id()
				first := cancel(id)
				is.Equal(first.status, 200)
				is.Equal(first.body["status"], "cancelled")
				is.Equal(first.body["completed_at"], nil)
				again := cancel(id)
				is.Equal(again.status, 200)
				is.Equal(again.raw, first.raw)
			})
		}
		for status, move := range map[checkout.Status]func(id string) (checkout.Session, error){
			checkout.StatusProcessing: func(id string) (checkout.Session, error) { return a.Process(t.Context(), live, id, "") },
			checkout.StatusCompleted:  func(id string) (checkout.Session, error) { return a.Complete(t.Context(), live, id, "") },
			checkout.StatusFailed:     func(id string) (checkout.Session, error) { return a.Fail(t.Context(), live, id, "", "") },
			checkout.StatusExpired: func(id string) (checkout.Session, error) {
				a.clock.Advance(30 * time.Minute)
				return a.Get(t.Context(), live, id)
			},
		} {
			t.Run("answers 409 for a session that is "+string(status), func(t *testing.T) {
				is := is.New(t)
				id := a.post(mobileMoney).id()
				s, err := move(id)
				is.NoErr(err)
				is.Equal(s.Status, status)
				got := cancel(id)
				is.Equal(got.status, 409)
				is.Equal(got.code(), "invalid_transition")
				is.Equal(a.get("/v1/checkouts/" + id).body["status"], string(status))
			})
		}
		t.Run("answers 404 for a session that does not exist", func(t *testing.T) {
			is.New(t).Equal(cancel("cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f60").status, 404)
		})
	})
}

func TestBasePathIsPartOfLocation(t *testing.T) {
	is := is.New(t)
	a := newAPIWith(t, openSQLite(t), checkout.Config{}, checkout.HandlerConfig{BasePath: "/pay"})
	a.handler = http.StripPrefix("/pay", a.handler)
	got := a.do("POST", "/pay/v1/checkouts", mobileMoney, "Content-Type: application/json", keyHeader())
	is.Equal(got.status, 201)
	is.Equal(got.header.Get("Location"), "/pay/v1/checkouts/"+got.id())
	is.Equal(a.get(got.header.Get("Location")).raw, got.raw)
}
