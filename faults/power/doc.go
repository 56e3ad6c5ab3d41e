// Package power cuts the power of a disk while stores write to it, and checks afterwards that everything they acknowledged is
// there. The stores are unmodified. The disk is an ext4 file system that is told to stop at once and to forget what was not
// flushed, including its own journal (EXT4_IOC_SHUTDOWN). It takes root and loop devices.
//
// A drive that loses what it has confirmed as flushed, or that tears writes, is not covered.
package power
