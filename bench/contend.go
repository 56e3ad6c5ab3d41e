package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// sample is one measurement.
type sample struct {
	Rate  float64            `json:"rate"` // calls or rows per second
	P50   time.Duration      `json:"p50_ns,omitempty"`
	P99   time.Duration      `json:"p99_ns,omitempty"`
	Extra map[string]float64 `json:"extra,omitempty"` // what only some contenders tell, by the names below
}

// The names of a sample's Extra.
const (
	extraPeakMB     = "peak_mb"     // resident memory of the server process at its highest
	extraCPU        = "cpu_us"      // processor time of the process per call, of the server's per request, in microseconds
	extraLoadCPU    = "load_cpu_us" // of the load generator's process
	extraBytes      = "bytes"       // per session, on disk or in memory
	extraNanos      = "ns"          // per call
	extraAllocs     = "allocs"      // per call
	extraAllocBytes = "alloc_bytes" // per call
)

// contender is one way of doing what is measured.
type contender struct {
	name    string
	callers int // at once; 0 where that means nothing
	// round starts from nothing, measures for d and leaves nothing behind.
	round func(ctx context.Context, d time.Duration) (sample, error)
}

// result is a contender's samples, one for each round.
type result struct {
	Name    string   `json:"name"`
	Callers int      `json:"callers,omitempty"`
	Samples []sample `json:"samples"`
}

// interleave measures every contender once per round, A B C, A B C, so that a machine that is busy for a while is so
// for all of them. Every other round goes backwards.
func interleave(ctx context.Context, progress io.Writer, rounds int, d time.Duration, contenders []contender) ([]result, error) {
	results := make([]result, len(contenders))
	for i, c := range contenders {
		results[i] = result{Name: c.name, Callers: c.callers}
	}
	for round := range rounds {
		for i := range contenders {
			if round%2 == 1 {
				i = len(contenders) - 1 - i
			}
			fmt.Fprintf(progress, "round %d of %d: %s\n", round+1, rounds, results[i].title())
			s, err := contenders[i].round(ctx, d)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", results[i].title(), err)
			}
			results[i].Samples = append(results[i].Samples, s)
		}
	}
	return results, nil
}

func (r result) title() string {
	if r.Callers == 0 {
		return r.Name
	}
	return fmt.Sprintf("%s, %d callers", r.Name, r.Callers)
}

// median is the middle of what the samples have of something.
func (r result) median(of func(sample) float64) float64 {
	values := make([]float64, len(r.Samples))
	for i, s := range r.Samples {
		values[i] = of(s)
	}
	return median(values)
}

func (r result) rate() float64 { return r.median(rateOf) }
func (r result) extra(name string) float64 {
	return r.median(func(s sample) float64 { return s.Extra[name] })
}

// spread is how far apart the rates of the rounds are, as a share of the median.
func (r result) spread() float64 {
	rates := make([]float64, len(r.Samples))
	for i, s := range r.Samples {
		rates[i] = s.Rate
	}
	return (slices.Max(rates) - slices.Min(rates)) / median(rates)
}

// over is the median of the rounds' ratios, which a machine that slows down disturbs less than the ratio of medians.
func (r result) over(other result) float64 {
	ratios := make([]float64, len(r.Samples))
	for i, s := range r.Samples {
		ratios[i] = s.Rate / other.Samples[i].Rate
	}
	return median(ratios)
}

// extraOver is over for one of what the samples tell beside their rate.
func (r result) extraOver(other result, name string) float64 {
	ratios := make([]float64, len(r.Samples))
	for i, s := range r.Samples {
		ratios[i] = s.Extra[name] / other.Samples[i].Extra[name]
	}
	return median(ratios)
}

func rateOf(s sample) float64 { return s.Rate }

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	values = slices.Sorted(slices.Values(values))
	middle := len(values) / 2
	if len(values)%2 == 0 {
		return (values[middle-1] + values[middle]) / 2
	}
	return values[middle]
}

// find is the result of that name and number of callers, which the caller knows to be there.
func find(results []result, name string, callers int) result {
	i := slices.IndexFunc(results, func(r result) bool { return r.Name == name && r.Callers == callers })
	if i < 0 {
		panic(fmt.Sprintf("no result %q with %d callers", name, callers))
	}
	return results[i]
}
