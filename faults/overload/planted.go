//go:build unix

package overload

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/store/sqlite"
)

// The bugs that a server can have.
const (
	forgets      = "keeps sessions in memory"
	checksFirst  = "looks a key up, then inserts"
	takesAll     = "lets all requests in, on a slow disk"
	failsInHaste = "answers 500 when it has much to do"
	takesHalf    = "takes an incomplete body for a complete one"
	waitsForEver = "waits for ever for a body"
	locksOut     = "keeps a key locked after its client has left"
	hoards       = "keeps a buffer for each request"
)

// open opens the server's store. It has the planted bug, if that is a bug of stores.
func (s settings) open(ctx context.Context) (checkout.Store, error) {
	switch s.Planted {
	case forgets:
		return memory.New(), nil
	case checksFirst:
		return &hesitant{Store: memory.New(), held: make(map[idempotency.Key]checkout.Session)}, nil
	}
	return sqlite.Open(ctx, s.Path)
}

// spoil returns the server's handler. It has the planted bug, if that is a bug of handlers.
func (s settings) spoil(handler http.Handler) http.Handler {
	var (
		busy    atomic.Int64
		locked  sync.Map // keys
		mu      sync.Mutex
		buffers [][]byte
	)
	switch s.Planted {
	case failsInHaste:
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer busy.Add(-1)
			if busy.Add(1) > 8 {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			handler.ServeHTTP(w, r)
		})
	case takesHalf:
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			whole, _ := io.ReadAll(r.Body)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(whole)), int64(len(whole))
			handler.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
		})
	case locksOut:
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			key := r.Header.Get("Idempotency-Key")
			if _, taken := locked.LoadOrStore(key, true); taken {
				w.WriteHeader(http.StatusConflict)
				return
			}
			whole, err := io.ReadAll(r.Body)
			if err != nil {
				return // the bug
			}
			defer locked.Delete(key)
			r.Body = io.NopCloser(bytes.NewReader(whole))
			handler.ServeHTTP(w, r)
		})
	case hoards:
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			buffers = append(buffers, bytes.Repeat([]byte{1}, 256<<10))
			mu.Unlock()
			handler.ServeHTTP(w, r)
		})
	}
	return handler
}

// hesitant is a store that checks that a key is free, and inserts later. Another caller may have inserted the key meanwhile.
type hesitant struct {
	*memory.Store
	mu   sync.Mutex
	held map[idempotency.Key]checkout.Session
}

func (h *hesitant) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	h.mu.Lock()
	held, ok := h.held[s.IdempotencyKey]
	h.mu.Unlock()
	if ok {
		return held, false, nil
	}
	for range 100 {
		runtime.Gosched()
	}
	h.mu.Lock()
	h.held[s.IdempotencyKey] = s
	h.mu.Unlock()
	return s, true, nil
}
