package checkout

import (
	"encoding/json"
	"net/http"
)

// answer is a response that is complete: its status, header and body are known before the first byte is written.
type answer struct {
	status      int
	contentType string
	header      []field // besides those that every answer has
	body        []byte
	written     *jsonWriter // the writer that made body, kept for reuse; nil if body was made in another way
}

// field is one header field. Its name is in canonical form.
type field struct{ name, value string }

// maxKeptAnswer is the size in bytes up to which the memory of an answer is kept for a later one. A page of a hundred sessions with
// long texts is larger. If such buffers were kept, one client could make all of them large.
const maxKeptAnswer = 64 << 10

// sessionAnswer answers with one session and its ETag.
func (h *Handler) sessionAnswer(status int, s *Session, header ...field) (answer, error) {
	w := h.writer()
	w.session(s, h.checkoutURLOf(s))
	return w.answer(status, append(header, field{"Etag", etag(s)}))
}

// checkoutURLOf returns the URL at which the payer pays; "" if the host has set none, or if the session can no longer be paid.
func (h *Handler) checkoutURLOf(s *Session) string {
	if h.checkoutURL == nil || !s.Status.expires() {
		return ""
	}
	return h.checkoutURL(*s)
}

// pageAnswer answers with a page of a list. The members total_count, next_offset and next_cursor are always there, and null if they
// have no value, so that a typed client can distinguish "no value" from "member missing".
func (h *Handler) pageAnswer(p Page) (answer, error) {
	w := h.writer()
	w.begin('{')
	w.name("sessions")
	w.begin('[')
	for i := range p.Sessions {
		w.next()
		w.session(&p.Sessions[i], h.checkoutURLOf(&p.Sessions[i]))
	}
	w.end(']')
	if p.Total < 0 {
		w.null("total_count")
	} else {
		w.integer("total_count", int64(p.Total))
	}
	if p.TotalMore {
		w.string("total_relation", "gte")
	}
	w.bool("has_more", p.HasMore)
	if p.NextOffset == 0 {
		w.null("next_offset")
	} else {
		w.integer("next_offset", int64(p.NextOffset))
	}
	if p.NextCursor == "" {
		w.null("next_cursor")
	} else {
		w.string("next_cursor", p.NextCursor)
	}
	w.end('}')
	return w.answer(http.StatusOK, nil)
}

// eventsAnswer answers with the history of one session.
func (h *Handler) eventsAnswer(events []Event) (answer, error) {
	w := h.writer()
	w.begin('{')
	w.name("events")
	w.begin('[')
	for i := range events {
		w.next()
		w.event(&events[i])
	}
	w.end(']')
	w.end('}')
	return w.answer(http.StatusOK, nil)
}

func (w *jsonWriter) answer(status int, header []field) (answer, error) {
	return answer{status: status, contentType: "application/json", header: header, body: w.text, written: w}, w.err
}

func (h *Handler) writer() *jsonWriter {
	if w, ok := h.writers.Get().(*jsonWriter); ok {
		return w
	}
	return &jsonWriter{text: make([]byte, 0, sessionSize)}
}

// release takes back the writer of an answer that was sent, for a later answer.
func (h *Handler) release(a answer) {
	if w := a.written; w != nil && cap(w.text) <= maxKeptAnswer {
		w.text = w.text[:0]
		h.writers.Put(w)
	}
}

// problemAnswer answers with an error, in the form of RFC 9457.
func problemAnswer(p problem) answer {
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // a problem has only strings and numbers
	}
	return answer{status: p.Status, contentType: "application/problem+json", header: p.header, body: body}
}
