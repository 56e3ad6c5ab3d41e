package checkout

import (
	"encoding/json"
	"net/http"
)

// answer is a response that is whole before its first byte is written.
type answer struct {
	status      int
	contentType string
	header      []field // that not every answer has
	body        []byte
	written     *jsonWriter // what body is of, for the Handler to use again; nil where it is not its own
}

// field is one line of a header, its name in canonical form.
type field struct{ name, value string }

// maxKeptAnswer is how many bytes an answer may have for its memory to be kept for the next one.
const maxKeptAnswer = 64 << 10

func (h *Handler) sessionAnswer(status int, s *Session, header ...field) (answer, error) {
	w := h.writer()
	w.session(s)
	return w.answer(status, header)
}

func (h *Handler) pageAnswer(p Page) (answer, error) {
	w := h.writer()
	w.begin('{')
	w.name("sessions")
	w.begin('[')
	for i := range p.Sessions {
		w.next()
		w.session(&p.Sessions[i])
	}
	w.end(']')
	w.integer("total_count", int64(p.Total))
	w.bool("has_more", p.HasMore)
	if p.HasMore {
		w.integer("next_offset", int64(p.NextOffset))
	} else {
		w.null("next_offset")
	}
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

// release takes back what an answer was written with, once it has been sent. One with an error is never sent.
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
