package history

import (
	"math"
	"slices"
	"time"
)

// Kind is a method that was called.
type Kind string

// The calls of a checkout service.
const (
	Create   Kind = "create"
	Get      Kind = "get"
	List     Kind = "list"
	Begin    Kind = "begin"
	Process  Kind = "process"
	Complete Kind = "complete"
	Fail     Kind = "fail"
	Cancel   Kind = "cancel"
	Expire   Kind = "expire"  // a sweep, of every account
	Past     Kind = "history" // the events of one session
	Feed     Kind = "feed"    // a page of the events of every account
)

// Reads reports whether calls of the kind write nothing.
func (k Kind) Reads() bool { return k == Get || k == List || k == Past || k == Feed }

// Outcome is what a caller can conclude from an answer.
type Outcome string

// The outcomes of a call.
const (
	OK      Outcome = "ok"
	Error   Outcome = "error"   // definite: nothing was written
	Unknown Outcome = "unknown" // it may have been written, or may still be
)

// Code is the kind of an error.
type Code string

// The codes of errors. The first five are answers of a service that works. The others say that the call failed.
const (
	Invalid         Code = "invalid"   // a *checkout.ValidationError
	NotFound        Code = "not_found" // checkout.ErrNotFound
	KeyReused       Code = "key_reused"
	Refused         Code = "refused" // a *checkout.TransitionError
	PaymentConflict Code = "payment_conflict"

	Conflict    Code = "conflict"    // checkout.ErrConflict, after all retries
	Unavailable Code = "unavailable" // checkout.ErrUnavailable
	GaveUp      Code = "gave_up"     // the error of the caller's context
	Other       Code = "other"       // an error of no kind that the contract names

	OutcomeUnknown Code = "outcome_unknown" // checkout.ErrOutcomeUnknown
	Panicked       Code = "panicked"        // outcome unknown
	NoAnswer       Code = "no_answer"       // the caller ended before the call did; outcome unknown
)

// Answer reports whether the code is the answer of a service that works. It then says something about the session.
func (c Code) Answer() bool {
	switch c {
	case Invalid, NotFound, KeyReused, Refused, PaymentConflict:
		return true
	}
	return false
}

// Header says where a history comes from.
type Header struct {
	Test  string `json:"test"`
	Store string `json:"store"`
	Seed  uint64 `json:"seed"`
}

// Call is a call as it was made. At is in nanoseconds, on a clock that all processes of a machine share. Clock is the time of
// the service's own clock just before the call, in microseconds since 1970.
type Call struct {
	ID     int64  `json:"id"`
	Client string `json:"client"`
	At     int64  `json:"at"`
	Clock  int64  `json:"clock"`
	Kind   Kind   `json:"kind"`

	Account string `json:"account,omitempty"`
	Test    bool   `json:"test,omitempty"`
	Intent  string `json:"intent,omitempty"`  // what the caller wants paid, see WithIntent
	Session string `json:"session,omitempty"` // the ID asked for
	Payment string `json:"payment,omitempty"` // of Create and of each transition but Cancel; in List, a filter
	Reason  string `json:"reason,omitempty"`  // digest

	Request *Request `json:"request,omitempty"` // of Create
	Query   *Query   `json:"query,omitempty"`   // of List
	Limit   int      `json:"limit,omitempty"`   // of Expire and Feed
	After   string   `json:"after,omitempty"`   // the cursor of Feed
}

// Request is what a Create asked for, without its payment, in the form in which requests are compared.
type Request struct {
	Key       string `json:"key,omitempty"` // digest
	Amount    int64  `json:"amount"`
	Currency  string `json:"currency"` // upper case
	Method    string `json:"method"`
	ExpiresIn int64  `json:"expires_in"` // microseconds
	Rest      string `json:"rest"`       // digest of key, phone, customer, description and URLs
}

// Query is what a List asked for, without its payment.
type Query struct {
	Status string `json:"status,omitempty"`
	Limit  int    `json:"limit"` // 50 where the caller gave none
	Offset int    `json:"offset"`
}

// Return is the answer to a call. Clock is the time of the service's own clock just after it.
type Return struct {
	ID      int64   `json:"id"`
	At      int64   `json:"at"`
	Clock   int64   `json:"clock"`
	Outcome Outcome `json:"outcome"`

	Code   Code   `json:"code,omitempty"`   // where the outcome is not ok
	From   string `json:"from,omitempty"`   // the status that a refused transition reports
	Held   string `json:"held,omitempty"`   // the session that a reused key names, or the payment that is already in the session
	Detail string `json:"detail,omitempty"` // the text of an error that is no answer

	Replayed bool      `json:"replayed,omitempty"`
	Sessions []Session `json:"sessions,omitempty"`
	Total    int       `json:"total,omitempty"`
	Next     int       `json:"next,omitempty"` // Page.NextOffset
	More     bool      `json:"more,omitempty"`
	Events   []Event   `json:"events,omitempty"` // of Past and Feed
}

// Session is a session as it was answered. Times are microseconds since 1970, 0 where there is none.
type Session struct {
	ID        string `json:"id"`
	Account   string `json:"account"`
	Test      bool   `json:"test,omitempty"`
	Key       string `json:"key,omitempty"` // digest
	Status    string `json:"status"`
	Amount    int64  `json:"amount"`
	Currency  string `json:"currency"`
	Method    string `json:"method"`
	Fee       int64  `json:"fee"`
	Payment   string `json:"payment,omitempty"`
	Created   int64  `json:"created"`
	Expires   int64  `json:"expires"`
	Completed int64  `json:"completed,omitempty"`
	Reason    string `json:"reason,omitempty"` // digest
	Late      bool   `json:"late,omitempty"`
	Version   int64  `json:"version"` // 0 where the service does not report it
	Rest      string `json:"rest"`    // digest of key, phone, customer, description, URLs and fingerprint
}

// Event is a change of a session, as the service reported it.
type Event struct {
	ID      string  `json:"id"`
	Type    string  `json:"type"`
	At      int64   `json:"at"` // microseconds since 1970
	Cursor  string  `json:"cursor,omitempty"`
	Session Session `json:"session"`
}

// Never is the time of an answer that did not come.
const Never = math.MaxInt64

// Operation is a call with its answer. Where no answer came, the outcome is Unknown, the code NoAnswer and Return.At Never.
type Operation struct {
	Call
	Return Return
}

// History is what happened, in the order of the calls.
type History struct {
	Header     Header
	Operations []Operation
}

// LongestGap returns the longest time between two successes of a kind of call.
func (h History) LongestGap(k Kind) time.Duration {
	var at []int64
	for _, op := range h.Operations {
		if op.Kind == k && op.Return.Outcome == OK {
			at = append(at, op.Return.At)
		}
	}
	slices.Sort(at)
	longest := int64(0)
	for i := 1; i < len(at); i++ {
		longest = max(longest, at[i]-at[i-1])
	}
	return time.Duration(longest)
}

// Merge joins the histories of several processes of one machine, in the order of the calls. It numbers the calls anew and
// takes the header of the first history.
func Merge(histories ...History) History {
	var all History
	for i, h := range histories {
		if i == 0 {
			all.Header = h.Header
		}
		all.Operations = append(all.Operations, h.Operations...)
	}
	slices.SortStableFunc(all.Operations, func(a, b Operation) int {
		switch {
		case a.At < b.At:
			return -1
		case a.At > b.At:
			return 1
		}
		return 0
	})
	for i := range all.Operations {
		op := &all.Operations[i]
		op.ID = int64(i + 1)
		op.Return.ID = op.ID
	}
	return all
}
