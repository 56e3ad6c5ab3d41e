// Command drive runs the generated clients against the handler. It calls the clients in Go itself. The other clients are programs, whose
// commands are the arguments, with -- between them. Each command gets the server's address and a token as its last arguments.
package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
)

const token = "sk_test_1"

func main() {
	failed := false
	report := func(name string, err error) {
		fmt.Printf("%-24s %v\n", name, map[bool]any{true: "ok", false: err}[err == nil])
		failed = failed || err != nil
	}
	report("oapi-codegen", fresh(driveOAPI))
	report("ogen", fresh(driveOgen))
	for _, command := range strings.Split(strings.Join(os.Args[1:], " "), " -- ") {
		words := strings.Fields(command)
		if len(words) == 0 {
			continue
		}
		report(command, fresh(func(url string) error {
			cmd := exec.Command(words[0], append(words[1:], url, token)...)
			cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
			return cmd.Run()
		}))
	}
	if failed {
		os.Exit(1)
	}
}

// fresh calls drive with the address of a server of its own.
func fresh(drive func(url string) error) error {
	checkouts, err := checkout.New(memory.New(), checkout.Config{})
	if err != nil {
		return err
	}
	auth, err := checkout.BearerTokens(map[string]checkout.Account{token: {ID: "acct_1", Test: true}})
	if err != nil {
		return err
	}
	handler, err := checkout.NewHandler(checkouts, auth, checkout.HandlerConfig{})
	if err != nil {
		return err
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	return drive(server.URL)
}

// checks keeps the first check that failed.
type checks struct{ err error }

func (c *checks) equal(what string, got, want any) {
	if c.err == nil && got != want {
		c.err = fmt.Errorf("%s: got %v, want %v", what, got, want)
	}
}
