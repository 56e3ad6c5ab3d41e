// Command host is the program of the README: the smallest server that is complete.
package main

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/sqlite"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	store, err := sqlite.Open(ctx, "checkouts.db")
	if err != nil {
		return err
	}
	defer store.Close()
	checkouts, err := checkout.New(store, checkout.Config{})
	if err != nil {
		return err
	}
	auth, err := checkout.BearerTokens(map[string]checkout.Account{os.Getenv("CHECKOUT_KEY"): {ID: "acct_1"}})
	if err != nil {
		return err
	}
	handler, err := checkout.NewHandler(checkouts, auth, checkout.HandlerConfig{})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/", handler)
	server := &http.Server{
		Addr:              cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8080"),
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	server.RegisterOnShutdown(checkouts.StopWaiting) // clients that wait for a change are answered at once
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() { stopped <- server.Shutdown(context.Background()) })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped // every request that was being served has been answered
}
