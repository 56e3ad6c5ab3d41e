package main

import (
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"
)

func TestTargets(t *testing.T) {
	is := is.New(t)
	at := func(name string, callers int, rate float64, extra map[string]float64) result {
		return result{Name: name, Callers: callers, Samples: []sample{{Rate: rate, P50: time.Millisecond, Extra: extra}}}
	}
	r := &report{
		SQLite:      []result{at(storeName, 256, 24_000, nil), at(perCallPool, 256, 2_000, nil), at(loopOf256, 1, 30_000, nil)},
		Memory:      []result{at(partCreate, 0, 1, map[string]float64{extraAllocs: 41})},
		MemoryBytes: 700,
	}
	var b strings.Builder
	targetTable(&b, r)
	is.Equal(b.String(), `
### Targets

| what | target | reached |  |
| --- | ---: | ---: | --- |
| SQLite, 256 callers, over a transaction per call | ≥ 12 | 12.0 | yes |
| SQLite, 256 callers, over 256 rows per transaction | ≥ 0.85 | 0.80 | missed |
| allocations of a create on the memory store | ≤ 40 | 41.0 | missed |
| bytes of a session in the memory store | ≤ 1024 | 700 | yes |
`)
}

func TestMarkdown(t *testing.T) {
	is := is.New(t)
	r := &report{Flush: flushes{Median: 3 * time.Microsecond}, Others: 0.25, Skipped: []string{"PostgreSQL: none here"}}
	text := r.markdown()
	is.True(strings.Contains(text, "the folder is in memory"))
	is.True(strings.Contains(text, "Other programs used 25 % of the processors meanwhile.\n"))
	is.True(strings.Contains(text, "Not measured: PostgreSQL: none here.\n"))
	is.True(!strings.Contains(text, "###")) // a table without a measurement

	r.Flush.Median, r.Others = time.Millisecond, -1
	is.True(!strings.Contains(r.markdown(), "the folder is in memory"))
	is.True(!strings.Contains(r.markdown(), "Other programs"))
}

func TestNumbers(t *testing.T) {
	is := is.New(t)
	is.Equal(rounded(1_234_567), "1,230,000")
	is.Equal(rounded(23_456), "23,500")
	is.Equal(rounded(87.6), "88")
	is.Equal(thousands(100), "100")
	is.Equal(thousands(1000), "1,000")
	is.Equal(ratio(0.853), "0.85")
	is.Equal(ratio(12.34), "12.3")
	is.Equal(took(0), "–")
	is.Equal(took(250*time.Microsecond), "250 µs")
	is.Equal(took(12_340*time.Microsecond), "12.3 ms")
	is.Equal(known(0, " MB"), "–")
	is.Equal(known(54.4, " MB"), "54 MB")
}

func TestParsePgbench(t *testing.T) {
	for name, output := range map[string]string{
		"14 or later": "number of failed transactions: 0 (0.000%)\nlatency average = 7.3 ms\ninitial connection time = 13.7 ms\ntps = 8760.432101 (without initial connection time)\n",
		"before 14":   "tps = 8700.1 (including connections establishing)\ntps = 8760.432101 (excluding connections establishing)\n",
	} {
		t.Run("finds the rate in the output of pgbench "+name, func(t *testing.T) {
			is := is.New(t)
			rate, err := parsePgbench(output)
			is.NoErr(err)
			is.Equal(rate, 8760.432101)
		})
	}
	_, err := parsePgbench("pgbench: error")
	is.New(t).True(err != nil)
}
