//go:build unix && !race

package overload

// How many times the memory and the processor time of a plain binary this binary takes.
const overhead, slowness = 1, 1
