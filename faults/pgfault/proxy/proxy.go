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
	chosen [3]int // fates for each occasion, since the plan was set
	counts map[Kind]int
	open   map[net.Conn]bool
	closed bool
}

// Start listens on a port of the loopback interface for the server at an address, until the test ends.
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

// Between starts a proxy for the server of a URL, and returns it with the URL by which a client goes through it.
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

// Address is the host and port on which the proxy listens.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Set makes a plan that of all writes, reads and connections that begin from now on.
func (p *Proxy) Set(plan Plan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan = plan
	p.chosen = [3]int{}
}

// Counts says how often each kind of fate came to pass. AnswerCut, Abandoned and Warned count where the server said that
// it committed, or answered a read.
func (p *Proxy) Counts() map[Kind]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// Vanish makes the server disappear as a machine does that loses its power: nothing is delivered any more in either
// direction, nobody is told, and new connections find silence.
func (p *Proxy) Vanish() { p.vanished.Store(true) }

// Hangup cuts every connection that is open now.
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

// keep notes a connection that ends with the proxy.
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

// occasion is what a fate is chosen for.
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
