package proxy

import (
	"math/rand/v2"
	"time"
)

// Kind is a kind of fault that the proxy makes in a write, a read or a new connection.
type Kind string

// The kinds. For a read, and for a statement that is its own transaction, read "COMMIT" as "the statement".
const (
	// Passed does nothing.
	Passed Kind = "passed"
	// RequestCut cuts the connection after Fate.Bytes of the COMMIT. With 0, nothing of the COMMIT is delivered.
	RequestCut Kind = "request cut"
	// AnswerCut delivers COMMIT, waits for the server's answer, and cuts the connection after Fate.Bytes of the answer.
	AnswerCut Kind = "answer cut"
	// Abandoned delivers COMMIT and cuts the client off without waiting for the answer. The server does not notice.
	Abandoned Kind = "abandoned"
	// StatementFailed answers the statement with an error. The transaction has then failed: the server answers a later COMMIT with a
	// rollback, and a COMMIT in the same request is skipped. With Fate.Ran the statement did run.
	StatementFailed Kind = "statement failed"
	// CommitFailed answers COMMIT with an error, and the server rolls back. With Fate.Ran the server commits.
	CommitFailed Kind = "commit failed"
	// Warned delivers COMMIT and its answer. Before the answer comes the warning that PostgreSQL gives when the wait for a
	// synchronous standby is cancelled.
	Warned Kind = "warned"
	// Silenced never delivers COMMIT, or with Fate.Ran never delivers its answer. The client gets nothing until it hangs up.
	Silenced Kind = "silenced"
	// Late delivers COMMIT only after the client has hung up and Fate.Delay has passed.
	Late Kind = "late"
)

// OfConnection returns the kind under which Counts counts a fate of a new connection.
func OfConnection(k Kind) Kind { return "connection " + k }

// Fate is a fault, with its details. The zero Fate does nothing.
type Fate struct {
	Kind Kind
	// Code is the SQLSTATE of an error that the proxy makes up. Fatal says that the error ends the session.
	Code  string
	Fatal bool
	// Ran says that the server carries out the request, although the client is not told so.
	Ran bool
	// Whole also withholds the answers to the earlier statements of the transaction. It works only with a client that sends
	// COMMIT without waiting for these answers.
	Whole bool
	// Reset cuts with a TCP reset rather than an orderly close.
	Reset bool
	// Bytes is how many bytes pass before the cut.
	Bytes int
	// Delay is for how long the answer, or a late request, is delayed.
	Delay time.Duration
}

// Plan chooses the fates of the nth write, the nth read outside of a transaction and the nth connection. Each of these is counted from
// 0, since the plan was set. A nil function passes everything. Functions are called by one goroutine at a time.
//
// The fate of a connection may be StatementFailed, which refuses the connection, RequestCut or Silenced. Other kinds do nothing.
type Plan struct {
	Write, Read, Connect func(n int) Fate
}

// Always chooses the same fate every time.
func Always(f Fate) func(int) Fate { return func(int) Fate { return f } }

// Once chooses a fate for the first one only.
func Once(f Fate) func(int) Fate {
	return func(n int) Fate {
		if n > 0 {
			return Fate{}
		}
		return f
	}
}

// Random chooses a fate with the probability share, and otherwise none. All fates have the same probability. The choice for n follows
// from n and the seed.
func Random(seed uint64, share float64, fates ...Fate) func(int) Fate {
	return func(n int) Fate {
		random := rand.New(rand.NewPCG(seed, uint64(n)))
		if random.Float64() >= share {
			return Fate{}
		}
		return fates[random.IntN(len(fates))]
	}
}
