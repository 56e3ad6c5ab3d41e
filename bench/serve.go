package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/bench/fibered"
	"github.com/caisse/checkout/bench/handwritten"
	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/store/sqlite"
)

// serving is the task of a server.
type serving struct {
	Name    string `json:"name"` // the contender's
	Dir     string `json:"dir"`
	Profile string `json:"profile"` // the file for a processor profile, or ""
}

// listening is what a server reports once it listens.
type listening struct {
	Address string        `json:"address"`
	CPU     time.Duration `json:"cpu_ns"` // used so far
}

// served is what a server reports at its end.
type served struct {
	CPU  time.Duration `json:"cpu_ns"`
	Peak int64         `json:"peak_bytes"` // greatest resident memory; 0 if the system does not report it
}

// serve runs in a child process. It serves one contender until its parent ends it.
func serve(ctx context.Context, p parent) error {
	var task serving
	if err := p.task(&task); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server, closeStore, err := newServer(ctx, task)
	if err != nil {
		return err
	}
	stopProfile, err := startProfile(task.Profile)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	if err := p.untilEnd(listening{Address: listener.Addr().String(), CPU: cpuTime()}); err != nil {
		return err
	}
	usage := served{CPU: cpuTime(), Peak: peakResident()}
	stopping, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err = errors.Join(stopProfile(), server.ShutdownWithContext(stopping), <-ended, closeStore())
	return errors.Join(err, p.out.Encode(usage))
}

// server is the interface of fasthttp.Server and [standard].
type server interface {
	Serve(net.Listener) error
	ShutdownWithContext(context.Context) error
}

// standard is net/http's server with the time-outs that the documentation recommends.
type standard struct{ http.Server }

func newStandard(h http.Handler) *standard {
	return &standard{http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}}
}

func (s *standard) Serve(l net.Listener) error {
	if err := s.Server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *standard) ShutdownWithContext(ctx context.Context) error { return s.Shutdown(ctx) }

func newServer(ctx context.Context, task serving) (s server, closeStore func() error, err error) {
	path := filepath.Join(task.Dir, databaseName)
	switch task.Name {
	case floorName:
		return newStandard(newFloor()), func() error { return nil }, nil
	case memoryName:
		store := memory.NewLimit(100_000_000)
		h, err := newHandler(store)
		return newStandard(h), store.Close, err
	case sqliteName:
		store, err := sqlite.Open(ctx, path)
		if err != nil {
			return nil, nil, err
		}
		h, err := newHandler(store)
		return newStandard(h), store.Close, err
	case handwrittenName:
		database, err := handwritten.Open(ctx, path)
		if err != nil {
			return nil, nil, err
		}
		return newStandard(&handwritten.Handler{Database: database, Token: token, Account: accountID}), database.Close, nil
	case fiberName, fiberAlone:
		return newFiber(ctx, task)
	}
	return nil, nil, fmt.Errorf("no server is called %q", task.Name)
}

func newHandler(store checkout.Store) (http.Handler, error) {
	checkouts, err := newCheckouts(store)
	if err != nil {
		return nil, err
	}
	auth, err := checkout.BearerTokens(map[string]checkout.Account{token: {ID: accountID}})
	if err != nil {
		return nil, err
	}
	return checkout.NewHandler(checkouts, auth, checkout.HandlerConfig{})
}

func newFiber(ctx context.Context, task serving) (server, func() error, error) {
	cfg := fibered.Config{KeysPath: filepath.Join(task.Dir, "keys.db"), Token: token, Account: accountID}
	closeSessions := func() error { return nil }
	if task.Name == fiberName {
		sessions, err := handwritten.Open(ctx, filepath.Join(task.Dir, databaseName))
		if err != nil {
			return nil, nil, err
		}
		cfg.Sessions, closeSessions = sessions, sessions.Close
	}
	app, err := fibered.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	return app.Server(), func() error { return errors.Join(app.Close(), closeSessions()) }, nil
}

// floorAnswer has the size of the library's answer, within a few bytes.
const floorAnswer = `{"id":"cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f60","status":"created","amount":5000,"currency":"XOF",` +
	`"user_phone":"+2250707987654","description":"Two baskets of attieke","created_at":"2026-11-22T07:31:56.123456Z",` +
	`"expires_at":"2026-11-22T08:01:56.123456Z","completed_at":null,"failure_reason":null,"transaction_fee":25}`

// newFloor returns a handler that reads the body and answers, and does nothing else. It shows the speed of net/http itself.
func newFloor() http.Handler {
	answer, length := []byte(floorAnswer), strconv.Itoa(len(floorAnswer))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10)); err != nil {
			http.Error(w, "body too large", http.StatusRequestEntityTooLarge)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", length)
		w.WriteHeader(http.StatusCreated)
		w.Write(answer)
	})
}
