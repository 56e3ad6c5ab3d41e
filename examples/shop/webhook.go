package main

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net/http"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/webhook"
)

// hooksPath is the path of the shop's webhooks.
const hooksPath = "/hooks"

// register registers the shop's endpoint, at its present address. The library shows the secret only once, so the shop stores it.
func (s *shop) register(ctx context.Context) error {
	url := s.url + hooksPath
	endpoints, err := s.hooks.List(ctx, account)
	if err != nil {
		return err
	}
	if len(endpoints) > 0 {
		active := webhook.Active
		if _, err := s.hooks.Update(ctx, account, endpoints[0].ID, webhook.EndpointChange{URL: &url, Status: &active}); err != nil {
			return err
		}
		return s.db.QueryRowContext(ctx, `SELECT value FROM shop WHERE name = 'webhook secret'`).Scan(&s.hookSecret)
	}
	e, err := s.hooks.Create(ctx, account, webhook.EndpointParams{URL: url})
	if err != nil {
		return err
	}
	s.hookSecret = e.Secret
	_, err = s.db.ExecContext(ctx, `INSERT INTO shop VALUES ('webhook secret', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, []byte(e.Secret))
	return err
}

// receiveWebhook receives webhooks. Anybody can call it, so it refuses requests that are not signed.
func (s *shop) receiveWebhook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10)) // exactly the bytes that were sent
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
		return
	}
	event, err := webhook.Verify(body, r.Header, s.hookSecret)
	switch {
	case errors.Is(err, webhook.ErrNotVerified):
		http.Error(w, "not signed, or too long ago", http.StatusUnauthorized)
		return
	case err == nil:
		err = s.inTransaction(r.Context(), func(tx *sql.Tx) error {
			return applyEvent(r.Context(), tx, event.Data.ID, event.Sequence, checkout.Status(event.Data.Status))
		})
	}
	if err != nil { // it will be sent again
		s.log.Error("a webhook could not be applied", "error", err)
		http.Error(w, "not done", http.StatusInternalServerError)
	}
}

func (s *shop) inTransaction(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}
