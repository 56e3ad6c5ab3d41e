package child

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

func attributes(isolated bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if isolated {
		a.Cloneflags = syscall.CLONE_NEWPID
		a.Unshareflags = syscall.CLONE_NEWNS // which, unlike the flag for clone, keeps its mounts from spreading
	}
	return a
}

// awaitStop waits until a child has stopped or ended. It does not reap the child.
func awaitStop(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
