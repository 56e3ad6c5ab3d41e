// Package proxy stands between a PostgreSQL client and its server, and does to chosen writes what networks, poolers and failing
// servers do: it loses a COMMIT or the answer to it, cuts a connection after some bytes, answers with errors that the server
// did not give, is silent, or delivers late.
//
// It reads both directions message by message with pgproto3, in the simple and in the extended protocol, pipelined or not. A
// [Plan] chooses what happens to the nth write, so that it can follow from a seed.
//
// A write is a statement that changes rows, with the COMMIT of its transaction, or without one where it is its own transaction.
// BEGIN, the statement and COMMIT may come in one batch or one by one.
package proxy
