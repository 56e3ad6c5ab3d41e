//go:build unix

// Package child runs programs in processes of their own, which a test may kill, stop and starve. A program is a part of
// the test binary, or of the report, which is started once more:
//
//	func TestMain(m *testing.M) {
//		child.Main(shop.Program())
//		os.Exit(m.Run())
//	}
//
// No child outlives its parent, on Linux however the parent ends.
package child

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/caisse/checkout/faults/internal/syscalls"
)

// Program is what a child does in place of its parent's work.
type Program struct {
	Name string
	Run  func(ctx context.Context, self *Self) error
}

// variable names the program to be, in a child's environment, and settings what it is told.
const (
	variable = "CHECKOUT_FAULTS_CHILD"
	settings = "CHECKOUT_FAULTS_SETTINGS"
	shown    = "CHECKOUT_FAULTS_SHOWN" // set where the parent decides on system calls
)

// The descriptors that a child has beside the usual three.
const (
	historyFd = 3 + iota
	socketFd
)

// Self is what a program has of its parent.
type Self struct {
	// History takes what the parent keeps whatever becomes of the child.
	History *os.File
	config  []byte
}

// Config reads what [Start] was given.
func (s *Self) Config(v any) error {
	if err := json.Unmarshal(s.config, v); err != nil {
		return fmt.Errorf("child: settings: %w", err)
	}
	return nil
}

// Tell says a line to the parent.
func (s *Self) Tell(line string) error {
	_, err := fmt.Println(line)
	return err
}

// Main runs one of the programs and exits, if this process was started as a child; else it returns at once. It comes
// first in TestMain or main.
func Main(programs ...Program) {
	name, ok := os.LookupEnv(variable)
	if !ok {
		return
	}
	if err := run(name, programs); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(name string, programs []Program) error {
	if os.Getenv(shown) != "" {
		socket := os.NewFile(socketFd, "socket")
		err := syscalls.Submit(socket)
		if err := errors.Join(err, socket.Close()); err != nil {
			return err
		}
	}
	unix.CloseOnExec(historyFd)
	self := &Self{History: os.NewFile(historyFd, "history"), config: []byte(os.Getenv(settings))}
	for _, variable := range []string{variable, settings, shown} {
		if err := os.Unsetenv(variable); err != nil { // a child may have children
			return err
		}
	}
	for _, p := range programs {
		if p.Name == name {
			return p.Run(context.Background(), self)
		}
	}
	return errors.New("there is no such program: is it given to child.Main?")
}
