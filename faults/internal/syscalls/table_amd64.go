//go:build linux

package syscalls

import "golang.org/x/sys/unix"

const (
	auditArch = unix.AUDIT_ARCH_X86_64
	sysUnlink = unix.SYS_UNLINK
)

// names has the names of the system calls that the parent decides on, by number.
var names = map[int32]string{
	unix.SYS_FSYNC:     "fsync",
	unix.SYS_FDATASYNC: "fdatasync",
	unix.SYS_PWRITE64:  "pwrite64",
	unix.SYS_FTRUNCATE: "ftruncate",
	unix.SYS_UNLINK:    "unlink",
	unix.SYS_UNLINKAT:  "unlink",
	unix.SYS_LINKAT:    "link",
}
