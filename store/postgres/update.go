package postgres

import (
	"cmp"
	"context"
	"slices"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/internal/groupcommit"
	"github.com/jackc/pgx/v5"
)

type updates = []groupcommit.Result[struct{}]

func (t table) updateOne(ctx context.Context, s *checkout.Session) error {
	return t.update(ctx, []*checkout.Session{s})[0].Err
}

// update replaces sessions in one transaction. Its results are in the order of the sessions.
func (t table) update(ctx context.Context, sessions []*checkout.Session) updates {
	results := make(updates, len(sessions))
	var (
		rows      []int    // indexes of sessions, no id twice
		followers [][2]int // index of a session, and index of the session with the same id that is in rows
		leaders   = make(map[string]int, len(sessions))
	)
	for i := range sessions {
		if leader, led := leaders[sessions[i].ID]; led {
			followers = append(followers, [2]int{i, leader})
			continue
		}
		leaders[sessions[i].ID] = i
		rows = append(rows, i)
	}
	slices.SortFunc(rows, func(a, b int) int { return cmp.Compare(sessions[a].ID, sessions[b].ID) })
	t.updateRows(ctx, sessions, rows, results)

	for _, f := range followers {
		s, leader := sessions[f[0]], sessions[f[1]]
		if results[f[1]].Err == nil && s.Account == leader.Account && s.Version <= leader.Version {
			results[f[0]].Err = checkout.ErrConflict // the leader's version is now stored
		} else {
			results[f[0]].Err = errRetryRow
		}
	}
	return results
}

// present returns those of the given ids that exist in the account and mode that are given with them.
const present = `SELECT s.id FROM unnest($1::text[], $2::text[], $3::boolean[]) AS u (id, account, test)
JOIN checkout_sessions AS s ON s.id = u.id AND s.account = u.account AND s.test = u.test`

// updateRows replaces some of the sessions, and finds out why the others were not replaced.
func (t table) updateRows(ctx context.Context, sessions []*checkout.Session, rows []int, results updates) {
	batch := make([]*checkout.Session, len(rows))
	for n, i := range rows {
		batch[n] = sessions[i]
	}
	done, err := rowsOf(ctx, t.write, statementFor("update", updateOneRow, updateRowset, changed, batch), pgx.RowTo[string])
	if err != nil {
		for _, i := range rows {
			results[i].Err = err
		}
		return
	}
	replaced := make(map[string]bool, len(done))
	for _, id := range done {
		replaced[id] = true
	}
	var (
		lost          []int
		ids, accounts []string
		tests         []bool
	)
	for _, i := range rows {
		if s := sessions[i]; !replaced[s.ID] {
			lost = append(lost, i)
			ids, accounts, tests = append(ids, s.ID), append(accounts, s.Account.ID), append(tests, s.Account.Test)
		}
	}
	if len(lost) == 0 {
		return
	}
	there, err := rowsOf(ctx, t.read, statement{"", "look for sessions", present, []any{ids, accounts, tests}}, pgx.RowTo[string])
	for _, i := range lost {
		switch {
		case err != nil:
			results[i].Err = err
		case slices.Contains(there, sessions[i].ID):
			results[i].Err = checkout.ErrConflict
		default:
			results[i].Err = checkout.ErrNotFound
		}
	}
}
