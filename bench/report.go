package main

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// report is what was measured. It is written as JSON with every sample, and as tables with medians.
type report struct {
	Go       string        `json:"go"`
	System   string        `json:"system"`
	CPUs     int           `json:"cpus"`
	Measure  time.Duration `json:"measure_ns"`
	Rounds   int           `json:"rounds"`
	Flush    flushes       `json:"flush"`
	FlushEnd flushes       `json:"flush_at_end"`
	Others   float64       `json:"others"` // share of the processors that other programs used; negative if not known
	Skipped  []string      `json:"skipped,omitempty"`

	SQLite      []result `json:"sqlite,omitempty"`
	HTTP        []result `json:"http,omitempty"`           // called by bareClient
	HTTPByGo    []result `json:"http_by_client,omitempty"` // called by net/http's client
	Memory      []result `json:"memory,omitempty"`
	MemoryBytes float64  `json:"memory_bytes_per_session,omitempty"`
	Postgres    []result `json:"postgres,omitempty"`
	Rows        int      `json:"rows,omitempty"`
	RowBytes    float64  `json:"row_bytes,omitempty"`
	Growth      []result `json:"growth,omitempty"`

	Revision string        `json:"revision,omitempty"` // the revision that Before compares with this one
	Before   []result      `json:"before,omitempty"`
	IdleFeed time.Duration `json:"idle_feed_ns,omitempty"`

	Lists []listTime `json:"lists,omitempty"`
	Page  pageCost   `json:"page,omitzero"`

	Webhooks []hookCost `json:"webhooks,omitempty"`
	Waiters  waitCost   `json:"waiters,omitzero"`
}

// flushSamples is how often a flush is measured. Together they take a second on a disk whose flush takes 1 ms.
const flushSamples = 1000

func newReport(opts options) (*report, error) {
	flush, err := measureFlush(opts.dir, flushSamples)
	if err != nil {
		return nil, err
	}
	r := &report{
		Go:       runtime.Version(),
		System:   runtime.GOOS + "/" + runtime.GOARCH,
		CPUs:     runtime.GOMAXPROCS(0),
		Measure:  opts.measure,
		Rounds:   opts.rounds,
		Flush:    flush,
		Revision: opts.before,
	}
	if opts.fiberMissing != nil {
		r.Skipped = append(r.Skipped, fmt.Sprintf("fiber: %v", opts.fiberMissing))
	}
	return r, nil
}

// measureFlush measures the disk again, at the end.
func (r *report) measureFlush(opts options) (err error) {
	r.FlushEnd, err = measureFlush(opts.dir, flushSamples)
	return err
}

// memoryDisk is shorter than a flush of any disk.
const memoryDisk = 20 * time.Microsecond

// markdown returns the report as Markdown.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, %d processors. Medians of %d rounds. Each round measures every contender once, for %v.\n",
		r.Go, r.System, r.CPUs, r.Rounds, r.Measure)
	fmt.Fprintf(&b, "A flush (write and fdatasync of 4 KiB) took %s (99 %%: %s) before and %s (%s) after.\n",
		took(r.Flush.Median), took(r.Flush.P99), took(r.FlushEnd.Median), took(r.FlushEnd.P99))
	if r.Flush.Median < memoryDisk {
		b.WriteString("A flush this short means that the folder is in memory. Choose a folder on a disk with -dir.\n")
	}
	if r.Others >= 0 {
		fmt.Fprintf(&b, "Other programs used %s of the processors meanwhile.\n", percent(r.Others))
	}
	for _, skipped := range r.Skipped {
		fmt.Fprintf(&b, "Not measured: %s.\n", skipped)
	}
	for _, table := range []func(*strings.Builder, *report){sqliteTable, httpTables, memoryTable, postgresTable, growthTable, beforeTable, listTable, pageTable, hookTable, waitTable, targetTable} {
		table(&b, r)
	}
	return b.String()
}

// row writes one row of a table.
func row(b *strings.Builder, cells ...string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// head writes a table's title and its first two rows. Columns whose name begins with a space are aligned right.
func head(b *strings.Builder, title string, columns ...string) {
	fmt.Fprintf(b, "\n### %s\n\n", title)
	rule := make([]string, len(columns))
	for i, column := range columns {
		rule[i] = "---"
		if trimmed, numbers := strings.CutPrefix(column, " "); numbers {
			columns[i], rule[i] = trimmed, "---:"
		}
	}
	row(b, columns...)
	row(b, rule...)
}

// thousands formats a number with separators.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// rounded formats a rate with three digits, which is already more than its spread justifies.
func rounded(f float64) string {
	step := 1.0
	for f/step >= 1000 {
		step *= 10
	}
	return thousands(int(f/step+0.5) * int(step))
}

func ratio(f float64) string {
	if f >= 10 {
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

func percent(f float64) string { return strconv.FormatFloat(100*f, 'f', 0, 64) + " %" }

func took(d time.Duration) string {
	switch {
	case d == 0:
		return "–"
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// known formats a number that only some contenders and systems have.
func known(f float64, unit string) string {
	if f == 0 {
		return "–"
	}
	return strconv.FormatFloat(f, 'f', 0, 64) + unit
}

func callersOf(r result) string { return strconv.Itoa(r.Callers) }

// latency returns the median of the rounds' quantiles.
func latency(r result, of func(sample) time.Duration) string {
	return took(time.Duration(r.median(func(s sample) float64 { return float64(of(s)) })))
}

func p50(s sample) time.Duration { return s.P50 }
func p99(s sample) time.Duration { return s.P99 }
