// Package trial runs test code outside of a test: in programs, and in tests that check whether the test code fails.
package trial

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Report says how a trial ended.
type Report struct {
	Failed  bool
	Skipped bool
	Log     string // what was logged, line by line
}

// Run calls f in a new goroutine with a testing.TB of its own, and waits for f and its cleanups to end. A panic of f counts as
// a failure. The methods Setenv, Chdir, Attr, ArtifactDir and Output of this testing.TB panic.
func Run(ctx context.Context, name string, f func(testing.TB)) Report {
	ctx, cancel := context.WithCancel(ctx)
	t := &tb{name: name, ctx: ctx, cancel: cancel}
	var done sync.WaitGroup
	done.Go(func() {
		defer t.cleanup()
		defer t.recover()
		f(t)
	})
	done.Wait()
	return Report{Failed: t.failed, Skipped: t.skipped && !t.failed, Log: t.log.String()}
}

// tb is a testing.TB. The embedded testing.TB is nil. It is there for the unexported method, which only package testing can
// implement.
type tb struct {
	testing.TB
	name   string
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	failed   bool
	skipped  bool
	log      strings.Builder
	cleanups []func()
}

func (t *tb) Helper()                  {}
func (t *tb) Name() string             { return t.name }
func (t *tb) Context() context.Context { return t.ctx }

func (t *tb) Log(args ...any)                 { t.say(fmt.Sprintln(args...)) }
func (t *tb) Logf(format string, args ...any) { t.say(fmt.Sprintf(format, args...)) }

func (t *tb) say(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log.WriteString(strings.TrimSuffix(text, "\n") + "\n")
}

func (t *tb) Fail() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = true
}

func (t *tb) Failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed
}

func (t *tb) FailNow() {
	t.Fail()
	runtime.Goexit()
}

func (t *tb) Error(args ...any) {
	t.Log(args...)
	t.Fail()
}

func (t *tb) Errorf(format string, args ...any) {
	t.Logf(format, args...)
	t.Fail()
}

func (t *tb) Fatal(args ...any) {
	t.Log(args...)
	t.FailNow()
}

func (t *tb) Fatalf(format string, args ...any) {
	t.Logf(format, args...)
	t.FailNow()
}

func (t *tb) SkipNow() {
	t.mu.Lock()
	t.skipped = true
	t.mu.Unlock()
	runtime.Goexit()
}

func (t *tb) Skip(args ...any) {
	t.Log(args...)
	t.SkipNow()
}

func (t *tb) Skipf(format string, args ...any) {
	t.Logf(format, args...)
	t.SkipNow()
}

func (t *tb) Skipped() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.skipped
}

func (t *tb) TempDir() string {
	dir, err := os.MkdirTemp("", "trial")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (t *tb) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

// cleanup runs the cleanup functions, the last one first. If one of them ends its goroutine or panics, the others still run.
func (t *tb) cleanup() {
	t.cancel()
	for {
		t.mu.Lock()
		n := len(t.cleanups)
		if n == 0 {
			t.mu.Unlock()
			return
		}
		f := t.cleanups[n-1]
		t.cleanups = slices.Delete(t.cleanups, n-1, n)
		t.mu.Unlock()

		var done sync.WaitGroup
		done.Go(func() {
			defer t.recover()
			f()
		})
		done.Wait()
	}
}

func (t *tb) recover() {
	if p := recover(); p != nil {
		t.Errorf("panic: %v\n%s", p, debug.Stack())
	}
}
