//go:build linux

package cluster

import (
	"slices"
	"testing"

	"github.com/caisse/checkout/faults/effort"
	"github.com/caisse/checkout/faults/oracle"
)

// TestControl shows that the suite can fail. The cluster runs without synchronous_mode, and its standbys are down for a while before the
// leader is lost. Sessions and webhooks that were acknowledged in that time are lost, and the suite must notice both.
func TestControl(t *testing.T) {
	s := documented
	s.asynchronous = true
	c := start(t, s)
	r := begin(t, c, c.routes()[0], effort.Seed(t), 0)
	h, _, webhooks := r.run(fault{name: "the leader's node killed, while its standbys were down", make: func(r *round) func() {
		leader := r.leader(nil)
		for _, n := range c.nodes {
			if n != leader {
				n.kill() // not SIGSTOP: the kernel would still receive data for a stopped standby
			}
		}
		r.stage() // no standby has the sessions that the leader acknowledges here
		leader.kill()
		for _, n := range c.nodes {
			if n != leader {
				n.start()
			}
		}
		return leader.start
	}})
	lost := slices.ContainsFunc(oracle.Rules(h, oracle.Options{}), func(v oracle.Violation) bool { return v.Rule == oracle.Lost })
	if !lost || webhooks.Tally.Lost == 0 {
		t.Errorf("the suite must see a loss: a lost session %t, lost webhook deliveries %d", lost, webhooks.Tally.Lost)
	}
}
