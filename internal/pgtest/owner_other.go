//go:build !unix

package pgtest

import "os/exec"

// Give does nothing here.
func Give(dir string) error { return nil }

// AsOwner does nothing here.
func AsOwner(cmd *exec.Cmd) error { return nil }
