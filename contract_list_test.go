package checkout_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/matryer/is"
)

// listed returns the IDs of the sessions of a page.
func listed(r response) (ids []string) {
	sessions, _ := r.body["sessions"].([]any)
	for _, s := range sessions {
		ids = append(ids, s.(map[string]any)["id"].(string))
	}
	return ids
}

// walk follows next_cursor to the last page, and returns the IDs of all sessions. It calls between after each page but the last.
func walk(a *api, query string, between func(page int)) (ids []string) {
	a.t.Helper()
	cursor := ""
	for page := 0; ; page++ {
		path := "/v1/checkouts?" + query
		if cursor != "" {
			path += "&cursor=" + url.QueryEscape(cursor)
		}
		got := a.get(path)
		if got.status != 200 {
			a.t.Fatalf("%s: %d %s", path, got.status, got.raw)
		}
		ids = append(ids, listed(got)...)
		next, more := got.body["next_cursor"].(string)
		if more != (got.body["has_more"] == true) {
			a.t.Errorf("has_more is %v, but next_cursor is %q", got.body["has_more"], next)
		}
		if cursor != "" && (got.body["total_count"] != nil || got.body["next_offset"] != nil) {
			a.t.Errorf("a page by cursor has total_count %v and next_offset %v, want neither", got.body["total_count"], got.body["next_offset"])
		}
		if !more {
			return ids
		}
		cursor = next
		between(page)
	}
}

func TestList(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		empty := a.get("/v1/checkouts")
		is.Equal(empty.status, 200)
		is.Equal(strings.TrimSpace(empty.raw), `{"sessions":[],"total_count":0,"has_more":false,"next_offset":null,"next_cursor":null}`)

		var ids []string // newest first
		for i := range 55 {
			if i%3 == 0 { // three sessions share each created_at
				a.clock.Advance(time.Microsecond)
			}
			ids = slices.Insert(ids, 0, a.post(mobileMoney).id())
		}
		a.post(mobileMoney, "Authorization: Bearer "+testToken)
		a.post(mobileMoney, "Authorization: Bearer "+otherToken)
		page := a.get("/v1/checkouts")
		is.Equal(listed(page), ids[:50]) // 50 is the default limit
		is.Equal(page.body["total_count"], 55.0)
		is.Equal(page.body["has_more"], true)
		is.Equal(page.body["next_offset"], 50.0)

		var walked []string
		for path := "/v1/checkouts?limit=20"; ; {
			page := a.get(path)
			walked = append(walked, listed(page)...)
			if page.body["next_offset"] == nil {
				is.Equal(page.body["has_more"], false)
				break
			}
			path = fmt.Sprintf("/v1/checkouts?limit=20&offset=%v", page.body["next_offset"])
		}
		is.Equal(walked, ids)                            // complete, without duplicates, in order
		is.Equal(walk(a, "limit=20", func(int) {}), ids) // by cursor too
		is.Equal(walk(a, "limit=1", func(int) {}), ids)  // one by one, with the same created_at
		is.Equal(walk(a, "limit=55", func(int) {}), ids) // the limit is the number of sessions
		is.Equal(len(listed(a.get("/v1/checkouts?limit=100"))), 55)
		is.Equal(listed(a.get("/v1/checkouts?limit=1&offset=54")), ids[54:])
		beyond := a.get("/v1/checkouts?offset=55")
		is.Equal(len(listed(beyond)), 0)
		is.Equal(beyond.body["total_count"], 55.0)
		is.Equal(beyond.body["has_more"], false)
		is.Equal(a.get("/v1/checkouts?offset=10000").body["next_offset"], nil)

		_, err := a.Fail(t.Context(), live, ids[7], "", "no funds")
		is.NoErr(err)
		failed := a.get("/v1/checkouts?status=failed")
		is.Equal(listed(failed), ids[7:8])
		is.Equal(failed.body["total_count"], 1.0)
		is.Equal(a.get("/v1/checkouts?status=created&limit=1").body["total_count"], 54.0)
	})
}

