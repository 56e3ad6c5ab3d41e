package checkout

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/internal/strictjson"
)

// maxJSONDepth is how deep a body may nest. The object itself is the first level. A valid request has at most two levels. The limit
// bounds the stack that a body of nothing but brackets could take.
const maxJSONDepth = 32

// checkMediaType refuses a body whose headers do not say that it is JSON without compression. This also keeps a form on a foreign
// web page from creating sessions: browsers do not send application/json to another origin without asking it first.
func checkMediaType(header http.Header) error {
	types := header["Content-Type"]
	if len(types) != 1 {
		return unsupportedMediaType("the body must be sent with one Content-Type: application/json")
	}
	if !isJSON(types[0]) {
		return unsupportedMediaType("the body must be sent with Content-Type: application/json")
	}
	for _, encoding := range header["Content-Encoding"] {
		if !strings.EqualFold(strings.Trim(encoding, " \t"), "identity") {
			return unsupportedMediaType("the body must be sent without Content-Encoding")
		}
	}
	return nil
}

// isJSON reports whether a Content-Type is application/json, with any parameters.
func isJSON(contentType string) bool {
	if contentType == "application/json" { // what nearly every client sends
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && mediaType == "application/json"
}

// readBody reads the whole body, up to the limit. A body that declares a greater length is refused before it is read.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > h.maxBody {
		if r.ProtoMajor == 1 {
			w.Header().Set("Connection", "close") // otherwise the server would read the rest of the body
		}
		return nil, tooLarge(h.maxBody)
	}
	if r.Body == nil {
		return nil, nil
	}
	room := int64(bytes.MinRead)
	if r.ContentLength >= 0 {
		// Allocate what is declared, but no more than the usual limit: anybody can declare much and send nothing. One byte more lets the
		// last read find the end without growing the buffer.
		room = min(r.ContentLength, DefaultMaxBodyBytes) + 1
	}
	body := make([]byte, 0, room)
	limited := http.MaxBytesReader(w, r.Body, h.maxBody)
	for {
		n, err := limited.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err == io.EOF {
			return body, nil
		}
		if limit, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, tooLarge(limit.Limit) // this limit, or a smaller one that the host has set around the handler
		}
		if err != nil {
			return nil, badRequest("invalid_json", "the body could not be read to its end")
		}
		if len(body) == cap(body) {
			body = slices.Grow(body, len(body))
		}
	}
}

func tooLarge(limit int64) error {
	return &requestError{newProblem(http.StatusRequestEntityTooLarge, "payload_too_large",
		fmt.Sprintf("the body must have at most %d bytes", limit))}
}

// idempotencyKey reads the header Idempotency-Key. More than one line is refused rather than joined: nobody could say which key was
// meant.
func (h *Handler) idempotencyKey(r *http.Request) (idempotency.Key, error) {
	lines := r.Header["Idempotency-Key"]
	switch len(lines) {
	case 0:
		return "", idempotency.ErrMissing
	case 1:
		return idempotency.Parse(lines[0], h.policy)
	}
	return "", fmt.Errorf("%w: sent %d times", idempotency.ErrInvalid, len(lines))
}

