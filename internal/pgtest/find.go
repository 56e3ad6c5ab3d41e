package pgtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// Find returns the path of a program, which may be in /usr/sbin. If it is not installed, the test is skipped, or fails in CI.
func Find(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	if err != nil {
		Missing(t, fmt.Errorf("%s is not installed: %w", name, err))
	}
	return path
}

// Binaries returns the folder with PostgreSQL's programs. If there is none, the test is skipped, or fails in CI.
func Binaries(t testing.TB) string {
	t.Helper()
	folder, err := binaries()
	if err != nil {
		Missing(t, err)
	}
	return folder
}

// Ports returns n different ports of the loopback interface that are free now.
func Ports(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports
}

// binaries returns the folder with PostgreSQL's programs: the folder of the initdb on the PATH, or the newest version in
// /usr/lib/postgresql, where Debian keeps them.
func binaries() (string, error) {
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if initdb, err = filepath.EvalSymlinks(initdb); err == nil && installed(filepath.Dir(initdb)) {
			return filepath.Dir(initdb), nil
		}
	}
	folders, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	folders = slices.DeleteFunc(folders, func(folder string) bool { return !installed(folder) })
	if len(folders) == 0 {
		return "", errMissing
	}
	return slices.MaxFunc(folders, func(a, b string) int { return version(a) - version(b) }), nil
}

func installed(folder string) bool {
	for _, program := range []string{"initdb", "postgres", "pg_ctl", "pg_basebackup"} {
		if _, err := os.Stat(filepath.Join(folder, program)); err != nil {
			return false
		}
	}
	return true
}

// version returns 15 for /usr/lib/postgresql/15/bin, and 0 if there is no number.
func version(folder string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(folder)))
	return n
}
