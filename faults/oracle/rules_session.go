package oracle

import (
	"slices"

	"github.com/caisse/checkout/faults/history"
)

// constant: the fields of a session that no transition may change never change.
func constant(e *evidence) {
	for id, sights := range e.seen {
		first := lasting(*sights[0].session)
		for _, at := range sights[1:] {
			if now := lasting(*at.session); now != first {
				e.violated(Constant, []*history.Operation{sights[0].op, at.op}, "session %s was %+v, then %+v", id, first, now)
				break
			}
		}
	}
}

// lasting returns the part of a session that no transition may change.
func lasting(s history.Session) history.Session {
	s.Status, s.Payment, s.Completed, s.Reason, s.Late, s.Version = "", "", 0, "", false, 0
	return s
}

// versions: two answers with the same version agree, and a session has no more versions than its creation and the calls that can have
// changed it.
func versions(e *evidence) {
	for id, sights := range e.seen {
		known := make(map[int64]sight)
		highest := int64(0)
		for _, at := range sights {
			v := at.session.Version
			if v == 0 {
				continue
			}
			highest = max(highest, v)
			first, ok := known[v]
			if !ok {
				known[v] = at
				continue
			}
			if a, b := changing(*first.session), changing(*at.session); a != b {
				e.violated(Versions, []*history.Operation{first.op, at.op}, "version %d of session %s is %+v, then %+v", v, id, a, b)
			}
		}
		if most := int64(1 + len(e.changes(id))); highest > most {
			e.violated(Versions, []*history.Operation{sights[0].op}, "session %s came to version %d by %d changes at most", id, highest, most-1)
		}
	}
}

// changing returns the part of a session that a transition may change, without the status, which the clock may change too.
func changing(s history.Session) history.Session {
	return history.Session{Payment: s.Payment, Completed: s.Completed, Reason: s.Reason, Late: s.Late}
}

// fresh: a call that starts after an answer was given sees what the answer showed, or something newer.
func fresh(e *evidence) {
	for id, returned := range e.seen {
		called := slices.Clone(returned)
		slices.SortStableFunc(called, func(a, b sight) int { return compare(a.op.At, b.op.At) })
		newest, next := sight{}, 0
		for _, at := range called {
			for ; next < len(returned) && before(returned[next].op, at.op); next++ {
				if newest.op == nil || returned[next].session.Version > newest.session.Version {
					newest = returned[next]
				}
			}
			if newest.op != nil && at.session.Version != 0 && at.session.Version < newest.session.Version {
				e.violated(Stale, []*history.Operation{newest.op, at.op}, "session %s was at version %d, then at %d", id, newest.session.Version, at.session.Version)
				break
			}
		}
	}
}

// edges is the published table of transitions, with the new attempt by which a pending session gets another payment. It is a copy
// on purpose: a mistake in the library's table must not change what judges it.
func edges(status string) []string {
	switch status {
	case "created":
		return []string{"pending", "processing", "completed", "failed", "cancelled", "expired"}
	case "pending":
		return []string{"pending", "processing", "completed", "failed", "cancelled", "expired"}
	case "processing":
		return []string{"completed", "failed"}
	case "expired", "cancelled", "failed":
		return []string{"completed"}
	}
	return nil
}

// table: from one version to the next, a status changes only as the table allows.
func table(e *evidence) {
	for id, sights := range e.seen {
		byVersion := slices.Clone(sights)
		slices.SortStableFunc(byVersion, func(a, b sight) int { return compare(a.session.Version, b.session.Version) })
		possible := map[string]bool{"created": true}
		if sights[0].session.Method == "card" {
			possible = map[string]bool{"pending": true}
		}
		version, paid := int64(1), false // paid: the version before had a payment
		for i, at := range byVersion {
			if at.session.Version == 0 {
				continue
			}
			for ; version < at.session.Version && len(possible) > 0; version++ {
				next := make(map[string]bool)
				for status := range possible {
					if status == "processing" && !paid && at.session.Payment != "" {
						next[status] = true // a call that records the payment, where there was none
					}
					for _, to := range edges(status) {
						next[to] = true
					}
				}
				possible = next
			}
			paid = at.session.Payment != ""
			for status := range possible {
				byClock := at.session.Status == "expired" && at.op.Kind != history.Expire && (status == "created" || status == "pending")
				if status != at.session.Status && !byClock {
					delete(possible, status)
				}
			}
			if len(possible) == 0 {
				e.violated(Table, []*history.Operation{byVersion[max(i-1, 0)].op, at.op}, "session %s cannot be %s at version %d: it was %s at version %d",
					id, at.session.Status, at.session.Version, byVersion[max(i-1, 0)].session.Status, byVersion[max(i-1, 0)].session.Version)
				break
			}
		}
	}
}

// expiry: no answer shows a session as payable from its expires_at on, or as expired before that.
func expiry(e *evidence) {
	type reading struct{ at, clock int64 }
	var readings []reading // of the service's clock
	for _, op := range e.operations {
		readings = append(readings, reading{op.At, op.Clock})
		if op.Return.At != history.Never {
			readings = append(readings, reading{op.Return.At, op.Return.Clock})
		}
	}
	slices.SortFunc(readings, func(a, b reading) int { return compare(a.at, b.at) })
	for i := 1; i < len(readings); i++ {
		readings[i].clock = max(readings[i].clock, readings[i-1].clock)
	}
	latest := func(at int64) int64 { // the latest time that the clock has shown until then
		i, _ := slices.BinarySearchFunc(readings, at+1, func(r reading, at int64) int { return compare(r.at, at) })
		return readings[i-1].clock
	}
	for id, sights := range e.seen {
		for _, at := range sights {
			from, _ := clocks(at.op)
			s := at.session
			// The call read the clock at some instant between its start and its return.
			waits := s.Status == "created" || s.Status == "pending"
			if waits && from >= s.Expires {
				e.violated(Expiry, []*history.Operation{at.op}, "session %s is %s %d µs after it expired", id, s.Status, from-s.Expires)
				break
			}
			if s.Status == "expired" && latest(at.op.Return.At) < s.Expires {
				e.violated(Expiry, []*history.Operation{at.op}, "session %s is expired %d µs too early", id, s.Expires-latest(at.op.Return.At))
				break
			}
		}
	}
}
