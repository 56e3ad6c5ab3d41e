// Package power cuts the power of a disk under stores that write to it, and looks at what they acknowledged once it is
// back. The stores are as they are everywhere: the disk is an ext4 file system that is told to stop at once and to forget
// what was not flushed, its own journal included (EXT4_IOC_SHUTDOWN). It takes root and loop devices.
//
// The drive below the file system is not part of it: one that loses what it has confirmed as flushed, or a loop device's
// torn writes, would take another harness.
package power
