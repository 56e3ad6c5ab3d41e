package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/store/postgres"
	"github.com/caisse/checkout/store/sqlite"
	"github.com/caisse/checkout/webhook"
	"github.com/google/uuid"
)

// The default key, for a first try. A server that others can reach needs its own.
const (
	defaultToken   = "sk_live_demo"
	defaultAccount = "acct_demo"
)

type options struct {
	addr     string
	store    string
	accounts map[string]checkout.Account
	simulate bool
	private  bool   // webhooks may go to http and private addresses
	token    string // the first one of the command line, for the curl command
}

func parseFlags(args []string, output io.Writer) (options, error) {
	opts := options{accounts: map[string]checkout.Account{}}
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.StringVar(&opts.addr, "addr", "127.0.0.1:8080", "listen on `HOST:PORT`; port 0 takes a free one")
	flags.StringVar(&opts.store, "store", "sqlite:checkouts.db", "keep sessions in memory, sqlite:PATH, or a postgres:// URL")
	flags.BoolVar(&opts.simulate, "simulate", true, "have a payer's page and a simulated operator, which pays or refuses sessions of test keys")
	flags.BoolVar(&opts.private, "webhook-private", false, "allow webhooks to http URLs and private addresses, such as a receiver on this machine")
	var badKey error // returned later: package flag prints a value that it refuses, and this one contains a token
	key := func(test bool) func(string) error {
		return func(value string) error {
			token, account, ok := strings.Cut(value, "=")
			_, taken := opts.accounts[token]
			switch {
			case !ok || token == "" || account == "":
				badKey = errors.New("-key and -test-key take TOKEN=ACCOUNT")
			case taken:
				badKey = errors.New("-key and -test-key take each token once")
			}
			opts.accounts[token] = checkout.Account{ID: account, Test: test}
			if opts.token == "" {
				opts.token = token
			}
			return nil
		}
	}
	flags.Func("key", "accept a bearer token for an account, as `TOKEN=ACCOUNT`; repeatable", key(false))
	flags.Func("test-key", "the same in test mode, as `TOKEN=ACCOUNT`; repeatable", key(true))
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return options{}, err
	} else if err != nil {
		return options{}, errUsage // package flag has printed the error
	}
	if badKey != nil {
		return options{}, badKey
	}
	if flags.NArg() > 0 {
		return options{}, errors.New("there are arguments that are not flags; -h lists the flags") // it does not name them: one may be a token
	}
	if len(opts.accounts) == 0 {
		opts.accounts[defaultToken] = checkout.Account{ID: defaultAccount}
		opts.token = defaultToken
	}
	return opts, nil
}

var errUsage = errors.New("usage")

// closableStore is implemented by every store of this module.
type closableStore interface {
	Webhooks() webhook.Store
	checkout.Store
	Close() error
}

func openStore(ctx context.Context, name string) (closableStore, error) {
	kind, path, _ := strings.Cut(name, ":")
	switch {
	case name == "memory":
		return memory.New(), nil
	case kind == "sqlite" && path != "":
		return sqlite.Open(ctx, path)
	case kind == "postgres" || kind == "postgresql":
		return postgres.Open(ctx, name)
	}
	return nil, errors.New("-store must be memory, sqlite:PATH, or a postgres:// URL")
}

// greeting says where the server is and how to try it. The curl command has a new idempotency key at every start. Pasting
// it twice makes one session.
func (o options) greeting(addr net.Addr) string {
	url := o.baseURL(addr)
	return fmt.Sprintf(`listening on %[1]s

curl -i %[1]s/v1/checkouts \
  -H 'Authorization: Bearer %[2]s' \
  -H 'Content-Type: application/json' \
  -H 'Idempotency-Key: %[3]s' \
  -d '{"amount": 5000, "currency": "XOF", "user_phone": "+22507987654"}'

Paste it twice: 201 makes the session, 200 finds it again.
`, url, strings.ReplaceAll(o.token, "'", `'\''`), uuid.New())
}

// baseURL returns the URL of the server for a browser on this machine.
func (o options) baseURL(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return "http://" + addr.String()
}
