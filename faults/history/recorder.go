package history

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/caisse/checkout"
)

// Service is what a Client calls: a *checkout.Checkouts, or an adapter over HTTP. Such an adapter leaves out of a session what
// HTTP does not carry: a Version of 0 is not checked.
type Service interface {
	Create(ctx context.Context, p checkout.CreateParams) (session checkout.Session, replayed bool, err error)
	Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error)
	List(ctx context.Context, account checkout.Account, q checkout.Query) (checkout.Page, error)
	Begin(ctx context.Context, account checkout.Account, id, paymentID string) (checkout.Session, error)
	Process(ctx context.Context, account checkout.Account, id, paymentID string) (checkout.Session, error)
	Complete(ctx context.Context, account checkout.Account, id, paymentID string) (checkout.Session, error)
	Fail(ctx context.Context, account checkout.Account, id, paymentID, reason string) (checkout.Session, error)
	Cancel(ctx context.Context, account checkout.Account, id string) (checkout.Session, error)
	ExpireDue(ctx context.Context, limit int) ([]checkout.Session, error)
	Events(ctx context.Context, after checkout.Cursor, limit int) ([]checkout.Event, error)
	History(ctx context.Context, account checkout.Account, id string) ([]checkout.Event, error)
}

// Recorder keeps a history. It is safe for concurrent use.
type Recorder struct {
	clock checkout.Clock

	mu         sync.Mutex
	header     Header
	operations []Operation
	stream     *json.Encoder // nil if nothing is streamed
	failed     error         // of the stream
}

// New makes a recorder. The clock must be that of the service.
func New(header Header, clock checkout.Clock) *Recorder {
	return &Recorder{header: header, clock: clock}
}

// Stream writes the history to w while it happens, each call before it is made. A process that may be killed must use it. Each
// line is one Write. Call Stream before the first call of a client.
func (r *Recorder) Stream(w io.Writer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stream = json.NewEncoder(w)
	return r.stream.Encode(line{Header: &r.header})
}

// Client returns a caller of the service, whose calls are recorded under a name.
func (r *Recorder) Client(name string, service Service) *Client {
	return &Client{name: name, service: service, recorder: r}
}

// History returns what was recorded so far. Calls that have not returned have the outcome Unknown.
func (r *Recorder) History() History {
	r.mu.Lock()
	defer r.mu.Unlock()
	return History{Header: r.header, Operations: slices.Clone(r.operations)}
}

// Err returns the first error of the stream. Calls after it may be missing in the file.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// begin records a call.
func (r *Recorder) begin(call Call) (id int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	call.ID = int64(len(r.operations) + 1)
	call.Clock = micros(r.clock.Now())
	call.At = machineTime()
	r.operations = append(r.operations, unfinished(call))
	r.write(line{Call: &call})
	return call.ID
}

// end records the return of a call.
func (r *Recorder) end(id int64, ret Return) {
	at := machineTime() // before the lock: waiting for it is not part of the call
	r.mu.Lock()
	defer r.mu.Unlock()
	ret.ID, ret.At = id, at
	ret.Clock = micros(r.clock.Now())
	r.operations[id-1].Return = ret
	r.write(line{Return: &ret})
}

func (r *Recorder) write(l line) {
	if r.stream == nil || r.failed != nil {
		return
	}
	if err := r.stream.Encode(l); err != nil {
		r.failed = fmt.Errorf("history: %w", err)
	}
}

func unfinished(call Call) Operation {
	return Operation{Call: call, Return: Return{ID: call.ID, At: Never, Outcome: Unknown, Code: NoAnswer}}
}

type intentKey struct{}

// WithIntent names what the calls with this context are for, such as an order. However often the caller tries, and under
// whatever keys, one intent may lead to one session at most.
func WithIntent(ctx context.Context, intent string) context.Context {
	return context.WithValue(ctx, intentKey{}, intent)
}

func intentOf(ctx context.Context) string {
	intent, _ := ctx.Value(intentKey{}).(string)
	return intent
}
