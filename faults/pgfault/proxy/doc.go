// Package proxy stands between a PostgreSQL client and its server, and does to chosen writes what networks, poolers
// and failing servers do: it loses a COMMIT or the answer to it, cuts connections at a byte, answers with errors that
// the server did not give, keeps silent, or delivers late.
//
// It reads both directions message by message with pgproto3, in the simple and in the extended protocol, pipelined or
// not. What becomes of the nth write is the [Plan]'s to say, so that it can follow from a seed.
//
// A write is a statement that changes rows together with the COMMIT of its transaction, or alone where it is its own
// transaction. BEGIN, COMMIT and the statement may come in one batch or one by one.
package proxy
