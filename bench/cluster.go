package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/caisse/checkout/internal/pgtest"
)

// withServer calls f with the URL of a PostgreSQL server. If url is "", it starts a server for f, in the same way as tests do. The error
// is errNoServer if none can be started.
func withServer(ctx context.Context, url string, f func(url string) error) error {
	if url != "" {
		return f(url)
	}
	host := &clusterHost{ctx: ctx}
	defer host.end()
	cluster, err := host.start()
	if err != nil {
		return err
	}
	return f(cluster.URL())
}

// errNoServer says that no URL of a server was given, and that no server can be started.
var errNoServer = errors.New("no PostgreSQL here")

// clusterHost takes the place of a test, because pgtest starts servers for tests. It has only the methods that pgtest calls.
type clusterHost struct {
	testing.TB
	ctx      context.Context
	cleanups []func()
}

// start starts a server with default settings.
func (h *clusterHost) start() (c *pgtest.Cluster, err error) {
	defer func() {
		if v := recover(); v != nil {
			if err, _ = v.(error); err == nil {
				panic(v)
			}
		}
	}()
	return pgtest.Start(h), nil
}

// end stops the server.
func (h *clusterHost) end() {
	for _, cleanup := range slices.Backward(h.cleanups) {
		cleanup()
	}
}

func (h *clusterHost) Helper()                  {}
func (h *clusterHost) Failed() bool             { return false }
func (h *clusterHost) Logf(string, ...any)      {}
func (h *clusterHost) Cleanup(f func())         { h.cleanups = append(h.cleanups, f) }
func (h *clusterHost) Context() context.Context { return h.ctx }

// Skip and Fatal end a test's goroutine. Here they panic with an error, which start recovers.

func (h *clusterHost) Skip(args ...any) {
	panic(fmt.Errorf("%w: %s", errNoServer, fmt.Sprint(args...)))
}

func (h *clusterHost) Fatal(args ...any) { panic(errors.New(fmt.Sprint(args...))) }

func (h *clusterHost) Fatalf(format string, args ...any) { panic(fmt.Errorf(format, args...)) }
