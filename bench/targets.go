package main

import (
	"strconv"
	"strings"
	"time"
)

// target is a figure that the project wants to reach. To miss it is no failure, because the machine may be the reason.
type target struct {
	what    string
	want    float64
	reached float64
	atMost  bool // want is a maximum, not a minimum
}

func (t target) met() bool {
	if t.atMost {
		return t.reached <= t.want
	}
	return t.reached >= t.want
}

// targets returns the targets of what was measured.
func (r *report) targets() []target {
	var all []target
	atLeast := func(what string, want, reached float64) { all = append(all, target{what, want, reached, false}) }
	atMost := func(what string, want, reached float64) { all = append(all, target{what, want, reached, true}) }

	if r.SQLite != nil {
		store := find(r.SQLite, storeName, 256)
		atLeast("SQLite, 256 callers, over a transaction per call", 12, store.over(find(r.SQLite, perCallPool, 256)))
		atLeast("SQLite, 256 callers, over 256 rows per transaction", 0.85, store.over(find(r.SQLite, loopOf256, 1)))
	}
	for _, by := range []struct {
		client  string
		results []result
	}{{bareClient, r.HTTP}, {goClient, r.HTTPByGo}} {
		if by.results == nil {
			continue
		}
		floor, store := find(by.results, floorName, connections), find(by.results, sqliteName, connections)
		if hasResult(by.results, handwrittenName) {
			atLeast("called "+by.client+": SQLite over the hand-written handler", 6, store.over(find(by.results, handwrittenName, connections)))
		}
		atLeast("called "+by.client+": SQLite over bare net/http", 0.45, store.over(floor))
		atLeast("called "+by.client+": the memory store over bare net/http", 0.7, find(by.results, memoryName, connections).over(floor))
		if peak := store.extra(extraPeakMB); peak > 0 {
			atMost("called "+by.client+": peak memory of the server on SQLite, MB", 200, peak)
		}
	}
	if r.Memory != nil {
		atMost("allocations of a create on the memory store", 40, find(r.Memory, partCreate, 0).extra(extraAllocs))
		atMost("bytes of a session in the memory store", 1024, r.MemoryBytes)
	}
	if r.Postgres != nil {
		atLeast("PostgreSQL, 256 callers, over pgbench at its best", 3, find(r.Postgres, storeName, 256).over(bestPgbench(r.Postgres)))
		atLeast("PostgreSQL, 1 caller, over pgbench with 1 client", 0.8, find(r.Postgres, storeName, 1).over(find(r.Postgres, pgbenchName, 1)))
	}
	if r.Growth != nil {
		atLeast("SQLite, 256 callers, beside "+thousands(r.Rows)+" sessions over an empty database", 0.5,
			find(r.Growth, grown(storeName, r.Rows), 256).over(find(r.Growth, grown(storeName, 0), 256)))
		if hasResult(r.Growth, grown(sqliteName, r.Rows)) {
			full := find(r.Growth, grown(sqliteName, r.Rows), connections)
			atLeast("SQLite over HTTP, beside "+thousands(r.Rows)+" sessions over an empty database", 0.5, full.over(find(r.Growth, grown(sqliteName, 0), connections)))
			if peak := full.extra(extraPeakMB); peak > 0 {
				atMost("peak memory of the server beside "+thousands(r.Rows)+" sessions, MB", 200, peak)
			}
		}
	}
	r.listTargets(atMost)
	for _, c := range r.Webhooks {
		atLeast(c.Store+": deliveries a second to 1,000 endpoints", 1000, c.Rate)
		atMost(c.Store+": median time of a delivery while a tenth of the endpoints hang, ms", 100, c.Median.Seconds()*1000)
		atMost(c.Store+": 99th percentile of that time, ms", 1000, c.P99.Seconds()*1000)
		atLeast(c.Store+": creates beside deliveries over creates alone", 0.9, c.Creates)
	}
	if w := r.Waiters; w.Waiters > 0 {
		atMost("10,000 waiters: reads of the store a second", 4, w.Reads)
		atMost("10,000 waiters: the last returns after a change by the same process, ms", 100, w.Same.Seconds()*1000)
		atMost("10,000 waiters: the last returns after a change by another process, ms", 1000, w.Other.Seconds()*1000)
		atMost("10,000 waiters: MB", 400, w.Bytes/1e6)
	}
	if r.Page.Took > 0 {
		atMost("the payer's page, µs", 100, float64(r.Page.Took)/1e3)
		atMost("the payer's page, allocations", 100, float64(r.Page.Allocations))
		atMost("the payer's page, bytes", 14<<10, float64(r.Page.Bytes))
	}
	for i, c := range r.Before {
		if i%2 == 0 {
			continue
		}
		name, was := strings.Replace(c.title(), now, "", 1), r.Before[i-1]
		if c.Samples[0].Extra[extraBegin] == 0 {
			if c.Callers != 1 {
				atLeast(name+", over before", 0.97, c.over(was))
			}
			continue
		}
		atLeast(name+": begin over before", 0.8, c.extraOver(was, extraBegin))
		atLeast(name+": complete over before", 0.8, c.extraOver(was, extraComplete))
	}
	if r.IdleFeed > 0 {
		atMost("SQLite: reading the feed at its end, µs", 100, float64(r.IdleFeed)/float64(time.Microsecond))
	}
	return all
}

func targetTable(b *strings.Builder, r *report) {
	targets := r.targets()
	if len(targets) == 0 {
		return
	}
	head(b, "Targets", "what", " target", " reached", "")
	for _, t := range targets {
		sign, verdict := "≥ ", "missed"
		if t.atMost {
			sign = "≤ "
		}
		if t.met() {
			verdict = "yes"
		}
		row(b, t.what, sign+strconv.FormatFloat(t.want, 'f', -1, 64), number(t.reached), verdict)
	}
}

// number formats a ratio, or a figure that is too large for digits after the point.
func number(f float64) string {
	if f >= 100 {
		return thousands(int(f + 0.5))
	}
	return ratio(f)
}
