package proxy

import (
	"math/rand/v2"
	"time"
)

// Kind is what is done to a write, a read or a new connection.
type Kind string

// The kinds. For a read, and for a statement that is its own transaction, COMMIT stands for the statement.
const (
	// Passed does nothing.
	Passed Kind = "passed"
	// RequestCut cuts the connection after Fate.Bytes of the COMMIT. 0 delivers nothing of it.
	RequestCut Kind = "request cut"
	// AnswerCut delivers COMMIT, waits for the server's answer, and cuts the connection after Fate.Bytes of the answer.
	AnswerCut Kind = "answer cut"
	// Abandoned delivers COMMIT and cuts the client off without waiting for the answer. The server does not notice.
	Abandoned Kind = "abandoned"
	// StatementFailed answers the statement with an error. The server has nothing to commit: it answers a later COMMIT with a
	// rollback, and skips one that came in the same request. With Fate.Ran the statement did run.
	StatementFailed Kind = "statement failed"
	// CommitFailed answers COMMIT with an error, and the server rolls back. With Fate.Ran it did commit.
	CommitFailed Kind = "commit failed"
	// Warned delivers COMMIT and its answer. Before the answer comes the warning that PostgreSQL gives when the wait for a
	// synchronous standby is cancelled.
	Warned Kind = "warned"
	// Silenced holds COMMIT, or with Fate.Ran the answer to it, until the client hangs up.
	Silenced Kind = "silenced"
	// Late holds COMMIT until the client has hung up and Fate.Delay has passed, and then delivers it.
	Late Kind = "late"
)

// OfConnection returns the kind under which Counts has a fate of a new connection.
func OfConnection(k Kind) Kind { return "connection " + k }

// Fate says what is done, and how. The zero Fate does nothing.
type Fate struct {
	Kind Kind
	// Code is the SQLSTATE of an error that the proxy makes up. Fatal says that the error ends the session.
	Code  string
	Fatal bool
	// Ran says that the server did what it was asked, although the client is not told so.
	Ran bool
	// Whole does the same to the answers to the earlier statements of the transaction. It works only with a client that sends
	// COMMIT without waiting for these answers.
	Whole bool
	// Reset cuts with a TCP reset rather than an orderly close.
	Reset bool
	// Bytes is how many bytes pass before the cut.
	Bytes int
	// Delay is for how long the answer, or a late request, is held.
	Delay time.Duration
}

// Plan chooses the fates of the nth write, the nth other statement outside of a transaction and the nth connection. Each is
// counted from 0, since the plan was set. A nil function passes everything. Functions are called by one goroutine at a time.
//
// The fate of a connection may be StatementFailed, which refuses it, RequestCut or Silenced.
type Plan struct {
	Write, Read, Connect func(n int) Fate
}

// Always chooses the same fate for all.
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

// Random chooses one of the fates for a share of all, each with the same probability. The choice for the nth follows from the seed.
func Random(seed uint64, share float64, fates ...Fate) func(int) Fate {
	return func(n int) Fate {
		random := rand.New(rand.NewPCG(seed, uint64(n)))
		if random.Float64() >= share {
			return Fate{}
		}
		return fates[random.IntN(len(fates))]
	}
}
