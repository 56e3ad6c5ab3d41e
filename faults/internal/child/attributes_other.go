//go:build unix && !linux

package child

import (
	"syscall"
	"time"
)

func attributes(bool) *syscall.SysProcAttr { return nil }

// awaitStop sleeps while a child stops. This system cannot wait for a stop without reaping the child.
func awaitStop(int) error {
	time.Sleep(time.Second)
	return nil
}
