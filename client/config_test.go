package client_test

import (
	"errors"
	"go/parser"
	gotoken "go/token"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout/client"
	"github.com/matryer/is"
)

func TestNewReportsEveryFault(t *testing.T) {
	is := is.New(t)
	_, err := client.New("api.example.com", "", client.Config{
		MaxAttempts: -1, MaxElapsed: -1, Timeout: -1, LongPoll: 1500 * time.Millisecond, UserAgent: "a\nb",
	})
	var fields []string
	for _, line := range strings.Split(err.Error(), "\n") {
		fields = append(fields, strings.Fields(line)[1])
	}
	is.Equal(fields, []string{"baseURL", "token", "Config.MaxAttempts", "Config.MaxElapsed", "Config.Timeout", "Config.LongPoll", "Config.UserAgent"})
	_, ok := errors.AsType[*client.ConfigError](err)
	is.True(ok)
}

func TestBaseURL(t *testing.T) {
	for _, test := range []struct {
		url string
		ok  bool
	}{
		{"https://api.example.com", true},
		{"https://api.example.com:8443/pay/", true},
		{"http://localhost:8080", true},
		{"http://127.0.0.1:8080", true},
		{"http://[::1]:8080", true},
		{"http://api.example.com", false},
		{"http://localhost.example.com", false},
		{"ftp://api.example.com", false},
		{"https://", false},
		{"https://user:hush@api.example.com", false},
		{"https://api.example.com?a=b", false},
		{"https://api.example.com#a", false},
		{"https://hush\x7f", false},
		{"", false},
	} {
		t.Run(test.url, func(t *testing.T) {
			is := is.New(t)
			_, err := client.New(test.url, "sk_1", client.Config{})
			is.Equal(err == nil, test.ok)
			is.True(err == nil || !strings.Contains(err.Error(), "hush"))
		})
	}
	is := is.New(t)
	_, err := client.New("http://checkout:8080", "sk_1", client.Config{AllowPlaintext: true})
	is.NoErr(err)
}

// The program may use its http.Client elsewhere too, so New must not change it.
func TestTheProgramsOwnHTTPClientIsUsedAndLeftAsItIs(t *testing.T) {
	is := is.New(t)
	used := 0
	own := &http.Client{Timeout: time.Nanosecond, Transport: transport(func(r *http.Request) (*http.Response, error) {
		used++
		is.Equal(r.Header.Get("User-Agent"), "shop/2 (test)")
		is.Equal(r.Header.Get("Authorization"), "Bearer "+"sk_test_4eC39HqLyjWDarjtT1zdp7dc")
		return nil, errors.New("no network here")
	})}
	_, err := newClient(t, "https://api.example.com", client.Config{HTTPClient: own, MaxAttempts: 1, UserAgent: "shop/2 (test)"}).Get(t.Context(), cannedID)
	is.Equal(err.Error(), "client: get a session: gave up after 1 try: no answer: no network here")
	is.Equal(used, 1)
	is.Equal(own.Timeout, time.Nanosecond)
	is.True(own.CheckRedirect == nil)
}

// A program that imports the client must not get the dependencies of the server.
func TestImportsTheStandardLibraryAlone(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		files++
		file, err := parser.ParseFile(gotoken.NewFileSet(), entry.Name(), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
				t.Errorf("%s imports %s, which is not in the standard library", entry.Name(), path)
			}
		}
	}
	if files == 0 {
		t.Error("no file was read")
	}
}
