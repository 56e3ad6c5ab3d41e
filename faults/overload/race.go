//go:build unix && race

package overload

// How many times the memory and the processor time of a plain binary this binary takes. The race detector keeps shadow memory, and
// checks every access.
const overhead, slowness = 12, 8
