package checkout

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// listParameters are the query parameters of a list, in the order in which their faults are reported.
var listParameters = []string{
	"status", "client_reference", "payment_id", "user_phone", "created_after", "created_before", "limit", "offset", "cursor",
}

// decodeQuery reads the parameters of a list, as strictly as the body of a create: a parameter that is unknown, empty or given twice
// is refused. A misspelt filter that was ignored would list the wrong sessions. Query.normalize checks the values themselves.
func decodeQuery(raw string) (Query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return Query{}, badRequest("invalid_query", "the query is not well-formed")
	}
	var q Query
	var f faults
	if values.Has("cursor") && values.Has("offset") { // also an offset of 0, which a Query cannot distinguish from none
		f.add("cursor", CodeUnsupported, "cannot be combined with offset")
	}
	for _, name := range listParameters {
		given, ok := values[name]
		delete(values, name)
		switch {
		case !ok:
		case len(given) > 1:
			f.add(name, CodeMalformed, "must be given once")
		case given[0] == "":
			f.add(name, CodeMissing, "must not be empty")
		default:
			f.parameter(&q, name, given[0])
		}
	}
	if len(values) > 0 {
		f.add("query", CodeUnknownField, "must have no parameters but "+strings.Join(listParameters, ", "))
	}
	if f != nil {
		return Query{}, badQuery(f)
	}
	return q, nil
}

// parameter reads one parameter into q. Limit 0 is refused here, because a Query takes it for the default.
func (f *faults) parameter(q *Query, name, value string) {
	var ok bool
	switch name {
	case "status":
		q.Status = Status(value)
	case "client_reference":
		q.ClientReference = value
	case "payment_id":
		q.PaymentID = value
	case "user_phone":
		q.UserPhone = value
	case "created_after":
		q.CreatedAfter = f.instant(name, value)
	case "created_before":
		q.CreatedBefore = f.instant(name, value)
	case "limit":
		if q.Limit, ok = wholeNumber(value); !ok || q.Limit == 0 {
			f.add(name, CodeOutOfRange, limitRange)
		}
	case "offset":
		if q.Offset, ok = wholeNumber(value); !ok {
			f.add(name, CodeOutOfRange, offsetRange)
		}
	case "cursor":
		q.Cursor = value
	}
}

// instant reads a time of RFC 3339, which has a zone. A "+" in a query means a space, so a client that does not escape the "+" of
// "+01:00" sends a space. No other reading is possible, so it is accepted.
func (f *faults) instant(name, value string) time.Time {
	t, err := time.Parse(time.RFC3339, strings.Replace(value, " ", "+", 1))
	if err != nil || t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		f.add(name, CodeMalformed, "must be a time of RFC 3339, such as 2026-11-22T07:31:56Z")
	}
	return t
}

// badQuery returns the error for a list's parameters. The contract reports them in one sentence, and not as members of a body.
func badQuery(fields []FieldError) error {
	details := make([]string, len(fields))
	for i, f := range fields {
		details[i] = "the parameter " + f.String()
		if f.Code == CodeUnknownField {
			details[i] = "the " + f.String()
		}
	}
	return badRequest("invalid_query", strings.Join(details, "; "))
}

// wholeNumber reads decimal digits, without a sign.
func wholeNumber(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && !slices.Contains([]byte("+-"), s[0])
}
