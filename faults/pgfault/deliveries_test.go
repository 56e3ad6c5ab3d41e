package pgfault

import "testing"

// TestDeliveriesOverAnAsynchronousStandby shows that the suite of webhook deliveries can fail. The primary does not wait for its
// standby, so a failover loses acknowledged events, and the suite must notice that within five rounds.
func TestDeliveriesOverAnAsynchronousStandby(t *testing.T) {
	for n := range 5 {
		if v := (told{forsake: true}).lose(t, uint64(n)); v.Tally.Lost > 0 {
			t.Logf("caught in round %d: %s", n, v.Complaints[0])
			return
		}
	}
	t.Error("the suite noticed no lost event")
}
