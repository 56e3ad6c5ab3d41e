package webhook

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/matryer/is"
)

// fickle is a DNS server that gives the next address each time it is asked for one.
type fickle struct {
	mu        sync.Mutex
	addresses []netip.Addr
}

func (f *fickle) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go f.serve(theirs)
		return ours, nil
	}}
}

// serve speaks DNS over TCP (RFC 1035, sections 4.1 and 4.2.2).
func (f *fickle) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var length uint16
		if binary.Read(conn, binary.BigEndian, &length) != nil {
			return
		}
		query := make([]byte, length)
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		question := query[12:]
		end := 0
		for question[end] != 0 {
			end += int(question[end]) + 1
		}
		question = question[:end+5]
		kind := binary.BigEndian.Uint16(question[end+1:])
		answer := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question...)
		if kind == 1 { // A
			f.mu.Lock()
			at := f.addresses[0].As4()
			f.addresses = f.addresses[1:]
			f.mu.Unlock()
			answer[7] = 1
			answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
			answer = append(answer, at[:]...)
		}
		if binary.Write(conn, binary.BigEndian, uint16(len(answer))) != nil {
			return
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// errPublic stands for a connection to a public address, which no test makes.
var errPublic = errors.New("a public address was dialled")

// What may be dialled is decided when it is, whatever the name led to a moment ago.
func TestANameThatLeadsElsewhereTheSecondTime(t *testing.T) {
	is := is.New(t)
	server := &fickle{addresses: []netip.Addr{
		netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("8.8.4.4"),
	}}
	dialer := newDialer(false)
	dialer.Resolver = server.resolver()
	decide := dialer.Control
	var dialled []string
	dialer.Control = func(network, address string, conn syscall.RawConn) error {
		dialled = append(dialled, address)
		if err := decide(network, address, conn); err != nil {
			return err
		}
		return errPublic
	}
	client := newClient(&http.Client{Transport: newTransport(dialer)}, false)
	for _, want := range []error{errPublic, errRefusedAddress, errRefusedAddress, errPublic} {
		_, err := client.Post("https://shop.example/hooks", "application/json", strings.NewReader("{}"))
		is.True(errors.Is(err, want))
	}
	is.Equal(dialled, []string{"8.8.8.8:443", "127.0.0.1:443", "169.254.169.254:443", "8.8.4.4:443"})
}
