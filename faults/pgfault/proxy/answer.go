package proxy

import (
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// answer says what to do with the server's answer to one request.
type answer struct {
	fate Fate // it is counted when it has happened

	ours    bool   // the proxy answers; the server was not asked
	leave   bool   // the client is cut off before the answer
	hidden  bool   // the client gets nothing of it
	joined  bool   // the client gets it without its ReadyForQuery, as one answer with the next
	replace []byte // the client gets this instead
	notice  []byte // the client gets this before the last CommandComplete
	silence bool   // the client gets nothing of it, nor of anything later
	bytes   int    // how many the client gets before the cut
	cut     bool   // the connection is cut afterwards
	reset   bool   // the cut is a TCP reset
	delay   time.Duration

	got       []byte // the server's answer so far, unless the answer is plain
	done      int    // offset of the last CommandComplete in got
	committed bool   // the server said that it committed, or answered a read
}

// plain reports whether the answer is passed on unchanged.
func (a *answer) plain() bool {
	return !a.hidden && a.replace == nil && a.notice == nil && !a.silence && !a.cut && a.delay == 0
}

// happened reports whether the fate happened. Some fates happen only if the server carried out the request.
func (a *answer) happened() bool {
	switch a.fate.Kind {
	case "", Passed:
		return false
	case AnswerCut, Abandoned, Warned:
		return a.committed
	}
	return a.committed || !a.fate.Ran
}

// answers reads what the server sends until the connection ends.
func (c *conn) answers() {
	defer c.cut(false)
	var out []byte // messages of plain answers that were not yet sent to the client
	for {
		message, err := c.frontend.Receive()
		if err != nil {
			return
		}
		c.mu.Lock()
		a := &answer{} // for what the server sends without a request
		if len(c.due) > 0 {
			a = c.due[0]
		}
		c.mu.Unlock()
		_, last := message.(*pgproto3.ReadyForQuery)
		if a.plain() {
			if !last || !a.joined {
				if out, err = message.Encode(out); err != nil {
					return
				}
			}
			if last || c.frontend.ReadBufferLen() == 0 {
				if c.send(out) != nil {
					return
				}
				out = out[:0]
			}
		} else if err := a.take(message); err != nil {
			return
		}
		if last {
			time.Sleep(a.delay)
			c.mu.Lock()
			err := c.finish(a)
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}
}

// take keeps a message of an answer that is not passed on unchanged.
func (a *answer) take(message pgproto3.BackendMessage) (err error) {
	switch m := message.(type) {
	case *pgproto3.CommandComplete:
		a.committed = string(m.CommandTag) != "ROLLBACK"
		a.done = len(a.got)
	case *pgproto3.ErrorResponse:
		a.committed = false
	case *pgproto3.ReadyForQuery:
		a.got = slices.Insert(a.got, a.done, a.notice...)
	}
	a.got, err = message.Encode(a.got)
	return err
}

// finish ends the answer that is due, and sends the proxy's own answers that follow it.
func (c *conn) finish(a *answer) error {
	if len(c.due) == 0 {
		return nil // no request waits for an answer
	}
	if err := c.end(a); err != nil {
		return err
	}
	c.due = c.due[1:]
	return c.advance()
}

// advance sends the proxy's own answers that are due, and cuts off a client that must not wait for its answer.
func (c *conn) advance() error {
	for len(c.due) > 0 {
		a := c.due[0]
		if a.leave {
			a.leave = false
			c.abandoned.Store(true)
			c.client.Close()
		}
		if !a.ours {
			return nil
		}
		if a.silence {
			c.silent.Store(true)
			c.count(a.fate.Kind)
			a.ours = false // the answer is never sent
			return nil
		}
		time.Sleep(a.delay)
		if err := c.end(a); err != nil {
			return err
		}
		c.due = c.due[1:]
	}
	return nil
}

var errCut = errors.New("proxy: cut")

// end finishes an answer: the server has given it, or the proxy answers.
func (c *conn) end(a *answer) error {
	if a.happened() {
		c.count(a.fate.Kind) // before the client has the answer, because a test may then read the counts
	}
	var err error
	switch {
	case a.silence:
		c.silent.Store(true)
	case a.replace != nil:
		err = c.send(a.replace)
	case a.cut:
		err = c.send(a.got[:min(a.bytes, max(len(a.got)-1, 0))])
	case a.plain(), a.hidden:
	default:
		err = c.send(a.got)
	}
	if a.cut {
		c.cut(a.reset)
		return errCut
	}
	return err
}

// send writes to the client, unless the connection is silenced.
func (c *conn) send(b []byte) error {
	if c.mute() || len(b) == 0 {
		return nil
	}
	_, err := c.client.Write(b)
	return err
}

// failure returns an error message and, unless the error ends the session, the ReadyForQuery after it.
func failure(f Fate, status byte) []byte {
	severity := "ERROR"
	if f.Fatal {
		severity = "FATAL"
	}
	b := encode(&pgproto3.ErrorResponse{Severity: severity, SeverityUnlocalized: severity, Code: f.Code, Message: "made up by a proxy"})
	if !f.Fatal {
		b = append(b, encode(&pgproto3.ReadyForQuery{TxStatus: status})...)
	}
	return b
}

// warning returns the warning that a server sends if a commit is cancelled while it waits for a synchronous standby (SyncRepWaitForLSN).
func warning() []byte {
	return encode(&pgproto3.NoticeResponse{
		Severity:            "WARNING",
		SeverityUnlocalized: "WARNING",
		Code:                "01000",
		Message:             "canceling wait for synchronous replication due to user request",
		Detail:              "The transaction has already committed locally, but might not have been replicated to the standby.",
	})
}

func query(sql string) []byte { return encode(&pgproto3.Query{String: sql}) }

func encode(m pgproto3.Message) []byte {
	b, err := m.Encode(nil)
	if err != nil {
		panic(err) // these messages can always be encoded
	}
	return b
}
