//go:build unix && !linux

package child

import (
	"syscall"
	"time"
)

func attributes(bool) *syscall.SysProcAttr { return nil }

// awaitStop gives a child the time to stop. Here none can be waited for without taking its end from others.
func awaitStop(int) error {
	time.Sleep(time.Second)
	return nil
}
