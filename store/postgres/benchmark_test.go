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
)

// BenchmarkCreate measures creates of the smallest request. Each session is durable before its caller goes on. "grouped" is the group
// commit of the store. "row by row" writes each session in its own transaction, as a host can do with WithTx. To compare, run pgbench
// on the same server with one INSERT of such a row in each transaction.
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

// createAll creates b.N sessions in all, with this number of concurrent callers.
func createAll(b *testing.B, callers int, create func(context.Context, checkout.Session) error) {
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
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// newSession returns a session of the smallest request, as Checkouts would create it now. Its id and key are new.
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
