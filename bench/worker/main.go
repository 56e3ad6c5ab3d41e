// Worker creates and changes sessions. The benchmark builds it against two revisions of the library, to measure them side
// by side. So it calls only functions that both revisions have. It speaks with its parent as the other children do.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/postgres"
	"github.com/caisse/checkout/store/sqlite"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
)

type task struct {
	Work    string        `json:"work"` // "create", "serve", or "moves"
	Store   string        `json:"store"`
	Account string        `json:"account"`
	Token   string        `json:"token"`
	Callers int           `json:"callers"`
	WarmUp  time.Duration `json:"warm_up_ns"`
	Measure time.Duration `json:"measure_ns"`
	Each    int           `json:"each"` // how many sessions each caller begins and completes, for "moves"
}

// outcome is calls per second of each kind.
type outcome struct {
	Create   float64 `json:"create"`
	Begin    float64 `json:"begin"`
	Complete float64 `json:"complete"`
}

func main() {
	if err := run(context.Background(), bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, in *bufio.Reader, out *json.Encoder) error {
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	var t task
	if err := json.Unmarshal(line, &t); err != nil {
		return err
	}
	store, closeStore, err := open(ctx, t.Store)
	if err != nil {
		return err
	}
	checkouts, err := checkout.New(store, checkout.Config{
		Fees: map[string]checkout.FeeSchedule{"XOF": {Rate: decimal.RequireFromString("0.005")}},
	})
	if err != nil {
		return err
	}
	if t.Work == "serve" {
		err = serve(checkouts, t, in, out)
	} else {
		err = work(ctx, checkouts, t, in, out)
	}
	return errors.Join(err, closeStore())
}

func open(ctx context.Context, name string) (checkout.Store, func() error, error) {
	if path, ok := strings.CutPrefix(name, "sqlite:"); ok {
		s, err := sqlite.Open(ctx, path)
		if err != nil {
			return nil, nil, err
		}
		return s, s.Close, nil
	}
	s, err := postgres.Open(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	return s, s.Close, nil
}

func serve(checkouts *checkout.Checkouts, t task, in *bufio.Reader, out *json.Encoder) error {
	auth, err := checkout.BearerTokens(map[string]checkout.Account{t.Token: {ID: t.Account}})
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
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute}
	go server.Serve(listener)
	if err := out.Encode(map[string]string{"address": listener.Addr().String()}); err != nil {
		return err
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("waiting for the end: %w", err)
	}
	return errors.Join(server.Close(), out.Encode(outcome{}))
}

func work(ctx context.Context, checkouts *checkout.Checkouts, t task, in *bufio.Reader, out *json.Encoder) error {
	account := checkout.Account{ID: t.Account}
	create := func() (checkout.Session, error) {
		s, _, err := checkouts.Create(ctx, checkout.CreateParams{
			Account: account, IdempotencyKey: idempotency.Key(uuid.NewString()), Amount: 5000, Currency: "XOF",
			UserPhone: "+2250707987654", Description: "Two baskets of attieke",
		})
		return s, err
	}
	if err := out.Encode(struct{}{}); err != nil {
		return err
	}
	if _, err := in.ReadByte(); err != nil {
		return err
	}
	var done outcome
	if t.Work == "create" {
		rate, err := creates(t, create)
		if err != nil {
			return err
		}
		done.Create = rate
		return out.Encode(done)
	}
	sessions := make([][]checkout.Session, t.Callers)
	_, err := eachCaller(t, func(caller, _ int) error {
		s, err := create()
		sessions[caller] = append(sessions[caller], s)
		return err
	})
	if err != nil {
		return err
	}
	if err := analyze(ctx, t.Store); err != nil {
		return err
	}
	payment := func(s checkout.Session) string { return "pay_" + s.ID[len(s.ID)-32:] }
	if done.Begin, err = eachCaller(t, func(caller, i int) error {
		s := sessions[caller][i]
		_, err := checkouts.Begin(ctx, account, s.ID, payment(s))
		return err
	}); err != nil {
		return err
	}
	if done.Complete, err = eachCaller(t, func(caller, i int) error {
		s := sessions[caller][i]
		_, err := checkouts.Complete(ctx, account, s.ID, payment(s))
		return err
	}); err != nil {
		return err
	}
	return out.Encode(done)
}

// analyze makes PostgreSQL plan for the rows that are there now, as autovacuum would within a minute. Otherwise a connection keeps
// the plans that it made for an empty table, which read the whole table.
func analyze(ctx context.Context, store string) error {
	if strings.HasPrefix(store, "sqlite:") {
		return nil
	}
	conn, err := pgx.Connect(ctx, store)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "ANALYZE checkout_sessions")
	return err
}

// creates has callers create sessions for the time of the task, after its warm-up, and returns how many there were per second.
func creates(t task, create func() (checkout.Session, error)) (float64, error) {
	begin := time.Now().Add(t.WarmUp)
	end := begin.Add(t.Measure)
	var n atomic.Int64
	errs := make([]error, t.Callers)
	var callers sync.WaitGroup
	for i := range t.Callers {
		callers.Go(func() {
			for {
				if _, err := create(); err != nil {
					errs[i] = err
					return
				}
				switch now := time.Now(); {
				case now.After(end):
					return
				case now.After(begin):
					n.Add(1)
				}
			}
		})
	}
	callers.Wait()
	return float64(n.Load()) / t.Measure.Seconds(), errors.Join(errs...)
}

// eachCaller has every caller do something with each of its sessions, and returns how many were done per second.
func eachCaller(t task, do func(caller, i int) error) (float64, error) {
	errs := make([]error, t.Callers)
	var callers sync.WaitGroup
	begin := time.Now()
	for caller := range t.Callers {
		callers.Go(func() {
			for i := range t.Each {
				if errs[caller] = do(caller, i); errs[caller] != nil {
					return
				}
			}
		})
	}
	callers.Wait()
	return float64(t.Callers*t.Each) / time.Since(begin).Seconds(), errors.Join(errs...)
}
