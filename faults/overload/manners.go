//go:build unix

package overload

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/suite"
)

// departures has clients leave after different numbers of bytes of a request or of its answer, and then ask again. In a long pass every
// number of bytes of a request is tried. A request that did not arrive completely must not have been carried out.
func departures(tb testing.TB, o suite.Options) (result suite.Result) {
	tb.Helper()
	step, often := o.Times(11, 1), o.Times(40, 1000)
	t := newTrade(tb, o.Seed, settings{})
	var done sync.WaitGroup
	slots := make(chan struct{}, 16)
	at := func(send, read int, reset bool) {
		result.Runs++
		slots <- struct{}{}
		done.Go(func() {
			defer func() { <-slots }()
			t.depart(send, read, reset)
		})
	}
	_, request := t.order()
	length := len(raw{}.request(request))
	for send := 0; send < length; send += step {
		at(send, 0, false)
		at(send, 0, true)
	}
	at(length-1, 0, false)
	for n := range often {
		at(length+100, 0, n%2 == 0)      // before the answer
		at(length+100, 1+n%100, n%2 > 0) // within the answer
	}
	done.Wait()
	result.Tally = t.check(t.settle())
	return result
}

// depart has a client leave after it has sent the first send bytes and read the first read bytes, and then ask again.
func (t *trade) depart(send, read int, reset bool) {
	t.tb.Helper()
	ctx, cancel := context.WithTimeout(t.tb.Context(), 30*time.Second)
	defer cancel()
	n, request := t.order()
	service := raw{url: t.host.url, talk: leave(send, read, reset)}
	whole := send >= len(service.request(request))
	t.place(ctx, n, service)
	replayed, err := t.place(ctx, n, t.wire)
	if err != nil {
		t.tb.Errorf("a client that left and asks again is told: %v", err)
	}
	if replayed && !whole {
		t.tb.Errorf("a request was carried out after its first %d bytes", send)
	}
}

// slowBodies has some clients send their bodies a few bytes at a time, and others stop before the end of the body. Slow clients and polite
// clients must still get their sessions.
func slowBodies(tb testing.TB, o suite.Options) (result suite.Result) {
	tb.Helper()
	clients, until := 100, time.Second
	if o.Long {
		clients, until = 1000, 2*time.Second
	}
	t := newTrade(tb, o.Seed, settings{})
	t.slowBodies(clients, until)
	result.Runs = 2 * clients
	result.Notes = []string{t.bounded()}
	result.Tally = t.check(t.settle())
	return result
}

// slowBodies has as many clients of each kind as clients says. The slow ones need the time until for their bodies.
func (t *trade) slowBodies(clients int, until time.Duration) {
	t.tb.Helper()
	const piece = 16
	_, request := t.order()
	pause := until / time.Duration(len(body(request))/piece+1)

	stuck := func(conn *net.TCPConn, request []byte) (checkout.Session, bool, error) {
		conn.Write(request[:len(request)-20])
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.tb.Error("the server waits for ever for the end of a body")
		}
		return checkout.Session{}, false, checkout.ErrOutcomeUnknown
	}
	var done sync.WaitGroup
	var halves []int
	for range clients {
		n, _ := t.order()
		done.Go(func() {
			if _, err := t.place(t.tb.Context(), n, raw{url: t.host.url, talk: trickle(piece, pause)}); err != nil {
				t.tb.Errorf("a slow client was told: %v", err)
			}
		})
		half, _ := t.order()
		halves = append(halves, half)
		done.Go(func() {
			ctx, cancel := context.WithTimeout(t.tb.Context(), 2*bodyTimeout)
			defer cancel()
			t.place(ctx, half, raw{url: t.host.url, talk: stuck})
		})
	}
	t.closedLoop(16, until)
	done.Wait()
	for _, half := range halves {
		if replayed, err := t.place(t.tb.Context(), half, t.wire); replayed || err != nil {
			t.tb.Errorf("after an incomplete body: replayed %t, %v", replayed, err)
		}
	}
}

// wrongLengths sends requests with a wrong length of the body. Each must be refused, and its key must still be unused.
func wrongLengths(tb testing.TB, o suite.Options) (result suite.Result) {
	tb.Helper()
	times := o.Times(3, 100)
	t := newTrade(tb, o.Seed, settings{})
	for range times {
		for _, header := range []string{
			"Content-Length: 0",
			"Content-Length: 40",
			"Content-Length: 4000", // more than the body has
			"Content-Length: 70000",
			"Content-Length: 9223372036854775807",
			"Content-Length: 99999999999999999999",
			"Content-Length: -1",
			"Content-Length: +150",
			"Content-Length: 0x96",
			"Content-Length: 150, 150",
			"Content-Length: 40\r\nContent-Length: 50",
			"Content-Length:",
			"Transfer-Encoding: chunked",
			"Transfer-Encoding: chunked\r\nContent-Length: 150",
			"X-Length: none",
		} {
			result.Runs++
			t.mislead(header)
		}
	}
	result.Tally = t.check(t.settle())
	return result
}

// mislead sends a request with a wrong length, and then the same request with the right one.
func (t *trade) mislead(header string) {
	t.tb.Helper()
	ctx, cancel := context.WithTimeout(t.tb.Context(), 30*time.Second)
	defer cancel()
	n, _ := t.order()
	misled := raw{url: t.host.url, header: header, talk: func(conn *net.TCPConn, request []byte) (checkout.Session, bool, error) {
		conn.Write(request)
		conn.CloseWrite()
		answers := bufio.NewReader(conn)
		session, replayed, err := answer(answers)
		for next := err; ; { // the server may have taken the rest of the body for more requests
			var no *refused
			switch {
			case errors.As(next, &no) && no.status >= 500:
				t.tb.Errorf("to %q the server says %v", header, no)
			case next == nil:
				t.tb.Errorf("to %q the server says that it made a session", header)
			}
			if _, _, next = answer(answers); errors.Is(next, checkout.ErrOutcomeUnknown) {
				return session, replayed, err
			}
		}
	}}
	var no *refused
	if _, err := t.place(ctx, n, misled); !errors.As(err, &no) || no.status/100 != 4 {
		t.tb.Errorf("to %q the server says %v", header, err)
	}
	if replayed, err := t.place(ctx, n, t.wire); replayed || err != nil {
		t.tb.Errorf("after %q: replayed %t, %v", header, replayed, err)
	}
}
