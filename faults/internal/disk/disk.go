//go:build linux

// Package disk mounts file systems for a test: one whose power can be cut, and a small one. It needs root and an isolated
// process (see package child). The mounts end with this process.
package disk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ext4 is an ext4 file system on a loop device over memory.
type Ext4 struct {
	Dir    string // where it is mounted
	tb     testing.TB
	device string
}

// NewExt4 makes a file system of a size in bytes at dir, an empty folder. If there are no loop devices or no mkfs.ext4,
// the test is skipped.
func NewExt4(tb testing.TB, dir string, size int64) *Ext4 {
	tb.Helper()
	d := &Ext4{Dir: dir, tb: tb}
	if err := d.make(size); err != nil {
		tb.Skipf("not run: no ext4 on a loop device: %v", err)
	}
	if err := d.mount(); err != nil {
		tb.Skipf("not run: %v", err)
	}
	tb.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return d
}

// make attaches memory to a loop device and formats it. The device becomes free when nobody uses it any more.
func (d *Ext4) make(size int64) error {
	memory, err := unix.MemfdCreate("ext4", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("memfd: %w", err)
	}
	defer unix.Close(memory)
	if err := unix.Ftruncate(memory, size); err != nil {
		return fmt.Errorf("memfd: %w", err)
	}
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer control.Close()
	for range 10 { // somebody else may take the device first
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return fmt.Errorf("find a free loop device: %w", err)
		}
		device, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		d.tb.Cleanup(func() { device.Close() }) // until then the memory stays attached, also between two mounts
		config := unix.LoopConfig{Fd: uint32(memory)}
		config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
		err = unix.IoctlLoopConfigure(int(device.Fd()), &config)
		if errors.Is(err, unix.EBUSY) {
			continue
		}
		if err != nil {
			return fmt.Errorf("attach memory to %s: %w", device.Name(), err)
		}
		d.device = device.Name()
		output, err := exec.Command("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", d.device).CombinedOutput()
		if err != nil {
			return fmt.Errorf("mkfs.ext4: %w: %s", err, output)
		}
		return nil
	}
	return errors.New("all free loop devices were taken by others")
}

func (d *Ext4) mount() error {
	if err := unix.Mount(d.device, d.Dir, "ext4", 0, ""); err != nil {
		return fmt.Errorf("mount %s: %w", d.device, err)
	}
	return nil
}

// Cut cuts the power: what was not flushed is lost. From then on all calls on the file system fail.
func (d *Ext4) Cut() {
	d.tb.Helper()
	root, err := os.Open(d.Dir)
	if err != nil {
		d.tb.Fatal(err)
	}
	defer root.Close()
	const shutdown = 0x8004587d // EXT4_IOC_SHUTDOWN
	logLost := uint32(2)        // EXT4_GOING_FLAGS_NOLOGFLUSH: the journal is not flushed either
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, root.Fd(), shutdown, uintptr(unsafe.Pointer(&logLost))); errno != 0 {
		d.tb.Fatalf("cut the power: %v", errno)
	}
}

// Restore brings the power back: it mounts the file system as the cut left it. No file of it may be open.
func (d *Ext4) Restore() {
	d.tb.Helper()
	if err := unix.Unmount(d.Dir, 0); err != nil {
		d.tb.Fatalf("unmount after a power cut: %v", err)
	}
	if err := d.mount(); err != nil {
		d.tb.Fatal(err)
	}
}

// Sync flushes the file system.
func (d *Ext4) Sync() {
	d.tb.Helper()
	root, err := os.Open(d.Dir)
	if err != nil {
		d.tb.Fatal(err)
	}
	defer root.Close()
	if err := unix.Syncfs(int(root.Fd())); err != nil {
		d.tb.Fatal(err)
	}
}

// Small mounts a file system of a size in bytes, in memory, at dir, an empty folder.
func Small(tb testing.TB, dir string, size int64) {
	tb.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		tb.Skipf("not run: no small file system: %v", err)
	}
	tb.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
}
