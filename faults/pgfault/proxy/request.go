package proxy

import (
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// request is what a client sends at once: messages up to a Query or a Sync, for which the server answers up to one
// ReadyForQuery.
type request struct {
	bytes  []byte
	last   int // where the last of them begins
	role   role
	commit int  // where a COMMIT begins that is a message of its own, as the rest of its transaction is; else 0
	joined bool // with the request behind it, so that the client waits for one answer to both
}

// role is what a request is for a transaction.
type role int

const (
	other     role = iota // nothing is run, or nothing that changes a row, within a transaction
	read                  // nothing that changes a row is run outside of a transaction
	statement             // a change of rows in a transaction that is not committed with it
	commit                // the end of a transaction that is to last
	rollback              // or is not
	both                  // a change of rows that is its own transaction
)

// reader puts a client's messages together to requests.
type reader struct {
	backend    *pgproto3.Backend
	statements map[string]string // SQL of what was prepared, by name
	portals    map[string]string // SQL of what was bound, by name
	inside     bool              // of a transaction, once what was read has run
	run        []string          // SQL that the request runs
}

func newReader(b *pgproto3.Backend) *reader {
	return &reader{backend: b, statements: make(map[string]string), portals: make(map[string]string)}
}

// next reads a request. Where the client asks for the answers so far it comes in parts, of which whole is the last. A
// client that takes its leave is an error, as one that is gone.
func (r *reader) next() (req request, whole bool, err error) {
	begins := 0 // where the messages of the next statement do
	for {
		message, err := r.backend.Receive()
		if err != nil {
			return request{}, false, err
		}
		req.last = len(req.bytes)
		if req.bytes, err = message.Encode(req.bytes); err != nil {
			return request{}, false, err
		}
		switch m := message.(type) {
		case *pgproto3.Terminate:
			return request{}, false, errGone
		case *pgproto3.Parse:
			r.statements[m.Name] = m.Query
		case *pgproto3.Bind:
			r.portals[m.DestinationPortal] = r.statements[m.PreparedStatement]
		case *pgproto3.Execute:
			sql := r.portals[m.Portal]
			r.run = append(r.run, sql)
			if ends(sql) == commit {
				req.commit = begins
			}
			begins = len(req.bytes)
		case *pgproto3.Query:
			r.run = append(r.run, strings.Split(m.String, ";")...) // a batch of the simple protocol is one text
		case *pgproto3.Flush:
			return req, false, nil
		}
		switch message.(type) {
		case *pgproto3.Query, *pgproto3.Sync:
			req.role = r.role()
			r.run = nil
			return req, true, nil
		}
	}
}

// role tells what the statements of a request are, and follows where they leave the client.
func (r *reader) role() role {
	before, writes, end := r.inside, false, other
	for _, sql := range r.run {
		if e := ends(sql); e != other {
			r.inside, end = false, e
		}
		switch firstWord(sql) {
		case "BEGIN", "START":
			r.inside = true
		case "INSERT", "UPDATE", "DELETE":
			writes = true
		case "WITH":
			upper := strings.ToUpper(sql)
			writes = writes || strings.Contains(upper, "INSERT INTO ") || strings.Contains(upper, "UPDATE ") && strings.Contains(upper, " SET ") ||
				strings.Contains(upper, "DELETE FROM ")
		}
	}
	switch {
	case writes && r.inside:
		return statement
	case writes:
		return both
	case end != other:
		return end
	case len(r.run) > 0 && !before && !r.inside:
		return read
	}
	return other
}

// ends tells how a statement ends a transaction; other is that it does not.
func ends(sql string) role {
	switch firstWord(sql) {
	case "COMMIT", "END":
		return commit
	case "ROLLBACK", "ABORT":
		return rollback
	}
	return other
}

// split makes two requests of a transaction that comes with its COMMIT, so that each can have a fate of its own.
func (r request) split() (first, second request) {
	first = request{bytes: append(r.bytes[:r.commit:r.commit], encode(&pgproto3.Sync{})...), role: statement}
	second = request{bytes: r.bytes[r.commit:], role: commit}
	return first, second
}

func firstWord(sql string) string {
	fields := strings.FieldsFunc(sql, func(c rune) bool { return c <= ' ' || c == ';' || c == '(' })
	if len(fields) == 0 {
		return ""
	}
	return strings.ToUpper(fields[0])
}
