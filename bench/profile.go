package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"
)

// profiled writes a processor profile of each round in this process to opts.profile, if that is set.
func (opts options) profiled(contenders []contender) []contender {
	if opts.profile == "" {
		return contenders
	}
	for i, c := range contenders {
		path := opts.profileOf(c.name, c.callers)
		contenders[i].round = func(ctx context.Context, d time.Duration) (s sample, err error) {
			stop, err := startProfile(path)
			if err != nil {
				return sample{}, err
			}
			defer func() { err = errors.Join(err, stop()) }()
			return c.round(ctx, d)
		}
	}
	return contenders
}

// profileOf returns the file for a contender's profile, or "" if none is wanted. Later rounds overwrite it.
func (opts options) profileOf(name string, callers int) string {
	if opts.profile == "" {
		return ""
	}
	file := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '-'
	}, result{Name: name, Callers: callers}.title())
	return filepath.Join(opts.profile, file+".pprof")
}

// startProfile starts a profile of this process, unless path is "".
func startProfile(path string) (stop func() error, err error) {
	if path == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}
