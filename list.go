package checkout

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// List returns a page of the account's sessions as they are now, newest first. It costs the same however many sessions the account has.
// With a Cursor it also costs the same however deep the page is.
//
// A walk by Cursor returns each session that was there when the walk began exactly once, even if sessions are created, changed or
// expired meanwhile. With a filter by Status or PaymentID it may miss a session that changes during the walk, but it returns no
// session twice:
//
//	query := checkout.Query{Status: checkout.StatusCompleted, Limit: checkout.MaxListLimit}
//	for {
//		page, err := checkouts.List(ctx, account, query)
//		if err != nil {
//			return err
//		}
//		// use page.Sessions
//		if query.Cursor = page.NextCursor; query.Cursor == "" {
//			return nil
//		}
//	}
//
// The error is a [*ValidationError] if the account or q is not valid, or the store's.
func (c *Checkouts) List(ctx context.Context, account Account, q Query) (Page, error) {
	if err := q.normalize(account); err != nil {
		return Page{}, err
	}
	q.At = c.now()
	sessions, total, err := c.store.List(ctx, account, q)
	if err != nil {
		return Page{}, fmt.Errorf("list sessions: %w", err)
	}
	page, err := c.page(ctx, account, q, sessions, total)
	if err != nil {
		return Page{}, fmt.Errorf("list sessions: %w", err)
	}
	for i, s := range page.Sessions {
		page.Sessions[i] = s.at(q.At)
	}
	return page, nil
}

// page makes a page of what the store returned. On the first page, and on pages by offset, the store has counted, and the total
// says whether more sessions follow. If the store has not counted, or not to the end, page asks it for one more session.
func (c *Checkouts) page(ctx context.Context, account Account, q Query, sessions []Session, total int) (Page, error) {
	page := Page{Sessions: sessions, Total: -1}
	if page.Sessions == nil {
		page.Sessions = []Session{}
	}
	n := len(sessions)
	counted := q.AfterID == "" && q.UserPhone == ""
	if counted {
		page.Total = min(total, MaxListTotal)
		page.TotalMore = total > MaxListTotal
	}
	if n == 0 {
		return page, nil
	}
	last := sessions[n-1]
	// The last session of a page by phone may have another phone. It only says how far the store has looked.
	scanned := q.UserPhone != "" && last.UserPhone != q.UserPhone
	if scanned {
		page.Sessions = sessions[:n-1]
	}
	switch {
	case counted && !page.TotalMore:
		page.HasMore = n < total-q.Offset
	case n == q.Limit || scanned:
		var err error
		if page.HasMore, err = c.more(ctx, account, q, last); err != nil {
			return Page{}, err
		}
	}
	if page.HasMore {
		page.NextCursor = q.cursor(account, last)
		if next := q.Offset + n; counted && next <= MaxListOffset {
			page.NextOffset = next
		}
	}
	return page, nil
}

// more reports whether any session comes after last. With a filter by phone, the answer could cost the scan of another page, so
// more ignores the phone.
func (c *Checkouts) more(ctx context.Context, account Account, q Query, last Session) (bool, error) {
	q.UserPhone, q.Offset, q.Limit = "", 0, 1
	q.AfterCreatedAt, q.AfterID = last.CreatedAt, last.ID
	next, _, err := c.store.List(ctx, account, q)
	return len(next) > 0, err
}

// normalize checks a query and brings it into the form that a store gets: with its limit filled in, the phone number without
// separators, and the cursor replaced by the place in the list that it names.
func (q *Query) normalize(account Account) error {
	var f faults
	f.account(account)
	if q.Status != "" && !q.Status.known() {
		f.add("status", CodeUnsupported, "must be one of the seven statuses")
	}
	f.text("client_reference", q.ClientReference, MaxReferenceLength)
	f.text("payment_id", q.PaymentID, MaxIDLength)
	if q.UserPhone != "" {
		phone, fault := parsePhone(q.UserPhone)
		if fault != nil {
			f.add("user_phone", fault.Code, fault.Detail)
		}
		q.UserPhone = phone.Number
	}
	q.CreatedAfter, q.CreatedBefore = nextMicrosecond(q.CreatedAfter), nextMicrosecond(q.CreatedBefore)
	if !q.CreatedAfter.IsZero() && !q.CreatedBefore.IsZero() && q.CreatedAfter.After(q.CreatedBefore) {
		f.add("created_after", CodeOutOfRange, "must not be later than created_before")
	}
	if q.Limit < 0 || q.Limit > MaxListLimit {
		f.add("limit", CodeOutOfRange, limitRange)
	}
	if q.Limit == 0 {
		q.Limit = DefaultListLimit
	}
	if q.Offset < 0 || q.Offset > MaxListOffset {
		f.add("offset", CodeOutOfRange, offsetRange)
	}
	q.AfterCreatedAt, q.AfterID = time.Time{}, ""
	switch {
	case q.Cursor == "" || f != nil:
	case q.Offset != 0:
		f.add("cursor", CodeUnsupported, "cannot be combined with offset")
	default:
		var ok bool
		if q.AfterCreatedAt, q.AfterID, ok = q.place(account); !ok {
			f.add("cursor", CodeMalformed, "must be the next_cursor of a page with the same filter")
		}
	}
	return f.err()
}

