// Package iofault makes the disk fail under a SQLite store: flushes that fail once or for good, writes that fail, a disk that
// is full for a while, slow flushes, and limits on the size and the number of files.
//
// The failures are injected at the system call, under an unmodified program. After a flush that failed, later flushes of the
// same file report success but flush nothing. That is how Linux behaves: it reports the error once and forgets the pages that it
// could not write (https://lwn.net/Articles/752063/). With root and a loop device, the power is cut at the end of each round,
// so that everything that was not flushed is lost. Only the suite "disk full" does not cut the power.
package iofault