func TestListFilters(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		start := a.clock.Now()
		var ids []string // oldest first, a second apart
		for i := range 12 {
			a.clock.Set(start.Add(time.Duration(i) * time.Second))
			body := with(t, mobileMoney, "client_reference", fmt.Sprintf(`"order %d"`, i%4), "user_phone",
				[]string{`"+2250707987654"`, `"+225 07 98 76 54"`, `"+221 77 123 45 67"`}[i%3])
			ids = append(ids, a.post(body).id())
		}
		for _, i := range []int{2, 5} {
			if _, err := a.Begin(t.Context(), live, ids[i], "PAY_5"); err != nil {
				t.Fatal(err)
			}
		}
		at := func(i int) string {
			return url.QueryEscape(start.Add(time.Duration(i) * time.Second).In(time.FixedZone("", 3600)).Format(time.RFC3339Nano))
		}
		for query, want := range map[string][]int{
			"client_reference=order%201":                          {9, 5, 1},
			"client_reference=order":                              {},
			"payment_id=PAY_5":                                    {5, 2},
			"payment_id=PAY_5&status=created":                     {},
			"payment_id=PAY_5&client_reference=order%202":         {2},
			"user_phone=%2B2250707987654":                         {9, 6, 3, 0},  // today's form of the number
			"user_phone=%2B225%2007%2098.76-54":                   {10, 7, 4, 1}, // the old form is a different number
			"user_phone=%2B221771234567&status=pending":           {5, 2},
			"user_phone=%2B221771234567&limit=2":                  {11, 8},
			"created_after=" + at(9):                              {11, 10, 9}, // inclusive
			"created_before=" + at(2):                             {1, 0},      // exclusive
			"created_after=" + at(3) + "&created_before=" + at(5): {4, 3},
			"created_after=" + at(3) + "&created_before=" + at(3): {},
			"status=pending":                                      {5, 2},
			"status=pending&created_after=" + at(3):               {5},
		} {
			t.Run(query, func(t *testing.T) {
				is := is.New(t)
				got := a.get("/v1/checkouts?" + query)
				is.Equal(got.status, 200)
				var found []string
				for _, i := range want {
					found = append(found, ids[i])
				}
				is.Equal(listed(got), found)
				if strings.Contains(query, "user_phone") {
					is.Equal(got.body["total_count"], nil)
				} else {
					is.Equal(got.body["total_count"], float64(len(want)))
				}
				_, relation := got.body["total_relation"]
				is.True(!relation)
				if !strings.Contains(query, "limit") {
					is.Equal(walk(a, query+"&limit=1", func(int) {}), found)
				}
			})
		}
	})
}

// A filter by status must use the status by the clock: a session that is due is listed as expired, whether it was swept or not.
func TestListByStatusAsTheClockHasIt(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		due := a.post(with(t, mobileMoney, "expires_in", "301")).id()
		open := a.post(with(t, mobileMoney, "expires_in", "86400")).id()
		swept := a.post(with(t, mobileMoney, "expires_in", "300")).id()
		a.clock.Advance(300 * time.Second)
		expired, err := a.ExpireDue(t.Context(), 10)
		is.NoErr(err)
		is.Equal(len(expired), 1)
		is.Equal(expired[0].ID, swept)
		a.clock.Advance(time.Second) // from now on the first session is due, and nothing sweeps it
		is.Equal(listed(a.get("/v1/checkouts?status=created")), []string{open})
		page := a.get("/v1/checkouts?status=expired")
		is.Equal(listed(page), []string{swept, due})
		is.Equal(page.body["total_count"], 2.0)
	})
}

func TestAWalkMeetsEverySessionOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		var ids []string
		for i := range 40 {
			if i%4 == 0 {
				a.clock.Advance(time.Second)
			}
			ids = slices.Insert(ids, 0, a.post(mobileMoney).id())
		}
		var later []string                            // created during the walk, newest first
		walked := walk(a, "limit=7", func(page int) { // sessions are created, changed and expired during the walk
			later = slices.Insert(later, 0, a.post(mobileMoney).id())
			switch page {
			case 0:
				_, err := a.Fail(t.Context(), live, ids[20], "", "")
				is.NoErr(err)
			case 1:
				_, err := a.Complete(t.Context(), live, ids[35], "")
				is.NoErr(err)
			case 2:
				a.clock.Advance(time.Hour)
				_, err := a.ExpireDue(t.Context(), 1000)
				is.NoErr(err)
			}
		})
		is.Equal(walked, ids)

		// A walk by status meets every session that had the status when the walk began. The two newest sessions expire during the walk. They
		// are newer than the page that the walk is at, so it does not meet them.
		expired := slices.DeleteFunc(slices.Concat(later[2:], ids), func(id string) bool { return id == ids[20] || id == ids[35] })
		is.Equal(walk(a, "limit=3&status=expired", func(int) { a.clock.Advance(10 * time.Minute) }), expired)
		is.Equal(listed(a.get("/v1/checkouts?status=expired"))[:2], later[:2])
	})
}

func TestCursorsAreForTheirOwnFilterAndAccount(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		for range 4 {
			a.post(mobileMoney)
			a.post(mobileMoney, "Authorization: Bearer "+testToken)
		}
		cursor, _ := a.get("/v1/checkouts?limit=1").body["next_cursor"].(string)
		is.True(cursor != "")
		is.Equal(a.get("/v1/checkouts?limit=2&cursor="+cursor).status, 200)        // another limit is accepted
		is.Equal(newAPI(t, store).get("/v1/checkouts?cursor="+cursor).status, 200) // so is a cursor of another instance

		for name, query := range map[string]string{
			"another filter":                      "status=created&cursor=" + cursor,
			"an offset":                           "offset=0&cursor=" + cursor,
			"a cursor without its last character": "cursor=" + cursor[:len(cursor)-1],
			"a cursor with a character more":      "cursor=" + cursor + "A",
			"an empty cursor":                     "cursor=",
			"a cursor given twice":                "cursor=" + cursor + "&cursor=" + cursor,
			"a cursor that is not base64":         "cursor=%25",
			"a cursor that is far too long":       "cursor=" + strings.Repeat("A", 4000),
			"a cursor of another version":         "cursor=Ag" + cursor[2:],
		} {
			got := a.get("/v1/checkouts?" + query)
			if got.status != 400 || got.code() != "invalid_query" || !strings.Contains(got.body["detail"].(string), "cursor") {
				t.Errorf("%s: %d %s", name, got.status, got.raw)
			}
		}
		for i := range cursor { // the cursor with one character changed
			other := byte('A')
			if cursor[i] == other {
				other = 'B'
			}
			is.Equal(a.get("/v1/checkouts?cursor="+cursor[:i]+string(other)+cursor[i+1:]).status, 400)
		}
		for _, token := range []string{testToken, otherToken} {
			is.Equal(a.get("/v1/checkouts?cursor="+cursor, "Authorization: Bearer "+token).status, 400)
		}
		_, err := a.List(t.Context(), live, checkout.Query{Cursor: cursor, Offset: 1})
		var invalid *checkout.ValidationError
		is.True(asError(err, &invalid))
		is.Equal(invalid.Fields[0].Field, "cursor")
	})
}