var (
	limitRange  = fmt.Sprintf("must be 1 to %d", MaxListLimit)
	offsetRange = fmt.Sprintf("must be 0 to %d: walk further by cursor", MaxListOffset)
)

// nextMicrosecond returns t rounded up to a whole microsecond. Sessions are created at whole microseconds, so the rounded bound
// chooses the same sessions, and every store can compare it exactly.
func nextMicrosecond(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	t = t.UTC().Round(0)
	if whole := t.Truncate(time.Microsecond); whole.Before(t) {
		return whole.Add(time.Microsecond)
	}
	return t
}

// A cursor names the place in the list after which the next page begins: the time and the ID of the last session of a page. In bytes,
// before base64url:
//
//	1   version of this form
//	12  beginning of a SHA-256 digest of account, filter, time and ID
//	8   creation time of the session, in microseconds since 1970
//	n   ID of the session
//
// A cursor is no secret and no credential: a list shows only sessions of the caller's account, whatever the cursor. The digest has
// no key. It is there to refuse a cursor that was cut, changed by mistake, or used with another filter, where it would silently list
// the wrong sessions.
const (
	cursorVersion = 1
	cursorDigest  = 12 // bytes
	cursorHead    = 1 + cursorDigest + 8
	maxCursor     = 2048 // characters
)

var cursorEncoding = base64.RawURLEncoding.Strict()

// cursor returns the cursor of a page that ends with last.
func (q *Query) cursor(account Account, last Session) string {
	text := make([]byte, cursorHead, cursorHead+len(last.ID))
	text[0] = cursorVersion
	binary.BigEndian.PutUint64(text[cursorHead-8:], uint64(last.CreatedAt.UnixMicro()))
	text = append(text, last.ID...)
	digest := q.digest(account, text[1+cursorDigest:])
	copy(text[1:], digest[:cursorDigest])
	return cursorEncoding.EncodeToString(text)
}

// place reads a cursor. ok is false if the cursor was not made for this account and filter.
func (q *Query) place(account Account) (at time.Time, id string, ok bool) {
	if len(q.Cursor) > maxCursor {
		return time.Time{}, "", false
	}
	text, err := cursorEncoding.DecodeString(q.Cursor)
	if err != nil || len(text) <= cursorHead || text[0] != cursorVersion {
		return time.Time{}, "", false
	}
	digest := q.digest(account, text[1+cursorDigest:])
	if subtle.ConstantTimeCompare(digest[:cursorDigest], text[1:1+cursorDigest]) != 1 {
		return time.Time{}, "", false
	}
	at = time.UnixMicro(int64(binary.BigEndian.Uint64(text[cursorHead-8 : cursorHead]))).UTC()
	return at, string(text[cursorHead:]), true
}

// digest returns the digest of the account, the filter and a place.
func (q *Query) digest(account Account, place []byte) [sha256.Size]byte {
	var text []byte
	for _, part := range []string{
		account.ID, strconv.FormatBool(account.Test), string(q.Status), q.ClientReference, q.PaymentID, q.UserPhone,
		instant(q.CreatedAfter), instant(q.CreatedBefore), string(place),
	} {
		text = binary.BigEndian.AppendUint64(text, uint64(len(part)))
		text = append(text, part...)
	}
	return sha256.Sum256(text)
}

// instant returns t in microseconds since 1970, or "" for the zero time.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMicro(), 10)
}

// asQuery turns a *ValidationError into the problem that the contract has for a bad query.
func asQuery(err error) error {
	invalid, ok := errors.AsType[*ValidationError](err)
	if !ok {
		return err
	}
	return badQuery(invalid.Fields)
}
