// Package controls plants bugs and sees whether the tests catch them. A check that was never seen to fail proves nothing.
//
// Each [Bug] is one mistake in a store, in a service or in a caller. The package's tests try every detector on every bug, and
// print which of them caught it:
//
//   - rules: a workload of many callers, judged by package oracle's rules
//   - order: the same history, judged by the oracle's search for a linearization
//   - model: random programs, compared with package model
//   - storetest: the conformance suite of stores
//
// They fail if a detector misses a bug that it must catch, or finds one in a sound store.
//
// Some bugs show only with a fault, such as a flush that is left out. The package that makes the fault lists them as its
// Controls. The tests here try those too.
package controls
