package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// The statements that a store prepares.
var (
	writes = []string{
		insertAccount, ownerOf, insertSession, insertPlain, insertLabels, selectByKey, updateSession, sessionExists,
		updateNext, appendEventOf, appendEventOwned, keepOriginOf, keepOrigins, appendExpiries, selectDue, expireSessions,
		insertDelivery, dueDeliveries, chosenDelivery, claimDelivery, settleDelivery, settleWell, settleFailed,
	}
	reads = []string{anyDue, selectByID, selectByKey, ownerOf, eventsAfter, lastEvent, greatestEvent, historyOf}
)

// pool is a querier of a database. It has prepared the statements of the list writes, of the list reads, or of both.
type pool struct {
	preparing
	db       *sql.DB
	prepared map[string]*sql.Stmt // by their text
}

// newPool prepares the statements. If it fails, it leaves db open.
func newPool(ctx context.Context, db *sql.DB, statements []string) (*pool, error) {
	p := &pool{db: db, prepared: make(map[string]*sql.Stmt)}
	p.preparing = preparing{db, func(query string) *sql.Stmt { return p.prepared[query] }}
	for _, query := range statements {
		if p.prepared[query] != nil {
			continue
		}
		stmt, err := db.PrepareContext(ctx, query)
		if err != nil {
			err = failed(ctx, "prepare statements (has Migrate made the tables?)", err)
			return nil, errors.Join(err, p.close())
		}
		p.prepared[query] = stmt
	}
	return p, nil
}

// close closes the prepared statements and leaves db open.
func (p *pool) close() error {
	var errs []error
	for _, stmt := range p.prepared {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}

// within returns the querier of a transaction of the pool, with the same statements prepared.
func (p *pool) within(tx *sql.Tx) querier {
	bound := make(map[string]*sql.Stmt)
	return preparing{tx, func(query string) *sql.Stmt {
		stmt := bound[query]
		if stmt == nil && p.prepared[query] != nil {
			stmt = tx.Stmt(p.prepared[query])
			bound[query] = stmt
		}
		return stmt
	}}
}

// preparing is a querier that has some statements prepared.
type preparing struct {
	plain querier
	stmt  func(query string) *sql.Stmt // returns nil if the statement is not prepared
}

func (p preparing) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if stmt := p.stmt(query); stmt != nil {
		return stmt.ExecContext(ctx, args...)
	}
	return p.plain.ExecContext(ctx, query, args...)
}

func (p preparing) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if stmt := p.stmt(query); stmt != nil {
		return stmt.QueryContext(ctx, args...)
	}
	return p.plain.QueryContext(ctx, query, args...)
}

func (p preparing) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if stmt := p.stmt(query); stmt != nil {
		return stmt.QueryRowContext(ctx, args...)
	}
	return p.plain.QueryRowContext(ctx, query, args...)
}
