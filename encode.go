package checkout

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
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

const (
	sessionSize   = 512      // bytes; most sessions have less
	maxKeptAnswer = 64 << 10 // bytes; a long page is not worth keeping its memory
)

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

// release takes back what an answer was written with, once it has been sent.
func (h *Handler) release(a answer) {
	if w := a.written; w != nil && cap(w.text) <= maxKeptAnswer {
		*w = jsonWriter{text: w.text[:0]}
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

// MarshalJSON is the session as the handler answers it: without account, idempotency key, fingerprint, lateness and
// version, and with the phone number in full. Its error is a time beyond the years 0 to 9999.
func (s Session) MarshalJSON() ([]byte, error) {
	w := jsonWriter{text: make([]byte, 0, sessionSize)}
	w.session(&s)
	return w.text, w.err
}

// UnmarshalJSON always fails. What MarshalJSON leaves out cannot be read back, so a store or a cache that kept sessions
// as JSON would lose their keys.
func (s *Session) UnmarshalJSON([]byte) error {
	return errors.New("checkout: a Session cannot be read back from its JSON, which leaves out account, key and version")
}

// session writes s as a client sees it.
func (w *jsonWriter) session(s *Session) {
	currency, method := s.Currency, PaymentMethod("")
	if s.PaymentMethod == Card {
		currency, method = strings.ToLower(currency), Card
	}
	w.begin('{')
	w.string("id", s.ID)
	w.string("status", string(s.Status))
	w.integer("amount", s.Amount)
	w.string("currency", currency)
	w.optional("payment_method", string(method))
	w.optional("user_phone", s.UserPhone)
	w.optional("payment_id", s.PaymentID)
	w.optional("customer_id", s.CustomerID)
	w.optional("description", s.Description)
	w.optional("success_url", s.SuccessURL)
	w.optional("cancel_url", s.CancelURL)
	w.time("created_at", s.CreatedAt)
	w.time("expires_at", s.ExpiresAt)
	if s.CompletedAt.IsZero() {
		w.null("completed_at")
	} else {
		w.time("completed_at", s.CompletedAt)
	}
	if s.FailureReason == "" {
		w.null("failure_reason")
	} else {
		w.string("failure_reason", s.FailureReason)
	}
	w.integer("transaction_fee", s.TransactionFee)
	w.end('}')
}

// jsonWriter writes byte for byte what encoding/json would, which takes three times as long and leaves more than twice as
// much for the garbage collector, at the end of every request.
type jsonWriter struct {
	text []byte
	err  error // the first
}

func (w *jsonWriter) begin(bracket byte) { w.text = append(w.text, bracket) }
func (w *jsonWriter) end(bracket byte)   { w.text = append(w.text, bracket) }

// next separates what comes from what stands before it.
func (w *jsonWriter) next() {
	if last := w.text[len(w.text)-1]; last != '{' && last != '[' {
		w.text = append(w.text, ',')
	}
}

// name begins a member, of a name that needs no escape.
func (w *jsonWriter) name(name string) {
	w.next()
	w.text = append(w.text, '"')
	w.text = append(w.text, name...)
	w.text = append(w.text, '"', ':')
}

func (w *jsonWriter) null(name string) {
	w.name(name)
	w.text = append(w.text, "null"...)
}

func (w *jsonWriter) bool(name string, value bool) {
	w.name(name)
	w.text = strconv.AppendBool(w.text, value)
}

func (w *jsonWriter) integer(name string, value int64) {
	w.name(name)
	w.text = strconv.AppendInt(w.text, value, 10)
}

func (w *jsonWriter) time(name string, value time.Time) {
	w.name(name)
	w.text = append(w.text, '"')
	text, err := value.UTC().AppendText(w.text)
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("checkout: %s: %w", name, err)
	}
	w.text = append(text, '"')
}

// optional leaves "" out.
func (w *jsonWriter) optional(name, value string) {
	if value != "" {
		w.string(name, value)
	}
}

func (w *jsonWriter) string(name, value string) {
	w.name(name)
	if !isPlain(value) {
		quoted, err := json.Marshal(value)
		if err != nil {
			panic(err) // no string has one
		}
		w.text = append(w.text, quoted...)
		return
	}
	w.text = append(w.text, '"')
	w.text = append(w.text, value...)
	w.text = append(w.text, '"')
}

// isPlain reports whether s is all ASCII that JSON quotes as it is.
func isPlain(s string) bool {
	return !slices.ContainsFunc([]byte(s), func(c byte) bool {
		return c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&'
	})
}
