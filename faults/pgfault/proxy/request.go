package proxy

import (
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// request has the messages that a client sends up to a Query or a Sync. The server's answer to a request ends with a ReadyForQuery.
type request struct {
	bytes  []byte
	last   int // offset of the last message
	role   role
	commit int  // offset of the COMMIT, if the request is a transaction whose statements are messages of their own; otherwise 0
	joined bool // the client waits for one answer to this request and the next
}

// role is what a request does in terms of transactions.
type role int

const (
	other     role = iota // runs nothing, or reads within a transaction
	read                  // reads outside of a transaction
	statement             // changes rows within a transaction, and does not commit it
	commit                // commits a transaction
	rollback              // rolls a transaction back
	both                  // changes rows, and is its own transaction
)

// reader groups a client's messages into requests.
type reader struct {
	backend    *pgproto3.Backend
	statements map[string]string // SQL of prepared statements, by name
	portals    map[string]string // SQL of bound statements, by name
	inside     bool              // whether the client is in a transaction once the requests so far have run
	run        []string          // SQL that the request runs
}

func newReader(b *pgproto3.Backend) *reader {
	return &reader{backend: b, statements: make(map[string]string), portals: make(map[string]string)}
}

// next reads a request. If the client sends Flush, the request comes in parts, and whole is true for the last one. The error says that
// the client has sent Terminate or has hung up.
func (r *reader) next() (req request, whole bool, err error) {
	begins := 0 // offset of the next statement's messages
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

// role returns the role of a request's statements, and notes whether they leave the client in a transaction.
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

// ends returns how a statement ends a transaction, or other if it does not.
func ends(sql string) role {
	switch firstWord(sql) {
	case "COMMIT", "END":
		return commit
	case "ROLLBACK", "ABORT":
		return rollback
	}
	return other
}

// split makes two requests of a request that has a transaction with its COMMIT, so that the COMMIT can have a fate of its own.
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
