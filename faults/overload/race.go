//go:build unix && race

package overload

// overhead is how many times the memory of a server this binary takes: the race detector keeps a shadow of it.
const overhead = 12
