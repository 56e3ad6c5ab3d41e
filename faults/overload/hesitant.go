//go:build unix

package overload

import (
	"context"
	"runtime"
	"sync"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/memory"
)

// hesitant looks whether a key is taken, and inserts when others may have done so too.
type hesitant struct {
	*memory.Store
	mu   sync.Mutex
	held map[idempotency.Key]checkout.Session
}

func newHesitant() *hesitant {
	return &hesitant{Store: memory.New(), held: make(map[idempotency.Key]checkout.Session)}
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
