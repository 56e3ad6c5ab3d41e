// Package controls plants bugs, to see the tests catch them. A check that was never seen to fail proves nothing.
//
// Each [Bug] is one mistake: in a store, in what stands before a service, or in a caller. The package's tests run every bug
// past every detector, and print who caught it:
//
//   - rules: a workload of many callers, judged by package oracle's rules
//   - order: the same history, judged by its search for a linearization
//   - model: random programs, compared with package model
//   - storetest: the conformance suite of stores
//
// They fail where a bug escapes a detector that is meant to catch it, and where a detector catches what has no bug.
//
// Bugs that take a fault to be seen, such as a flush that is left out, are listed by the package that makes the fault, as
// its Controls. The tests here try those too.
package controls
