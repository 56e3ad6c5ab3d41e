package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/caisse/checkout"
)

// Client passes calls on to a service and records them. It is itself a [Service], and safe for concurrent use, but a
// history is easier to read if each goroutine has a Client of its own.
type Client struct {
	name     string
	service  Service
	recorder *Recorder
}

var _ Service = (*Client)(nil)

// PanicError is the error that a Client returns when its service panics, so that the run goes on and the history records it.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("the call panicked: %v\n%s", e.Value, e.Stack)
}

// Create implements [Service].
func (c *Client) Create(ctx context.Context, p checkout.CreateParams) (session checkout.Session, replayed bool, err error) {
	call := c.call(ctx, Create, p.Account)
	call.Payment, call.Request = p.PaymentID, requestOf(p)
	err = c.record(call, func(ret *Return) (err error) {
		session, replayed, err = c.service.Create(ctx, p)
		ret.Replayed, ret.Sessions = replayed, one(session, err)
		return err
	})
	return session, replayed, err
}

// Get implements [Service].
func (c *Client) Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	call := c.call(ctx, Get, account)
	call.Session = id
	return c.session(call, func() (checkout.Session, error) { return c.service.Get(ctx, account, id) })
}

// List implements [Service].
func (c *Client) List(ctx context.Context, account checkout.Account, q checkout.Query) (page checkout.Page, err error) {
	call := c.call(ctx, List, account)
	call.Payment = q.PaymentID
	call.Query = &Query{Status: string(q.Status), Limit: cmp.Or(q.Limit, checkout.DefaultListLimit), Offset: q.Offset}
	err = c.record(call, func(ret *Return) (err error) {
		page, err = c.service.List(ctx, account, q)
		ret.Sessions, ret.Total, ret.More, ret.Next = sessionsOf(page.Sessions), page.Total, page.HasMore, page.NextOffset
		return err
	})
	return page, err
}

// Begin implements [Service].
func (c *Client) Begin(ctx context.Context, account checkout.Account, id, paymentID string) (checkout.Session, error) {
	call := c.call(ctx, Begin, account)
	call.Session, call.Payment = id, paymentID
	return c.session(call, func() (checkout.Session, error) { return c.service.Begin(ctx, account, id, paymentID) })
}

// Process implements [Service].
func (c *Client) Process(ctx context.Context, account checkout.Account, id, paymentID string) (checkout.Session, error) {
	call := c.call(ctx, Process, account)
	call.Session, call.Payment = id, paymentID
	return c.session(call, func() (checkout.Session, error) { return c.service.Process(ctx, account, id, paymentID) })
}

// Complete implements [Service].
func (c *Client) Complete(ctx context.Context, account checkout.Account, id, paymentID string) (checkout.Session, error) {
	call := c.call(ctx, Complete, account)
	call.Session, call.Payment = id, paymentID
	return c.session(call, func() (checkout.Session, error) { return c.service.Complete(ctx, account, id, paymentID) })
}

// Fail implements [Service].
func (c *Client) Fail(ctx context.Context, account checkout.Account, id, paymentID, reason string) (checkout.Session, error) {
	call := c.call(ctx, Fail, account)
	call.Session, call.Payment, call.Reason = id, paymentID, digest(reason)
	return c.session(call, func() (checkout.Session, error) { return c.service.Fail(ctx, account, id, paymentID, reason) })
}

// Cancel implements [Service].
func (c *Client) Cancel(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	call := c.call(ctx, Cancel, account)
	call.Session = id
	return c.session(call, func() (checkout.Session, error) { return c.service.Cancel(ctx, account, id) })
}

// ExpireDue implements [Service].
func (c *Client) ExpireDue(ctx context.Context, limit int) (sessions []checkout.Session, err error) {
	call := c.call(ctx, Expire, checkout.Account{})
	call.Limit = limit
	err = c.record(call, func(ret *Return) (err error) {
		sessions, err = c.service.ExpireDue(ctx, limit)
		ret.Sessions = sessionsOf(sessions)
		return err
	})
	return sessions, err
}

// Events implements [Service].
func (c *Client) Events(ctx context.Context, after checkout.Cursor, limit int) (events []checkout.Event, err error) {
	call := c.call(ctx, Feed, checkout.Account{})
	call.After, call.Limit = string(after), limit
	err = c.record(call, func(ret *Return) (err error) {
		events, err = c.service.Events(ctx, after, limit)
		ret.Events = eventsOf(events)
		return err
	})
	return events, err
}

// History implements [Service].
func (c *Client) History(ctx context.Context, account checkout.Account, id string) (events []checkout.Event, err error) {
	call := c.call(ctx, Past, account)
	call.Session = id
	err = c.record(call, func(ret *Return) (err error) {
		events, err = c.service.History(ctx, account, id)
		ret.Events = eventsOf(events)
		return err
	})
	return events, err
}

func (c *Client) call(ctx context.Context, kind Kind, account checkout.Account) Call {
	return Call{Client: c.name, Kind: kind, Account: account.ID, Test: account.Test, Intent: intentOf(ctx)}
}

// session records a call whose answer is one session.
func (c *Client) session(call Call, f func() (checkout.Session, error)) (session checkout.Session, err error) {
	err = c.record(call, func(ret *Return) (err error) {
		session, err = f()
		ret.Sessions = one(session, err)
		return err
	})
	return session, err
}

func (c *Client) record(call Call, f func(*Return) error) (err error) {
	id := c.recorder.begin(call)
	var ret Return
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{Value: p, Stack: debug.Stack()}
		}
		ret.classify(err)
		c.recorder.end(id, ret)
	}()
	return f(&ret)
}

func one(session checkout.Session, err error) []Session {
	if err != nil {
		return nil
	}
	return []Session{sessionOf(session)}
}

// classify sets the outcome and the code for an error. If it wraps ErrOutcomeUnknown the outcome is unknown, whatever else it wraps.
func (ret *Return) classify(err error) {
	ret.Outcome = Error
	if err == nil {
		ret.Outcome = OK
		return
	}
	ret.Sessions, ret.Events, ret.Replayed = nil, nil, false
	if _, ok := errors.AsType[*PanicError](err); ok {
		ret.Outcome, ret.Code, ret.Detail = Unknown, Panicked, err.Error()
		return
	}
	if errors.Is(err, checkout.ErrOutcomeUnknown) {
		ret.Outcome, ret.Code, ret.Detail = Unknown, OutcomeUnknown, err.Error()
		return
	}
	if reused, ok := errors.AsType[*checkout.KeyReusedError](err); ok {
		ret.Code, ret.Held = KeyReused, reused.SessionID
		return
	}
	if refused, ok := errors.AsType[*checkout.TransitionError](err); ok {
		ret.Code, ret.From = Refused, string(refused.From)
		return
	}
	if conflict, ok := errors.AsType[*checkout.PaymentConflictError](err); ok {
		ret.Code, ret.Held = PaymentConflict, conflict.Have
		return
	}
	if _, ok := errors.AsType[*checkout.ValidationError](err); ok {
		ret.Code = Invalid
		return
	}
	switch {
	case errors.Is(err, checkout.ErrNotFound):
		ret.Code = NotFound
		return
	case errors.Is(err, checkout.ErrConflict):
		ret.Code = Conflict
	case errors.Is(err, checkout.ErrUnavailable):
		ret.Code = Unavailable
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		ret.Code = GaveUp
	default:
		ret.Code = Other
	}
	ret.Detail = err.Error()
}
