// Package power cuts the power of a disk while stores write to it, and checks afterwards that no acknowledged session is lost. The
// stores are unmodified. The disk is an ext4 file system that is told to stop at once and to forget everything that was not flushed,
// including its own journal (EXT4_IOC_SHUTDOWN). The package needs root and loop devices.
//
// The package does not cover drives that lose data which they have confirmed as flushed, or drives that tear writes.
package power
