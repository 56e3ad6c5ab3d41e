package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"github.com/caisse/checkout/faults/suite"
)

// journal is a report to which rows are added, and its file.
type journal struct {
	file     string // "" is none
	progress io.Writer
	all      []suite.Suite
	report   suite.Report
}

// resume continues the report in the file, with its seed and its rows.
func (j *journal) resume() error {
	text, err := os.ReadFile(j.file)
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	var earlier suite.Report
	if err := json.Unmarshal(text, &earlier); err != nil {
		return fmt.Errorf("resume: %s: %w", j.file, err)
	}
	if earlier.Revision != j.report.Revision || earlier.Long != j.report.Long {
		return fmt.Errorf("resume: %s is of revision %s, long %t; this is %s, long %t",
			j.file, earlier.Revision, earlier.Long, j.report.Revision, j.report.Long)
	}
	j.report = earlier
	return nil
}

// try runs the suites that are wanted, one after the other, until ctx ends. It leaves out those that have already run without a failure.
// It writes the file after each suite.
func (j *journal) try(ctx context.Context, wanted *regexp.Regexp) error {
	if err := j.write(); err != nil { // better now than after the first hour
		return err
	}
	done := make(map[string]bool)
	for _, row := range j.report.Rows {
		done[row.Name()] = !row.Failed && row.NotRun == ""
	}
	for _, s := range j.all {
		if !wanted.MatchString(s.Name()) || done[s.Name()] {
			continue
		}
		fmt.Fprintln(j.progress, s.Name())
		row := s.Try(ctx, suite.Options{Long: j.report.Long, Seed: j.report.Seed})
		if ctx.Err() != nil { // the suite was interrupted
			return errors.New("interrupted; -resume continues")
		}
		fmt.Fprint(j.progress, row.Log)
		j.add(row)
		if err := j.write(); err != nil {
			return err
		}
	}
	return nil
}

// add adds a row, or replaces it. Rows have the order of the suites.
func (j *journal) add(row suite.Row) {
	rows := map[string]suite.Row{row.Name(): row}
	for _, r := range j.report.Rows {
		if r.Name() != row.Name() {
			rows[r.Name()] = r
		}
	}
	j.report.Rows = nil
	for _, s := range j.all {
		if r, ok := rows[s.Name()]; ok {
			j.report.Rows = append(j.report.Rows, r)
		}
	}
}

// write replaces the file atomically.
func (j *journal) write() error {
	if j.file == "" {
		return nil
	}
	f, err := os.Create(j.file + ".part")
	if err != nil {
		return err
	}
	if err := errors.Join(j.report.WriteJSON(f), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), j.file)
}
