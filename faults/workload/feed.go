package workload

import (
	"context"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
)

// pages are the limits by which readers of the feed ask, by turns.
var pages = [...]int{1, 7, 100, 3}

// newest is where the feed ends now; "" where it is empty or cannot be asked.
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

// Follow reads the feed from a place on until the callers are done.
func Follow(ctx context.Context, reader *history.Client, place checkout.Cursor, over <-chan struct{}) {
	pause := time.NewTicker(time.Millisecond)
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

// beginning is where the feed was before the first change that a history tells of.
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

// Beginning is what Plan.Since should be for a history that other recorders wrote.
func Beginning(h history.History) checkout.Cursor { return beginning(h, "") }

// FeedTime is for how long to read the feed of PostgreSQL for an event that a history has told: a transaction that another
// test has left open on the server holds the feed up.
const FeedTime = 30 * time.Second

// ReadAll reads the feed from a place to its end. Where that lacks an event of the histories that the recorder knows, it
// goes on for a while.
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
