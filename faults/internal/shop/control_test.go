//go:build unix

package shop_test

import (
	"math/rand/v2"
	"testing"

	"github.com/matryer/is"

	_ "github.com/caisse/checkout/faults/effort" // defines the flags -long and -seed
	"github.com/caisse/checkout/faults/internal/shop"
	"github.com/caisse/checkout/faults/trial"
)

// TestControl proves that a planted bug counts as caught only if a round fails with the expected complaint. A round that fails for
// another reason, such as a child that does not start, says nothing about the bug.
func TestControl(t *testing.T) {
	for _, tt := range []struct {
		name  string
		round func(tb testing.TB, n int)
		want  string
		tried int
	}{
		{"is caught by the expected complaint", func(tb testing.TB, _ int) { tb.Error("first\na session was lost: cs_1\nmore") }, "a session was lost: cs_1", 1},
		{"is caught in a later round", func(tb testing.TB, n int) {
			if n == 4 {
				tb.Fatal("a session was lost")
			}
		}, "a session was lost", 4},
		{"is not caught by another failure", func(tb testing.TB, _ int) { tb.Fatal("no child could be started") }, "", 10},
		{"is not caught by a complaint that is only logged", func(tb testing.TB, _ int) { tb.Log("a session was lost") }, "", 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			tried := 0
			c := shop.Control{Name: "bug", By: "was lost", Round: func(tb testing.TB, _ *rand.Rand) {
				tried++
				tt.round(tb, tried)
			}}
			is.Equal(c.Caught(t, 7), tt.want)
			is.Equal(tried, tt.tried)
		})
	}

	t.Run("is skipped if the machine lacks something", func(t *testing.T) {
		is := is.New(t)
		c := shop.Control{Name: "bug", By: "was lost", Round: func(tb testing.TB, _ *rand.Rand) { tb.Skip("no loop devices") }}
		report := trial.Run(t.Context(), "trial", func(tb testing.TB) { c.Caught(tb, 7) })
		is.Equal(report, trial.Report{Skipped: true, Log: "no loop devices\n"})
	})
}
