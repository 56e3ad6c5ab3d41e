// Package crash kills and stops processes that write to a store: at named points of the store's driver, of its system
// calls or of its connection, and at random. What they were told is known exactly, for each answer is written to a pipe
// before anything else happens.
//
// A process that was killed leaves its page cache to the next one, so this shows that writes are atomic and that what was
// acknowledged had been written; that it had been flushed is for package power to show.
package crash
