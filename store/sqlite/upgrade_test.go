package sqlite_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/sqlite"
)

// oldDatabase is a copy of testdata/without-events.sqlite, opened by this release. The release without events has written that file. The
// field sessions has the requests to the old release's handler and its answers, from testdata/without-events.json.
type oldDatabase struct {
	t         *testing.T
	store     *sqlite.Store
	checkouts *checkout.Checkouts
	handler   *checkout.Handler
	sessions  []oldSession
}

type oldSession struct {
	Name, Token, Key, Body string
	Answer                 json.RawMessage
}

func openOldDatabase(t *testing.T) *oldDatabase {
	t.Helper()
	is := is.New(t)
	database, err := os.ReadFile("testdata/without-events.sqlite")
	is.NoErr(err)
	path := newPath(t)
	is.NoErr(os.WriteFile(path, database, 0o600))
	text, err := os.ReadFile("testdata/without-events.json")
	is.NoErr(err)
	var wrote struct {
		Now      time.Time
		Sessions []oldSession
	}
	is.NoErr(json.Unmarshal(text, &wrote))
	is.True(len(wrote.Sessions) > 10)

	o := &oldDatabase{t: t, store: open(t, path), sessions: wrote.Sessions}
	o.checkouts, err = checkout.New(o.store, checkout.Config{Clock: checkout.ClockFunc(func() time.Time { return wrote.Now })})
	is.NoErr(err)
	auth, err := checkout.BearerTokens(map[string]checkout.Account{"sk_live_1": {ID: "acct_1"}, "sk_test_1": {ID: "acct_1", Test: true}})
	is.NoErr(err)
	o.handler, err = checkout.NewHandler(o.checkouts, auth, checkout.HandlerConfig{})
	is.NoErr(err)
	return o
}

func (o *oldDatabase) send(method, path string, s oldSession, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+s.Token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", s.Key)
	}
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	return w
}

// read returns the account and the ID of a session, and the old answer without white space.
func (s oldSession) read(t *testing.T) (account checkout.Account, id, answer string) {
	t.Helper()
	var session struct{ ID string }
	var compact bytes.Buffer
	if err := json.Compact(&compact, s.Answer); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(s.Answer, &session); err != nil {
		t.Fatal(err)
	}
	return checkout.Account{ID: "acct_1", Test: s.Token == "sk_test_1"}, session.ID, compact.String()
}

// named returns the account and the ID of the session that has this name in the test data.
func (o *oldDatabase) named(name string) (checkout.Account, string) {
	o.t.Helper()
	for _, s := range o.sessions {
		if s.Name == name {
			account, id, _ := s.read(o.t)
			return account, id
		}
	}
	o.t.Fatalf("no session has the name %q", name)
	return checkout.Account{}, ""
}

