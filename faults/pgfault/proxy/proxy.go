package proxy

import (
	"maps"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy passes connections on to a server. It is safe for concurrent use.
type Proxy struct {
	server   string
	listener net.Listener
	done     sync.WaitGroup // every goroutine of the proxy
	vanished atomic.Bool

	mu     sync.Mutex
	plan   Plan
	chosen [3]int // how many fates were chosen for each occasion since the plan was set
	counts map[Kind]int
	open   map[net.Conn]bool
	closed bool
}

// Start starts a proxy for the server at an address, on a free port of the loopback interface. It ends with the test.
func Start(tb testing.TB, server string) *Proxy {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{server: server, listener: listener, counts: make(map[Kind]int), open: make(map[net.Conn]bool)}
	p.done.Go(p.accept)
	tb.Cleanup(p.close)
	return p
}

// Between starts a proxy for the server of a URL. It also returns the URL that leads through the proxy.
func Between(tb testing.TB, server string) (p *Proxy, through string) {
	tb.Helper()
	u, err := url.Parse(server)
	if err != nil {
		tb.Fatalf("the URL of the server: %v", err)
	}
	p = Start(tb, u.Host)
	u.Host = p.Address()
	return p, u.String()
}

// Address returns the host and port on which the proxy listens.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Set sets the plan for all writes, reads and connections that begin from now on.
func (p *Proxy) Set(plan Plan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan = plan
	p.chosen = [3]int{}
}

// Counts returns how often each kind of fate happened. AnswerCut, Abandoned, Warned and a Fate with Ran count only if the server carried
// out the request.
func (p *Proxy) Counts() map[Kind]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// Vanish makes the server disappear like a machine that loses its power: nothing is delivered any more in either direction, no
// connection is closed, and new connections get no answer.
func (p *Proxy) Vanish() { p.vanished.Store(true) }

// Hangup cuts every open connection.
func (p *Proxy) Hangup() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.Close()
	}
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.listener.Close()
	p.Hangup()
	p.done.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.keep(client) {
			p.done.Go(func() {
				defer p.drop(client)
				p.serve(client)
			})
		}
	}
}

// keep registers a connection, so that it is closed when the proxy ends. It reports false if the proxy has ended.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.Close()
		return false
	}
	p.open[c] = true
	return true
}

func (p *Proxy) drop(c net.Conn) {
	c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

// dial connects to the server.
func (p *Proxy) dial() (net.Conn, error) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return nil, err
	}
	if !p.keep(server) {
		return nil, net.ErrClosed
	}
	return server, nil
}

// occasion is something for which a fate is chosen: a write, a read or a connection.
type occasion int

const (
	aWrite occasion = iota
	aRead
	aConnection
)

func (p *Proxy) choose(o occasion) Fate {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.chosen[o]
	p.chosen[o]++
	f := Fate{}
	if by := [...]func(int) Fate{aWrite: p.plan.Write, aRead: p.plan.Read, aConnection: p.plan.Connect}[o]; by != nil {
		f = by(n)
	}
	if f.Kind == "" {
		f.Kind = Passed
	}
	return f
}

func (p *Proxy) count(k Kind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[k]++
}
