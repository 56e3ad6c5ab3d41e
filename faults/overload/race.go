//go:build unix && race

package overload

// How many times the memory and the processor time of a server this binary takes: the race detector keeps a shadow of the
// one, and looks at it at every step.
const overhead, slowness = 12, 8
