package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// childEnv is the environment variable that makes this program run as a child: a server, a load generator or an instance on PostgreSQL.
const childEnv = "CHECKOUT_BENCH_CHILD"

// A child reads its task as a line of JSON, writes a line of JSON when it is ready, and another one with its result. After the
// task, a line on its input makes it begin, and the end of its input makes a server end. So no server outlives its parent.

// child is a process that this program has started: this program again, or the worker.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *json.Decoder
}

// spawn starts a child and waits until it is ready.
func spawn(ctx context.Context, kind string, task, ready any) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return spawnProgram(ctx, program, kind, task, ready)
}

// spawnProgram is spawn with another program than this one.
func spawnProgram(ctx context.Context, program, kind string, task, ready any) (*child, error) {
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), childEnv+"="+kind)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, stdin: stdin, stdout: json.NewDecoder(stdout)}
	if err := json.NewEncoder(stdin).Encode(task); err != nil {
		return nil, c.failed(kind, err)
	}
	if err := c.stdout.Decode(ready); err != nil {
		return nil, c.failed(kind, err)
	}
	return c, nil
}

// begin tells the child to begin.
func (c *child) begin() error {
	_, err := io.WriteString(c.stdin, "\n")
	return err
}

// finish waits for the child's result and its end.
func (c *child) finish(result any) error {
	err := c.stdout.Decode(result)
	c.stdin.Close()
	if err != nil {
		return c.failed("child", err)
	}
	return c.cmd.Wait()
}

// stop ends a server and waits for it.
func (c *child) stop(result any) error {
	c.stdin.Close()
	return c.finish(result)
}

// kill ends the child at once. It does nothing to one that has ended.
func (c *child) kill() {
	c.stdin.Close()
	c.cmd.Process.Kill()
	c.cmd.Wait()
}

// failed returns why a child did not answer. The child has printed the details.
func (c *child) failed(kind string, err error) error {
	c.stdin.Close()
	if ended := c.cmd.Wait(); ended != nil {
		err = ended
	}
	return fmt.Errorf("%s: %w", kind, err)
}

// parent is a child's connection to its parent.
type parent struct {
	in  *bufio.Reader
	out *json.Encoder
}

// runChild runs the program as a child.
func runChild(ctx context.Context, kind string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := parent{in: bufio.NewReader(os.Stdin), out: json.NewEncoder(os.Stdout)}
	switch kind {
	case "serve":
		return serve(ctx, p)
	case "load":
		return load(ctx, p)
	case "postgres":
		return workPostgres(ctx, p)
	}
	return fmt.Errorf("%s=%q is not known", childEnv, kind)
}

func (p parent) task(task any) error {
	line, err := p.in.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, task)
}

// ready says that the child is ready, and waits until it may begin. The error is io.EOF if the child is to end.
func (p parent) ready(state any) error {
	if err := p.out.Encode(state); err != nil {
		return err
	}
	_, err := p.in.ReadByte()
	return err
}

// untilEnd says that the child is ready, and waits until it is to end.
func (p parent) untilEnd(state any) error {
	if err := p.ready(state); !errors.Is(err, io.EOF) {
		return fmt.Errorf("waiting for the end: %w", err)
	}
	return nil
}
