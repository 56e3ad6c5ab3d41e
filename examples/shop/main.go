// Command shop is a whole shop in one process: its own orders, the payer's page, and the payer's phone beside the page on the screen.
// It prints one URL. Open it, buy something, and answer on the phone.
//
// backend.go does the work of a shop: it writes an order and its checkout session in one transaction, and marks the order as paid after
// a webhook. webhook.go receives webhooks. site.go has the shop's pages. phone.go and stage.go are the demonstration: the phone,
// and the screen with both.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/caisse/checkout/simulator"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

// account is the shop's account. It needs no credentials, because the shop calls the library in process.
var account = checkout.Account{ID: "acct_shop"}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("shop", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:0", "listen on `HOST:PORT`; port 0 takes a free one")
	path := flags.String("db", "", "keep orders and sessions in `FILE`; without it they are gone when the shop closes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *path == "" {
		dir, err := os.MkdirTemp("", "shop")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		*path = filepath.Join(dir, "shop.db")
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	url := "http://" + listener.Addr().String()
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))

	shop, err := openShop(ctx, *path, url, logger)
	if err != nil {
		return err
	}
	defer shop.close()
	handler, err := shop.mount(url, logger)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 40 * time.Second}
	server.RegisterOnShutdown(shop.checkouts.StopWaiting)

	ctx, cancel := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()
	background.Go(func() { _ = shop.operator.Run(ctx) })
	background.Go(func() { _ = shop.hooks.Run(ctx) }) // sends the webhooks, and sweeps
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Fprintf(stdout, "%s\n", url)

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	stopping, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	return server.Shutdown(stopping)
}

// mount puts everything under one address: the shop, the payer's page, the card processor and the phone.
func (s *shop) mount(url string, logger *slog.Logger) (http.Handler, error) {
	var err error
	s.operator, err = simulator.New(s.checkouts, simulator.Config{
		Interactive: true, // the phone on the screen answers
		CardURL:     url + "/card",
		Return:      func(session checkout.Session) string { return s.page.Link(session) },
		Logger:      logger,
	})
	if err != nil {
		return nil, err
	}
	s.page, err = paypage.New(s.checkouts, paypage.Config{
		Keys:      [][]byte{s.linkKey},
		URL:       url + "/pay",
		Pay:       s.operator.Pay,
		Merchant:  func(checkout.Account) string { return "Chez Awa" },
		Explain:   simulator.Explain,
		Simulated: true,
		Logger:    logger,
	})
	if err != nil {
		return nil, err
	}
	own := http.NewServeMux()
	own.HandleFunc("GET /{$}", stage)
	own.HandleFunc("GET /shop", s.showProducts)
	own.HandleFunc("POST /orders", s.order)
	own.HandleFunc("GET /paid", s.showOrder)
	own.HandleFunc("GET /cancelled", s.showOrder)
	own.HandleFunc("GET /phone", s.showPhone)
	own.HandleFunc("GET /phone/requests", s.listRequests)
	own.HandleFunc("POST /phone", s.answerPhone)

	mux := http.NewServeMux()
	mux.Handle("/pay/", framed(http.StripPrefix("/pay", s.page))) // checks the origin of forms itself
	mux.HandleFunc("POST "+hooksPath, s.receiveWebhook)           // not for browsers: requests are signed
	mux.Handle("/card/", framed(http.StripPrefix("/card", s.operator.CardPage())))
	mux.Handle("/", http.NewCrossOriginProtection().Handler(own))
	return mux, nil
}
