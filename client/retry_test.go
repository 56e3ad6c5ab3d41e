package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisse/checkout/client"
	"github.com/matryer/is"
)

// refusal returns the *client.Error that err must have.
func refusal(t *testing.T, err error) *client.Error {
	t.Helper()
	e, ok := errors.AsType[*client.Error](err)
	if !ok {
		t.Fatalf("want a *client.Error, got %v", err)
	}
	return e
}

func TestRetries(t *testing.T) {
	t.Run("send the same key and the same body until there is an answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			var sent []string
			statuses := []int{429, 500, 502, 503, 504, 201}
			c := inProcess(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				sent = append(sent, r.Header.Get("Idempotency-Key")+string(body))
				writeJSON(w, statuses[len(sent)-1], canned)
			}, client.Config{})
			s, err := c.Create(t.Context(), client.NewIntent(mobileMoney))
			is.NoErr(err)
			is.Equal(s.ID, cannedID)
			is.Equal(len(sent), len(statuses))
			is.Equal(len(slices.Compact(sent)), 1)
		})
	})
	t.Run("repeat reads and a cancel", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			tries := 0
			answer := canned
			c := inProcess(t, func(w http.ResponseWriter, r *http.Request) {
				if tries++; tries%2 == 1 {
					w.WriteHeader(http.StatusBadGateway)
					return
				}
				writeJSON(w, 200, answer)
			}, client.Config{})
			_, err := c.Get(t.Context(), cannedID)
			is.NoErr(err)
			_, err = c.Cancel(t.Context(), cannedID)
			is.NoErr(err)
			answer = `{"events":[]}`
			_, err = c.Events(t.Context(), cannedID)
			is.NoErr(err)
			answer = `{"sessions":[],"has_more":false,"next_cursor":null}`
			_, err = c.ListPage(t.Context(), client.Query{})
			is.NoErr(err)
			is.Equal(tries, 8)
		})
	})
	t.Run("are not made if the server would refuse again", func(t *testing.T) {
		for _, status := range []int{301, 307, 400, 401, 403, 404, 405, 409, 413, 415, 422, 501} {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				tries := 0
				c := inProcess(t, func(w http.ResponseWriter, r *http.Request) {
					tries++
					w.Header().Set("Location", "https://elsewhere.example/")
					w.WriteHeader(status)
				}, client.Config{})
				_, err := c.Create(t.Context(), client.NewIntent(mobileMoney))
				is.Equal(refusal(t, err).Status, status)
				is.Equal(tries, 1)
			})
		}
	})
	t.Run("wait for random times up to a growing bound, and end after MaxAttempts", func(t *testing.T) {
		var longest [client.DefaultMaxAttempts]time.Duration
		for range 200 {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				last, tries := time.Now(), 0
				c := inProcess(t, func(w http.ResponseWriter, r *http.Request) {
					longest[tries] = max(longest[tries], time.Since(last))
					last = time.Now()
					tries++
					w.WriteHeader(500)
				}, client.Config{})
				_, err := c.Create(t.Context(), client.NewIntent(mobileMoney))
				gaveUp, ok := errors.AsType[*client.GaveUpError](err)
				is.True(ok)
				is.Equal(gaveUp.Tries, client.DefaultMaxAttempts)
				is.Equal(tries, client.DefaultMaxAttempts)
				is.Equal(refusal(t, err).Status, 500)
			})
		}
		is := is.New(t)
		for i, most := range []time.Duration{0, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second,
			4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second, 10 * time.Second} {
			is.True(longest[i] <= most)
			is.True(longest[i] >= most*9/10) // all of 200 pauses are shorter with a probability of 1 in 10^9
		}
	})
	t.Run("end after MaxElapsed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			c := inProcess(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) },
				client.Config{MaxAttempts: 1 << 20, MaxElapsed: time.Minute})
			began := time.Now()
			_, err := c.Get(t.Context(), cannedID)
			is.Equal(refusal(t, err).Status, 503)
			is.True(time.Since(began) <= time.Minute)
			is.True(time.Since(began) >= 50*time.Second)
		})
	})
	t.Run("end before the context does, with the answer of the server", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			c := inProcess(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", "60")
				w.WriteHeader(429)
			}, client.Config{})
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			began := time.Now()
			_, err := c.Get(ctx, cannedID)
			is.Equal(refusal(t, err).Status, 429)
			is.Equal(refusal(t, err).RetryAfter, time.Minute)
			is.Equal(time.Since(began), time.Duration(0)) // it begins no wait that the context would cut short
		})
	})
	t.Run("end with the context, and with its error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			ctx, cancel := context.WithCancel(t.Context())
			c := inProcess(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(503)
				time.AfterFunc(0, cancel)
			}, client.Config{})
			_, err := c.Get(ctx, cannedID)
			is.True(errors.Is(err, context.Canceled))
			is.Equal(refusal(t, err).Status, 503) // the last answer of the server
		})
	})
	t.Run("can be turned off", func(t *testing.T) {
		is := is.New(t)
		tries := 0
		c := inProcess(t, func(w http.ResponseWriter, r *http.Request) { tries++; w.WriteHeader(503) }, client.Config{MaxAttempts: 1})
		_, err := c.Get(t.Context(), cannedID)
		is.Equal(refusal(t, err).Status, 503)
		is.Equal(tries, 1)
	})
}