// TestUpgradeFromTheReleaseWithoutEvents opens a database of that release. It proves that the migration keeps all sessions and
// keys. If it lost a key, a client's retry after the upgrade would create a second payment.
func TestUpgradeFromTheReleaseWithoutEvents(t *testing.T) {
	t.Run("keeps every session, and its key replays it", func(t *testing.T) {
		o := openOldDatabase(t)
		for _, s := range o.sessions {
			t.Run(s.Name, func(t *testing.T) {
				is := is.New(t)
				_, id, answer := s.read(t)
				// The old release did not send the member "late".
				same := func(got string) bool {
					return strings.TrimSpace(strings.Replace(got, `,"late":true`, "", 1)) == answer
				}
				got := o.send("GET", "/v1/checkouts/"+id, s, "")
				is.Equal(got.Code, 200)
				is.True(same(got.Body.String()))
				replay := o.send("POST", "/v1/checkouts", s, s.Body)
				is.Equal(replay.Code, 200)
				is.Equal(replay.Header().Get("Idempotent-Replayed"), "true")
				is.True(same(replay.Body.String()))
				other := o.send("POST", "/v1/checkouts", s, strings.Replace(s.Body, `{"amount": `, `{"amount": 1`, 1))
				is.Equal(other.Code, 422)
			})
		}
	})

	t.Run("begins each history with the oldest state that is known, and with its version", func(t *testing.T) {
		o := openOldDatabase(t)
		for _, s := range o.sessions {
			is := is.New(t)
			account, id, _ := s.read(t)
			session, err := o.checkouts.Get(t.Context(), account, id)
			is.NoErr(err)
			history, err := o.checkouts.History(t.Context(), account, id)
			is.NoErr(err)
			is.Equal(len(history), 1)
			kept := history[0].Session
			is.Equal(kept.Version, session.Version)
			if s.Name == "expired, never swept" {
				is.Equal(kept.Status, checkout.StatusCreated)
				is.Equal(session.Status, checkout.StatusExpired)
				continue
			}
			is.Equal(kept, session)
		}
		events, err := o.checkouts.Events(t.Context(), "", 100)
		is.New(t).NoErr(err)
		is.New(t).Equal(len(events), 0) // the feed has only the changes that this release makes
	})

	t.Run("continues every lifecycle, and the history has no gap from then on", func(t *testing.T) {
		is := is.New(t)
		o := openOldDatabase(t)
		for name, statuses := range map[string]string{
			"created":                     "created completed",
			"pending, a second attempt":   "pending completed",
			"processing":                  "processing completed",
			"failed":                      "failed completed",
			"cancelled":                   "cancelled completed",
			"expired, swept":              "expired completed",
			"a card":                      "pending completed",
			"created in test mode":        "created completed",
			"paid after the cancellation": "completed",
		} {
			account, id := o.named(name)
			_, err := o.checkouts.Complete(t.Context(), account, id, "")
			is.NoErr(err)
			history, err := o.checkouts.History(t.Context(), account, id)
			is.NoErr(err)
			var got []string
			for i, e := range history {
				got = append(got, string(e.Session.Status))
				is.True(i == 0 || e.Session.Version == history[i-1].Session.Version+1)
			}
			is.Equal(strings.Join(got, " "), statuses) // the history of the session with this name
		}
		swept, err := o.checkouts.ExpireDue(t.Context(), 100)
		is.NoErr(err)
		is.Equal(len(swept), 1)
		account, id := o.named("expired, never swept")
		history, err := o.checkouts.History(t.Context(), account, id)
		is.NoErr(err)
		is.Equal(len(history), 2)
		is.Equal(history[0].Session.Status, checkout.StatusCreated)
		is.Equal(history[1].Session.Status, checkout.StatusExpired)
		is.Equal(history[1].At, swept[0].ExpiresAt)
	})

	t.Run("lists all sessions, also by status and by payment", func(t *testing.T) {
		is := is.New(t)
		o := openOldDatabase(t)
		account := checkout.Account{ID: "acct_1"}
		page, err := o.checkouts.List(t.Context(), account, checkout.Query{})
		is.NoErr(err)
		is.Equal(page.Total, len(o.sessions)-1) // one session is in test mode
		page, err = o.checkouts.List(t.Context(), account, checkout.Query{PaymentID: "pay_3"})
		is.NoErr(err)
		is.Equal(len(page.Sessions), 1)
		page, err = o.checkouts.List(t.Context(), account, checkout.Query{Status: checkout.StatusExpired})
		is.NoErr(err)
		is.Equal(page.Total, 2)
	})

	t.Run("prunes sessions that have ended", func(t *testing.T) {
		is := is.New(t)
		o := openOldDatabase(t)
		n, err := o.checkouts.Prune(t.Context(), time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC), 100)
		is.NoErr(err)
		is.True(n >= 5) // completed, failed, cancelled, paid late, expired
		account, id := o.named("failed")
		_, err = o.checkouts.History(t.Context(), account, id)
		is.True(errors.Is(err, checkout.ErrNotFound))
	})
}
