//go:build unix

package delivery

import (
	"fmt"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// Programs lists the programs that child.Main must know in a binary that runs the suites.
func Programs() []child.Program { return []child.Program{program()} }

// Suites lists what this package tries.
func Suites() []suite.Suite {
	return append(suite.Each("kill -9 of a dispatcher of webhooks", killed, stores.SQLite, stores.Postgres),
		suite.Each("receivers that hang, fail and flood", receivers, stores.SQLite, stores.Postgres)...)
}

// killed kills dispatchers at each of their steps, and at random times.
func killed(tb testing.TB, kind stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	rounds := o.Times(1, 10)
	repeated := 0
	for n := range rounds {
		l := newLives(tb, kind, o.Seed+uint64(n))
		for _, step := range []string{beforePlan, afterPlan, afterClaim, beforeSettle, afterSettle, ""} {
			l.life(config{Dies: step})
		}
		l.Finish(l.ahead)
		v := l.Judge()
		v.Report(tb)
		result.Runs += l.kills
		result.Tally.Add(v.Tally)
		repeated += v.Repeated
	}
	result.Notes = append(result.Notes, fmt.Sprintf("%d deliveries came once more, whose answer nobody had written down", repeated))
	return result
}

// lives runs dispatchers one after the other, each in a process of its own.
type lives struct {
	*Round
	place stores.Place
	ahead time.Duration
	kills int
}

func newLives(tb testing.TB, kind stores.Kind, seed uint64) *lives {
	tb.Helper()
	place := stores.New(tb, kind)
	return &lives{Round: NewRound(tb, open(tb, place), seed), place: place}
}

// life starts a dispatcher, changes sessions while it runs, and waits until it is dead.
func (l *lives) life(c config) {
	l.tb.Helper()
	l.ahead += 5 * time.Minute
	c.Place, c.Ahead = l.place.String(), l.ahead
	p := child.Start(l.tb, program().Name, c, child.Options{})
	if _, ok := p.Await(opened); !ok {
		l.tb.Fatal(p.Wait())
	}
	for range 30 {
		if err := l.Change(); err != nil {
			l.tb.Fatal(err)
		}
		l.pause()
	}
	p.Kill() // if it has not died yet
	if err := p.Wait(); err != nil {
		l.tb.Error(err)
	}
	l.kills++
	l.See()
}