func TestRetryAfter(t *testing.T) {
	for _, test := range []struct {
		name, value, date string
		want              time.Duration
	}{
		{"in seconds", "7", "", 7 * time.Second},
		{"of zero seconds", "0", "", 0},
		{"as a date, by the server's clock", "Sun, 22 Nov 2026 07:31:56 GMT", "Sun, 22 Nov 2026 07:31:47 GMT", 9 * time.Second},
		{"as a date, by the client's clock", "Sat, 01 Jan 2000 00:00:11 GMT", "", 11 * time.Second}, // where synctest's clock begins
		{"as a date in the past", "Sun, 22 Nov 2020 07:31:56 GMT", "Sun, 22 Nov 2026 07:31:47 GMT", 0},
		{"that is neither", "soon", "", 0},
		{"below zero", "-1", "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				tries := 0
				c := inProcess(t, func(w http.ResponseWriter, r *http.Request) {
					if tries++; tries == 1 {
						w.Header().Set("Retry-After", test.value)
						if test.date != "" {
							w.Header().Set("Date", test.date)
						}
						w.WriteHeader(503)
						return
					}
					writeJSON(w, 200, canned)
				}, client.Config{})
				began := time.Now()
				_, err := c.Get(t.Context(), cannedID)
				is.NoErr(err)
				is.True(time.Since(began) >= test.want)
				is.True(time.Since(began) <= test.want+250*time.Millisecond)
			})
		})
	}
}

func TestATryThatTakesTooLongIsRepeated(t *testing.T) {
	is := is.New(t)
	var tries atomic.Int32
	_, c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tries.Add(1) == 1 {
			<-r.Context().Done()
			return
		}
		writeJSON(w, 200, canned)
	}), client.Config{Timeout: 200 * time.Millisecond})
	_, err := c.Get(t.Context(), cannedID)
	is.NoErr(err)

	_, c = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
		client.Config{Timeout: 20 * time.Millisecond, MaxAttempts: 2})
	_, err = c.Get(t.Context(), cannedID)
	is.Equal(err.Error(), "client: get a session: gave up after 2 tries: no answer: the try took longer than 20ms")
	is.True(!errors.Is(err, context.DeadlineExceeded)) // the caller's context has not ended
}

func TestACertificateThatIsNotTrustedIsNotTriedAgain(t *testing.T) {
	is := is.New(t)
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	_, err := newClient(t, server.URL, client.Config{}).Get(t.Context(), cannedID)
	_, gaveUp := errors.AsType[*client.GaveUpError](err)
	is.True(err != nil)
	is.True(!gaveUp)
}

