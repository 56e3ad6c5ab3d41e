package sqlite_test

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
)

// TestLog proves that the write-ahead log does not grow without limit. Otherwise it would fill the disk in the end.
func TestLog(t *testing.T) {
	t.Run("does not grow without limit while short reads overlap", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		s := open(t, path)
		ctx, stop := context.WithCancel(t.Context())
		var readers, writers sync.WaitGroup
		for range 3 {
			readers.Go(func() {
				for ctx.Err() == nil {
					_, _, _ = s.List(ctx, merchant, checkout.Query{Limit: 5})
				}
			})
		}
		const callers, each, size, most = 8, 48, 400_000, 6
		written := 0
		for round := 1; ; round++ {
			for range callers {
				writers.Go(func() {
					for range each {
						session := newSession(t)
						session.Description = strings.Repeat("d", size)
						create(t, s, session)
					}
				})
			}
			writers.Wait()
			written += callers * each
			log, err := os.Stat(path + "-wal")
			is.NoErr(err)
			// Usually the log starts over at 64 MB. On a busy machine some reader may need it for longer.
			if log.Size() < int64(written)*size { // the log has started over
				break
			}
			is.True(round < most) // the log still has everything that was written
		}
		stop()
		readers.Wait()
		_, total, err := s.List(t.Context(), merchant, checkout.Query{Limit: 1})
		is.NoErr(err)
		is.Equal(total, written)
		is.NoErr(s.Close())
		wantIntact(t, path)
	})
	t.Run("grows beyond its bound only as long as a reader needs it", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		s := open(t, path)
		write := func(megabytes int) {
			for range megabytes {
				session := newSession(t)
				session.Description = strings.Repeat("d", 1<<20)
				create(t, s, session)
			}
		}
		write(1)
		reader, err := hostPool(t, hostDSN(path)).BeginTx(t.Context(), readOnly)
		is.NoErr(err)
		var n int
		is.NoErr(reader.QueryRow("SELECT count(*) FROM checkout_sessions").Scan(&n))
		write(75)
		log, err := os.Stat(path + "-wal")
		is.NoErr(err)
		grown := log.Size()
		is.True(grown > 75<<20)
		is.NoErr(reader.QueryRow("SELECT count(*) FROM checkout_sessions").Scan(&n))
		is.Equal(n, 1) // the reader still sees its snapshot
		is.NoErr(reader.Rollback())
		write(75)
		log, err = os.Stat(path + "-wal")
		is.NoErr(err)
		is.True(log.Size() < grown+(40<<20)) // the log has started over
	})
}
