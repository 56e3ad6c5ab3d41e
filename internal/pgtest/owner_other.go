//go:build !unix

package pgtest

import "os/exec"

// Give does nothing on this operating system.
func Give(dir string) error { return nil }

// AsOwner does nothing on this operating system.
func AsOwner(cmd *exec.Cmd) error { return nil }
