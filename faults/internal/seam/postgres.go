//go:build unix

package seam

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
)

// The points of a PostgreSQL store: before it connects, before, during and after messages that it sends, and at one answer. A batch
// and its commit may be sent in one write. At a "half" point, half of the bytes were sent.
const (
	BeforeConnecting   Point = "before a connection is made"
	BeforeMigrationOut Point = "before the migration is sent"
	HalfMigrationOut   Point = "with half of the migration sent"
	MigrationOut       Point = "with the migration sent, but no commit"
	MigratedOut        Point = "with the migration's commit sent"
	BeforeCreateOut    Point = "before a create is sent"
	HalfCreateOut      Point = "with half of a create sent"
	CreateOut          Point = "with a create sent, but no commit"
	BeforeUpdateOut    Point = "before an update is sent"
	HalfUpdateOut      Point = "with half of an update sent"
	UpdateOut          Point = "with an update sent, but no commit"
	BeforeSweepOut     Point = "before a sweep is sent"
	SweepOut           Point = "with a sweep sent, but no commit"
	OrderOut           Point = "with the host's order sent, but no commit"
	HalfCommitOut      Point = "with half of a commit sent"
	CommitOut          Point = "with a commit sent"
	CommitAnswered     Point = "with a commit's answer come, and not read"
	RollbackOut        Point = "with a rollback sent"
	BeforeHolderOut    Point = "before the holder of a key is asked for"
)

// PostgresPoints lists the points of a PostgreSQL store.
func PostgresPoints() []Point {
	return []Point{
		BeforeConnecting, BeforeMigrationOut, HalfMigrationOut, MigrationOut, MigratedOut, BeforeCreateOut, HalfCreateOut,
		CreateOut, BeforeUpdateOut, HalfUpdateOut, UpdateOut, BeforeSweepOut, SweepOut, OrderOut, HalfCommitOut, CommitOut,
		CommitAnswered, RollbackOut, BeforeHolderOut,
	}
}

// OpenPostgres is pgxpool.New with the seam in its connections.
func (s *Seam) OpenPostgres(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		s.at(BeforeConnecting)
		inner, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &wire{Conn: inner, seam: s, prepared: make(map[string]kind)}, nil
	}
	return pgxpool.NewWithConfig(ctx, config)
}

// kind is the purpose of a message. It determines the points of the message.
type kind struct{ before, half, after Point }

// kindOf returns the kind of a statement.
func kindOf(query string) kind {
	for _, known := range []struct {
		part string
		kind kind
	}{
		{"INSERT INTO checkout_migrations", logsMigration},
		{"CREATE TABLE checkout_sessions", kind{BeforeMigrationOut, HalfMigrationOut, MigrationOut}},
		{"INSERT INTO checkout_sessions", kind{BeforeCreateOut, HalfCreateOut, CreateOut}},
		{"SET status = 'expired'", kind{BeforeSweepOut, "", SweepOut}},
		{"UPDATE checkout_sessions", kind{BeforeUpdateOut, HalfUpdateOut, UpdateOut}},
		{"INSERT INTO host_orders", kind{"", "", OrderOut}},
		{"s.idempotency_key = u.idempotency_key", kind{BeforeHolderOut, "", ""}},
	} {
		if strings.Contains(query, known.part) {
			return known.kind
		}
	}
	switch strings.ToLower(strings.TrimSpace(query)) {
	case "commit":
		return kind{"", HalfCommitOut, CommitOut}
	case "rollback":
		return kind{"", "", RollbackOut}
	}
	return kind{}
}

// wire is a connection that looks at the messages that pass through it. pgx never writes a part of a message.
type wire struct {
	net.Conn
	seam *Seam

	mu        sync.Mutex
	started   bool
	migrating bool            // the transaction applies a migration: its commit is at MigratedOut, and its answer at no point
	migrated  bool            // the commit of a migration was sent, and not answered
	prepared  map[string]kind // by the statement's name
}

// logsMigration is the kind of the statement with which the transaction of each migration begins.
var logsMigration = kind{after: "a migration has begun"} // no trap has this point

func (w *wire) Write(data []byte) (int, error) {
	written := 0
	for _, part := range w.look(data) {
		n, err := w.write(data[written:part.end], part.kind)
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

func (w *wire) write(data []byte, k kind) (n int, err error) {
	w.seam.at(k.before)
	if k.half != "" {
		if n, err = w.Conn.Write(data[:len(data)/2]); err != nil {
			return n, err
		}
		w.seam.at(k.half)
	}
	m, err := w.Conn.Write(data[n:])
	w.seam.at(k.after)
	return n + m, err
}

// Read looks for the answer to a commit. It does not find an answer that comes in two parts. Then it finds a later one.
func (w *wire) Read(data []byte) (int, error) {
	n, err := w.Conn.Read(data)
	if bytes.Contains(data[:n], []byte("COMMIT\x00")) {
		w.mu.Lock()
		ofMigration := w.migrated
		w.migrated = false
		w.mu.Unlock()
		if !ofMigration {
			w.seam.at(CommitAnswered)
		}
	}
	return n, err
}

// part is what is written for one message that has a kind. The first part includes what comes before it, the last what follows.
type part struct {
	kind
	end int // offset in what is written
}

// look splits what is written into parts. One write may contain a whole transaction with its commit.
func (w *wire) look(data []byte) (parts []part) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.started { // the first message has no type
		w.started = true
		return []part{{end: len(data)}}
	}
	var last kind
	for at := 0; len(data)-at >= 5; {
		end := at + 1 + int(binary.BigEndian.Uint32(data[at+1:]))
		if end > len(data) {
			break
		}
		if k := w.message(data[at], data[at+5:end]); k != (kind{}) {
			if last != (kind{}) {
				parts = append(parts, part{last, at})
			}
			last = k
		}
		at = end
	}
	return append(parts, part{last, len(data)})
}

func (w *wire) message(typ byte, body []byte) kind {
	switch typ {
	case 'P': // Parse: name, query
		name, rest, _ := bytes.Cut(body, []byte{0})
		query, _, _ := bytes.Cut(rest, []byte{0})
		w.prepared[string(name)] = kindOf(string(query))
	case 'B': // Bind: portal, name
		_, rest, _ := bytes.Cut(body, []byte{0})
		name, _, _ := bytes.Cut(rest, []byte{0})
		return w.statement(w.prepared[string(name)])
	case 'Q': // Query
		query, _, _ := bytes.Cut(body, []byte{0})
		return w.statement(kindOf(string(query)))
	}
	return kind{}
}

// statement tells the commits of migrations from those of writes.
func (w *wire) statement(k kind) kind {
	switch {
	case k == logsMigration:
		w.migrating = true
	case k.after == CommitOut && w.migrating:
		w.migrating, w.migrated = false, true
		return kind{"", "", MigratedOut}
	case k.after == RollbackOut:
		w.migrating = false
	}
	return k
}
