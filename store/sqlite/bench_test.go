package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/caisse/checkout"
)

// BenchmarkCreate measures Create with 1 to 256 callers. For comparison, it also inserts the same rows in a loop without the store, with
// 1 and with 256 rows in each transaction. All commits are durable. The figures are nanoseconds per session.
func BenchmarkCreate(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "checkouts.db"))
			sessions := make([]checkout.Session, b.N)
			for i := range sessions {
				sessions[i] = newSession(b)
			}
			b.ReportAllocs()
			b.ResetTimer()
			var next atomic.Int64
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for {
						i := next.Add(1) - 1
						if i >= int64(b.N) {
							return
						}
						if _, created, err := s.Create(context.Background(), sessions[i]); err != nil || !created {
							b.Error(created, err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
	for _, rows := range []int{1, 256} {
		b.Run(fmt.Sprintf("loop/rows=%d", rows), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "checkouts.db")
			open(b, path).Close()
			db, err := sql.Open("sqlite", hostDSN(path, "_pragma", "cache_size(-65536)"))
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec("INSERT INTO checkout_accounts (account, test) VALUES ('acct_0193f0c2a7b4', 0)"); err != nil {
				b.Fatal(err)
			}
			insert, err := db.Prepare(`INSERT INTO checkout_sessions (owner, id, idempotency_key, fingerprint, status, version,
				created_at, expires_at, completed_at, amount, transaction_fee, currency, payment_method, user_phone, payment_id,
				customer_id, description, success_url, cancel_url, failure_reason, late)
				VALUES (1, ?, ?, ?, 0, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`)
			if err != nil {
				b.Fatal(err)
			}
			sessions := make([]checkout.Session, b.N)
			for i := range sessions {
				sessions[i] = newSession(b)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; {
				tx, err := db.Begin()
				if err != nil {
					b.Fatal(err)
				}
				stmt := tx.Stmt(insert)
				for range min(rows, b.N-n) {
					s := sessions[n]
					id, key := uuid.MustParse(s.ID[6:]), uuid.MustParse(string(s.IdempotencyKey))
					_, err := stmt.Exec(append(id[:], "ci"...), key[:], s.Fingerprint[:], s.CreatedAt.UnixMicro(), s.ExpiresAt.UnixMicro(),
						nil, s.Amount, s.TransactionFee, s.Currency, nil, s.UserPhone, nil, nil, s.Description, nil, nil, nil)
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if err := tx.Commit(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
