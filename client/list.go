package client

import (
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Query says which sessions a list contains. The zero Query is all sessions of the account.
type Query struct {
	_ struct{} // keyed literals only

	// Status is the status that a session has now; "" is any.
	Status Status
	// ClientReference, PaymentID and UserPhone must be equal to the session's; "" is any. The number may be in any form that a
	// create accepts.
	ClientReference, PaymentID, UserPhone string
	// CreatedAfter and CreatedBefore bound the creation: at CreatedAfter or later, and before CreatedBefore. Zero is no bound.
	CreatedAfter, CreatedBefore time.Time
	// Limit is the greatest number of sessions on one page, 1 to 100; 0 is 50.
	Limit int
	// Cursor is Page.NextCursor of an earlier page under the same filter, to go on from there; "" begins with the newest session.
	Cursor string
}

// Page is a part of a list, the newest session first.
type Page struct {
	// Sessions may be fewer than the Limit, or none, even if more pages follow.
	Sessions []Session `json:"sessions"`
	// TotalCount is how many sessions the filter matches. It is nil on a page by Cursor or by UserPhone.
	TotalCount *int64 `json:"total_count"`
	// TotalRelation is "gte" where more sessions match than TotalCount says, else "".
	TotalRelation string `json:"total_relation"`
	HasMore       bool   `json:"has_more"`
	// NextOffset is not used by this package, which walks by cursor. It is nil where there is none.
	NextOffset *int64 `json:"next_offset"`
	// NextCursor is "" on the last page.
	NextCursor string `json:"next_cursor"`
}

// List iterates over all sessions that match a query, newest first. It requests each page when the iteration reaches it. It
// returns every session that matches at the beginning exactly once, whatever is created meanwhile. But if the query has a Status, a
// session whose status changes during the iteration may be missing. An error ends the iteration:
//
//	for session, err := range c.List(ctx, client.Query{Status: client.StatusCompleted}) {
//		if err != nil {
//			return err
//		}
//		…
//	}
func (c *Client) List(ctx context.Context, q Query) iter.Seq2[Session, error] {
	return func(yield func(Session, error) bool) {
		for q := q; ; {
			page, err := c.ListPage(ctx, q)
			if err != nil {
				yield(Session{}, err)
				return
			}
			for _, s := range page.Sessions {
				if !yield(s, nil) {
					return
				}
			}
			if page.NextCursor == "" {
				return
			}
			q.Cursor = page.NextCursor
		}
	}
}

// ListPage returns one page. The page has the total count if the query has neither Cursor nor UserPhone.
func (c *Client) ListPage(ctx context.Context, q Query) (Page, error) {
	path := "/v1/checkouts"
	if values := q.values(); len(values) > 0 {
		path += "?" + values.Encode()
	}
	var page Page
	err := c.do(ctx, call{
		name: "list sessions", method: http.MethodGet, path: path, limit: maxListBytes,
		decode: func(a answer) error {
			page = Page{}
			if err := a.into(&page); err != nil {
				return err
			}
			if page.Sessions == nil {
				return a.fault("is not a page of sessions")
			}
			for i := range page.Sessions {
				if !page.Sessions[i].valid() {
					return a.fault("has something that is not a session")
				}
			}
			if page.HasMore != (page.NextCursor != "") || page.HasMore && page.NextCursor == q.Cursor {
				return a.fault("has a has_more and a next_cursor that do not fit together")
			}
			return nil
		},
	})
	if err != nil {
		return Page{}, err
	}
	return page, nil
}

func (q Query) values() url.Values {
	values := url.Values{}
	set := func(name, value string) {
		if value != "" {
			values.Set(name, value)
		}
	}
	set("status", string(q.Status))
	set("client_reference", q.ClientReference)
	set("payment_id", q.PaymentID)
	set("user_phone", q.UserPhone)
	if !q.CreatedAfter.IsZero() {
		set("created_after", q.CreatedAfter.UTC().Format(time.RFC3339Nano))
	}
	if !q.CreatedBefore.IsZero() {
		set("created_before", q.CreatedBefore.UTC().Format(time.RFC3339Nano))
	}
	if q.Limit != 0 {
		set("limit", strconv.Itoa(q.Limit))
	}
	set("cursor", q.Cursor)
	return values
}

// String shows no phone number in full.
func (q Query) String() string { return q.LogValue().String() }

// Format implements [fmt.Formatter]: every verb, %#v too, shows what String does.
func (q Query) Format(f fmt.State, _ rune) { io.WriteString(f, q.String()) }

// LogValue implements [slog.LogValuer].
func (q Query) LogValue() slog.Value {
	values := q.values()
	if q.UserPhone != "" {
		values.Set("user_phone", maskPhone(q.UserPhone))
	}
	var attrs []slog.Attr
	for _, name := range []string{
		"status", "client_reference", "payment_id", "user_phone", "created_after", "created_before", "limit", "cursor",
	} {
		if values.Has(name) {
			attrs = append(attrs, slog.String(name, values.Get(name)))
		}
	}
	return slog.GroupValue(attrs...)
}
