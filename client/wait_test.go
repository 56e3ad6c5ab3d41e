package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/client"
	"github.com/matryer/is"
)

// The client asks the server to wait a second in each request, on synctest's clock.
func TestWaitAgainstTheHandler(t *testing.T) {
	var (
		ctx       context.Context
		checkouts *checkout.Checkouts
		c         *client.Client
		requests  int // since the session was created
		began     time.Time
	)
	run := func(name string, test func(t *testing.T, s client.Session)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var handler http.Handler
				checkouts, handler = newHandler(t, checkout.HandlerConfig{})
				c = inProcess(t, func(w http.ResponseWriter, r *http.Request) { requests++; handler.ServeHTTP(w, r) }, client.Config{LongPoll: time.Second})
				s, err := c.Create(ctx, client.NewIntent(mobileMoney))
				if err != nil {
					t.Fatal(err)
				}
				requests, began = 0, time.Now()
				test(t, s)
			})
		})
	}

	run("returns a change that comes after several requests", func(t *testing.T, s client.Session) {
		is := is.New(t)
		time.AfterFunc(2500*time.Millisecond, func() { checkouts.Complete(ctx, account, s.ID, "PAY_1") })
		got, err := c.Wait(ctx, s)
		is.NoErr(err)
		is.Equal(got.Status, client.StatusCompleted)
		is.Equal(time.Since(began), 2500*time.Millisecond)
		is.Equal(requests, 3)
	})
	run("returns at once a session that has changed before", func(t *testing.T, s client.Session) {
		is := is.New(t)
		_, err := checkouts.Begin(ctx, account, s.ID, "PAY_2")
		is.NoErr(err)
		got, err := c.Wait(ctx, s)
		is.NoErr(err)
		is.Equal(got.Status, client.StatusPending)
		is.Equal(time.Since(began), time.Duration(0))
	})
	run("returns at once a session that has ended", func(t *testing.T, s client.Session) {
		is := is.New(t)
		s, err := c.Cancel(ctx, s.ID)
		is.NoErr(err)
		got, err := c.Wait(ctx, s)
		is.NoErr(err)
		is.Equal(got.Status, client.StatusCancelled)
		is.Equal(time.Since(began), time.Duration(0))
	})
	run("misses no change of a session that was stored as JSON", func(t *testing.T, s client.Session) {
		is := is.New(t)
		text, err := json.Marshal(s)
		is.NoErr(err)
		var kept client.Session
		is.NoErr(json.Unmarshal(text, &kept))
		_, err = checkouts.Begin(ctx, account, kept.ID, "PAY_3")
		is.NoErr(err)
		got, err := c.Wait(ctx, kept)
		is.NoErr(err)
		is.Equal(got.PaymentID, "PAY_3")
		is.Equal(time.Since(began), time.Duration(0))

		text, err = json.Marshal(got)
		is.NoErr(err)
		is.NoErr(json.Unmarshal(text, &kept))
		short, cancel := context.WithTimeout(ctx, 1500*time.Millisecond)
		defer cancel()
		_, err = c.Wait(short, kept) // nothing has changed
		is.True(errors.Is(err, context.DeadlineExceeded))
	})
	run("returns at once a session of which only the ID is known", func(t *testing.T, s client.Session) {
		is := is.New(t)
		got, err := c.Wait(ctx, client.Session{ID: s.ID})
		is.NoErr(err)
		is.Equal(got, s)
		is.Equal(time.Since(began), time.Duration(0))
	})
	run("ends with the context, and returns the session as it was last known", func(t *testing.T, s client.Session) {
		is := is.New(t)
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		got, err := c.Wait(short, s)
		is.True(errors.Is(err, context.DeadlineExceeded))
		is.Equal(got, s)
		is.Equal(time.Since(began), 100*time.Millisecond)
	})
	run("reports a session that does not exist", func(t *testing.T, _ client.Session) {
		is := is.New(t)
		_, err := c.Wait(ctx, client.Session{ID: cannedID})
		is.Equal(refusal(t, err).Code, client.CodeNotFound)
		_, err = c.Wait(ctx, client.Session{ID: cannedID, ETag: `"1"`})
		is.Equal(refusal(t, err).Code, client.CodeNotFound)
	})
}

