package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/internal/groupcommit"
	"github.com/jackc/pgx/v5"
)

// table is the table of sessions, on a pool or in a host's transaction.
type table struct{ database }

// creation is the result of a create.
type creation struct {
	held    *checkout.Session // the session that has the key; callers share it, so it is never changed
	created bool
}

type creations = []groupcommit.Result[creation]

// errRetryRow is the result of a row that was not written, and must be retried in a transaction of its own. No caller gets it.
var errRetryRow = errors.New("postgres: the row must be retried in a transaction of its own")

// scopedKey is an idempotency key with its account and mode. The three together are unique.
type scopedKey struct {
	account checkout.Account
	key     idempotency.Key
}

func keyOf(s *checkout.Session) scopedKey { return scopedKey{s.Account, s.IdempotencyKey} }

func compareKeys(a, b scopedKey) int {
	switch {
	case a.account.Test == b.account.Test:
		return cmp.Or(strings.Compare(a.account.ID, b.account.ID), strings.Compare(string(a.key), string(b.key)))
	case a.account.Test:
		return 1
	}
	return -1
}

func (t table) createOne(ctx context.Context, s *checkout.Session) (creation, error) {
	result := t.create(ctx, []*checkout.Session{s})[0]
	return result.Value, result.Err
}

// create writes sessions in one transaction. Its results are in the order of the sessions.
func (t table) create(ctx context.Context, sessions []*checkout.Session) creations {
	results := make(creations, len(sessions))
	var (
		rows      []int    // indexes of sessions, no id and no key twice
		followers [][2]int // index of a session, and index of the session with the same key that is in rows
		ids       = make(map[string]bool, len(sessions))
		leaders   = make(map[scopedKey]int, len(sessions))
	)
	for i, s := range sessions {
		leader, led := leaders[keyOf(s)]
		switch {
		case led:
			followers = append(followers, [2]int{i, leader})
		case ids[s.ID]:
			results[i].Err = errRetryRow
		default:
			rows = append(rows, i)
			ids[s.ID] = true
			if s.IdempotencyKey != "" {
				leaders[keyOf(s)] = i
			}
		}
	}
	// All instances lock keys in the same order, so that no two of them deadlock.
	slices.SortFunc(rows, func(a, b int) int { return compareKeys(keyOf(sessions[a]), keyOf(sessions[b])) })
	t.createRows(ctx, sessions, rows, results)

	// A follower has the same key as another row of this batch. It gets the session that has the key now.
	for _, f := range followers {
		if leader := results[f[1]]; leader.Err == nil {
			results[f[0]].Value.held = leader.Value.held
		} else {
			results[f[0]].Err = errRetryRow
		}
	}
	return results
}

// createRows inserts some of the sessions. For each session that was not inserted it reads the session that has its key.
func (t table) createRows(ctx context.Context, sessions []*checkout.Session, rows []int, results creations) {
	batch := make([]*checkout.Session, len(rows))
	for n, i := range rows {
		batch[n] = sessions[i]
	}
	written, err := rowsOf(ctx, t.write, insertionOf(batch), pgx.RowTo[string])
	if err != nil {
		for _, i := range rows {
			results[i].Err = err
		}
		return
	}
	won := make(map[string]bool, len(written))
	for _, id := range written {
		won[id] = true
	}
	var lost []int
	for _, i := range rows {
		if won[sessions[i].ID] {
			results[i].Value = creation{held: sessions[i], created: true}
		} else {
			lost = append(lost, i)
		}
	}
	if len(lost) == 0 {
		return
	}
	if err := t.readBack(ctx, sessions, lost, results); err != nil {
		for _, i := range lost {
			results[i] = groupcommit.Result[creation]{Err: err}
		}
	}
}

// byKeys reads the sessions that have the given keys.
var byKeys = `SELECT ` + selected + ` FROM unnest($1::text[], $2::boolean[], $3::text[]) AS u (account, test, idempotency_key)
JOIN checkout_sessions AS s ON s.account = u.account AND s.test = u.test AND s.idempotency_key = u.idempotency_key`

// taken returns those of the given ids that a session already has, in any account.
const taken = `SELECT s.id FROM checkout_sessions AS s WHERE s.id = ANY ($1::text[])`

// readBack finds out why sessions were not inserted. Another session has the same key, or the same id, which is an error. Its
// statements run after the insert, so they see sessions that others have committed meanwhile.
func (t table) readBack(ctx context.Context, sessions []*checkout.Session, lost []int, results creations) error {
	var (
		accounts, keys, ids []string
		tests               []bool
	)
	for _, i := range lost {
		s := sessions[i]
		accounts, tests, keys = append(accounts, s.Account.ID), append(tests, s.Account.Test), append(keys, string(s.IdempotencyKey))
	}
	found, err := rowsOf(ctx, t.read, statement{"", "read sessions by key", byKeys, []any{accounts, tests, keys}}, scan)
	if err != nil {
		return err
	}
	held := make(map[scopedKey]*checkout.Session, len(found))
	for i := range found {
		held[keyOf(&found[i])] = &found[i]
	}
	var unanswered []int
	for _, i := range lost {
		if s, ok := held[keyOf(sessions[i])]; ok {
			results[i].Value.held = s
		} else {
			unanswered, ids = append(unanswered, i), append(ids, sessions[i].ID)
		}
	}
	if len(unanswered) == 0 {
		return nil
	}
	used, err := rowsOf(ctx, t.read, statement{"", "look for used ids", taken, []any{ids}}, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, i := range unanswered {
		if id := sessions[i].ID; slices.Contains(used, id) {
			results[i].Err = fmt.Errorf("postgres: the session id %s is taken", id)
		} else {
			results[i].Err = fmt.Errorf("postgres: %w: the session that had this key was removed meanwhile", checkout.ErrUnavailable)
		}
	}
	return nil
}
