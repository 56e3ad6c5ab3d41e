package mounting_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
	"github.com/gin-gonic/gin"
	"github.com/matryer/is"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode) // or it prints its routes
	m.Run()
}

const token = "sk_test_mounting"

// Descriptions that make the store of newHandler fail.
const (
	storeDown   = "the store is down"
	storePanics = "the store panics"
	storeHangs  = "the store hangs"
	storeDeaf   = "the store hangs and does not look at its context"
)

// newHandler makes the handler that a mounting gets, over a new store.
func newHandler(basePath string) (http.Handler, error) {
	checkouts, err := checkout.New(faultyStore{memory.New()}, checkout.Config{
		Clock: checkout.ClockFunc(func() time.Time { return time.Date(2026, 11, 22, 7, 31, 56, 0, time.UTC) }),
	})
	if err != nil {
		return nil, err
	}
	auth, err := checkout.BearerTokens(map[string]checkout.Account{token: {ID: "acct_1"}})
	if err != nil {
		return nil, err
	}
	return checkout.NewHandler(checkouts, auth, checkout.HandlerConfig{BasePath: basePath})
}

func handlerFor(t *testing.T, basePath string) http.Handler {
	t.Helper()
	is := is.New(t)
	h, err := newHandler(basePath)
	is.NoErr(err)
	return h
}

// faultyStore fails as the description of a session asks.
type faultyStore struct{ checkout.Store }

func (f faultyStore) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	switch s.Description {
	case storeDown:
		return checkout.Session{}, false, fmt.Errorf("connection refused: %w", checkout.ErrUnavailable)
	case storePanics:
		panic("a fault of the store")
	case storeHangs:
		<-ctx.Done()
		return checkout.Session{}, false, ctx.Err()
	case storeDeaf:
		ctx = context.WithoutCancel(ctx)
		time.Sleep(time.Hour)
	}
	return f.Store.Create(ctx, s)
}
