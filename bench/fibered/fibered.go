// Package fibered is the endpoint on fiber, with fiber's own idempotency middleware over fiber's own SQLite storage. That is the
// only ready-made idempotency layer that is widely used in Go. The benchmark compares the library with it.
//
// The middleware stores the answer under the key after the handler has answered, in a transaction of its own. If the process
// crashes in between, the next retry makes a second session. The key is forgotten after half an hour. A request costs two
// durable commits; in the hand-written handler it costs one.
//
// The storage uses mattn/go-sqlite3, which is SQLite in C and needs cgo.
package fibered

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caisse/checkout/bench/handwritten"
	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/idempotency"
	"github.com/gofiber/storage/sqlite3"
	"github.com/valyala/fasthttp"
)

// Config says what is served.
type Config struct {
	KeysPath string                // the file of the storage
	Sessions *handwritten.Database // nil: the handler writes nothing, and the middleware alone is measured
	Token    string                // of the account
	Account  string
}

// App is a fiber application with its storage.
type App struct {
	app     *fiber.App
	storage *sqlite3.Storage
}

// New makes an application. It fails if SQLite in C was not compiled in.
func New(cfg Config) (app *App, err error) {
	storage, err := openStorage(cfg.KeysPath)
	if err != nil {
		return nil, err
	}
	a := fiber.New()
	a.Post("/v1/checkouts", authorize(cfg.Token), idempotency.New(idempotency.Config{
		KeyHeader: "Idempotency-Key",
		Storage:   contextual{storage},
	}), create(cfg))
	return &App{app: a, storage: storage}, nil
}

// Handler serves the application's requests.
func (a *App) Handler() fasthttp.RequestHandler { return a.app.Handler() }

// Server returns a server of the application. The caller gives it a listener.
func (a *App) Server() *fasthttp.Server {
	return &fasthttp.Server{Handler: a.app.Handler(), ReadTimeout: 15 * time.Second}
}

// Close closes the storage.
func (a *App) Close() error { return a.storage.Close() }

func authorize(token string) fiber.Handler {
	want := "Bearer " + token
	return func(c fiber.Ctx) error {
		if c.Get("Authorization") != want {
			return c.SendStatus(fiber.StatusUnauthorized)
		}
		return c.Next()
	}
}

func create(cfg Config) fiber.Handler {
	return func(c fiber.Ctx) error {
		var request handwritten.Request
		if err := c.Bind().JSON(&request); err != nil {
			return c.SendStatus(fiber.StatusBadRequest)
		}
		var answer []byte
		var err error
		if cfg.Sessions != nil {
			answer, err = cfg.Sessions.Insert(c.Context(), cfg.Account, request)
		} else {
			answer, err = request.Answer()
		}
		if errors.Is(err, handwritten.ErrInvalid) {
			return c.SendStatus(fiber.StatusBadRequest)
		}
		if err != nil {
			return err
		}
		c.Set("Content-Type", "application/json")
		return c.Status(fiber.StatusCreated).Send(answer)
	}
}

// openStorage opens the storage with the settings that the other contenders have. The storage's defaults would flush a rollback
// journal twice per answer, and open a hundred connections that poll for one lock.
func openStorage(path string) (storage *sqlite3.Storage, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("fiber's storage: %v", v)
		}
	}()
	return sqlite3.New(sqlite3.Config{
		Database:        "file:" + path + "?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate&_cache_size=-65536",
		MaxOpenConns:    1,
		MaxIdleConns:    1,
		ConnMaxLifetime: time.Hour,
		GCInterval:      time.Minute,
	}), nil
}

// contextual adds the methods that fiber v3 requires of a storage. In the release of the storage that has these methods, they ignore
// the context too.
type contextual struct{ *sqlite3.Storage }

func (s contextual) GetWithContext(_ context.Context, key string) ([]byte, error) { return s.Get(key) }

func (s contextual) SetWithContext(_ context.Context, key string, value []byte, lifetime time.Duration) error {
	return s.Set(key, value, lifetime)
}

func (s contextual) DeleteWithContext(_ context.Context, key string) error { return s.Delete(key) }

func (s contextual) ResetWithContext(context.Context) error { return s.Reset() }