// waitAgainst calls Wait with h as the server, for ten minutes of synctest's clock at most. It returns the number of requests, the time
// that passed, and the result of Wait.
func waitAgainst(t *testing.T, h http.HandlerFunc) (requests int, elapsed time.Duration, s client.Session, err error) {
	t.Helper()
	c := inProcess(t, func(w http.ResponseWriter, r *http.Request) { requests++; h(w, r) }, client.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	began := time.Now()
	w, err := c.Get(ctx, cannedID)
	if err != nil {
		t.Fatal(err)
	}
	s, err = c.Wait(ctx, w)
	return requests, time.Since(began), s, err
}

// Wait must not send one request after the other without a pause, however the server answers. The field most is the greatest number
// of requests that it may send in ten minutes.
func TestWaitDoesNotSpin(t *testing.T) {
	withTag := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `W/"1-created"`)
		if r.Header.Get("If-None-Match") == `W/"1-created"` {
			w.WriteHeader(304)
			return
		}
		writeJSON(w, 200, canned)
	}
	holdAnswer := func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Prefer"), "wait=") {
			select {
			case <-time.After(50 * time.Second):
			case <-r.Context().Done():
			}
		}
	}
	for _, test := range []struct {
		name string
		h    http.HandlerFunc
		most int
	}{
		{"if the server holds its answers back", func(w http.ResponseWriter, r *http.Request) { holdAnswer(w, r); withTag(w, r) }, 15},
		{"if the server answers at once", withTag, 90},
		{"if the server sends no ETag", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, 200, canned) }, 90},
		{"if each answer has another ETag", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"`+time.Now().String()+`"`)
			writeJSON(w, 200, canned)
		}, 90},
		{"if a proxy cuts off long requests", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Prefer") != "" {
				select {
				case <-time.After(30 * time.Second):
				case <-r.Context().Done():
				}
				w.WriteHeader(504)
				return
			}
			withTag(w, r)
		}, 60},
		{"if the server claims to have waited and has not", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Preference-Applied", "wait=50")
			withTag(w, r)
		}, 90},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				requests, elapsed, s, err := waitAgainst(t, test.h)
				is.True(errors.Is(err, context.DeadlineExceeded))
				is.Equal(elapsed, 10*time.Minute)
				is.Equal(s.ID, cannedID)
				is.True(requests <= test.most)
				is.True(requests >= 12)
			})
		})
	}
	t.Run("and still sees the outcome if a proxy cuts off every long request", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			paid := time.Now().Add(3 * time.Minute)
			_, elapsed, s, err := waitAgainst(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Header.Get("Prefer") != "":
					w.WriteHeader(504)
				case time.Now().Before(paid):
					withTag(w, r)
				default:
					writeJSON(w, 200, strings.Replace(canned, `"created"`, `"completed"`, 1))
				}
			})
			is.NoErr(err)
			is.Equal(s.Status, client.StatusCompleted)
			is.True(elapsed <= 3*time.Minute+15*time.Second)
		})
	})
	t.Run("and honours Retry-After", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			requests, _, _, err := waitAgainst(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Prefer") != "" {
					w.Header().Set("Retry-After", "120")
					w.WriteHeader(429)
					return
				}
				withTag(w, r)
			})
			is.True(errors.Is(err, context.DeadlineExceeded))
			is.True(requests <= 12)
		})
	})
	t.Run("and ends if the server stays down", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			up := true
			_, elapsed, s, err := waitAgainst(t, func(w http.ResponseWriter, r *http.Request) {
				if !up {
					w.WriteHeader(503)
					return
				}
				up = false
				withTag(w, r)
			})
			is.Equal(refusal(t, err).Status, 503)
			is.Equal(s.ID, cannedID) // the session as it was last known
			is.True(elapsed < 3*time.Minute)
		})
	})
}

func TestWaitAsksForTheTimeThatIsLeftButAtLeastASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		var asked []string
		c := inProcess(t, func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.Header.Get("Prefer"))
			writeJSON(w, 200, strings.Replace(canned, `"created"`, `"pending"`, 1))
		}, client.Config{LongPoll: 60 * time.Second})
		for _, lasts := range []time.Duration{time.Hour, 7500 * time.Millisecond, 300 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), lasts)
			_, err := c.Wait(ctx, client.Session{ID: cannedID, ETag: `"1"`})
			is.NoErr(err)
			cancel()
		}
		is.Equal(asked, []string{"wait=60", "wait=7", "wait=1"})
	})
}
