package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/caisse/checkout/internal/pgtest"
)

// withServer calls f with the URL of a PostgreSQL server: the one at url, or with "" one that lasts as long as f and is
// started as the project's tests start theirs. errNoServer says that none can be had.
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

// errNoServer says that a server can neither be found nor started.
var errNoServer = errors.New("no PostgreSQL here")

// clusterHost stands in for a test, which is what pgtest starts servers for. What pgtest does not call of a test is not
// there.
type clusterHost struct {
	testing.TB
	ctx      context.Context
	cleanups []func()
}

// start starts a server with the settings that it has out of the box.
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

// end stops what was started.
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

// A test ends where it is skipped or fails; here the way back to start is a panic with an error.

func (h *clusterHost) Skip(args ...any) {
	panic(fmt.Errorf("%w: %s", errNoServer, fmt.Sprint(args...)))
}

func (h *clusterHost) Fatal(args ...any) { panic(errors.New(fmt.Sprint(args...))) }

func (h *clusterHost) Fatalf(format string, args ...any) { panic(fmt.Errorf(format, args...)) }
