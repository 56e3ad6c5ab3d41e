//go:build linux

package cluster

import (
	"slices"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/effort"
	"github.com/caisse/checkout/faults/oracle"
)

// The control: on a cluster without synchronous_mode, whose standbys are down for a while before the leader is lost, what was
// acknowledged in that time is lost, and the suite must see it.
func TestControl(t *testing.T) {
	s := documented
	s.asynchronous = true
	c := start(t, s)
	r := begin(t, c, c.routes()[0], effort.Seed(t), 0)
	h, _, told := r.run(fault{name: "the leader's node killed, while its standbys were down", make: func(r *round) func() {
		leader := r.leader(nil)
		for _, n := range c.nodes {
			if n != leader {
				n.kill() // not stopped: the system would keep what the leader sends
			}
		}
		time.Sleep(2 * time.Second) // in which some forty sessions are created
		leader.kill()
		for _, n := range c.nodes {
			if n != leader {
				n.start()
			}
		}
		return leader.start
	}})
	lost := slices.ContainsFunc(oracle.Rules(h, oracle.Options{}), func(v oracle.Violation) bool { return v.Rule == oracle.Lost })
	if !lost || told.Tally.Lost == 0 {
		t.Errorf("the control lost nothing that the suite has seen: sessions %t, of those with webhooks %d", lost, told.Tally.Lost)
	}
}
