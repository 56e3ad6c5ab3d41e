// Command server serves the checkout endpoint over a store. Without flags it stores sessions in checkouts.db, and prints a curl
// command to try.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/caisse/checkout/simulator"
	"github.com/caisse/checkout/webhook"
	"github.com/shopspring/decimal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	switch err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

// shutdownTimeout is how long requests in flight may take to finish after the server was told to stop.
const shutdownTimeout = 20 * time.Second

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	opts, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(stderr, nil))

	store, err := openStore(ctx, opts.store)
	if err != nil {
		return err
	}
	defer store.Close()
	checkouts, err := checkout.New(store, checkout.Config{
		// Half a percent: the page's example charges 25 on 5000.
		Fees:   map[string]checkout.FeeSchedule{"XOF": {Rate: decimal.RequireFromString("0.005")}},
		Logger: logger,
	})
	if err != nil {
		return err
	}
	auth, err := checkout.BearerTokens(opts.accounts)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", opts.addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	mux, cfg := http.NewServeMux(), checkout.HandlerConfig{Logger: logger, MaxInFlight: 512}
	var sim *simulator.Simulator
	if opts.simulate {
		if sim, err = simulate(mux, &cfg, checkouts, opts.baseURL(listener.Addr()), slices.Collect(maps.Values(opts.accounts)), logger); err != nil {
			return err
		}
	}
	handler, err := checkout.NewHandler(checkouts, auth, cfg)
	if err != nil {
		return err
	}
	hooks, err := webhook.New(checkouts, store.Webhooks(), webhook.Config{Logger: logger, AllowPrivate: opts.private})
	if err != nil {
		return err
	}
	webhooks, err := webhook.NewHandler(hooks, auth, webhook.HandlerConfig{Logger: logger})
	if err != nil {
		return err
	}
	mux.Handle("/", handler)
	mux.Handle("/v1/webhooks", webhooks)
	mux.Handle("/v1/webhooks/", webhooks)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { tell(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", ready(checkouts, logger))
	server := &http.Server{
		Handler: logRequests(logger, mux),
		// Without these time-outs, a client that sends a byte a minute keeps a connection for ever.
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      checkout.MaxWait + 15*time.Second, // a client may ask to wait that long for a change
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	server.RegisterOnShutdown(checkouts.StopWaiting) // answers clients that wait for a change, instead of waiting for them
	background, stopBackground := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stopBackground()
	running.Go(func() { _ = hooks.Run(background) }) // it also sweeps
	if sim != nil {
		running.Go(func() { _ = sim.Run(background) })
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Fprint(stdout, opts.greeting(listener.Addr()))

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	logger.Info("stopping: requests in flight finish first")
	shutdownCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	return server.Shutdown(shutdownCtx)
}

// simulate mounts the payer's page over a simulated operator and card processor, adds the page's link to answers, and makes the
// simulator pay or refuse the mobile-money sessions of test accounts.
func simulate(mux *http.ServeMux, cfg *checkout.HandlerConfig, checkouts *checkout.Checkouts, url string, accounts []checkout.Account,
	logger *slog.Logger) (*simulator.Simulator, error) {
	var page *paypage.Page
	sim, err := simulator.New(checkouts, simulator.Config{
		CardURL: url + "/card",
		Return:  func(s checkout.Session) string { return page.Link(s) },
		Logger:  logger,
	})
	if err != nil {
		return nil, err
	}
	key := make([]byte, 32) // a real host stores its key, so that links stay valid after a restart
	rand.Read(key)
	page, err = paypage.New(checkouts, paypage.Config{
		Keys: [][]byte{key}, URL: url + "/pay", Pay: sim.Pay, Explain: simulator.Explain, Simulated: true, Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	mux.Handle("/pay/", http.StripPrefix("/pay", page))
	mux.Handle("/card/", http.StripPrefix("/card", sim.CardPage()))
	cfg.CheckoutURL = page.Link
	sim.Drive(accounts...) // ignores accounts in live mode
	return sim, nil
}

// readyTimeout is how long the store may take to answer /readyz. It is shorter than a load balancer waits.
const readyTimeout = 2 * time.Second

// ready answers 503 while the store does not answer, as during a failover of PostgreSQL. It is for a load balancer. A supervisor
// that restarts programs must ask /healthz instead. Otherwise it would restart all instances while a database is down. ready logs each
// change once.
func ready(checkouts *checkout.Checkouts, logger *slog.Logger) http.HandlerFunc {
	var away atomic.Bool
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := checkouts.Ready(ctx); err != nil {
			if !away.Swap(true) {
				logger.Warn("not ready", "error", err)
			}
			tell(w, http.StatusServiceUnavailable, "the store does not answer")
			return
		}
		if away.Swap(false) {
			logger.Info("ready again")
		}
		tell(w, http.StatusOK, "ready")
	}
}

func tell(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

// logRequests logs each request for a reader of the log, and nothing secret: no header except Request-Id, no query, no body.
func logRequests(logger *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, r)
		logger.Info("request", "method", r.Method, "route", r.Pattern, "status", recorder.status,
			"request_id", w.Header().Get("Request-Id"), "duration", time.Since(start))
	})
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (w *statusRecorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
