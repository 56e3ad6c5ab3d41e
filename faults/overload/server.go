//go:build unix

package overload

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"golang.org/x/sys/unix"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/internal/child"
)

// Programs lists the programs that child.Main must know in a binary that runs the suites.
func Programs() []child.Program { return []child.Program{{Name: "server", Run: serve}} }

// settings configure a server.
type settings struct {
	Path     string // of the database
	SlowDisk bool   // each create takes slowWrite
	AtOnce   int    // requests that the host lets in at once; 0 is no limit
	Planted  string // a bug, for a control
}

// bodyTimeout is how long the server waits for a request with its body. The example waits longer.
const bodyTimeout = 4 * time.Second

// usage says how much of its machine a server has used at most, so far.
type usage struct {
	Resident    int64 // bytes of memory
	Connections int64 // open at once
}

// The only account, and its token.
const token = "sk_live_demo"

var account = checkout.Account{ID: "acct_demo"}

// serve runs a server like the example's. It also reports its usage, and has a bug if one is planted.
func serve(ctx context.Context, self *child.Self) error {
	var s settings
	if err := self.Config(&s); err != nil {
		return err
	}
	store, err := s.open(ctx)
	if err != nil {
		return err
	}
	if s.SlowDisk {
		store = &slow{Store: store}
	}
	checkouts, err := checkout.New(store, checkout.Config{
		Fees: map[string]checkout.FeeSchedule{"XOF": {Rate: decimal.RequireFromString("0.005")}},
	})
	if err != nil {
		return err
	}
	auth, err := checkout.BearerTokens(map[string]checkout.Account{token: account})
	if err != nil {
		return err
	}
	handler, err := checkout.NewHandler(checkouts, auth, checkout.HandlerConfig{MaxInFlight: s.AtOnce})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var open, most atomic.Int64
	mux := http.NewServeMux()
	mux.Handle("/v1/", s.spoil(handler))
	mux.HandleFunc("GET /usage", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(usage{resident(), most.Load()})
	})
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew: // called from one goroutine only
				most.Store(max(most.Load(), open.Add(1)))
			case http.StateClosed, http.StateHijacked:
				open.Add(-1)
			}
		},
	}
	if s.Planted == waitsForEver {
		server.ReadTimeout = 0
	}
	if err := self.Tell("http://" + listener.Addr().String()); err != nil {
		return err
	}
	return server.Serve(listener)
}

// slow is a store that creates one session at a time. Each create takes slowWrite, even if its caller has left.
type slow struct {
	checkout.Store
	mu sync.Mutex
}

const slowWrite = 10 * time.Millisecond

func (d *slow) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	time.Sleep(slowWrite)
	return d.Store.Create(context.WithoutCancel(ctx), s)
}

// resident returns the most memory that this process has had, in bytes. On Linux the maximum of getrusage is no use, because a process
// inherits it from its parent.
func resident() int64 {
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range strings.Lines(string(status)) {
			var kilobytes int64
			if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes); n == 1 {
				return kilobytes << 10
			}
		}
	}
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		panic(err) // with these arguments the call cannot fail
	}
	if runtime.GOOS == "darwin" {
		return r.Maxrss
	}
	return r.Maxrss << 10
}

// host runs servers on one database, one after the other.
type host struct {
	tb       testing.TB
	settings settings
	process  *child.Process
	url      string
}

func newHost(tb testing.TB, s settings) *host {
	tb.Helper()
	s.Path = filepath.Join(tb.TempDir(), "checkouts.db")
	h := &host{tb: tb, settings: s}
	h.restart()
	return h
}

// restart kills the server, if there is one, and starts another.
func (h *host) restart() {
	h.tb.Helper()
	if h.process != nil {
		h.process.Kill()
		if err := h.process.Wait(); err != nil {
			h.tb.Fatal(err)
		}
	}
	h.process = child.Start(h.tb, "server", h.settings, child.Options{})
	url, ok := h.process.Await("http://")
	if !ok {
		h.tb.Fatalf("the server does not start: %v", h.process.Wait())
	}
	h.url = url
}

func (h *host) usage() usage {
	h.tb.Helper()
	response, err := http.Get(h.url + "/usage")
	if err != nil {
		h.tb.Fatal(err)
	}
	defer response.Body.Close()
	var u usage
	if err := json.NewDecoder(response.Body).Decode(&u); err != nil {
		h.tb.Fatal(err)
	}
	return u
}
