//go:build !unix

package pgtest

import "os/exec"

func (c *Cluster) give() error                 { return nil }
func (c *Cluster) asOwner(cmd *exec.Cmd) error { return nil }
