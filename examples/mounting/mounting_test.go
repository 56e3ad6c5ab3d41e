package mounting_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/caisse/checkout/examples/mounting"
	"github.com/matryer/is"
)

// mountings are the ways in which a host can mount the handler. differs has the steps of the script that this router answers itself, and
// the status that it answers.
var mountings = []struct {
	name    string
	mount   func(prefix string, h http.Handler) http.Handler
	prefix  string
	differs map[string]int
	noHost  bool // the host has no routes of its own
}{
	{name: "the handler without a router", mount: withoutRouter, noHost: true},
	{name: "ServeMux", mount: mounting.ServeMux, differs: muxDiffers},
	{name: "ServeMux under a prefix", mount: mounting.ServeMux, prefix: "/pay/ci", differs: muxDiffers},
	{name: "the handler behind a chain, without a router", mount: chained(withoutRouter), noHost: true},
	{name: "ServeMux behind a chain, under a prefix", mount: chained(mounting.ServeMux), prefix: "/pay", differs: muxDiffers},
	{name: "chi", mount: mounting.Chi, differs: chiDiffers},
	{name: "chi under a prefix", mount: mounting.Chi, prefix: "/pay/ci", differs: chiDiffers},
	{name: "chi, behind a chain", mount: chained(mounting.Chi), differs: chiDiffers},
	{name: "echo", mount: mounting.Echo},
	{name: "echo under a prefix", mount: mounting.Echo, prefix: "/pay/ci"},
	{name: "echo, behind a chain", mount: chained(mounting.Echo)},
	{name: "gin", mount: mounting.Gin, differs: ginDiffers},
	{name: "gin under a prefix", mount: mounting.Gin, prefix: "/pay/ci", differs: ginDiffers},
	{name: "gin, behind a chain", mount: chained(mounting.Gin), differs: ginDiffers},
	{name: "gin, beside other routes", mount: mounting.GinBeside, differs: ginBesideDiffers},
}

var (
	muxDiffers = map[string]int{"does not find a doubled slash": 307, "does not find a dot segment": 307}
	chiDiffers = map[string]int{"refuses an unknown method": 405}
	ginDiffers = map[string]int{"refuses an unknown method": 404}

	ginBesideDiffers = map[string]int{
		"refuses an unknown method":         404,
		"makes a Request-Id":                404,
		"does not find another path":        404,
		"does not find another letter case": 404,
		"does not find a doubled slash":     404,
		"does not find a dot segment":       404,
	}
)

// withoutRouter serves the handler directly.
func withoutRouter(prefix string, h http.Handler) http.Handler { return http.StripPrefix(prefix, h) }

// chained puts the middleware of mounting.Chain around a mounting.
func chained(mount func(string, http.Handler) http.Handler) func(string, http.Handler) http.Handler {
	return func(prefix string, h http.Handler) http.Handler {
		return mounting.Chain(mount(prefix, h), slog.New(slog.DiscardHandler))
	}
}

// transports are the protocols by which a request can reach a server of net/http.
var transports = []struct {
	name  string
	major int
	start func(*httptest.Server) *http.Client
}{
	{"HTTP/1.1", 1, func(s *httptest.Server) *http.Client {
		s.Start()
		return s.Client()
	}},
	{"HTTP/2 over TLS", 2, func(s *httptest.Server) *http.Client {
		s.EnableHTTP2 = true
		s.StartTLS()
		return s.Client()
	}},
	{"HTTP/2 without TLS", 2, func(s *httptest.Server) *http.Client {
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
		client := s.Client()
		transport := client.Transport.(*http.Transport)
		transport.Protocols = s.Config.Protocols
		return client
	}},
}

// TestMountings proves that the handler gives the same answers behind every router, every middleware and every protocol, byte for byte apart
// from IDs and the headers of the connection. The only differences are those in differs. A client must not notice how the host has mounted
// the handler.
func TestMountings(t *testing.T) {
	// The first mounting is the handler without a router. All others must give its answers.
	var reference map[string]string
	for _, transport := range transports {
		for _, m := range mountings {
			t.Run(transport.name+"/"+m.name, func(t *testing.T) {
				is := is.New(t)
				c := serve(t, m.mount(m.prefix, handlerFor(t, m.prefix)), transport.start)
				c.base.Path, c.prefix = m.prefix, m.prefix

				transcript := c.play(t, m.differs)
				if reference == nil {
					reference = transcript
				}
				is.Equal(len(transcript)+len(m.differs), len(script)) // every step of the script must be played
				for name, got := range transcript {
					if want := reference[name]; got != want {
						t.Errorf("%s:\ngot\n%s\n\nwant\n%s", name, got, want)
					}
				}
			})
		}
	}
}

// TestHostsOwnRoutes proves that mounting the handler does not take the host's own routes away.
func TestHostsOwnRoutes(t *testing.T) {
	for _, m := range mountings {
		if m.noHost {
			continue
		}
		t.Run(m.name+" still serves the host's own page", func(t *testing.T) {
			is := is.New(t)
			w := httptest.NewRecorder()
			m.mount(m.prefix, handlerFor(t, m.prefix)).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			is.Equal(w.Code, 200)
			is.Equal(w.Body.String(), "the host's own page\n")
			is.Equal(w.Header().Get("Request-Id"), "") // the handler sets this header, so it was not called
		})
	}
}

// TestTransports is a control of TestMountings: each transport must really use the protocol of its name.
func TestTransports(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.name+" is the protocol in use", func(t *testing.T) {
			is := is.New(t)
			c := serve(t, handlerFor(t, ""), transport.start)
			resp, err := c.http.Get(c.base.String() + "/v1/openapi.yaml")
			is.NoErr(err)
			defer resp.Body.Close()
			is.Equal(resp.ProtoMajor, transport.major)
		})
	}
}

func serve(t *testing.T, h http.Handler, start func(*httptest.Server) *http.Client) *client {
	t.Helper()
	is := is.New(t)
	server := httptest.NewUnstartedServer(h)
	server.Config.ReadHeaderTimeout = 5 * time.Second
	server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(failOnWrite{t}, nil), slog.LevelError)
	httpClient := start(server)
	t.Cleanup(server.Close)
	// Do not follow redirects: the handler never answers one, so the script must see those of a router.
	httpClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	base, err := url.Parse(server.URL)
	is.NoErr(err)
	return &client{http: httpClient, base: base}
}

// failOnWrite fails the test when the server logs an error, such as a header that was written twice.
type failOnWrite struct{ t *testing.T }

func (w failOnWrite) Write(p []byte) (int, error) {
	w.t.Errorf("server: %s", p)
	return len(p), nil
}