// decodeCreate reads the body of a create. The error is about a body that is not one JSON object. f has the faults of members that
// CreateParams cannot express: a wrong JSON type, an unknown member, and "" where only absence means "none".
//
// The body is read strictly, since money is at stake. A member that is given twice is refused, because two programs on the way may
// use different ones. Unknown members are refused, because one may be a misspelt expires_in. Numbers are never converted through
// floating point.
func decodeCreate(body []byte) (p CreateParams, f faults, err error) {
	var room [10]strictjson.Member
	members, err := strictjson.ParseObject(room[:], body, maxJSONDepth)
	if err != nil {
		return CreateParams{}, nil, err
	}
	var empty []string // members that are "", which Go cannot tell from absent
	text := func(m strictjson.Member) string {
		if m.Value.Kind() != strictjson.String {
			f.add(m.Name, CodeWrongType, "must be a string")
		} else if m.Value.Text() == "" {
			empty = append(empty, m.Name)
		}
		return m.Value.Text()
	}
	amount := false
	for _, m := range members {
		if m.Value.Kind() == strictjson.Null && slices.Contains(wireMembers, m.Name) {
			continue
		}
		switch m.Name {
		case "amount":
			amount = true
			p.Amount = f.integer(m, amountRange)
		case "currency":
			p.Currency = text(m)
		case "user_phone":
			p.UserPhone = text(m)
		case "payment_method":
			p.PaymentMethod = PaymentMethod(text(m))
		case "success_url":
			p.SuccessURL = text(m)
		case "cancel_url":
			p.CancelURL = text(m)
		case "description":
			p.Description = text(m)
		case "client_reference":
			p.ClientReference = text(m)
		case "metadata":
			p.Metadata = f.texts(m)
		case "expires_in":
			// Checked here as well, since 0 means the default in Go, and a duration holds fewer seconds than an int64.
			seconds := f.integer(m, expiresInRange)
			if seconds < int64(MinExpiresIn/time.Second) || seconds > int64(MaxExpiresIn/time.Second) {
				f.add(m.Name, CodeOutOfRange, expiresInRange)
				continue
			}
			p.ExpiresIn = time.Duration(seconds) * time.Second
		default:
			f = append(f, FieldError{Field: m.Name, Code: CodeUnknownField, Detail: "is not a member of this request"})
		}
	}
	if !amount {
		f.add("amount", CodeMissing, "is required")
	}
	f.emptyMembers(empty, p.PaymentMethod)
	return p, f, nil
}

// wireMembers are the members of a request, in the order in which faults are reported.
var wireMembers = fieldOrder[:10]

// emptyMembers refuses "" for an optional member. For a required member "" is the same as none, and normalize reports it. An empty
// description is allowed in both dialects.
func (f *faults) emptyMembers(names []string, method PaymentMethod) {
	for _, name := range names {
		switch {
		case name == "payment_method":
			f.add(name, CodeUnsupported, "must be mobile_money or card")
		case name == "user_phone" && method == Card:
			f.add(name, CodeMalformed, "must begin with + and the country's calling code")
		case (name == "success_url" || name == "cancel_url") && method != Card:
			f.add(name, CodeMalformed, redirectRule)
		case name == "client_reference":
			f.add(name, CodeMalformed, "must not be empty")
		}
	}
}

// texts reads an object whose values must be strings, such as metadata. It stops after one member more than is allowed: the
// object then has too many members, which is one fault of the whole object.
func (f *faults) texts(m strictjson.Member) map[string]string {
	if m.Value.Kind() != strictjson.Object {
		f.add(m.Name, CodeWrongType, "must be an object")
		return nil
	}
	members := m.Value.Members()
	texts := make(map[string]string, min(len(members), MaxMetadata+1))
	var wrong []string
	for _, member := range members {
		if len(texts) > MaxMetadata {
			break // too many members: normalize reports that
		}
		texts[member.Name] = member.Value.Text()
		if member.Value.Kind() != strictjson.String {
			wrong = append(wrong, member.Name)
		}
	}
	if len(texts) <= MaxMetadata {
		for _, name := range wrong {
			f.addIn(m.Name, name, CodeWrongType, "must be a string")
			delete(texts, name)
		}
	}
	return texts
}

// integer reads a whole number. "1e3" and "5000.0" are whole numbers too: they are read exactly, not rounded.
func (f *faults) integer(m strictjson.Member, rangeDetail string) int64 {
	n, err := m.Value.Int64()
	switch {
	case errors.Is(err, strictjson.ErrRange):
		f.add(m.Name, CodeOutOfRange, rangeDetail)
	case err != nil:
		f.add(m.Name, CodeWrongType, "must be a whole number")
	}
	return n
}
