package main

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets of 6 % or less. Those of several callers, and of several processes, add up.
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

// quantile is the duration that a share q of all took at most, 0 where there are none.
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

// sparse is a histogram as it travels between processes.
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
