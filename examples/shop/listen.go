package main

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/caisse/checkout"
)

// listen tells the shop what becomes of its sessions, from the feed of events, until ctx ends. It also makes expiry permanent,
// which is an event too.
//
// The place in the feed is kept in the same transaction as what was done, so each event is applied once, whatever crashes.
func (s *shop) listen(ctx context.Context) {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		_, err := s.checkouts.ExpireDue(ctx, 100)
		if err := errors.Join(err, s.hearNews(ctx)); err != nil && ctx.Err() == nil {
			s.log.Error("the shop cannot hear what becomes of its sessions", "error", err)
		}
	}
}

func (s *shop) hearNews(ctx context.Context) error {
	var after string
	err := s.db.QueryRowContext(ctx, `SELECT value FROM shop WHERE name = 'cursor'`).Scan(&after)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	events, err := s.checkouts.Events(ctx, checkout.Cursor(after), 100)
	if err != nil || len(events) == 0 {
		return err
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, e := range events {
		if err := hear(ctx, tx, e.Session.ID, e.Session.Version, e.Session.Status); err != nil {
			return err
		}
		after = string(e.Cursor)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO shop VALUES ('cursor', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, []byte(after))
	if err != nil {
		return err
	}
	return tx.Commit()
}
