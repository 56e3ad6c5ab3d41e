package checkout

import (
	"encoding/json"
	"net/http"
)

// answer is a response. It is complete before its first byte is written, so an error can still change the status.
type answer struct {
	status      int
	contentType string
	header      []field // besides those that every answer has
	body        []byte
	written     *jsonWriter // the writer of body, to be used again; nil if body is not of one
}

// field is one header field. Its name is in canonical form.
type field struct{ name, value string }

// maxKeptAnswer is the size in bytes up to which the memory of an answer is kept for a later one.
const maxKeptAnswer = 64 << 10

func (h *Handler) sessionAnswer(status int, s *Session, header ...field) (answer, error) {
	w := h.writer()
	w.session(s, h.checkoutURLOf(s))
	return w.answer(status, append(header, field{"Etag", etag(s)}))
}

// checkoutURLOf returns where the payer pays; "" if the session can no longer be paid.
func (h *Handler) checkoutURLOf(s *Session) string {
	if h.checkoutURL == nil || !s.Status.expires() {
		return ""
	}
	return h.checkoutURL(*s)
}

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

// release takes back the writer of an answer that was sent.
func (h *Handler) release(a answer) {
	if w := a.written; w != nil && cap(w.text) <= maxKeptAnswer {
		w.text = w.text[:0]
		h.writers.Put(w)
	}
}

func problemAnswer(p problem) answer {
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // there is nothing in it that JSON lacks
	}
	return answer{status: p.Status, contentType: "application/problem+json", header: p.header, body: body}
}
