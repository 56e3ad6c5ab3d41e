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
	Extra map[string]float64 `json:"extra,omitempty"` // what only some contenders measure, by the names below
}

// The names of a sample's Extra.
const (
	extraPeakMB     = "peak_mb"     // resident memory of the server process at its highest
	extraCPU        = "cpu_us"      // processor time of the process per call, or of the server per request, in microseconds
	extraLoadCPU    = "load_cpu_us" // of the load generator's process
	extraBytes      = "bytes"       // per session, on disk
	extraNanos      = "ns"          // per call
	extraAllocs     = "allocs"      // per call
	extraAllocBytes = "alloc_bytes" // per call
)

// contender is one way to do the measured work.
type contender struct {
	name    string
	callers int // at once; 0 if that does not apply
	// round measures for d, after a warm-up. It prepares what it needs, and cleans up.
	round func(ctx context.Context, d time.Duration) (sample, error)
}

// result is a contender's samples, one for each round.
type result struct {
	Name    string   `json:"name"`
	Callers int      `json:"callers,omitempty"`
	Samples []sample `json:"samples"`
}

// interleave measures every contender once per round, so that a busy time of the machine affects all of them. Every second round goes
// backwards: A B C, C B A, A B C.
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

// median returns the median of a value of the samples.
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

// spread returns the difference between the greatest and the least rate, as a share of the median.
func (r result) spread() float64 {
	rates := make([]float64, len(r.Samples))
	for i, s := range r.Samples {
		rates[i] = s.Rate
	}
	return (slices.Max(rates) - slices.Min(rates)) / median(rates)
}

// over returns the median of the rounds' ratios. A machine that slows down disturbs it less than the ratio of the medians.
func (r result) over(other result) float64 {
	ratios := make([]float64, len(r.Samples))
	for i, s := range r.Samples {
		ratios[i] = s.Rate / other.Samples[i].Rate
	}
	return median(ratios)
}

// extraOver is over for a value of Extra.
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

// find returns the result with a name and a number of callers. It must exist.
func find(results []result, name string, callers int) result {
	i := slices.IndexFunc(results, func(r result) bool { return r.Name == name && r.Callers == callers })
	if i < 0 {
		panic(fmt.Sprintf("no result %q with %d callers", name, callers))
	}
	return results[i]
}
