//go:build unix && race

package overload

// How many times as much memory and processor time this binary takes as a binary without the race detector. The race detector keeps
// shadow memory, and checks every access.
const overhead, slowness = 12, 8
