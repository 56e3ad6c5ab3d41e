package postgres

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// Get implements [checkout.Store].
func (t table) Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	byID := `SELECT ` + selected + ` FROM checkout_sessions AS s WHERE s.id = $1 AND s.account = $2 AND s.test = $3`
	return t.one(ctx, "get", byID, id, account)
}

// GetByKey implements [checkout.Store].
func (t table) GetByKey(ctx context.Context, account checkout.Account, key idempotency.Key) (checkout.Session, error) {
	byKey := `SELECT ` + selected + ` FROM checkout_sessions AS s
		WHERE s.idempotency_key = $1 AND s.account = $2 AND s.test = $3`
	return t.one(ctx, "get by key", byKey, string(key), account)
}

func (t table) one(ctx context.Context, doing, sql, name string, account checkout.Account) (checkout.Session, error) {
	if err := ctx.Err(); err != nil {
		return checkout.Session{}, err
	}
	if !validTexts(name, account.ID) {
		return checkout.Session{}, checkout.ErrNotFound
	}
	found, err := rowsOf(ctx, t.read, statement{"", doing, sql, []any{name, account.ID, account.Test}}, scan)
	if err != nil {
		return checkout.Session{}, err
	}
	if len(found) == 0 {
		return checkout.Session{}, checkout.ErrNotFound
	}
	return found[0], nil
}

// validTexts reports whether PostgreSQL accepts these texts. No stored session has a text that PostgreSQL refuses.
func validTexts(texts ...string) bool {
	for _, text := range texts {
		if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
			return false
		}
	}
	return true
}
