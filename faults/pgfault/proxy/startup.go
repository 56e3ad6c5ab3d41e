package proxy

import (
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgproto3"
)

// startup passes on the messages before the first request, and returns the connection to the server. It returns nil if there is
// nothing more to do. It refuses encryption, because the proxy could not read encrypted messages.
func (p *Proxy) startup(client net.Conn, backend *pgproto3.Backend) (net.Conn, *pgproto3.Frontend) {
	for {
		message, err := backend.ReceiveStartupMessage()
		if err != nil {
			return nil, nil
		}
		switch m := message.(type) {
		case *pgproto3.SSLRequest, *pgproto3.GSSEncRequest:
			if _, err := client.Write([]byte("N")); err != nil {
				return nil, nil
			}
		case *pgproto3.CancelRequest:
			if p.vanished.Load() {
				io.Copy(io.Discard, client)
			} else {
				p.cancel(m)
			}
			return nil, nil
		default:
			f := p.choose(aConnection)
			if p.vanished.Load() {
				f = Fate{Kind: Silenced}
			}
			if !p.admit(client, f) {
				return nil, nil
			}
			server, err := p.dial()
			if err != nil {
				return nil, nil
			}
			frontend := pgproto3.NewFrontend(server, server)
			if err := greet(client, server, backend, frontend, m); err != nil {
				p.drop(server)
				return nil, nil
			}
			return server, frontend
		}
	}
}

// admit applies the fate of a new connection, and reports whether the connection may be used.
func (p *Proxy) admit(client net.Conn, f Fate) bool {
	switch f.Kind {
	default:
		return true
	case StatementFailed, RequestCut, Silenced:
		p.count(OfConnection(f.Kind))
	}
	switch f.Kind {
	case StatementFailed:
		f.Fatal = true
		client.Write(failure(f, 'I'))
	case Silenced:
		io.Copy(io.Discard, client) // until the client hangs up
	case RequestCut:
		if tcp, ok := client.(*net.TCPConn); ok && f.Reset {
			tcp.SetLinger(0)
		}
	}
	return false
}

// cancel passes on a request to cancel a query.
func (p *Proxy) cancel(m *pgproto3.CancelRequest) {
	server, err := p.dial()
	if err != nil {
		return
	}
	defer p.drop(server)
	if _, err := server.Write(encode(m)); err == nil {
		io.Copy(io.Discard, server) // the server hangs up when it is done
	}
}

// greet passes on the start of a session, including authentication, until the server is ready.
func greet(client, server net.Conn, backend *pgproto3.Backend, frontend *pgproto3.Frontend, first pgproto3.FrontendMessage) error {
	if _, err := server.Write(encode(first)); err != nil {
		return err
	}
	for {
		message, err := frontend.Receive()
		if err != nil {
			return err
		}
		if _, err := client.Write(encode(message)); err != nil {
			return err
		}
		asked := uint32(pgproto3.AuthTypeOk)
		switch message.(type) {
		case *pgproto3.ReadyForQuery:
			return nil
		case *pgproto3.AuthenticationCleartextPassword:
			asked = pgproto3.AuthTypeCleartextPassword
		case *pgproto3.AuthenticationMD5Password:
			asked = pgproto3.AuthTypeMD5Password
		case *pgproto3.AuthenticationSASL:
			asked = pgproto3.AuthTypeSASL
		case *pgproto3.AuthenticationSASLContinue:
			asked = pgproto3.AuthTypeSASLContinue
		default:
			continue
		}
		if err := backend.SetAuthType(asked); err != nil {
			return err
		}
		secret, err := backend.Receive()
		if err != nil {
			return err
		}
		if _, err := server.Write(encode(secret)); err != nil {
			return err
		}
	}
}
