package proxy

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

var errGone = errors.New("proxy: the client has hung up")

// conn is a client's connection, with its connection to the server. One goroutine reads from the client, another from the
// server.
type conn struct {
	*Proxy
	client, server net.Conn
	reader         *reader
	frontend       *pgproto3.Frontend // reads what the server sends

	fate Fate // of the client's current transaction; used only by the goroutine that reads from the client

	silent    atomic.Bool // the client gets nothing any more
	abandoned atomic.Bool // the client was cut off; the connection to the server ends with the answer

	mu  sync.Mutex
	due []*answer // the answers that requests wait for, in the order of the requests
}

// serve passes messages on until either end hangs up.
func (p *Proxy) serve(client net.Conn) {
	backend := pgproto3.NewBackend(client, client)
	server, frontend := p.startup(client, backend)
	if server == nil {
		return
	}
	defer p.drop(server)
	c := &conn{Proxy: p, client: client, server: server, reader: newReader(backend), frontend: frontend}
	var answers sync.WaitGroup
	answers.Go(c.answers)
	late := c.requests()
	if late != nil {
		c.deliver(*late)
	} else if !c.abandoned.Load() {
		server.Close()
	}
	answers.Wait()
}

// requests reads the client's requests until the client hangs up. It returns the request that is to be delivered late, if there is one.
func (c *conn) requests() (late *request) {
	for {
		req, whole, err := c.reader.next()
		switch {
		case err != nil:
			return late
		case late != nil, c.mute():
			continue // requests that follow a withheld one are discarded
		case !whole:
			_, err = c.server.Write(req.bytes)
		default:
			late, err = c.request(req)
		}
		if err != nil && !c.mute() {
			c.cut(false) // which wakes the goroutine that reads the answers
			return nil
		}
	}
}

// request applies the fate of a request.
func (c *conn) request(req request) (late *request, err error) {
	f := Fate{Kind: Passed}
	switch req.role {
	case statement:
		if c.fate.Kind == "" { // the first change of its transaction
			c.fate = c.choose(aWrite)
		}
		return nil, c.statement(req, c.fate)
	case rollback:
		c.fate = Fate{}
	case commit:
		if c.fate.Kind != "" {
			f, c.fate = c.fate, Fate{}
		}
	case both:
		f = c.choose(aWrite)
		if req.commit > 0 && f.Kind != Passed {
			return c.whole(req, f)
		}
	case read:
		f = c.choose(aRead)
	}
	return c.commit(req, f)
}

// whole handles a transaction that comes in one request with its COMMIT. If the statement fails, the rest of the request is skipped, as a
// server does, and the client has to roll back.
func (c *conn) whole(req request, f Fate) (late *request, err error) {
	first, second := req.split()
	if f.Kind == StatementFailed {
		return nil, c.statement(first, f)
	}
	first.joined = true
	if err := c.statement(first, f); err != nil {
		return nil, err
	}
	return c.commit(second, f)
}

// statement handles the part of a write that comes before its COMMIT.
func (c *conn) statement(req request, f Fate) error {
	switch {
	case f.Kind == StatementFailed && f.Fatal:
		return c.forward(nil, &answer{replace: failure(f, 'I'), cut: true, fate: f})
	case f.Kind == StatementFailed:
		// The server gets an error too, so that it answers COMMIT with a rollback.
		first := query("begin")
		if f.Ran {
			first = req.bytes
		}
		if err := c.forward(first, &answer{hidden: true, fate: f}); err != nil {
			return err
		}
		return c.forward(query("select 1/0"), &answer{replace: failure(f, 'E')})
	case f.Whole:
		return c.forward(req.bytes, &answer{hidden: true})
	}
	return c.forward(req.bytes, &answer{joined: req.joined})
}

// commit handles a COMMIT, or a read outside of a transaction.
func (c *conn) commit(req request, f Fate) (late *request, err error) {
	a := &answer{fate: f, delay: f.Delay, reset: f.Reset}
	switch f.Kind {
	case RequestCut:
		a.cut = true
		if f.Bytes > 0 {
			if _, err := c.server.Write(req.bytes[:min(f.Bytes, len(req.bytes)-1)]); err != nil {
				return nil, err
			}
		}
		return nil, c.forward(nil, a)
	case AnswerCut:
		a.cut, a.bytes = true, f.Bytes
	case Abandoned:
		a.leave, a.hidden, a.cut = true, true, true
	case StatementFailed:
		if req.role == commit {
			return nil, c.forward(req.bytes, &answer{}) // the transaction has failed
		}
		a.replace, a.cut = failure(f, 'I'), f.Fatal
		if !f.Ran {
			return nil, c.forward(nil, a)
		}
	case CommitFailed:
		a.replace, a.cut = failure(f, 'I'), f.Fatal
		switch {
		case f.Ran:
		case req.role == commit:
			return nil, c.forward(query("rollback"), a)
		default:
			return nil, c.forward(nil, a)
		}
	case Warned:
		a.notice = warning()
	case Silenced:
		a.silence = true
		if !f.Ran {
			return nil, c.forward(nil, a)
		}
	case Late:
		a.silence = true
		return &req, c.forward(nil, a)
	}
	return nil, c.forward(req.bytes, a)
}

// forward notes the answer that is due, and sends a request to the server. If request is nil, the proxy itself answers.
func (c *conn) forward(request []byte, a *answer) error {
	a.ours = request == nil
	c.mu.Lock()
	c.due = append(c.due, a)
	c.mu.Unlock()
	if request != nil {
		if _, err := c.server.Write(request); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.advance()
}

// deliver sends a request whose client has hung up. The server's answer then ends the connection.
func (c *conn) deliver(late request) {
	c.mu.Lock()
	last := len(c.due) - 1
	delay := c.due[last].delay
	c.due[last] = &answer{hidden: true, cut: true}
	c.mu.Unlock()
	time.Sleep(delay)
	if _, err := c.server.Write(late.bytes); err != nil {
		c.server.Close()
	}
}

// mute reports whether the client gets nothing any more, not even the end of its connection.
func (c *conn) mute() bool { return c.silent.Load() || c.vanished.Load() }

// cut ends the connection at both ends. If the client must get nothing any more, cut ends only the connection to the server.
func (c *conn) cut(reset bool) {
	if c.mute() {
		c.server.Close() // the client keeps waiting
		return
	}
	if reset {
		for _, end := range []net.Conn{c.client, c.server} {
			if tcp, ok := end.(*net.TCPConn); ok {
				tcp.SetLinger(0)
			}
		}
	}
	c.client.Close()
	c.server.Close()
}
