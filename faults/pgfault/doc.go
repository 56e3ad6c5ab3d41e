// Package pgfault breaks what is between a store and PostgreSQL: answers to COMMIT get lost, connections are cut at any byte, the
// server returns errors or is silent, requests arrive late, the wait for a standby is cancelled, and the primary is lost while
// callers create.
package pgfault
