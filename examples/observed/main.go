// Command observed is a host with OpenTelemetry: traces on standard error, and metrics for Prometheus under /metrics. It is a
// module of its own, so that the go.mod of the library has none of these dependencies.
//
//	go run .                                  # in this folder
//	prometheus --config.file=prometheus.yml   # in this folder too, in another terminal
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/otelcheckout"
	"github.com/caisse/checkout/store/sqlite"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on")
	path := flag.String("store", "checkouts.db", "the SQLite `file`")
	flag.Parse()
	if err := run(ctx, *addr, *path, os.Stdout, os.Stderr); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, addr, path string, out, traces io.Writer) (err error) {
	exporter, err := stdouttrace.New(stdouttrace.WithWriter(traces))
	if err != nil {
		return err
	}
	tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
	reader, err := prometheus.New()
	if err != nil {
		return err
	}
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = errors.Join(err, tracers.Shutdown(last), meters.Shutdown(last))
	}()

	sessions, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	defer sessions.Close()
	store := otelcheckout.Store(sessions, otelcheckout.System("sqlite"), otelcheckout.TracerProvider(tracers), otelcheckout.MeterProvider(meters))
	checkouts, err := checkout.New(store, checkout.Config{})
	if err != nil {
		return err
	}
	auth, err := checkout.BearerTokens(map[string]checkout.Account{
		cmp.Or(os.Getenv("CHECKOUT_KEY"), "sk_live_demo"): {ID: "acct_demo"},
	})
	if err != nil {
		return err
	}
	handler, err := checkout.NewHandler(checkouts, auth, checkout.HandlerConfig{})
	if err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.Handle("/v1/", otelhttp.NewHandler(handler, "checkout", otelhttp.WithTracerProvider(tracers), otelhttp.WithMeterProvider(meters)))
	mux.Handle("GET /metrics", promhttp.Handler())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute}
	server.RegisterOnShutdown(checkouts.StopWaiting)
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}

	background, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() {
		if err := otelcheckout.Observe(background, checkouts, meters.Meter("observed")); background.Err() == nil {
			log.Print("outcomes are not counted any more: ", err)
		}
	})
	running.Go(func() { sweep(background, checkouts) })

	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() { stopped <- server.Shutdown(context.Background()) })
	fmt.Fprintf(out, "listening on http://%s, metrics under /metrics\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// sweep stores expiries once a minute. Without it, sessions that expire would not be counted, because an expiry is an event only once it is
// stored.
func sweep(ctx context.Context, checkouts *checkout.Checkouts) {
	for ctx.Err() == nil {
		expired, err := checkouts.ExpireDue(ctx, 500)
		if err == nil && len(expired) == 500 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Minute):
		}
	}
}
