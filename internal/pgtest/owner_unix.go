//go:build unix

package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// owner returns the user to run a server as: the user postgres if this process runs as root, and otherwise nil, which means the user of
// this process. The packages of every distribution create the user postgres.
func owner() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// Give gives a folder to the user that AsOwner chooses.
func Give(dir string) error {
	credential, err := owner()
	if err != nil || credential == nil {
		return err
	}
	return os.Chown(dir, int(credential.Uid), int(credential.Gid))
}

// AsOwner makes a command run as a user that PostgreSQL accepts. PostgreSQL refuses to run as root.
func AsOwner(cmd *exec.Cmd) error {
	credential, err := owner()
	if err != nil {
		return err
	}
	// The server gets a process group of its own, so that an interrupt from the keyboard reaches only the tests, which end the server.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Setpgid: true}
	return nil
}
