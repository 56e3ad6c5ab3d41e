//go:build unix

// Package overload asks more of a server than it can do, and has clients with bad manners: an open load of several times its
// capacity, bodies that come a few bytes at a time, clients that leave in every phase of a request, wrong lengths, and a
// thousand callers with one key. The server is a process like the example's, with a SQLite store, on the loopback interface.
//
// Without processor time left, the work that a server does is only measured and noted. If its disk is slow and its host bounds the
// requests in flight, it must do at least a third of the work that it does without overload. The suites also check that the answers are
// those of the contract, that the memory is bounded by the connections, that the server recovers, and that no acknowledged session is lost.
package overload
