package workload

import (
	"context"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
)

// pages are the limits that a reader of the feed uses in turn.
var pages = [...]int{1, 7, 100, 3}

// newest returns the cursor at the end of the feed, or "" if the feed is empty or cannot be read.
func newest(ctx context.Context, reader *history.Client) checkout.Cursor {
	for range 3 {
		events, err := reader.Events(ctx, checkout.LastEvent, 1)
		if err == nil && len(events) == 0 || answered(err) {
			return ""
		}
		if err == nil {
			return events[0].Cursor
		}
	}
	return ""
}

// Follow reads the feed from a cursor on. When there is nothing new, or after an error, it waits for the pace, or ends if over is closed.
func Follow(ctx context.Context, reader *history.Client, place checkout.Cursor, pace time.Duration, over <-chan struct{}) {
	pause := time.NewTicker(pace)
	defer pause.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		events, err := reader.Events(ctx, place, pages[n%len(pages)])
		if err == nil && len(events) > 0 {
			place = events[len(events)-1].Cursor
			continue
		}
		select {
		case <-over:
			return
		case <-pause.C:
		}
	}
}

// beginning returns the cursor of the feed before the first change in a history. It returns otherwise if the history does not begin with a
// successful read of the feed.
func beginning(h history.History, otherwise checkout.Cursor) checkout.Cursor {
	for _, op := range h.Operations {
		switch {
		case op.Kind != history.Feed:
			return otherwise
		case op.Return.Outcome != history.OK:
		case len(op.Return.Events) > 0 && op.After == string(checkout.LastEvent):
			return checkout.Cursor(op.Return.Events[0].Cursor)
		default:
			return ""
		}
	}
	return otherwise
}

// Beginning returns the value for Plan.Since if other recorders wrote the history.
func Beginning(h history.History) checkout.Cursor { return beginning(h, "") }

// FeedTime is how long to wait for an event in the feed of PostgreSQL. An open transaction of another test on the same server
// delays the feed.
const FeedTime = 30 * time.Second

// ReadAll reads the feed from a cursor to its end. If an event is missing that the recorder knows from a session's history,
// ReadAll waits for it, for as long as while says.
func ReadAll(ctx context.Context, recorder *history.Recorder, service history.Service, place checkout.Cursor, while time.Duration) {
	missing := make(map[string]bool)
	for _, op := range recorder.History().Operations {
		if op.Kind == history.Past && len(op.Return.Events) > 0 {
			for _, event := range op.Return.Events[1:] {
				missing[event.ID] = true
			}
		}
	}
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for deadline := time.Now().Add(while); ctx.Err() == nil; {
		events, err := service.Events(ctx, place, 1000)
		for _, event := range events {
			delete(missing, event.ID)
			place = event.Cursor
		}
		switch {
		case len(events) > 0:
			continue
		case err == nil && len(missing) == 0, answered(err), time.Now().After(deadline):
			return
		}
		<-pause.C
	}
}
