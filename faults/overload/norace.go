//go:build unix && !race

package overload

// How many times as much memory and processor time this binary takes as a binary without the race detector.
const overhead, slowness = 1, 1
