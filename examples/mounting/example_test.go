package mounting_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/caisse/checkout/examples/mounting"
)

func ExampleServeMux() {
	h := must(newHandler("")) // checkout.NewHandler, with HandlerConfig.BasePath
	server := httptest.NewServer(mounting.ServeMux("", h))
	defer server.Close()
	payTwice(server.URL + "/v1/checkouts")
	// Output:
	// 201 Created
	// 200 OK, replayed
	// 200 OK at the Location
}

// A handler under a prefix gets the prefix as its BasePath, so that Location contains the prefix.
func ExampleServeMux_prefix() {
	h := must(newHandler("/pay"))
	server := httptest.NewServer(mounting.ServeMux("/pay", h))
	defer server.Close()
	payTwice(server.URL + "/pay/v1/checkouts")
	// Output:
	// 201 Created
	// 200 OK, replayed
	// 200 OK at the Location
}

func ExampleChain() {
	h := must(newHandler(""))
	server := httptest.NewServer(mounting.Chain(mounting.ServeMux("", h), slog.New(slog.DiscardHandler)))
	defer server.Close()
	payTwice(server.URL + "/v1/checkouts")
	// Output:
	// 201 Created
	// 200 OK, replayed
	// 200 OK at the Location
}

func ExampleChi() {
	h := must(newHandler("/pay"))
	server := httptest.NewServer(mounting.Chi("/pay", h))
	defer server.Close()
	payTwice(server.URL + "/pay/v1/checkouts")
	// Output:
	// 201 Created
	// 200 OK, replayed
	// 200 OK at the Location
}

func ExampleEcho() {
	h := must(newHandler("/pay"))
	server := httptest.NewServer(mounting.Echo("/pay", h))
	defer server.Close()
	payTwice(server.URL + "/pay/v1/checkouts")
	// Output:
	// 201 Created
	// 200 OK, replayed
	// 200 OK at the Location
}

func ExampleGin() {
	h := must(newHandler("/pay"))
	server := httptest.NewServer(mounting.Gin("/pay", h))
	defer server.Close()
	payTwice(server.URL + "/pay/v1/checkouts")
	// Output:
	// 201 Created
	// 200 OK, replayed
	// 200 OK at the Location
}

func ExampleGinBeside() {
	h := must(newHandler(""))
	server := httptest.NewServer(mounting.GinBeside("", h))
	defer server.Close()
	payTwice(server.URL + "/v1/checkouts")
	// Output:
	// 201 Created
	// 200 OK, replayed
	// 200 OK at the Location
}

// payTwice creates a session, repeats the request like a client that got no answer, and gets the session from its Location.
func payTwice(url string) {
	var location string
	for range 2 {
		resp := must(http.DefaultClient.Do(request("POST", url, validBody)))
		resp.Body.Close()
		replayed := ""
		if resp.Header.Get("Idempotent-Replayed") == "true" {
			replayed = ", replayed"
		}
		fmt.Println(resp.Status + replayed)
		location = must(resp.Location()).String()
	}
	resp := must(http.DefaultClient.Do(request("GET", location, "")))
	resp.Body.Close()
	fmt.Println(resp.Status, "at the Location")
}

func request(method, url, body string) *http.Request {
	r := must(http.NewRequest(method, url, strings.NewReader(body)))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", firstKey)
	return r
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
