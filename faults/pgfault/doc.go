// Package pgfault tries what happens between a store and PostgreSQL: answers to COMMIT that get lost, connections that
// are cut at any byte, errors of the server, silence, deliveries that come late, a wait for a standby that somebody
// cancels, and the loss of a primary while callers create.
package pgfault
