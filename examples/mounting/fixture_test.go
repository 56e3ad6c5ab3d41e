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
	gin.SetMode(gin.TestMode) // otherwise gin prints its routes
	m.Run()
}

const token = "sk_test_mounting"

// Descriptions of a session that make the store of newHandler fail.
const (
	storeDown           = "the store is down"
	storePanics         = "the store panics"
	storeHangs          = "the store hangs"
	storeIgnoresContext = "the store hangs and ignores its context"
)

// newHandler makes a handler over a new store, for basePath.
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

// faultyStore fails to create a session in the way that the session's description names.
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
	case storeIgnoresContext:
		ctx = context.WithoutCancel(ctx)
		time.Sleep(time.Hour)
	}
	return f.Store.Create(ctx, s)
}
