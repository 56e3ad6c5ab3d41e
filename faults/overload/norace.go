//go:build unix && !race

package overload

// overhead is how many times the memory of a server this binary takes.
const overhead = 1
