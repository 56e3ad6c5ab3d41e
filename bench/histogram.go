package main

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets. The width of a bucket is at most a sixteenth of the durations in it.
// Histograms of several callers and processes can be added.
type histogram [64 * subBuckets]int64

const subBuckets = 16 // of each power of two

func (h *histogram) add(d time.Duration) { h[bucketOf(d)]++ }

func (h *histogram) merge(other *histogram) {
	for i, n := range other {
		h[i] += n
	}
}

func (h *histogram) count() (total int64) {
	for _, n := range h {
		total += n
	}
	return total
}

// quantile returns the q-quantile of the durations, rounded down to the beginning of its bucket, or 0 if there are none.
func (h *histogram) quantile(q float64) time.Duration {
	left := int64(q*float64(h.count())) + 1
	for i, n := range h {
		if left -= n; left <= 0 && n > 0 {
			return startOf(i)
		}
	}
	return 0
}

func bucketOf(d time.Duration) int {
	n := uint64(max(d, subBuckets))
	exponent := bits.Len64(n) - 1
	return exponent*subBuckets + int(n>>(exponent-4))&(subBuckets-1)
}

func startOf(bucket int) time.Duration {
	return time.Duration(uint64(subBuckets+bucket%subBuckets) << (bucket/subBuckets - 4))
}

// sparse is a histogram in the form in which processes exchange it.
func (h *histogram) sparse() map[int]int64 {
	filled := make(map[int]int64)
	for i, n := range h {
		if n > 0 {
			filled[i] = n
		}
	}
	return filled
}

func (h *histogram) addSparse(filled map[int]int64) {
	for i, n := range filled {
		h[i] += n
	}
}