func TestListQueryIsStrict(t *testing.T) {
	a := newAPI(t, openSQLite(t))
	for query, parameter := range map[string]string{
		"status=": "status", "status=paid": "status", "status=Created": "status", "status=created&status=failed": "status",
		"limit=": "limit", "limit=0": "limit", "limit=101": "limit", "limit=-1": "limit", "limit=%2B5": "limit",
		"limit=5%20": "limit", "limit=5.0": "limit", "limit=ten": "limit", "limit=1&limit=1": "limit", "limit=99999999999999999999": "limit",
		"offset=": "offset", "offset=-1": "offset", "offset=%2B5": "offset", "offset=x": "offset", "offset=0&offset=0": "offset",
		"offset=10001": "offset", "offset=9223372036854775807": "offset", "offset=9223372036854775808": "offset",
		"client_reference=": "client_reference", "client_reference=" + strings.Repeat("x", 256): "client_reference", "client_reference=%ff": "client_reference",
		"payment_id=": "payment_id", "payment_id=a&payment_id=a": "payment_id", "payment_id=%00": "payment_id",
		"user_phone=": "user_phone", "user_phone=0707987654": "user_phone", "user_phone=nobody": "user_phone",
		"created_after=": "created_after", "created_after=2026-11-22": "created_after", "created_after=2026-11-22T07:31:56": "created_after",
		"created_after=yesterday": "created_after", "created_before=1732261916": "created_before", "created_before=2026-13-01T00:00:00Z": "created_before",
		"created_after=2026-11-23T00:00:00Z&created_before=2026-11-22T00:00:00Z": "created_after",
		"page=2": "query", "Limit=5": "query", "=": "query", "a;b": "query", "limit=%zz": "query",
	} {
		t.Run(query, func(t *testing.T) {
			is := is.New(t)
			got := a.get("/v1/checkouts?" + query)
			is.Equal(got.status, 400)
			is.Equal(got.code(), "invalid_query")
			is.True(strings.Contains(got.body["detail"].(string), parameter)) // it names the parameter
		})
	}
}

func TestTotalsAreExactUpToTenThousand(t *testing.T) {
	store := openSQLite(t)
	a := newAPI(t, store)
	is := is.New(t)
	total := 0
	add := func(n int) {
		total += n
		parallel(t, n, func(int) error {
			_, _, err := a.Create(t.Context(), params(live, ""))
			return err
		})
	}
	add(10_000)
	got := a.get("/v1/checkouts?limit=1")
	is.Equal(got.body["total_count"], 10000.0)
	_, relation := got.body["total_relation"]
	is.True(!relation)
	last := a.get("/v1/checkouts?limit=1&offset=9999")
	is.Equal(last.body["has_more"], false)
	is.Equal(last.body["next_cursor"], nil)

	add(2)
	got = a.get("/v1/checkouts?limit=1")
	is.Equal(got.body["total_count"], 10000.0)
	is.Equal(got.body["total_relation"], "gte")
	page, err := a.List(t.Context(), live, checkout.Query{Offset: 9999, Limit: 1})
	is.NoErr(err)
	is.Equal([]any{page.Total, page.TotalMore, page.HasMore, page.NextOffset}, []any{10000, true, true, 10000})
	page, err = a.List(t.Context(), live, checkout.Query{Offset: 10000, Limit: 1})
	is.NoErr(err)
	is.Equal([]any{page.HasMore, page.NextOffset}, []any{true, 0}) // offsets end here, and the walk goes on by cursor
	page, err = a.List(t.Context(), live, checkout.Query{Cursor: page.NextCursor})
	is.NoErr(err)
	is.Equal([]any{len(page.Sessions), page.Total, page.HasMore}, []any{1, -1, false})

	t.Run("a page by phone searches ten thousand sessions at most", func(t *testing.T) {
		is := is.New(t)
		rare := params(live, "")
		rare.UserPhone = "+221771234567"
		a.clock.Set(a.clock.Now().Add(-time.Minute))
		oldest, _, err := a.Create(t.Context(), rare)
		is.NoErr(err)
		got := a.get("/v1/checkouts?user_phone=%2B221771234567")
		is.Equal(listed(got), nil)
		is.Equal(got.body["has_more"], true)
		is.Equal(got.body["total_count"], nil)
		is.Equal(walk(a, "user_phone=%2B221771234567", func(int) {}), []string{oldest.ID})
	})
}
