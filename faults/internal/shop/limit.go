//go:build unix

package shop

import (
	"fmt"
	"os/signal"
	"syscall"
)

// limit sets the resource limits of the config for this process.
func (c Config) limit() error {
	if c.Files > 0 {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: c.Files, Max: c.Files}); err != nil {
			return fmt.Errorf("limit the number of files: %w", err)
		}
	}
	if c.FileSize > 0 {
		signal.Ignore(syscall.SIGXFSZ) // the write fails with EFBIG instead
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: c.FileSize, Max: c.FileSize}); err != nil {
			return fmt.Errorf("limit the size of files: %w", err)
		}
	}
	return nil
}
