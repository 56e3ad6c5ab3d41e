//go:build linux

package disk_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/disk"
	"github.com/caisse/checkout/faults/internal/isolated"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

func TestMain(m *testing.M) {
	child.Main(isolated.Program("cut", cut))
	os.Exit(m.Run())
}

// TestCut proves that a simulated power cut keeps every byte that was flushed and none that was not, and that the disk fails while its
// power is off.
func TestCut(t *testing.T) {
	t.Run("keeps flushed data and loses unflushed data", func(t *testing.T) {
		isolated.Suite(t, "cut", stores.SQLite, suite.Options{})
	})
}

func cut(tb testing.TB, dir string, _ stores.Kind, _ suite.Options) (result suite.Result) {
	d := disk.NewExt4(tb, dir, 16<<20)
	flushed, unflushed := filepath.Join(dir, "flushed"), filepath.Join(dir, "unflushed")
	for range 3 { // the disk can be cut and restored again and again
		write(tb, flushed, true)
		write(tb, unflushed, false)
		d.Cut()
		if _, err := os.Create(filepath.Join(dir, "late")); err == nil {
			tb.Error("a file could be created while the power was off")
		}
		d.Restore()
		if data, err := os.ReadFile(flushed); err != nil || string(data) != "page" {
			tb.Errorf("the flushed file contains %q (%v)", data, err)
		}
		if data, err := os.ReadFile(unflushed); err == nil && len(data) > 0 {
			tb.Errorf("the unflushed file contains %q", data)
		}
		if err := os.Remove(flushed); err != nil {
			tb.Error(err)
		}
		os.Remove(unflushed)
	}
	return result
}

func write(tb testing.TB, path string, flush bool) {
	tb.Helper()
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("page"); err != nil {
		tb.Fatal(err)
	}
	if flush {
		if err := f.Sync(); err != nil {
			tb.Fatal(err)
		}
	}
}
