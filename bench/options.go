package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caisse/checkout/bench/fibered"
)

// sections are the names for -only.
var sections = []string{"sqlite", "http", "memory", "postgres", "peers", "before", "lists", "page", "webhooks", "waiters"}

// options are the program's flags.
type options struct {
	only         []string
	measure      time.Duration // the length of one measurement
	rounds       int
	rows         int
	dir          string
	json         string
	postgres     string
	profile      string
	before       string // a revision, or ""
	sessions     int    // how many are created to find the size of one in memory
	fiberMissing error  // why fiber cannot be measured; nil if it can
}

var errUsage = errors.New("usage")

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var opts options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "", "measure only these, comma-separated: "+strings.Join(sections, ", ")+"; peers adds the hand-written handler and fiber to sqlite and http")
	seconds := flags.Float64("seconds", 1, "`length` of one measurement; pgbench rounds up to whole seconds")
	flags.IntVar(&opts.rounds, "rounds", 3, "measurements of each contender, one per round; the median is reported")
	flags.IntVar(&opts.rows, "rows", 0, "fill a SQLite database with so many sessions, and compare it with an empty one; with lists, also measure them beside so many sessions")
	flags.IntVar(&opts.sessions, "sessions", 160_000, "how many sessions to create in the memory store, to find the size of one")
	flags.StringVar(&opts.dir, "dir", os.TempDir(), "`folder` for databases; it should be on the disk that is to be measured")
	flags.StringVar(&opts.json, "json", "", "write all measurements to this `file`")
	flags.StringVar(&opts.profile, "profile", "", "write processor profiles of sqlite, http, memory and postgres to this `folder`, one for each contender; profiling itself costs a little")
	flags.StringVar(&opts.before, "before", "", "a git `revision` to compare with this one, by creates, begins and completes")
	flags.StringVar(&opts.postgres, "postgres", os.Getenv("CHECKOUT_BENCH_POSTGRES"), "`URL` of a PostgreSQL server whose user may create schemas; without it a throw-away server is started, if initdb is found")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return options{}, err
		}
		return options{}, errUsage // the flag set has printed the error
	}
	opts.measure = time.Duration(*seconds * float64(time.Second))
	if err := opts.choose(*only, flags.Args()); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return options{}, errUsage
	}
	if opts.has("peers") {
		opts.fiberMissing = probeFiber(opts.dir)
	}
	return opts, nil
}

func (opts *options) choose(only string, rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%q is no flag", rest[0])
	case opts.measure < 10*time.Millisecond || opts.rounds < 1:
		return errors.New("-seconds must be at least 0.01, -rounds at least 1")
	case opts.rows < 0:
		return errors.New("-rows must be 0 or more")
	case opts.sessions < 16:
		return errors.New("-sessions must be 16 or more")
	}
	if only == "" {
		opts.only = sections
		return nil
	}
	opts.only = strings.Split(only, ",")
	for _, name := range opts.only {
		if !slices.Contains(sections, name) {
			return fmt.Errorf("-only knows %s, not %q", strings.Join(sections, ", "), name)
		}
	}
	if slices.Equal(opts.only, []string{"peers"}) {
		opts.only = append(opts.only, "sqlite", "http")
	}
	return nil
}

func (opts options) has(section string) bool { return slices.Contains(opts.only, section) }

// probeFiber finds out whether fiber's storage works in this build. It needs cgo.
func probeFiber(dir string) error {
	dir, err := os.MkdirTemp(dir, "checkout-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	app, err := fibered.New(fibered.Config{KeysPath: filepath.Join(dir, "keys.db")})
	if err != nil {
		return err
	}
	return app.Close()
}
