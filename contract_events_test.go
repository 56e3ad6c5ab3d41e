package checkout_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/matryer/is"
)

func TestEventsOnTheWire(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		p := params(live, "")
		p.PaymentID = "PAY_0"
		s, _, err := a.Create(t.Context(), p)
		is.NoErr(err)
		created := a.get("/v1/checkouts/" + s.ID).raw
		var states []string
		states = append(states, created)
		for _, step := range []func() (checkout.Session, error){
			func() (checkout.Session, error) { return a.Begin(t.Context(), live, s.ID, "PAY_1") },
			func() (checkout.Session, error) { return a.Begin(t.Context(), live, s.ID, "PAY_2") },
			func() (checkout.Session, error) { return a.Fail(t.Context(), live, s.ID, "PAY_2", "no funds") },
			func() (checkout.Session, error) { return a.Complete(t.Context(), live, s.ID, "PAY_1") },
		} {
			a.clock.Advance(1234567 * time.Nanosecond)
			_, err := step()
			is.NoErr(err)
			states = append(states, a.get("/v1/checkouts/"+s.ID).raw)
		}
		got := a.get("/v1/checkouts/" + s.ID + "/events")
		is.Equal(got.status, 200)
		is.Equal(memberNames(got.body), "events")
		events := got.body["events"].([]any)
		is.Equal(len(events), 5)
		hex := s.ID[strings.LastIndex(s.ID, "_")+1:]
		for i, kind := range []string{"created", "pending", "pending", "failed", "completed"} {
			event := events[i].(map[string]any)
			is.Equal(memberNames(event), "data id livemode sequence timestamp type")
			is.Equal(event["id"], fmt.Sprintf("evt_%s_%d", hex, i+1))
			is.Equal(event["type"], "checkout."+kind)
			is.Equal(event["sequence"], float64(i+1))
			is.Equal(event["livemode"], true)
			var state any
			is.NoErr(json.Unmarshal([]byte(states[i]), &state))
			is.Equal(event["data"], state) // the same JSON as the GET after that change
		}
		is.Equal(events[0].(map[string]any)["timestamp"], "2026-11-22T07:31:56Z")
		is.Equal(events[1].(map[string]any)["timestamp"], "2026-11-22T07:31:56.001234Z")

		inTest := a.post(card, "Authorization: Bearer "+testToken).id()
		got = a.get("/v1/checkouts/"+inTest+"/events", "Authorization: Bearer "+testToken)
		event := got.body["events"].([]any)[0].(map[string]any)
		is.Equal(event["livemode"], false)
		is.Equal(event["type"], "checkout.pending") // a card session begins as pending
		is.Equal(a.get("/v1/checkouts/"+inTest+"/events").status, 404)
		is.Equal(a.get("/v1/checkouts/cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f60/events").status, 404)
	})
}

// The event of an expiry has the time at which the session expired, not the time of the sweep.
func TestAnExpiryIsAnEventOfItsInstant(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		s := a.mustCreate(live, "")
		a.clock.Set(s.ExpiresAt.Add(time.Hour))
		swept, err := a.ExpireDue(t.Context(), 10)
		is.NoErr(err)
		is.Equal(len(swept), 1)
		events := a.events("", 10, 1)
		is.Equal(len(events), 1)
		is.Equal(events[0].Type, "checkout.expired")
		is.Equal(events[0].At, s.ExpiresAt)
		is.Equal(events[0].Session, swept[0])
	})
}

