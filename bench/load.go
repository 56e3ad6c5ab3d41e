package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// loading is the task of a load generator.
type loading struct {
	Address     string        `json:"address"`
	Client      string        `json:"client"` // bareClient or goClient
	Connections int           `json:"connections"`
	WarmUp      time.Duration `json:"warm_up_ns"`
	Duration    time.Duration `json:"duration_ns"`
}

// The two clients. bareClient writes HTTP by hand: net/http's client takes more processor time for a request than net/http's
// server, and on a machine that both share it hides most differences between servers. goClient is net/http's client, which Go
// programs use.
const (
	bareClient = "by hand"
	goClient   = "by net/http's client"
)

// load runs in a child process. It sends creates over connections that it keeps open. Each connection sends its next request after the
// answer to the request before.
func load(ctx context.Context, p parent) error {
	var task loading
	if err := p.task(&task); err != nil {
		return err
	}
	if err := p.ready(struct{}{}); err != nil {
		return err
	}
	newCall := func() (call, error) { return newClient(ctx, task.Address) }
	if task.Client == goClient {
		newCall = newGoClient(task)
	}
	t, err := drive(ctx, task.Connections, task.WarmUp, task.Duration, newCall)
	if err != nil {
		return err
	}
	return p.out.Encode(t)
}

// newClient opens a connection and returns a call that sends a request over it with a new key. The answer must be a new session.
func newClient(ctx context.Context, address string) (call, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	before := "POST /v1/checkouts HTTP/1.1\r\nHost: " + address + "\r\nAuthorization: Bearer " + token +
		"\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(requestBody)) + "\r\nIdempotency-Key: "
	request := []byte(before + strings.Repeat("0", 36) + "\r\n\r\n" + requestBody)
	key := request[len(before):][:36]
	in := bufio.NewReader(conn)
	context.AfterFunc(ctx, func() { conn.Close() })
	return func(context.Context) error {
		putKey(key)
		if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			return err
		}
		if _, err := conn.Write(request); err != nil {
			return err
		}
		return readCreated(in)
	}, nil
}

// newGoClient does the same with net/http's client. All callers share one client.
func newGoClient(task loading) func() (call, error) {
	client := &http.Client{
		Transport: &http.Transport{MaxIdleConns: task.Connections, MaxIdleConnsPerHost: task.Connections},
		Timeout:   30 * time.Second,
	}
	return same(func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+task.Address+"/v1/checkouts", strings.NewReader(requestBody))
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", newKey())
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			return err
		}
		return wantCreated(answer.StatusCode, string(text))
	})
}

// readCreated reads an answer to its end.
func readCreated(in *bufio.Reader) error {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if len(line) < len("HTTP/1.1 201") {
		return fmt.Errorf("the answer begins with %q", line)
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return fmt.Errorf("the answer begins with %q", line)
	}
	length := -1
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("an answer has no Content-Length")
	}
	if status != 201 {
		text, err := io.ReadAll(io.LimitReader(in, int64(length)))
		return errors.Join(wantCreated(status, string(text)), err)
	}
	_, err = in.Discard(length)
	return err
}

func wantCreated(status int, body string) error {
	if status != 201 {
		return fmt.Errorf("answered %d: %s", status, body)
	}
	return nil
}
