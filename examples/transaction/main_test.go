package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/matryer/is"
)

const want = `the order is taken and can be paid: created
the next one is not: out of stock
sessions: 1
`

func TestRunTwice(t *testing.T) {
	is := is.New(t)
	path := filepath.Join(t.TempDir(), "shop #1.db")
	for range 2 { // the second run must find what the first committed, and nothing that it rolled back
		var out bytes.Buffer
		is.NoErr(run(t.Context(), path, &out))
		is.Equal(out.String(), want)
	}
}