func TestTheFeedHasEveryChangeOfEveryAccount(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		ctx := t.Context()
		none, err := a.Events(ctx, "", 10)
		is.NoErr(err)
		is.Equal(len(none), 0)
		last, err := a.Events(ctx, checkout.LastEvent, 10)
		is.NoErr(err)
		is.Equal(len(last), 0)

		var want []string
		for i := range 9 {
			account := []checkout.Account{live, test, other}[i%3]
			s := a.mustCreate(account, "") // the feed has no creations
			s, err := a.Begin(ctx, account, s.ID, "PAY_1")
			is.NoErr(err)
			want = append(want, fmt.Sprint(s.ID, 2))
			_, err = a.Begin(ctx, account, s.ID, "PAY_1") // changes nothing, so there is no event
			is.NoErr(err)
			_, err = a.Fail(ctx, account, s.ID, "PAY_0", "another's")
			is.True(err != nil)
			s, err = a.Complete(ctx, account, s.ID, "")
			is.NoErr(err)
			want = append(want, fmt.Sprint(s.ID, 3))
		}
		a.events("", 100, len(want))
		var got []string
		cursor := checkout.Cursor("")
		for {
			events, err := a.Events(ctx, cursor, 4)
			is.NoErr(err)
			for _, e := range events {
				got = append(got, fmt.Sprint(e.Session.ID, e.Session.Version))
				is.Equal(e.At, e.Session.UpdatedAt)
				cursor = e.Cursor
			}
			if len(events) < 4 {
				break
			}
		}
		is.Equal(got, want)
		last, err = a.Events(ctx, checkout.LastEvent, 10)
		is.NoErr(err)
		is.Equal(len(last), 1)
		is.Equal(last[0].Cursor, cursor)
	})
}

// events reads the feed until it has n events. In PostgreSQL, open transactions of other tests on the same server may delay an event, and
// no call reports when they end, so events reads again and again.
func (a *api) events(after checkout.Cursor, limit, n int) []checkout.Event {
	a.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		events, err := a.Events(a.t.Context(), after, limit)
		if err != nil {
			a.t.Fatal(err)
		}
		if len(events) >= n {
			return events
		}
		if time.Now().After(deadline) {
			a.t.Fatalf("after a minute the feed has %d events, want %d", len(events), n)
		}
	}
}

func TestEventArguments(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		fields := func(err error) string {
			var invalid *checkout.ValidationError
			if !asError(err, &invalid) {
				return fmt.Sprint(err)
			}
			return invalid.Fields[0].Field + " " + invalid.Fields[0].Code
		}
		_, err := a.Events(t.Context(), "", 0)
		is.Equal(fields(err), "limit out_of_range")
		for _, cursor := range []checkout.Cursor{"x", "-1", "1.5", "99999999999999999999999999", " 1", "1 ", "+1", "last ", "0x1", "é", "1:x", ":"} {
			_, err = a.Events(t.Context(), cursor, 1)
			if fields(err) != "cursor malformed" {
				t.Errorf("cursor %q: %v", cursor, err)
			}
		}
		_, err = a.Prune(t.Context(), time.Now(), 0)
		is.Equal(fields(err), "limit out_of_range")
		_, err = a.History(t.Context(), checkout.Account{}, "cs_x")
		is.Equal(fields(err), "account missing")
		for _, id := range []string{"", "\x00", "cs_x"} {
			_, err = a.History(t.Context(), live, id)
			is.True(errors.Is(err, checkout.ErrNotFound))
		}
	})
}

func TestPruneRemovesWhatHasEndedAndItsKey(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		ctx := t.Context()
		key := keyOf(1)
		s := a.mustCreate(live, key)
		_, err := a.Complete(ctx, live, s.ID, "PAY_1")
		is.NoErr(err)
		open := a.mustCreate(live, keyOf(2))
		processing, err := a.Process(ctx, live, a.mustCreate(live, keyOf(3)).ID, "")
		is.NoErr(err)
		a.clock.Advance(48 * time.Hour)
		recent, err := a.Complete(ctx, live, a.mustCreate(live, keyOf(4)).ID, "")
		is.NoErr(err)

		n, err := a.Prune(ctx, recent.CreatedAt, 10)
		is.NoErr(err)
		is.Equal(n, 1) // the session that is due was not swept, so it stays
		_, err = a.Get(ctx, live, s.ID)
		is.True(errors.Is(err, checkout.ErrNotFound))
		_, err = a.History(ctx, live, s.ID)
		is.True(errors.Is(err, checkout.ErrNotFound))
		for _, kept := range []checkout.Session{open, processing, recent} {
			_, err = a.Get(ctx, live, kept.ID)
			is.NoErr(err)
		}
		again, replayed, err := a.Create(ctx, params(live, key)) // a key lives as long as its session
		is.NoErr(err)
		is.True(!replayed && again.ID != s.ID)
		n, err = a.Prune(ctx, recent.CreatedAt, 10)
		is.NoErr(err)
		is.Equal(n, 0)
	})
}
