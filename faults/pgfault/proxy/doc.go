// Package proxy is a proxy between a PostgreSQL client and its server. It makes the same faults as networks, poolers and failing
// servers: it loses a COMMIT or the answer to it, cuts a connection after some bytes, answers with errors that the server did not give,
// is silent, or delivers late.
//
// It reads both directions message by message with pgproto3, in the simple and in the extended protocol, pipelined or not. A
// [Plan] chooses the fault of the nth write, so that the faults can follow from a seed.
//
// A write is a statement that changes rows, together with the COMMIT of its transaction. A statement that is its own transaction is a
// write without a COMMIT. BEGIN, the statement and COMMIT may come in one batch or one by one.
package proxy
