// Package crash kills and stops processes that write to a store: at named points of the store's driver, of its system
// calls or of its connection, and at random. The answers that a process gave are known exactly, since each answer is written to a pipe
// before anything else happens.
//
// The page cache survives a process that is killed. So this package shows that writes are atomic, and that acknowledged sessions had been
// written. Package power shows that they had been flushed.
package crash
