package model

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/clock"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/idempotency"
)

// target is a store with its own model, which knows the store's IDs.
type target struct {
	Target
	recorder *history.Recorder
	clock    *clock.Clock
	service  history.Service
	model    *Model

	numbers   map[string]int // of sessions by ID
	ids       []string       // by number
	customers []string       // customer IDs that the library made up
	prints    []idempotency.Fingerprint
}

func (t *target) configure(host Settings) error {
	checkouts, err := checkout.New(t.Store, host.config(t.clock))
	if err != nil {
		return err
	}
	var service history.Service = checkouts
	if t.Service != nil {
		service = t.Service(checkouts)
	}
	t.service = t.recorder.Client("program", service)
	t.model.Configure(host)
	return nil
}

// id returns the store's ID for the model's name of a session. It returns anything else unchanged.
func (t *target) id(name string) string {
	var n int
	if _, err := fmt.Sscanf(name, "#%d", &n); err == nil && n < len(t.ids) {
		return t.ids[n]
	}
	return name
}

// The forms of identifiers.
var (
	idForm       = regexp.MustCompile(`^cs_(test|live|[a-z]{2})_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$`) // UUIDv7, RFC 9562
	customerForm = regexp.MustCompile(`^cus_[!-~]+$`)
)

// bind gives a new session its number. The error says what is wrong with its identifiers.
func (t *target) bind(s checkout.Session, scope string) error {
	n := len(t.ids)
	form := idForm.FindStringSubmatch(s.ID)
	if form == nil || form[1] != scope {
		return fmt.Errorf("the ID %q is not cs_%s_ and a UUIDv7", s.ID, scope)
	}
	if _, taken := t.numbers[s.ID]; taken {
		return fmt.Errorf("the ID %q was given before", s.ID)
	}
	customer := ""
	if made := &t.model.sessions[n].CustomerID; strings.HasPrefix(*made, "customer of ") {
		customer = s.CustomerID
		if !customerForm.MatchString(customer) || slices.Contains(t.customers, customer) {
			return fmt.Errorf("the customer ID %q is not new, or does not begin with cus_", customer)
		}
	}
	t.numbers[s.ID] = n
	t.ids = append(t.ids, s.ID)
	t.customers = append(t.customers, customer)
	t.prints = append(t.prints, s.Fingerprint)
	t.model.sessions[n].real = s.ID
	return nil
}

// session translates a session of a store into the model's names. It removes the session's fingerprint if that has not changed.
func (t *target) session(s checkout.Session) checkout.Session {
	n, ok := t.numbers[s.ID]
	if !ok {
		return s
	}
	s.ID = t.name(s.ID)
	if t.customers[n] != "" && s.CustomerID == t.customers[n] {
		s.CustomerID = "customer of " + s.ID
	}
	if s.Fingerprint == t.prints[n] {
		s.Fingerprint = idempotency.Fingerprint{}
	}
	return s
}

func (t *target) name(id string) string {
	if n, ok := t.numbers[id]; ok {
		return fmt.Sprintf("#%d", n)
	}
	return id
}

func (t *target) answer(err error, sessions ...checkout.Session) Answer {
	if err != nil {
		return Answer{Error: t.words(err)}
	}
	var a Answer
	for _, s := range sessions {
		a.Sessions = append(a.Sessions, t.session(s))
	}
	return a
}

// words returns an error in the model's words, or its own text if the model has none for it.
func (t *target) words(err error) string {
	if e, ok := errors.AsType[*checkout.ValidationError](err); ok {
		return "invalid: " + strings.Join(faultWords(e), ", ")
	}
	if e, ok := errors.AsType[*checkout.KeyReusedError](err); ok {
		return "key reused, " + t.name(e.SessionID) + ": " + strings.Join(e.Fields, ", ")
	}
	if e, ok := errors.AsType[*checkout.TransitionError](err); ok {
		return fmt.Sprintf("refused: from %s to %s", e.From, e.To)
	}
	if e, ok := errors.AsType[*checkout.PaymentConflictError](err); ok {
		return fmt.Sprintf("payment conflict, %s: have %q, got %q", t.name(e.SessionID), e.Have, e.Got)
	}
	switch {
	case errors.Is(err, checkout.ErrUnavailable), errors.Is(err, checkout.ErrOutcomeUnknown), errors.Is(err, checkout.ErrConflict):
	case errors.Is(err, checkout.ErrNotFound):
		return notFound.Error
	case errors.Is(err, context.Canceled):
		return gaveUp.Error
	}
	return err.Error()
}

// faultWords returns first the faults of the members that a request over HTTP has, in the order in which the store gave them. It must be
// the order of fieldOrder in validate.go. The faults of other fields follow in alphabetical order, so their own order is not checked.
func faultWords(e *checkout.ValidationError) []string {
	members := []string{"amount", "currency", "user_phone", "payment_method", "success_url", "cancel_url", "description", "expires_in"}
	var first, rest []string
	for _, f := range e.Fields {
		if slices.Contains(members, f.Field) {
			first = append(first, f.Field+" "+f.Code)
		} else {
			rest = append(rest, f.Field+" "+f.Code)
		}
	}
	slices.Sort(rest)
	return append(first, rest...)
}

// differences says where an answer differs from the model's, or returns "".
func differences(got, want Answer) string {
	var b strings.Builder
	tell := func(what string, got, want any) {
		if !reflect.DeepEqual(got, want) {
			fmt.Fprintf(&b, "\n\t%s is %#v, want %#v", what, got, want)
		}
	}
	if got.Error != want.Or || want.Or == "" {
		tell("error", got.Error, want.Error)
	}
	tell("replayed", got.Replayed, want.Replayed)
	tell("total", got.Total, want.Total)
	tell("has more", got.More, want.More)
	tell("next offset", got.Next, want.Next)
	tell("sessions", names(got.Sessions), names(want.Sessions))
	if len(got.Sessions) == len(want.Sessions) {
		for i := range got.Sessions {
			g, w := reflect.ValueOf(got.Sessions[i]), reflect.ValueOf(want.Sessions[i])
			for f := range g.NumField() {
				tell(want.Sessions[i].ID+"."+g.Type().Field(f).Name, g.Field(f).Interface(), w.Field(f).Interface())
			}
		}
	}
	return b.String()
}

func names(sessions []checkout.Session) string {
	var all []string
	for _, s := range sessions {
		all = append(all, s.ID)
	}
	return strings.Join(all, " ")
}
