package main

import (
	"fmt"
	"strconv"
	"strings"
)

func sqliteTable(b *strings.Builder, r *report) {
	if r.SQLite == nil {
		return
	}
	head(b, "SQLite, by Go calls",
		"writer", " callers", " sessions/s", " × a transaction per call", " × a transaction per row", " × 256 rows per transaction", " median", " 99 %", " CPU", " bytes/session", " spread")
	call, one, many := find(r.SQLite, perCallPool, 256), find(r.SQLite, loopOf1, 1), find(r.SQLite, loopOf256, 1)
	for _, c := range r.SQLite {
		row(b, c.Name, callersOf(c), rounded(c.rate()), ratio(c.over(call)), ratio(c.over(one)), ratio(c.over(many)), latency(c, p50), latency(c, p99),
			known(c.extra(extraCPU), " µs"), known(c.extra(extraBytes), ""), percent(c.spread()))
	}
	b.WriteString("\nThe latency of a loop is that of one transaction.\n")
}

func httpTables(b *strings.Builder, r *report) {
	httpTable(b, bareClient, r.HTTP)
	httpTable(b, goClient, r.HTTPByGo)
}

func httpTable(b *strings.Builder, client string, results []result) {
	if results == nil {
		return
	}
	columns := []string{"handler", " requests/s", " × bare net/http", " median", " 99 %", " server CPU", " load CPU", " peak memory", " spread"}
	peers := hasResult(results, handwrittenName)
	if peers {
		columns = append(columns[:3], append([]string{" × hand-written"}, columns[3:]...)...)
	}
	head(b, fmt.Sprintf("HTTP on loopback, %d connections, called %s from another process", connections, client), columns...)
	floor := find(results, floorName, connections)
	for _, c := range results {
		cells := []string{c.Name, rounded(c.rate()), ratio(c.over(floor))}
		if peers {
			cells = append(cells, ratio(c.over(find(results, handwrittenName, connections))))
		}
		row(b, append(cells, latency(c, p50), latency(c, p99), known(c.extra(extraCPU), " µs"), known(c.extra(extraLoadCPU), " µs"), known(c.extra(extraPeakMB), " MB"), percent(c.spread()))...)
	}
}

func memoryTable(b *strings.Builder, r *report) {
	if r.Memory == nil {
		return
	}
	head(b, "One create on the memory store, one caller", "part", " µs", " share", " allocations", " bytes allocated")
	of := func(name string) result { return find(r.Memory, name, 0) }
	create := of(partCreate)
	whole := create.extra(extraNanos)
	rest := map[string]float64{}
	for _, extra := range []string{extraNanos, extraAllocs, extraAllocBytes} {
		rest[extra] = create.extra(extra)
	}
	write := func(name string, value func(extra string) float64) {
		row(b, name, fmt.Sprintf("%.1f", value(extraNanos)/1000), percent(value(extraNanos)/whole),
			strconv.FormatFloat(value(extraAllocs), 'f', 0, 64), strconv.FormatFloat(value(extraAllocBytes), 'f', 0, 64))
	}
	part := func(name string, value func(extra string) float64) {
		write(name, value)
		for extra := range rest {
			rest[extra] -= value(extra)
		}
	}
	write("**"+partCreate+"**", create.extra)
	part("phone: a card request with one, minus one without", func(extra string) float64 {
		return of(partCard).extra(extra) - of(partCardNoPhone).extra(extra)
	})
	for _, name := range []string{partFingerprint, partID, partStore} {
		part(name, of(name).extra)
	}
	write("the rest: rules, fee, clock, the request's key", func(extra string) float64 { return rest[extra] })
	for _, name := range []string{partCard, partCardNoPhone, partParse, partHandler, partFloor} {
		write("*for comparison:* "+name, of(name).extra)
	}
	fmt.Fprintf(b, "\nThe memory store takes up to %.0f bytes per session.\n", r.MemoryBytes)
}

func postgresTable(b *strings.Builder, r *report) {
	if r.Postgres == nil {
		return
	}
	head(b, "PostgreSQL, by Go calls", "writer", " callers", " sessions/s", " × pgbench with 1 client", " × pgbench at its best", " median", " 99 %", " CPU", " spread")
	one, best := find(r.Postgres, pgbenchName, 1), bestPgbench(r.Postgres)
	for _, c := range r.Postgres {
		row(b, c.Name, callersOf(c), rounded(c.rate()), ratio(c.over(one)), ratio(c.over(best)), latency(c, p50), latency(c, p99), known(c.extra(extraCPU), " µs"), percent(c.spread()))
	}
	fmt.Fprintf(b, "\npgbench is at its best with %d clients. Callers of two instances are counted together. CPU is that of the instances.\n", best.Callers)
}

func growthTable(b *strings.Builder, r *report) {
	if r.Growth == nil {
		return
	}
	head(b, fmt.Sprintf("SQLite beside %s sessions, %.0f bytes each", thousands(r.Rows), r.RowBytes),
		"writer", " callers", " sessions/s", " × empty database", " median", " 99 %", " CPU", " peak memory", " spread")
	for i, c := range r.Growth {
		row(b, c.Name, callersOf(c), rounded(c.rate()), ratio(c.over(r.Growth[i&^1])), latency(c, p50), latency(c, p99),
			known(c.extra(extraCPU), " µs"), known(c.extra(extraPeakMB), " MB"), percent(c.spread()))
	}
}

func beforeTable(b *strings.Builder, r *report) {
	if r.Before == nil {
		return
	}
	head(b, "This revision compared with "+r.Revision, "work", " callers", " per second", " × before", " begins/s", " × before", " completes/s", " × before", " bytes/session", " spread")
	for i, c := range r.Before {
		cells := []string{c.Name, callersOf(c), rounded(c.rate()), "", known(c.extra(extraBegin), ""), "", known(c.extra(extraComplete), ""), "",
			known(c.extra(extraBytes), ""), percent(c.spread())}
		if was := r.Before[i&^1]; i%2 == 1 {
			cells[3] = ratio(c.over(was))
			if c.extra(extraBegin) > 0 {
				cells[5], cells[7] = ratio(c.extraOver(was, extraBegin)), ratio(c.extraOver(was, extraComplete))
			}
		}
		row(b, cells...)
	}
	fmt.Fprintf(b, "\nReading the feed at its end, where nothing is new, takes %d µs on SQLite.\n", r.IdleFeed.Microseconds())
}

func hasResult(results []result, name string) bool {
	for _, r := range results {
		if r.Name == name {
			return true
		}
	}
	return false
}
