// Package faults is the harness that breaks things under the stores and counts what was lost and doubled. It is a module
// of its own, so that its tools stay out of the go.mod of hosts. The package itself is empty. These are its parts:
//
//	history     the form in which calls and their answers are recorded; recorders and files
//	oracle      judges every history: by rules, and by a search for a linearization
//	model       the public API implemented a second time, and random programs that compare stores with it
//	workload    what callers do during faults, and what is asked when they are over
//	concurrent  suites: many callers at once, without faults and with answers that get lost
//	crash       suites: processes killed and stopped, at named points and at random; two processes on one place
//	power       suites: the disk's power cut under unmodified stores
//	iofault     suites: flushes and writes that fail, full disks, limits of the system
//	pgfault     suites: answers to COMMIT lost, errors, silence, and failover, by way of a proxy
//	overload    suites: more requests than a server can answer, and clients that send slowly, wrongly or only in part
//	delivery    suites: dispatchers of webhooks killed at each of their steps, and receivers that misbehave
//	cluster     suites: nodes under Patroni killed, stopped and switched over, their proxies and etcd restarted
//	controls    planted bugs, each of which must be caught
//	lossy       a store that fails at random, with errors that say the truth
//	clock       a clock that is set by hand
//	stores      the stores of this module, and places that can be opened again
//	suite       what a suite is, and the report of all of them
//	trial       a testing.TB for programs, and for tests of code that must fail a test
//	effort      the flags -long and -seed
//	cmd/report  runs all suites and writes the table of results
//
// README.md says how to run it and how to add a fault.
package faults
