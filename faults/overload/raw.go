//go:build unix

package overload

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
)

// raw is a client that makes the bytes of a request itself, and has talk send them on a new connection. It is a history.Service.
type raw struct {
	history.Service // panics at all but Create
	url             string
	talk            func(conn *net.TCPConn, request []byte) (checkout.Session, bool, error)

	header string // the header to send instead of the right Content-Length; "" sends that
}

// Create implements [history.Service].
func (r raw) Create(ctx context.Context, p checkout.CreateParams) (checkout.Session, bool, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		return checkout.Session{}, false, fmt.Errorf("%w: %w", checkout.ErrOutcomeUnknown, err)
	}
	defer conn.Close()
	if until, ok := ctx.Deadline(); ok {
		conn.SetDeadline(until)
	}
	session, replayed, err := r.talk(conn.(*net.TCPConn), r.request(p))
	session.IdempotencyKey = p.IdempotencyKey
	return session, replayed, err
}

func (r raw) request(p checkout.CreateParams) []byte {
	content := body(p)
	length := r.header
	if length == "" {
		length = fmt.Sprintf("Content-Length: %d", len(content))
	}
	var b bytes.Buffer
	b.WriteString("POST /v1/checkouts HTTP/1.1\r\nHost: shop.example\r\n")
	all := headers(p)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "%s: %s\r\n", name, all[name])
	}
	fmt.Fprintf(&b, "%s\r\n\r\n%s", length, content)
	return b.Bytes()
}

// answer reads one answer. An answer without a session is an error. The outcome of a 503, or of no answer at all, is unknown.
func answer(r *bufio.Reader) (checkout.Session, bool, error) {
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return checkout.Session{}, false, fmt.Errorf("%w: %w", checkout.ErrOutcomeUnknown, err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return checkout.Session{}, false, fmt.Errorf("%w: %w", checkout.ErrOutcomeUnknown, err)
	}
	switch response.StatusCode {
	case http.StatusOK, http.StatusCreated:
		session, err := parse(content)
		return session, response.StatusCode == http.StatusOK, err
	case http.StatusServiceUnavailable:
		return checkout.Session{}, false, fmt.Errorf("%w: 503", checkout.ErrOutcomeUnknown)
	}
	return checkout.Session{}, false, &refused{response.StatusCode, string(content)}
}

// refused is the error of an answer without a session.
type refused struct {
	status  int
	content string
}

func (e *refused) Error() string { return fmt.Sprintf("%d: %s", e.status, e.content) }

// leave sends the first bytes of a request, reads the first bytes of the answer, and closes the connection.
func leave(send, read int, reset bool) func(*net.TCPConn, []byte) (checkout.Session, bool, error) {
	return func(conn *net.TCPConn, request []byte) (checkout.Session, bool, error) {
		conn.Write(request[:min(send, len(request))])
		io.CopyN(io.Discard, conn, int64(read))
		if reset {
			conn.SetLinger(0)
		}
		return checkout.Session{}, false, fmt.Errorf("%w: left", checkout.ErrOutcomeUnknown)
	}
}

// trickle sends the body of a request a few bytes at a time.
func trickle(piece int, pause time.Duration) func(*net.TCPConn, []byte) (checkout.Session, bool, error) {
	return func(conn *net.TCPConn, request []byte) (checkout.Session, bool, error) {
		at := bytes.Index(request, []byte("\r\n\r\n")) + 4
		conn.Write(request[:at])
		for ; at < len(request); at += piece {
			time.Sleep(pause)
			if _, err := conn.Write(request[at:min(at+piece, len(request))]); err != nil {
				return checkout.Session{}, false, fmt.Errorf("%w: %w", checkout.ErrOutcomeUnknown, err)
			}
		}
		return answer(bufio.NewReader(conn))
	}
}
