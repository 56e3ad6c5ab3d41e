//go:build unix

// Package overload asks more of a server than it can do, and less politely than it may expect: an open load of many times
// its capacity, bodies that come by the byte, clients that leave in every phase of a request, lengths that are not true, and
// a thousand callers with one key. The server is a process of its own, as the example has it, over HTTP on the loopback
// interface and with a SQLite store.
//
// How much of its capacity a server keeps when it has no processor time left is measured and noted. Asserted is that it
// keeps most of it when its disk is slow and its host bounds what it lets in, that it says nothing that the contract does
// not have, that what it takes of its machine is bounded by its connections, that it recovers, and that what it
// acknowledged is there.
package overload
