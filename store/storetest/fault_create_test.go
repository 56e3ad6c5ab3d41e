package storetest_test

import (
	"context"
	"slices"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// forgetful acknowledges a session that it did not write.
type forgetful struct{ *naive }

func (f forgetful) Create(_ context.Context, s checkout.Session) (checkout.Session, bool, error) {
	return s, true, nil
}

// lastWriteWins is an upsert. It answers a replay correctly, but overwrites the session with that of the replay.
type lastWriteWins struct{ *naive }

func (l lastWriteWins) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	held, created, err := l.naive.Create(ctx, s)
	if err == nil && !created {
		i := slices.IndexFunc(l.sessions, func(s checkout.Session) bool { return s.ID == held.ID })
		l.sessions[i] = l.replaced(held, s)
		l.sessions[i].ID = held.ID
	}
	return held, created, err
}

// answerCache replays its first answer, as an idempotency middleware does.
type answerCache struct {
	*naive
	answers map[idempotency.Key]checkout.Session
}

func (c *answerCache) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	if answer, ok := c.answers[s.IdempotencyKey]; ok {
		return answer, false, nil
	}
	held, created, err := c.naive.Create(ctx, s)
	if created {
		if c.answers == nil {
			c.answers = make(map[idempotency.Key]checkout.Session)
		}
		c.answers[s.IdempotencyKey] = held
	}
	return held, created, err
}

// idFirst fails on the primary key before it looks at the idempotency key.
type idFirst struct{ *naive }

func (f idFirst) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	for _, held := range f.sessions {
		if held.ID == s.ID && held.IdempotencyKey != s.IdempotencyKey {
			return checkout.Session{}, false, f.taken
		}
	}
	return f.naive.Create(ctx, s)
}

// keyThenRow writes the key and then the session. If the second step fails, it does not undo the first.
type keyThenRow struct {
	*naive
	keys map[idempotency.Key]string
}

func (k *keyThenRow) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	if id, ok := k.keys[s.IdempotencyKey]; ok {
		held, err := k.Get(ctx, s.Account, id)
		return held, false, err
	}
	if k.keys == nil {
		k.keys = make(map[idempotency.Key]string)
	}
	k.keys[s.IdempotencyKey] = s.ID
	return k.naive.Create(ctx, s)
}
