package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/matryer/is"
)

const want = `status: created
amount: 5000 XOF
operator: Orange dialled +2250707987654
the second try found the first session: true
`

// TestRunTwice proves that the example also works with the database of an earlier run.
func TestRunTwice(t *testing.T) {
	is := is.New(t)
	path := filepath.Join(t.TempDir(), "shop.db")
	for range 2 {
		var out bytes.Buffer
		is.NoErr(run(t.Context(), path, &out))
		is.Equal(out.String(), want)
	}
}
