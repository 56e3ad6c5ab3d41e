// Package pgfault makes faults between a store and PostgreSQL: answers to COMMIT get lost, connections are cut in the middle of a
// message, the server returns errors or is silent, requests arrive late, the wait for a standby is cancelled, and the primary is lost
// while callers create sessions or dispatchers send webhooks.
package pgfault
