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

// mountings are all the ways in which a host may have mounted the handler, with the steps of the script that are known
// to be answered otherwise there, and the status that they get instead.
var mountings = []struct {
	name    string
	mount   func(prefix string, h http.Handler) http.Handler
	prefix  string
	differs map[string]int
	noHost  bool // has no routes but the handler's
}{
	{name: "the handler alone", mount: alone, noHost: true},
	{name: "ServeMux", mount: mounting.ServeMux, differs: muxDiffers},
	{name: "ServeMux under a prefix", mount: mounting.ServeMux, prefix: "/pay/ci", differs: muxDiffers},
	{name: "the handler behind a chain", mount: chained(alone), noHost: true},
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
	muxDiffers = map[string]int{"takes no doubled slash": 307, "takes no dot segment": 307}
	chiDiffers = map[string]int{"allows no method of its own making": 405}
	ginDiffers = map[string]int{"allows no method of its own making": 404}

	ginBesideDiffers = map[string]int{
		"allows no method of its own making": 404,
		"makes a Request-Id":                 404,
		"has nothing at another path":        404,
		"takes no other letter case":         404,
		"takes no doubled slash":             404,
		"takes no dot segment":               404,
	}
)

func alone(prefix string, h http.Handler) http.Handler { return http.StripPrefix(prefix, h) }

func chained(mount func(string, http.Handler) http.Handler) func(string, http.Handler) http.Handler {
	return func(prefix string, h http.Handler) http.Handler {
		return mounting.Chain(mount(prefix, h), slog.New(slog.DiscardHandler))
	}
}

// transports are the ways in which a request may reach a server of net/http.
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

func TestMountings(t *testing.T) {
	// What the handler answers with nothing around it is what everybody must answer.
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
				is.Equal(len(transcript)+len(m.differs), len(script)) // no step was left out
				for name, got := range transcript {
					if want := reference[name]; got != want {
						t.Errorf("%s:\ngot\n%s\n\nwant\n%s", name, got, want)
					}
				}
			})
		}
	}
}

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
			is.Equal(w.Header().Get("Request-Id"), "") // the handler had no part in it
		})
	}
}

func TestTransports(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.name+" is what it says", func(t *testing.T) {
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
	// A redirect is an answer, and one that the handler never gives.
	httpClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	base, err := url.Parse(server.URL)
	is.NoErr(err)
	return &client{http: httpClient, base: base}
}

// failOnWrite fails a test whose server has something to complain of, such as a header that was written twice.
type failOnWrite struct{ t *testing.T }

func (w failOnWrite) Write(p []byte) (int, error) {
	w.t.Errorf("server: %s", p)
	return len(p), nil
}
