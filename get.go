package checkout

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxWait is the longest that a request may wait for a change.
const MaxWait = 60 * time.Second

// get answers GET /v1/checkouts/{id}: at once, or with "Prefer: wait=…" when the session has changed or the wait is over.
//
// What "changed" means depends on the condition. With If-None-Match the request waits while the session matches one of the ETags, so a
// client that missed a change between two requests gets it at once. Without If-None-Match the request waits for the next change. If
// too many requests wait already, this one is answered at once, without Preference-Applied, as RFC 7240 allows.
func (h *Handler) get(r *http.Request, account Account, id string) (answer, error) {
	s, err := h.read(r.Context(), account, id)
	if err != nil {
		return answer{}, err
	}
	known := conditionOf(r.Header)
	wait := preferredWait(r.Header)
	if wait == 0 || !h.enterWaiting() {
		return h.getAnswer(&s, known.matches(&s))
	}
	defer h.leaveWaiting()
	applied := field{"Preference-Applied", "wait=" + strconv.Itoa(int(wait/time.Second))}
	if !known.given() || known.matches(&s) {
		first := s
		if s, err = h.waitFor(r.Context(), account, first, wait); err != nil {
			return answer{}, err
		}
		unchanged := known.matches(&s)
		if known.any {
			unchanged = etag(&s) == etag(&first)
		}
		return h.getAnswer(&s, unchanged, applied)
	}
	return h.getAnswer(&s, false, applied)
}

// getAnswer answers with the session, or with 304 and no body.
func (h *Handler) getAnswer(s *Session, notModified bool, header ...field) (answer, error) {
	if notModified {
		return answer{status: http.StatusNotModified, header: append(header, field{"Etag", etag(s)})}, nil
	}
	return h.sessionAnswer(http.StatusOK, s, header...)
}

// read reads a session, within the limit of MaxInFlight.
func (h *Handler) read(ctx context.Context, account Account, id string) (Session, error) {
	if err := h.enter(); err != nil {
		return Session{}, err
	}
	defer h.leave()
	return h.checkouts.Get(ctx, account, id)
}

// waitFor returns the session when it differs from seen, or when the time is over. In the latter case it reads the session once more,
// because the feed of events may be delayed.
func (h *Handler) waitFor(ctx context.Context, account Account, seen Session, wait time.Duration) (Session, error) {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	s, err := h.checkouts.Wait(waiting, account, seen.ID, seen)
	switch {
	case err == nil, ctx.Err() != nil:
		return s, err
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrStopped):
		return h.read(ctx, account, seen.ID)
	}
	return Session{}, err
}

func (h *Handler) enterWaiting() bool {
	select {
	case h.waiting <- struct{}{}:
		return true
	default:
		return false
	}
}

func (h *Handler) leaveWaiting() { <-h.waiting }

// etag returns the entity tag of a session. It contains the status and the version, because the clock expires a session without a new
// version. It is weak (RFC 9110, section 8.8.1), because the same session may be written with another checkout_url.
func etag(s *Session) string {
	return `W/"` + strconv.FormatInt(s.Version, 10) + "-" + string(s.Status) + `"`
}

// condition is the condition of an If-None-Match (RFC 9110, section 13.1.2).
type condition struct {
	any  bool
	tags []string // without W/
}

// conditionOf reads If-None-Match. It ignores a malformed entry and everything after it on the same line. Then no ETag may match,
// and the client then gets the whole session.
func conditionOf(header http.Header) condition {
	var c condition
	for _, line := range header["If-None-Match"] {
		for rest := strings.Trim(line, " \t,"); rest != ""; rest = strings.TrimLeft(rest, " \t,") {
			if rest[0] == '*' {
				c.any = true
				rest = rest[1:]
				continue
			}
			tag, after, ok := cutTag(strings.TrimPrefix(rest, "W/"))
			if !ok {
				break
			}
			c.tags = append(c.tags, tag)
			rest = after
		}
	}
	return c
}

// cutTag splits off the quoted tag that s begins with. A tag may contain a comma.
func cutTag(s string) (tag, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return "", "", false
	}
	end := strings.IndexByte(s[1:], '"')
	if end < 0 {
		return "", "", false
	}
	return s[:end+2], s[end+2:], true
}

func (c condition) given() bool { return c.any || len(c.tags) > 0 }

// matches compares weakly, as If-None-Match does.
func (c condition) matches(s *Session) bool {
	if c.any {
		return true
	}
	current := strings.TrimPrefix(etag(s), "W/")
	for _, tag := range c.tags {
		if tag == current {
			return true
		}
	}
	return false
}

// preferredWait returns the wait that the client prefers (RFC 7240), at most MaxWait. It is 0 if the client prefers none, and if the
// header is malformed: a preference is never an error.
func preferredWait(header http.Header) time.Duration {
	for _, line := range header["Prefer"] {
		for preference := range strings.SplitSeq(line, ",") {
			preference, _, _ = strings.Cut(preference, ";") // parameters of a preference; wait has none
			name, value, _ := strings.Cut(preference, "=")
			if !strings.EqualFold(strings.Trim(name, " \t"), "wait") {
				continue
			}
			// If a preference is given twice, the first one counts.
			value = strings.Trim(value, " \t")
			if quoted, ok := strings.CutPrefix(value, `"`); ok {
				value = strings.TrimSuffix(quoted, `"`)
			}
			return waitOf(value)
		}
	}
	return 0
}

// waitOf reads a number of whole seconds. It returns MaxWait for a greater number, and 0 for anything else.
func waitOf(digits string) time.Duration {
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0
	}
	seconds, err := strconv.Atoi(digits)
	if err != nil { // more than an int holds
		return MaxWait
	}
	return min(time.Duration(min(seconds, int(MaxWait/time.Second)))*time.Second, MaxWait)
}
