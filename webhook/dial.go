package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// errRefusedAddress says that a name resolved to an address that the dispatcher must not connect to.
var errRefusedAddress = errors.New("webhook: the address is not public")

// notPublic are the ranges of addresses that no merchant's endpoint may have. They are those of IANA's special-purpose registries
// (RFC 6890 and later additions), and the ranges of IPv6 addresses that contain an IPv4 address.
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"2001::/23",     // protocol assignments: Teredo, ORCHID, benchmarking
	"2001:db8::/32", // documentation
	"2002::/16",     // 6to4
	"2620:4f:8000::/48", "3fff::/20",
)

// globalUnicast is the range of all public IPv6 addresses. Addresses outside of it are special: ::1, ::, fe80::, fc00::, ff00::,
// and 64:ff9b::, which maps IPv4 addresses.
var globalUnicast = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// Public reports whether addr is one that a merchant's endpoint may have: no loopback, private, link-local, shared, multicast,
// unspecified, documentation or otherwise special address, and no IPv6 address that contains such an IPv4 address.
func Public(addr netip.Addr) bool {
	if addr.Zone() != "" || !addr.IsValid() {
		return false
	}
	addr = addr.Unmap() // ::ffff:127.0.0.1
	if addr.Is6() && !globalUnicast.Contains(addr) {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}

// newDialer returns a dialer. Unless private is true, the dialer checks each address when the connection is made, after the name was
// resolved. So a name cannot first resolve to a public address, pass the check, and then resolve to a private one.
func newDialer(private bool) *net.Dialer {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	if !private {
		dialer.Control = refuseSpecial
	}
	return dialer
}

func newTransport(dialer *net.Dialer) *http.Transport {
	return &http.Transport{
		Proxy:                  nil, // a proxy of the environment would make the connection for us, and would check nothing
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConns:           1000,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
	}
}

// newClient returns the client that sends deliveries: a copy of the given client, or one that checks addresses unless private is true.
func newClient(given *http.Client, private bool) *http.Client {
	client := new(http.Client)
	if given != nil {
		*client = *given
	} else {
		client.Transport = newTransport(newDialer(private))
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Timeout = 0 // the request's context has one
	client.Jar = nil
	return client
}

// refuseSpecial is the Control of a [net.Dialer]. It refuses addresses that are not public.
func refuseSpecial(network, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" || !Public(at.Addr()) {
		return errRefusedAddress
	}
	return nil
}

// faultOf returns the Fault constant for an error of the HTTP client.
func faultOf(err error) string {
	var (
		dns       *net.DNSError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		timeout   interface{ Timeout() bool }
	)
	switch {
	case errors.Is(err, errRefusedAddress):
		return FaultRefusedAddress
	case errors.As(err, &dns) && !dns.IsTimeout:
		return FaultDNS
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return FaultTimeout
	case errors.As(err, &record), errors.As(err, &alert), errors.As(err, &authority), errors.As(err, &hostname), errors.As(err, &invalid), errors.As(err, &verify):
		return FaultTLS
	}
	return FaultConnection
}
