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

// rebindingDNS is a DNS server that answers each query for an IPv4 address with the next of its addresses, whatever the name is.
type rebindingDNS struct {
	mu        sync.Mutex
	addresses []netip.Addr
}

func (d *rebindingDNS) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go d.serve(server)
		return client, nil
	}}
}

// serve speaks DNS over TCP (RFC 1035, sections 4.1 and 4.2.2).
func (d *rebindingDNS) serve(conn net.Conn) {
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
			d.mu.Lock()
			address := d.addresses[0].As4()
			d.addresses = d.addresses[1:]
			d.mu.Unlock()
			answer[7] = 1
			answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
			answer = append(answer, address[:]...)
		}
		if binary.Write(conn, binary.BigEndian, uint16(len(answer))) != nil {
			return
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// errPublic is the result of dialling a public address, because a test must not connect to one.
var errPublic = errors.New("a public address was dialled")

// TestEachConnectionChecksItsOwnAddress proves that the address is checked when it is dialled, and not before. Otherwise a name could lead
// to a public address for the check and to a private one for the request, which is called DNS rebinding.
func TestEachConnectionChecksItsOwnAddress(t *testing.T) {
	is := is.New(t)
	server := &rebindingDNS{addresses: []netip.Addr{
		netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("8.8.4.4"),
	}}
	dialer := newDialer(false)
	dialer.Resolver = server.resolver()
	check := dialer.Control
	var dialled []string
	dialer.Control = func(network, address string, conn syscall.RawConn) error {
		dialled = append(dialled, address)
		if err := check(network, address, conn); err != nil {
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
