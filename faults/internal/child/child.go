//go:build unix

// Package child runs programs in child processes, which a test may kill, stop or deprive of resources. A program is a part of the
// test binary or of the report's binary. To run it, this binary is started again:
//
//	func TestMain(m *testing.M) {
//		child.Main(shop.Program())
//		os.Exit(m.Run())
//	}
//
// No child outlives its parent. On Linux that holds however the parent ends.
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

// Program is what a child runs instead of the tests.
type Program struct {
	Name string
	Run  func(ctx context.Context, self *Self) error
}

// The environment variables of a child.
const (
	variable = "CHECKOUT_FAULTS_CHILD"    // the name of the program
	settings = "CHECKOUT_FAULTS_SETTINGS" // its configuration
	shown    = "CHECKOUT_FAULTS_SHOWN"    // set where the parent decides on system calls
)

// The file descriptors of a child after the usual three.
const (
	historyFd = 3 + iota
	socketFd
)

// Self is a program's connection to its parent.
type Self struct {
	// History is a pipe. The parent gets what was written to it, however the child ends.
	History *os.File
	config  []byte
}

// Config reads the configuration that [Start] was given.
func (s *Self) Config(v any) error {
	if err := json.Unmarshal(s.config, v); err != nil {
		return fmt.Errorf("child: settings: %w", err)
	}
	return nil
}

// Tell sends a line to the parent.
func (s *Self) Tell(line string) error {
	_, err := fmt.Println(line)
	return err
}

// Main runs one of the programs and exits, if this process was started as a child. Otherwise it returns at once. Call it
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
