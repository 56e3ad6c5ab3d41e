package pgfault

import "testing"

// TestDeliveriesOverAnAsynchronousStandby shows that the suite of deliveries can fail: what was acknowledged is lost there.
func TestDeliveriesOverAnAsynchronousStandby(t *testing.T) {
	for n := range 5 {
		if v := (told{forsake: true}).lose(t, uint64(n)); v.Tally.Lost > 0 {
			t.Logf("caught in round %d: %s", n, v.Complaints[0])
			return
		}
	}
	t.Error("was not caught")
}
