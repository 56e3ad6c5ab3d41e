//go:build unix

package overload

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"golang.org/x/sys/unix"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/store/sqlite"
)

// Programs are those that child.Main must know in a binary that runs the suites.
func Programs() []child.Program { return []child.Program{{Name: "server", Run: serve}} }

// settings are what a server is told.
type settings struct {
	Path    string // of the database
	Planted string // a bug, for a control
}

// The bugs that a server can have.
const (
	forgets     = "keeps sessions in memory"
	checksFirst = "looks a key up, then inserts"
)

// usage is what a server has taken of its machine.
type usage struct {
	Resident    int64 // bytes, at most so far
	Connections int64 // at most so far
}

// The one account that there is, and how it is told.
const token = "sk_live_demo"

var account = checkout.Account{ID: "acct_demo"}

// serve is the example's server, which also tells its usage.
func serve(ctx context.Context, self *child.Self) error {
	var s settings
	if err := self.Config(&s); err != nil {
		return err
	}
	store, err := s.open(ctx)
	if err != nil {
		return err
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
	handler, err := checkout.NewHandler(checkouts, auth, checkout.HandlerConfig{})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var open, most atomic.Int64
	mux := http.NewServeMux()
	mux.Handle("/v1/", handler)
	mux.HandleFunc("GET /usage", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(usage{resident(), most.Load()})
	})
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew: // from one goroutine, so that nothing gets between
				most.Store(max(most.Load(), open.Add(1)))
			case http.StateClosed, http.StateHijacked:
				open.Add(-1)
			}
		},
	}
	if err := self.Tell("http://" + listener.Addr().String()); err != nil {
		return err
	}
	return server.Serve(listener)
}

func (s settings) open(ctx context.Context) (checkout.Store, error) {
	switch s.Planted {
	case "":
		return sqlite.Open(ctx, s.Path)
	case forgets:
		return memory.New(), nil
	case checksFirst:
		return newHesitant(), nil
	}
	return nil, fmt.Errorf("overload: no bug %q", s.Planted)
}

// resident is the most memory that this process has had, in bytes: Linux counts in KiB.
func resident() int64 {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		panic(err) // there is nothing about the call that could fail
	}
	if runtime.GOOS == "darwin" {
		return r.Maxrss
	}
	return r.Maxrss << 10
}

// host starts servers on one database, one after the other.
type host struct {
	tb       testing.TB
	settings settings
	process  *child.Process
	url      string
}

func newHost(tb testing.TB, planted string) *host {
	tb.Helper()
	h := &host{tb: tb, settings: settings{filepath.Join(tb.TempDir(), "checkouts.db"), planted}}
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
