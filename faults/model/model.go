package model

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// Answer is the answer to a call, in a form that is the same for every store.
type Answer struct {
	Error    string // "" where there is none
	Or       string // another error that would be right too; "" where there is none
	Replayed bool
	Sessions []checkout.Session // IDs are "#0" and so on, in the order in which sessions were created
	Total    int
	More     bool
	Next     int
}

// Call is what every call has: the time of the service's clock, and whether its context has ended.
type Call struct {
	Now  time.Time
	Over bool
}

// Model is a checkout service with its sessions.
type Model struct {
	host     Settings
	sessions []*session
}

// session is one session as the model keeps it. Its ID is a number, see [Answer].
type session struct {
	checkout.Session
	key     string
	request meaning
	real    string // the ID in the store whose answers are compared
}

// New makes a model of a host's service.
func New(host Settings) *Model { return &Model{host: host} }

// Configure changes the host's settings. Sessions that exist stay as they are.
func (m *Model) Configure(host Settings) { m.host = host }

// Create models Checkouts.Create.
func (m *Model) Create(c Call, r Request) Answer {
	if faults := r.faults(); len(faults) > 0 {
		return invalid(faults)
	}
	refused := r.refused(m.host)
	if len(refused) > 0 && r.Key == "" {
		return invalid(refused)
	}
	if c.Over {
		return gaveUp
	}
	key, meant := r.normal()
	if held := m.named(r.Account, key); held != nil {
		if names := meant.differs(held.request); len(names) > 0 {
			answer := Answer{Error: "key reused, " + held.ID + ": " + strings.Join(names, ", ")}
			if held.customerForgotten(meant) {
				answer.Or = strings.TrimSuffix(answer.Error, ", customer_id")
			}
			return answer
		}
		return Answer{Replayed: true, Sessions: []checkout.Session{held.at(c.Now)}}
	}
	if len(refused) > 0 {
		return invalid(refused)
	}
	return Answer{Sessions: []checkout.Session{m.add(c.Now, r, key, meant).Session}}
}

// customerForgotten reports whether customer_id may be missing among the members that differ. A session keeps the fingerprint of its
// request, not the request. Once another payment has replaced the requested one, the library cannot know whether a card session's
// customer was requested or made up.
func (s *session) customerForgotten(again meaning) bool {
	first := s.request
	replaced := first.payment != "" && first.payment != s.PaymentID && first.payment != again.payment
	return replaced && first.method == checkout.Card && first.customer != "" && again.customer == ""
}

// named returns the session of a key, or nil.
func (m *Model) named(account checkout.Account, key string) *session {
	for _, s := range m.sessions {
		if s.Account == account && s.key == key && key != "" {
			return s
		}
	}
	return nil
}

func (m *Model) add(now time.Time, r Request, key string, meant meaning) *session {
	s := &session{key: key, request: meant}
	s.ID = fmt.Sprintf("#%d", len(m.sessions))
	s.Account = r.Account
	s.Status = checkout.StatusCreated
	s.Amount, s.Currency, s.PaymentMethod = meant.amount, meant.currency, meant.method
	s.UserPhone = meant.phone
	s.PaymentID, s.CustomerID = meant.payment, meant.customer
	s.Description, s.SuccessURL, s.CancelURL = meant.description, meant.success, meant.cancel
	s.CreatedAt, s.UpdatedAt, s.ExpiresAt = now, now, now.Add(meant.expiresIn)
	s.TransactionFee = m.host.fee(meant.currency, meant.amount)
	s.IdempotencyKey = idempotency.Key(key)
	s.Version = 1
	if meant.method == checkout.Card {
		s.Status = checkout.StatusPending
		if s.CustomerID == "" {
			s.CustomerID = "customer of " + s.ID
		}
	}
	m.sessions = append(m.sessions, s)
	return s
}

// Get models Checkouts.Get. The ID is one of [Answer], or of no session.
func (m *Model) Get(c Call, account checkout.Account, id string) Answer {
	s, answer := m.find(c, account, id)
	if s == nil {
		return answer
	}
	return Answer{Sessions: []checkout.Session{s.at(c.Now)}}
}

// find returns the session, or nil and the answer that says why there is none.
func (m *Model) find(c Call, account checkout.Account, id string, faults ...string) (*session, Answer) {
	if code := accountFault(account); code != "" {
		faults = append(faults, "account "+code)
	}
	if len(faults) > 0 {
		slices.Sort(faults)
		return nil, invalid(faults)
	}
	if id == "" || textFault(id, 255) != "" {
		return nil, notFound
	}
	if c.Over {
		return nil, gaveUp
	}
	for _, s := range m.sessions {
		if s.Account == account && s.ID == id {
			return s, Answer{}
		}
	}
	return nil, notFound
}

// List models Checkouts.List.
func (m *Model) List(c Call, account checkout.Account, q checkout.Query) Answer {
	var faults []string
	add := func(field, code string) {
		if code != "" {
			faults = append(faults, field+" "+code)
		}
	}
	add("account", accountFault(account))
	if q.Limit < 0 || q.Limit > 100 {
		add("limit", checkout.CodeOutOfRange)
	}
	if q.Offset < 0 || q.Offset > checkout.MaxListOffset {
		add("offset", checkout.CodeOutOfRange)
	}
	add("payment_id", textFault(q.PaymentID, 255))
	switch q.Status {
	case "", "created", "pending", "processing", "completed", "failed", "expired", "cancelled":
	default:
		add("status", checkout.CodeUnsupported)
	}
	if len(faults) > 0 {
		return invalid(faults)
	}
	if c.Over {
		return gaveUp
	}
	var all []*session
	for _, s := range m.sessions {
		if s.Account == account && (q.Status == "" || s.at(c.Now).Status == q.Status) && (q.PaymentID == "" || s.PaymentID == q.PaymentID) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *session) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.real, a.real))
	})
	from := min(q.Offset, len(all))
	to := min(from+cmp.Or(q.Limit, 50), len(all))
	answer := Answer{Total: len(all)}
	for _, s := range all[from:to] {
		answer.Sessions = append(answer.Sessions, s.at(c.Now))
	}
	if to < len(all) {
		answer.More, answer.Next = true, to
	}
	return answer
}

// at returns the session as an answer shows it at an instant.
func (s *session) at(now time.Time) checkout.Session {
	answered := s.Session
	if status := s.statusAt(now); status != s.Status {
		answered.Status, answered.UpdatedAt = status, s.ExpiresAt
	}
	return answered
}

// statusAt returns the status at an instant: a session that waits for the payer is expired from ExpiresAt on.
func (s *session) statusAt(now time.Time) checkout.Status {
	waits := s.Status == checkout.StatusCreated || s.Status == checkout.StatusPending
	if waits && now.Compare(s.ExpiresAt) >= 0 {
		return checkout.StatusExpired
	}
	return s.Status
}

var (
	notFound = Answer{Error: "not found"}
	gaveUp   = Answer{Error: "gave up"}
)

func invalid(faults []string) Answer {
	return Answer{Error: "invalid: " + strings.Join(faults, ", ")}
}
