package memory_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
)

// TestChangeOfALongSessionTakesLittleMemory proves that a change does not store again the fields that cannot change, such as URLs. The
// store keeps each change until its session is pruned.
func TestChangeOfALongSessionTakesLittleMemory(t *testing.T) {
	const changes = 5_000
	s := session(1)
	s.SuccessURL = "https://shop.example/" + strings.Repeat("s", 2000)
	s.CancelURL = "https://shop.example/" + strings.Repeat("c", 2000)
	m := memory.New()
	create(t, m, s)
	before := heapInUse()
	for n := range changes {
		s.Version++
		s.Status, s.PaymentID = checkout.StatusPending, fmt.Sprintf("ORDER_%d", n)
		if err := m.Update(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	size := (heapInUse() - before) / changes
	t.Logf("%d bytes per change", size)
	is.New(t).True(size < 256)
	runtime.KeepAlive(m)
}
