package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/google/uuid"
	"github.com/matryer/is"
)

// BenchmarkCreate creates sessions of the smallest request, each durable before its caller goes on: in groups as the
// store does, and each in a transaction of its own as WithTx lets a host do. Compare with pgbench on the same server,
// one such row inserted in each transaction.
func BenchmarkCreate(b *testing.B) {
	url := pgtest.URL(b, "pool_max_conns=64")
	store, pool := openURL(b, url), connect(b, url)
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("grouped/callers=%d", callers), func(b *testing.B) {
			createAll(b, callers, func(ctx context.Context, s checkout.Session) error {
				_, _, err := store.Create(ctx, s)
				return err
			})
		})
		b.Run(fmt.Sprintf("row by row/callers=%d", callers), func(b *testing.B) {
			createAll(b, callers, func(ctx context.Context, s checkout.Session) error {
				tx, err := pool.Begin(ctx)
				if err != nil {
					return err
				}
				defer tx.Rollback(context.WithoutCancel(ctx))
				if _, _, err := store.WithTx(tx).Create(ctx, s); err != nil {
					return err
				}
				return tx.Commit(ctx)
			})
		})
	}
}

// createAll has callers create b.N sessions between them.
func createAll(b *testing.B, callers int, create func(context.Context, checkout.Session) error) {
	is := is.New(b)
	var (
		wg   sync.WaitGroup
		left atomic.Int64
	)
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	for range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := create(b.Context(), newSession()); err != nil {
					is.NoErr(err)
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// newSession is a session of the smallest request, as Checkouts would create it now.
func newSession() checkout.Session {
	id, key := uuid.Must(uuid.NewV7()), uuid.New()
	now := time.Now().UTC().Truncate(time.Microsecond)
	return checkout.Session{
		ID:             fmt.Sprintf("cs_ci_%x", id[:]),
		Account:        checkout.Account{ID: "acct_1"},
		Status:         checkout.StatusCreated,
		Amount:         5000,
		Currency:       "XOF",
		PaymentMethod:  checkout.MobileMoney,
		UserPhone:      "+2250707987654",
		CreatedAt:      now,
		UpdatedAt:      now,
		ExpiresAt:      now.Add(30 * time.Minute),
		TransactionFee: 25,
		IdempotencyKey: idempotency.Key(key.String()),
		Fingerprint:    idempotency.Sum(1, key.String()),
		Version:        1,
	}
}
