package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"unicode"
)

// line is one line of a file: one of its fields is set.
type line struct {
	Header *Header `json:"history,omitempty"`
	Call   *Call   `json:"call,omitempty"`
	Return *Return `json:"return,omitempty"`
}

// Write writes the history as JSON lines. Each return directly follows its call, so the lines are not in the
// order of their times.
func (h History) Write(w io.Writer) error {
	buffered := bufio.NewWriter(w)
	encoder := json.NewEncoder(buffered)
	err := encoder.Encode(line{Header: &h.Header})
	for i := range h.Operations {
		op := &h.Operations[i]
		err = errors.Join(err, encoder.Encode(line{Call: &op.Call}))
		if op.Return.Code != NoAnswer {
			err = errors.Join(err, encoder.Encode(line{Return: &op.Return}))
		}
	}
	return errors.Join(err, buffered.Flush())
}

// Read reads a history that [History.Write] or [Recorder.Stream] wrote. It ignores a last line that is cut off, which a killed
// process may leave.
func Read(r io.Reader) (History, error) {
	var h History
	at := make(map[int64]int) // of calls by ID
	buffered := bufio.NewReader(r)
	for n := 1; ; n++ {
		text, err := buffered.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return h, nil
		}
		if err != nil {
			return h, fmt.Errorf("history: %w", err)
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return h, fmt.Errorf("history: line %d: %w", n, err)
		}
		switch {
		case l.Header != nil:
			h.Header = *l.Header
		case l.Call != nil:
			at[l.Call.ID] = len(h.Operations)
			h.Operations = append(h.Operations, unfinished(*l.Call))
		case l.Return != nil:
			i, ok := at[l.Return.ID]
			if !ok {
				return h, fmt.Errorf("history: line %d: a return without a call", n)
			}
			h.Operations[i].Return = *l.Return
		default:
			return h, fmt.Errorf("history: line %d is neither header nor call nor return", n)
		}
	}
}

// ReadFile reads the history in a file.
func ReadFile(name string) (History, error) {
	f, err := os.Open(name)
	if err != nil {
		return History{}, fmt.Errorf("history: %w", err)
	}
	defer f.Close()
	return Read(f)
}

// Save writes the history to a new temporary file, and logs the file's name and the seed. Tests call it when they fail. The
// file is not removed.
func (h History) Save(tb testing.TB) (name string) {
	tb.Helper()
	f, err := os.CreateTemp("", "checkout-history-"+fileName(h.Header.Test)+"-*.jsonl")
	if err == nil {
		err = errors.Join(h.Write(f), f.Close())
	}
	if err != nil {
		tb.Errorf("the history could not be saved: %v", err)
		return ""
	}
	tb.Logf("seed %d on %s; the history of %d operations is in %s", h.Header.Seed, h.Header.Store, len(h.Operations), f.Name())
	return f.Name()
}

// fileName is a test's name without the characters that file systems or shells treat in a special way.
func fileName(test string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return '_'
	}, test)
}
