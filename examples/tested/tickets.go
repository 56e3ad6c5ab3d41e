// Package tested is a small host. Its tests show how to test code that takes payments: in memory, with a clock that the test moves,
// and with a simulated operator.
package tested

import (
	"context"
	"fmt"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/paypage"
)

// Operator asks a mobile-money operator for a payment, under the session's PaymentID.
type Operator interface {
	Pay(ctx context.Context, s checkout.Session) (paypage.Next, error)
}

// Tickets sells tickets to a concert.
type Tickets struct {
	Checkouts *checkout.Checkouts
	Operator  Operator
}

var account = checkout.Account{ID: "acct_tickets"}

// Order is one ticket for somebody. Its key is made once, with the order.
type Order struct {
	Key     idempotency.Key
	Phone   string
	Session string
}

// Buy asks the payer for 5000 francs. It may be called again after any error: it asks for the same payment.
func (t *Tickets) Buy(ctx context.Context, o *Order) error {
	s, _, err := t.Checkouts.Create(ctx, checkout.CreateParams{
		Account: account, IdempotencyKey: o.Key, Amount: 5000, Currency: "XOF", UserPhone: o.Phone,
	})
	if err != nil {
		return err
	}
	o.Session = s.ID
	s, err = t.Checkouts.Begin(ctx, account, s.ID, "pay_"+s.ID)
	if err != nil {
		return err
	}
	_, err = t.Operator.Pay(ctx, s)
	return err
}

// Ticket returns a text for the buyer: the ticket, or the state of the order.
func (t *Tickets) Ticket(ctx context.Context, o Order) (string, error) {
	s, err := t.Checkouts.Get(ctx, account, o.Session)
	if err != nil {
		return "", err
	}
	switch s.Status {
	case checkout.StatusCreated, checkout.StatusPending, checkout.StatusProcessing:
		return "confirm on your phone", nil
	case checkout.StatusCompleted:
		if s.Late { // the session had ended before the money came
			return "paid after the hall was full: pay it back", nil
		}
		return "here is your ticket", nil
	default:
		return fmt.Sprintf("no ticket: %s %s", s.Status, s.FailureReason), nil
	}
}
