package webhook_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/webhook"
)

// TestPublic proves that private and special addresses do not count as public, even if they are part of an IPv6 address. Otherwise a
// merchant could make the host call servers of its own network.
func TestPublic(t *testing.T) {
	for _, text := range []string{
		"127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.255",
		"0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.19.255.255",
		"198.51.100.7", "203.0.113.7", "192.88.99.1",
		"::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1", "3fff::1", "fec0::1", "100::1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", // IPv4-mapped
		"::127.0.0.1",              // IPv4-compatible
		"64:ff9b::7f00:1",          // NAT64
		"64:ff9b:1::7f00:1",        // NAT64 with a local prefix
		"2002:7f00:1::1",           // 6to4
		"2001:0:7f00:1::1",         // Teredo
		"::ffff:0:127.0.0.1",       // IPv4-translated
		"2001:20::1", "2001:10::1", // ORCHID
	} {
		if webhook.Public(netip.MustParseAddr(text)) {
			t.Errorf("Public is true for %s", text)
		}
	}
	for _, text := range []string{"1.1.1.1", "8.8.8.8", "41.207.1.1", "100.63.255.255", "100.128.0.1", "172.15.255.255", "172.32.0.1", "::ffff:8.8.8.8", "2606:4700::1111", "2c0f:f248::1"} {
		if !webhook.Public(netip.MustParseAddr(text)) {
			t.Errorf("Public is false for %s", text)
		}
	}
	if webhook.Public(netip.Addr{}) {
		t.Error("Public is true for the zero address")
	}
}

// settledStore sends the first attempt of each delivery to a channel, after Settle has stored it.
type settledStore struct {
	webhook.Store
	attempts chan webhook.Attempt
}

func (s settledStore) Settle(ctx context.Context, results []webhook.Settlement) error {
	err := s.Store.Settle(ctx, results)
	for _, r := range results {
		s.attempts <- r.Delivery.Attempts[0]
	}
	return err
}

// firstAttempt sends a test to a URL, and returns the result of the first attempt. It writes the URL into the store itself, because Create
// would refuse it.
func firstAttempt(t *testing.T, url string, cfg webhook.Config) webhook.Attempt {
	t.Helper()
	is := is.New(t)
	sessions := memory.New()
	checkouts, err := checkout.New(sessions, checkout.Config{})
	is.NoErr(err)
	store := settledStore{sessions.Webhooks(), make(chan webhook.Attempt, 1)}
	hooks, err := webhook.New(checkouts, store, cfg)
	is.NoErr(err)
	e, err := hooks.Create(t.Context(), merchant, webhook.EndpointParams{URL: "https://shop.example/"})
	is.NoErr(err)
	stored, err := store.GetEndpoint(t.Context(), merchant, e.ID)
	is.NoErr(err)
	stored.URL = url
	stored.Version++
	is.NoErr(store.UpdateEndpoint(t.Context(), stored))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- hooks.Run(ctx) }()
	defer func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Fatal("Run goes on a minute after its context has ended")
		}
	}()
	is.NoErr(hooks.Test(t.Context(), merchant, e.ID))
	select {
	case attempt := <-store.attempts:
		return attempt
	case <-time.After(time.Minute):
		t.Fatalf("%s: there is no attempt after a minute", url)
		return webhook.Attempt{}
	}
}

// TestNoDeliveryReachesAnAddressThatIsNotPublic listens on a local port, and proves that no delivery connects to it: not
// through a URL that is in the store already, not through a name, and not through a proxy of the environment.
func TestNoDeliveryReachesAnAddressThatIsNotPublic(t *testing.T) {
	var connections atomic.Int64
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	is.New(t).NoErr(err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			conn.Close()
		}
	}()
	port := listener.Addr().(*net.TCPAddr).Port

	t.Run("through its URL", func(t *testing.T) {
		for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "127.1", "2130706433", "0x7f000001", "017700000001"} {
			attempt := firstAttempt(t, fmt.Sprintf("https://%s:%d/", host, port), webhook.Config{})
			if attempt.Error != webhook.FaultRefusedAddress && attempt.Error != webhook.FaultDNS {
				t.Errorf("%s: the attempt is %+v, want a refused address or an unknown name", host, attempt)
			}
		}
	})

	// net/http reads the environment variables for proxies only once in a process. So this sub-test runs itself in another process.
	t.Run("through a proxy of the environment", func(t *testing.T) {
		is := is.New(t)
		const child = "WEBHOOK_TEST_BEHIND_A_PROXY"
		if os.Getenv(child) == "" {
			program, err := os.Executable()
			is.NoErr(err)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			test := exec.CommandContext(ctx, program, "-test.v", "-test.run=^"+t.Name()+"$")
			test.Env = append(os.Environ(), child+"=1", fmt.Sprintf("HTTPS_PROXY=http://127.0.0.1:%d", port), "NO_PROXY=", "no_proxy=")
			out, err := test.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
				t.Fatalf("the test in another process: %v\n%s", err, out)
			}
			return
		}
		request, err := http.NewRequest(http.MethodPost, "https://name.invalid/", nil)
		is.NoErr(err)
		proxy, err := http.ProxyFromEnvironment(request)
		is.NoErr(err)
		is.True(proxy != nil) // the environment variable has an effect
		// Only a delivery without a proxy asks for the address of the name.
		is.Equal(firstAttempt(t, "https://name.invalid/", webhook.Config{}).Error, webhook.FaultDNS)
	})
	is.New(t).Equal(connections.Load(), int64(0))
}

// TestWhatReceiversAnswer checks which status and fault the dispatcher records for each kind of answer, and that it does not follow redirects.
func TestWhatReceiversAnswer(t *testing.T) {
	var followed atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/followed", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/followed", func(http.ResponseWriter, *http.Request) { followed.Add(1) })
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	mux.HandleFunc("/error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) { // its body never ends
		w.WriteHeader(http.StatusOK)
		for r.Context().Err() == nil {
			if _, err := fmt.Fprint(w, strings.Repeat("x", 4096)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/closes", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.Close()
		}
	})
	plain, secure := httptest.NewServer(mux), httptest.NewTLSServer(mux)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	allowPrivate := webhook.Config{AllowPrivate: true}
	for url, want := range map[string]webhook.Attempt{
		plain.URL + "/ok":            {StatusCode: 202},
		plain.URL + "/endless":       {StatusCode: 200},
		plain.URL + "/redirect":      {StatusCode: 307, Error: webhook.FaultRedirect},
		plain.URL + "/error":         {StatusCode: 418, Error: webhook.FaultStatus},
		plain.URL + "/closes":        {Error: webhook.FaultConnection},
		secure.URL + "/ok":           {Error: webhook.FaultTLS}, // the certificate is of an unknown authority
		"http://127.0.0.1:1/":        {Error: webhook.FaultConnection},
		"https://name.invalid/hooks": {Error: webhook.FaultDNS},
	} {
		attempt := firstAttempt(t, url, allowPrivate)
		if attempt.StatusCode != want.StatusCode || attempt.Error != want.Error {
			t.Errorf("%s: the attempt is %+v, want %+v", url, attempt, want)
		}
	}
	is.New(t).Equal(followed.Load(), int64(0))
}
