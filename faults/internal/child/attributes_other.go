//go:build unix && !linux

package child

import "syscall"

func attributes(bool) *syscall.SysProcAttr { return nil }
