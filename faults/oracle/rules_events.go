package oracle

import (
	"fmt"
	"strings"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
)

// histories: the events of a session are its creation and then its changes. Each was made by a call and agrees with the answers
// that showed the same version. No acknowledged change is missing.
func histories(e *evidence) {
	longest := make(map[string]*history.Operation) // by session, the History that returned the most events
	for _, op := range e.operations {
		if op.Kind != history.Past || op.Return.Outcome != history.OK {
			continue
		}
		sequence(e, op)
		if was := longest[op.Session]; was == nil || len(was.Return.Events) < len(op.Return.Events) {
			longest[op.Session] = op
		}
		for _, at := range e.seen[op.Session] {
			told, n := at.session.Version, int64(len(op.Return.Events))
			switch {
			case told == 0:
			case before(at.op, op) && told > n:
				e.violated(OneEvent, []*history.Operation{at.op, op}, "session %s was at version %d, and then had %d events", op.Session, told, n)
			case before(op, at.op) && told < n:
				e.violated(OneEvent, []*history.Operation{op, at.op}, "session %s had %d events, and then the version %d", op.Session, n, told)
			}
		}
	}
	for id, op := range longest {
		events := op.Return.Events
		made(e, op)
		for _, at := range e.seen[id] {
			v := at.session.Version
			if v < 1 || v > int64(len(events)) {
				continue
			}
			told := events[v-1].Session
			byClock := at.session.Status == "expired" && at.op.Kind != history.Expire && (told.Status == "created" || told.Status == "pending")
			if lasting(told) != lasting(*at.session) || changing(told) != changing(*at.session) || told.Status != at.session.Status && !byClock {
				e.violated(OneEvent, []*history.Operation{at.op, op}, "version %d of session %s was %+v, and its event says %+v", v, id, *at.session, told)
				break
			}
		}
	}
}

// sequence: a history begins with the creation, has no gap, and follows the table of transitions.
func sequence(e *evidence, op *history.Operation) {
	events := op.Return.Events
	bad := func(format string, args ...any) {
		e.violated(OneEvent, []*history.Operation{op}, "the history of session %s: %s", op.Session, fmt.Sprintf(format, args...))
	}
	if len(events) == 0 {
		bad("is empty")
		return
	}
	if first := events[0].Session; first.Status != "created" && (first.Method != "card" || first.Status != "pending") || events[0].At != first.Created {
		bad("begins with %+v", events[0])
	}
	for i, event := range events {
		s := event.Session
		if s.ID != op.Session || s.Version != int64(i+1) || event.ID != eventID(s) || event.Type != "checkout."+s.Status {
			bad("event %d is %+v", i+1, event)
			return
		}
		if s.Status == "expired" && event.At != s.Expires {
			bad("expired %d µs after it was due", event.At-s.Expires)
		}
		if i == 0 {
			continue
		}
		was := events[i-1].Session
		recorded := was.Status == "processing" && s.Status == "processing" && was.Payment == "" && s.Payment != ""
		edge := recorded
		for _, to := range edges(was.Status) {
			edge = edge || to == s.Status
		}
		if !edge || lasting(was) != lasting(s) {
			bad("after %+v comes %+v", was, s)
		}
	}
}

// made: for each event but the creation there is a call that can have made the change.
func made(e *evidence, op *history.Operation) {
	var changes []*history.Operation
	for _, by := range e.changes(op.Session) {
		if by.At <= op.Return.At {
			changes = append(changes, by)
		}
	}
	events := op.Return.Events
	if len(events)-1 > len(changes) {
		e.violated(OneEvent, []*history.Operation{op}, "session %s has %d events beside its creation, and %d changes at most", op.Session, len(events)-1, len(changes))
	}
	for _, event := range events[min(1, len(events)):] {
		can := false
		for _, by := range changes {
			can = can || canMake(by, &event.Session)
		}
		if !can {
			e.violated(OneEvent, []*history.Operation{op}, "no call can have made the event %s, %s", event.ID, event.Type)
		}
	}
}

// eventID returns the ID that the contract gives to the event of a session's version.
func eventID(s history.Session) string {
	return fmt.Sprintf("evt_%s_%d", s.ID[strings.LastIndexByte(s.ID, '_')+1:], s.Version)
}

// feeds: the event that follows a given one in the feed is the same for every reader at any time. So no reader can miss an event or
// get one twice. A reader who begins before the first change and reads to the end, when everything is over, gets every event.
func feeds(e *evidence) {
	type place struct {
		event string
		op    *history.Operation
	}
	var (
		next    = make(map[string]place)                // by the cursor of the event before
		at      = make(map[string]place)                // by cursor
		cursors = make(map[string]string)               // by event
		events  = make(map[string]history.Event)        // by ID, as the feed has it
		told    = make(map[string][]*history.Operation) // by session, the calls of History
		last    *history.Operation                      // the last call that read the feed
	)
	for _, op := range e.operations {
		if op.Kind == history.Past && op.Return.Outcome == history.OK {
			told[op.Session] = append(told[op.Session], op)
		}
		if op.Kind != history.Feed || op.Return.Outcome != history.OK {
			continue
		}
		last = op
		if len(op.Return.Events) > op.Limit {
			e.violated(Feed, []*history.Operation{op}, "a page with limit %d has %d events", op.Limit, len(op.Return.Events))
		}
		after := op.After
		for _, event := range op.Return.Events {
			if was, ok := next[after]; after == string(checkout.LastEvent) {
				// It was the last event at that time, whatever event comes before it.
			} else if !ok {
				next[after] = place{event.ID, op}
			} else if was.event != event.ID {
				e.violated(Feed, []*history.Operation{was.op, op}, "after the cursor %q came %s, and then %s", after, was.event, event.ID)
				return
			}
			if was, ok := at[event.Cursor]; ok && was.event != event.ID {
				e.violated(Feed, []*history.Operation{was.op, op}, "the cursor %q is that of %s and of %s", event.Cursor, was.event, event.ID)
				return
			}
			if was, ok := cursors[event.ID]; ok && was != event.Cursor {
				e.violated(Feed, []*history.Operation{op}, "the event %s has the cursor %q, and then %q", event.ID, was, event.Cursor)
				return
			}
			if was, ok := events[event.ID]; ok && was != event {
				e.violated(OneEvent, []*history.Operation{op}, "the event %s is %+v, and then %+v", event.ID, was, event)
			}
			at[event.Cursor], cursors[event.ID], events[event.ID] = place{event.ID, op}, event.Cursor, event
			after = event.Cursor
		}
	}
	if last == nil {
		return
	}
	for id, histories := range told {
		n := 0
		for _, op := range histories {
			n = max(n, len(op.Return.Events))
			for i, event := range op.Return.Events {
				fed, ok := events[event.ID]
				fed.Cursor = ""
				switch {
				case ok && fed != event:
					e.violated(OneEvent, []*history.Operation{op}, "the feed has %+v, and the history has %+v", fed, event)
				case i > 0 && !ok && op.Return.At < last.At:
					e.violated(Feed, []*history.Operation{op, last}, "the event %s is in the session's history, and not in the feed", event.ID)
				case i == 0 && ok:
					e.violated(Feed, []*history.Operation{op}, "the feed has the creation of session %s", id)
				}
			}
		}
		beyond := eventID(history.Session{ID: id, Version: int64(n + 1)})
		fed, ok := events[beyond]
		for _, op := range histories {
			if by := at[fed.Cursor].op; ok && before(by, op) {
				e.violated(OneEvent, []*history.Operation{by, op}, "the feed had %s, and a later history of the session lacks it", beyond)
			}
		}
	}
}