// An answer that is not of this API must be an AnswerError, at the first try. Otherwise a program could take the login page of a proxy,
// or the session of another payment, for its own session.
func TestAnswers(t *testing.T) {
	get := func(c *client.Client) error { _, err := c.Get(t.Context(), cannedID); return err }
	create := func(c *client.Client) error {
		_, err := c.Create(t.Context(), client.NewIntent(mobileMoney))
		return err
	}
	list := func(c *client.Client) error { _, err := c.ListPage(t.Context(), client.Query{Cursor: "x"}); return err }
	events := func(c *client.Client) error { _, err := c.Events(t.Context(), cannedID); return err }
	for _, test := range []struct {
		name   string
		do     func(*client.Client) error
		status int
		body   string
		fault  string // "": none
	}{
		{"a session with members that the client does not know", get, 200, strings.Replace(canned, "{", `{"new":{"a":[1]},`, 1), ""},
		{"a login page", get, 200, "<html>", "is not JSON of this API"},
		{"another object", get, 200, `{"ok":true}`, "is not a session"},
		{"null", get, 200, `null`, "is not a session"},
		{"another session", get, 200, strings.Replace(canned, "5f60", "5f61", 1), "is another session"},
		{"an amount with a fraction", get, 200, strings.Replace(canned, "5000", "5000.5", 1), "is not JSON of this API"},
		{"an amount that is a string", get, 200, strings.Replace(canned, "5000", `"5000"`, 1), "is not JSON of this API"},
		{"two sessions in a row", get, 200, canned + canned, "has something after its JSON"},
		{"a body that is too long for a session", get, 200, canned + strings.Repeat(" ", 1<<20), "has more than 1048576 bytes"},
		{"a create that is answered 202", create, 202, canned, "is neither 200 nor 201"},
		{"a create that is answered 204", create, 204, "", "is neither 200 nor 201"},
		{"a session of another amount", create, 201, strings.Replace(canned, "5000", "50000", 1), "is a session of another amount or currency"},
		{"a session of another currency", create, 201, strings.Replace(canned, "XOF", "usd", 1), "is a session of another amount or currency"},
		{"a page without sessions", list, 200, `{"has_more":false}`, "is not a page of sessions"},
		{"a page with an object that is not a session", list, 200, `{"sessions":[{}]}`, "has something that is not a session"},
		{"a page that has more, but no cursor", list, 200, `{"sessions":[],"has_more":true,"next_cursor":null}`, "has a has_more and a next_cursor that do not fit together"},
		{"a page whose next cursor is its own", list, 200, `{"sessions":[],"has_more":true,"next_cursor":"x"}`, "has a has_more and a next_cursor that do not fit together"},
		{"a history without events", events, 200, `{}`, "is not a list of events"},
		{"a history with an event of another session", events, 200, `{"events":[{"id":"evt_1"}]}`, "has an event of another session"},
	} {
		t.Run(test.name, func(t *testing.T) {
			is := is.New(t)
			tries := 0
			err := test.do(inProcess(t, func(w http.ResponseWriter, r *http.Request) {
				tries++
				writeJSON(w, test.status, test.body)
			}, client.Config{}))
			is.Equal(tries, 1)
			if test.fault == "" {
				is.NoErr(err)
				return
			}
			unusable, ok := errors.AsType[*client.AnswerError](err)
			is.True(ok)
			is.Equal(unusable.Reason, test.fault)
			is.Equal(unusable.Status, test.status)
		})
	}
	t.Run("an answer that ends too early is retried", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			tries := 0
			c := inProcess(t, func(w http.ResponseWriter, r *http.Request) {
				tries++
				writeJSON(w, 201, canned[:len(canned)*min(tries-1, 2)/2]) // first nothing, then half, then all of it
			}, client.Config{})
			_, err := c.Create(t.Context(), client.NewIntent(mobileMoney))
			is.NoErr(err)
			is.Equal(tries, 3)
		})
	})
	t.Run("an error that is not of this API keeps its status and none of its text", func(t *testing.T) {
		is := is.New(t)
		c := inProcess(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Request-Id", "abc")
			w.WriteHeader(403)
			fmt.Fprint(w, "<html>you sent +2250707987654")
		}, client.Config{})
		_, err := c.Create(t.Context(), client.NewIntent(mobileMoney))
		is.Equal(err.Error(), "client: create a session: answered 403 Forbidden (request abc)")
	})
}
