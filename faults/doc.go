// Package faults is the harness that breaks things under the stores and counts what was lost and doubled. It is a module
// of its own, so that its tools stay out of the go.mod of hosts. The package itself is empty; what it is made of:
//
//	history     the one form of what was asked and answered; recorders and files
//	oracle      the one judge of histories: rules, and a search for a linearization
//	model       the public API once more, and random programs that compare stores with it
//	workload    many callers on few sessions, and the questions afterwards
//	concurrent  suites: callers at once, without faults and with answers that get lost
//	crash       suites: processes killed and stopped, at named points and at random; two processes on one place
//	power       suites: the disk's power cut under unmodified stores
//	iofault     suites: flushes and writes that fail, full disks, limits of the system
//	pgfault     suites: answers to COMMIT lost, errors, silence, and failover, by way of a proxy
//	overload    suites: a server that is asked for more than it can do, and clients with bad manners
//	delivery    suites: dispatchers of webhooks killed at each of their steps, and receivers of every bad kind
//	cluster     suites: nodes under Patroni killed, stopped and switched over, their proxies and etcd restarted
//	controls    planted bugs, each of which must be caught
//	lossy       a store that fails, and tells the truth about it
//	clock       a clock that is set by hand
//	stores      the stores of this module, and places that can be opened again
//	suite       what a suite is, and the report of all of them
//	trial       a testing.TB for programs, and for tests that must be seen to fail
//	effort      the flags -long and -seed
//	cmd/report  tries everything and writes the table
//
// README.md says how to run it and how to add a fault.
package faults
