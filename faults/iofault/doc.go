// Package iofault has the disk fail under a SQLite store: flushes that fail once or for good, writes that fail, a disk that
// is full for a while, flushes that take long, files that may not grow or not be opened.
//
// The failures are put in at the system call, under an unmodified program. After a flush that was told to fail, later ones
// of the same file are told to succeed and are not made: that is what Linux does, which reports the error once and
// forgets the pages that it could not write (https://lwn.net/Articles/752063/). Where there is root and a loop device, the
// power is cut at the end of each round, so that what was not flushed is gone for good.
package iofault
