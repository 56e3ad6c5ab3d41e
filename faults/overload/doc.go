//go:build unix

// Package overload asks more of a server than it can do, and has clients with bad manners: an open load of several times its
// capacity, bodies that come a few bytes at a time, clients that leave in every phase of a request, wrong lengths, and a
// thousand callers with one key. The server is a process like the example's, with a SQLite store, on the loopback interface.
//
// How much work a server does when it has no processor time left is measured and noted. What is checked: it does most of what it
// can when its disk is slow and its host bounds the requests in flight; its answers are those of the contract; its memory is
// bounded by its connections; it recovers; and what it acknowledged is there.
package overload
