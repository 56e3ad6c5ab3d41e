package proxy

import (
	"math/rand/v2"
	"time"
)

// Kind is what is done to a write, a read or a new connection.
type Kind string

// The kinds. Where there is no COMMIT, because a statement is its own transaction or is a read, it stands for COMMIT too.
const (
	// Passed does nothing.
	Passed Kind = "passed"
	// RequestCut cuts the connection instead of delivering COMMIT, or after Fate.Bytes of it.
	RequestCut Kind = "request cut"
	// AnswerCut delivers COMMIT, waits until the server has answered it, and cuts the connection when Fate.Bytes of
	// the answer have gone to the client.
	AnswerCut Kind = "answer cut"
	// Abandoned delivers COMMIT and cuts the client off without waiting for the answer. The server is not told.
	Abandoned Kind = "abandoned"
	// StatementFailed answers the statement with an error. The server is left with nothing to commit, and answers the
	// COMMIT by itself; one that came in the same request is skipped. With Fate.Ran the statement did run.
	StatementFailed Kind = "statement failed"
	// CommitFailed answers COMMIT with an error, and the server rolls back. With Fate.Ran it did commit.
	CommitFailed Kind = "commit failed"
	// Warned delivers COMMIT and its answer, with the warning before it that PostgreSQL gives when the wait for a
	// synchronous standby was cancelled.
	Warned Kind = "warned"
	// Silenced keeps COMMIT, or with Fate.Ran the answer to it, until the client hangs up.
	Silenced Kind = "silenced"
	// Late keeps COMMIT until the client has hung up and Fate.Delay has passed, and then delivers it.
	Late Kind = "late"
)

// OfConnection is the kind by which what was done to a new connection is counted, apart from writes and reads.
func OfConnection(k Kind) Kind { return "connection " + k }

// Fate is what is done and how. The zero Fate does nothing.
type Fate struct {
	Kind Kind
	// Code is the SQLSTATE of an error that is made up, and Fatal says that the server ends the session with it.
	Code  string
	Fatal bool
	// Ran says that the server did what the client is not told of.
	Ran bool
	// Whole withholds, with what becomes of the COMMIT's answer, also those to what came before it in the transaction.
	// Only a client that does not wait for these before it sends COMMIT can be treated so.
	Whole bool
	// Reset cuts with a TCP reset rather than an orderly end.
	Reset bool
	// Bytes is how much of a message passes before the cut.
	Bytes int
	// Delay is how long the answer, or a late request, is held up.
	Delay time.Duration
}

// Plan chooses fates for the nth write, the nth other statement outside of a transaction and the nth connection, each
// counted from 0 since the plan was set. A nil function passes all. Functions are called by one goroutine at a time.
//
// A connection may be StatementFailed, by which it is refused, RequestCut or Silenced.
type Plan struct {
	Write, Read, Connect func(n int) Fate
}

// Always gives the same fate to all.
func Always(f Fate) func(int) Fate { return func(int) Fate { return f } }

// Once gives a fate to the first alone.
func Once(f Fate) func(int) Fate {
	return func(n int) Fate {
		if n > 0 {
			return Fate{}
		}
		return f
	}
}

// Random gives one of some fates to a share of all, each as often as the others. What the nth gets follows from the
// seed.
func Random(seed uint64, share float64, fates ...Fate) func(int) Fate {
	return func(n int) Fate {
		random := rand.New(rand.NewPCG(seed, uint64(n)))
		if random.Float64() >= share {
			return Fate{}
		}
		return fates[random.IntN(len(fates))]
	}
}
