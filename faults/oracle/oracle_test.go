package oracle_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/matryer/is"

	_ "github.com/caisse/checkout/faults/effort" // defines the flags -long and -seed
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/trial"
)

// TestJudgeAccepts proves that the oracle finds no violation in histories that a correct store can produce. An oracle that complained of
// them would make the fault tests useless.
func TestJudgeAccepts(t *testing.T) {
	for name, tell := range map[string]func(*story){
		"a session that is created, replayed, read and listed": func(s *story) {
			s.tell(history.Create, under("k1"), replayed, shows(session()))
			s.tell(history.Get, of("cs_1"), shows(session()))
			s.tell(history.List, shows(session()))
		},
		"a session that is completed, and a Complete that is repeated": func(s *story) {
			s.tell(history.Begin, of("cs_1"), paying("p1"), shows(session(changedTo("pending"), paid("p1"))))
			s.tell(history.Begin, of("cs_1"), paying("p2"), shows(session(version(3), status("pending"), paid("p2"))))
			s.tell(history.Process, of("cs_1"), shows(session(version(4), status("processing"), paid("p2"))))
			done := session(version(5), status("completed"), paid("p2"), completed)
			s.tell(history.Complete, of("cs_1"), shows(done))
			s.tell(history.Complete, of("cs_1"), paying("p2"), shows(done))
			s.tell(history.Complete, of("cs_1"), paying("p3"), fails(history.PaymentConflict), func(op *history.Operation) { op.Return.Held = "p2" })
			s.tell(history.Cancel, of("cs_1"), fails(history.Refused), func(op *history.Operation) { op.Return.From = "completed" })
		},
		"a payment ID that is given after the session is processing": func(s *story) {
			s.tell(history.Process, of("cs_1"), shows(session(changedTo("processing"))))
			s.tell(history.Process, of("cs_1"), paying("p1"), shows(session(version(3), status("processing"), paid("p1"))))
			s.tell(history.Process, of("cs_1"), paying("p2"), fails(history.PaymentConflict), func(op *history.Operation) { op.Return.Held = "p1" })
		},
		"an unknown create that happened": func(s *story) {
			s.tell(history.Create, under("k2"), fails(history.OutcomeUnknown))
			s.tell(history.Create, under("k2"), replayed, shows(session(named("cs_2", "k2"))))
		},
		"forty creates of unknown outcome, of which the tenth happened": func(s *story) {
			for n := range int64(40) {
				s.tell(history.Create, under("k2"), fails(history.OutcomeUnknown), clock(opening+10*n, opening+10*n+5))
			}
			happened := func(s *history.Session) { s.Created, s.Expires = opening+101, opening+101+lifetime }
			s.tell(history.Create, under("k2"), replayed, shows(session(named("cs_2", "k2"), happened)), clock(opening+500, opening+500))
		},
		"an unknown create that did not happen": func(s *story) {
			s.tell(history.Create, under("k2"), fails(history.OutcomeUnknown))
			s.tell(history.Create, under("k2"), shows(session(named("cs_2", "k2"))))
		},
		"an unknown create that took effect after another caller had listed": func(s *story) {
			s.tell(history.Create, under("k2"), fails(history.NoAnswer))
			s.tell(history.List, shows(session()))
			s.tell(history.List, shows(session(named("cs_2", "k2")), session()))
		},
		"an unknown transition that happened": func(s *story) {
			s.tell(history.Cancel, of("cs_1"), fails(history.OutcomeUnknown))
			s.tell(history.Get, of("cs_1"), shows(session(changedTo("cancelled"))))
		},
		"an unknown transition that happened late": func(s *story) {
			s.tell(history.Cancel, of("cs_1"), fails(history.OutcomeUnknown))
			s.tell(history.Get, of("cs_1"), shows(session()))
			s.tell(history.Get, of("cs_1"), shows(session(changedTo("cancelled"))))
		},
		"an unknown sweep that happened": func(s *story) {
			s.tell(history.Expire, clock(expires, expires), fails(history.OutcomeUnknown))
			s.tell(history.Get, of("cs_1"), clock(expires, expires), shows(session(changedTo("expired"))))
		},
		"two reads during a cancel, one before its effect and one after it": func(s *story) {
			s.tell(history.Cancel, of("cs_1"), during(20, 50), shows(session(changedTo("cancelled"))))
			s.tell(history.Get, of("cs_1"), during(25, 45), shows(session()))
			s.tell(history.Get, of("cs_1"), during(30, 40), shows(session(changedTo("cancelled"))))
		},
		"a session that expires while it is read": func(s *story) {
			s.tell(history.Get, of("cs_1"), clock(expires-1, expires), shows(session()))
			s.tell(history.Get, of("cs_1"), clock(expires-1, expires), shows(session(status("expired"))))
		},
		"a session that is no longer expired after the clock was set back": func(s *story) {
			s.tell(history.Get, of("cs_1"), clock(expires, expires), shows(session(status("expired"))))
			s.tell(history.Get, of("cs_1"), clock(opening, opening), shows(session()))
		},
		"a late payment": func(s *story) {
			s.tell(history.Expire, clock(expires, expires), shows(session(changedTo("expired"))))
			s.tell(history.Complete, of("cs_1"), shows(session(version(3), status("completed"), completed, func(s *history.Session) { s.Late = true })))
		},
		"a session that is not found while it is being created": func(s *story) {
			s.tell(history.Create, under("k2"), during(20, 60), shows(session(named("cs_2", "k2"))))
			s.tell(history.Get, of("cs_2"), during(25, 30), fails(history.NotFound))
		},
		"a Begin that is repeated without a payment ID": func(s *story) {
			s.tell(history.Begin, of("cs_1"), paying("p1"), shows(session(changedTo("pending"), paid("p1"))))
			s.tell(history.Begin, of("cs_1"), shows(session(changedTo("pending"), paid("p1"))))
		},
		"a failure that keeps its first reason": func(s *story) {
			s.tell(history.Fail, of("cs_1"), because("funds"), shows(session(changedTo("failed"), failed("funds"))))
			s.tell(history.Fail, of("cs_1"), because("another"), shows(session(changedTo("failed"), failed("funds"))))
		},
		"a card session, which starts pending": func(s *story) {
			card := session(named("cs_2", "k2"), status("pending"), func(s *history.Session) { s.Method = "card" })
			s.tell(history.Create, under("k2"), func(op *history.Operation) { op.Request.Method = "card" }, shows(card))
			s.tell(history.Begin, of("cs_2"), paying("p1"), shows(func() history.Session {
				card.Payment, card.Version = "p1", 2
				return card
			}()))
		},
		"one key used by two accounts": func(s *story) {
			s.tell(history.Create, by("other"), under("k1"), shows(session(named("cs_2", "k1"), owned("other"))))
			s.tell(history.Get, by("other"), of("cs_1"), fails(history.NotFound))
		},
		"definite errors that wrote nothing": func(s *story) {
			s.tell(history.Create, under("k2"), fails(history.Unavailable))
			s.tell(history.Cancel, of("cs_1"), fails(history.Unavailable))
			s.tell(history.Get, of("cs_1"), shows(session()))
			s.tell(history.Create, under("k2"), shows(session(named("cs_2", "k2"))))
		},
		"a service that shows no versions": func(s *story) {
			s.tell(history.Cancel, of("cs_1"), shows(session(status("cancelled"), version(0))))
			s.tell(history.Get, of("cs_1"), shows(session(status("cancelled"), version(0))))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := oneSession()
			tell(s)
			for _, v := range oracle.Judge(s.history(), oracle.Options{}).Violations {
				t.Error(v)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	t.Run("reports an unavailable store as a violation if the test made no faults", func(t *testing.T) {
		is := is.New(t)
		s := oneSession()
		s.tell(history.Get, of("cs_1"), fails(history.Unavailable))
		s.tell(history.Get, of("cs_1"), fails(history.GaveUp)) // the caller's own context ended: no violation
		is.True(oracle.Judge(s.history(), oracle.Options{}).OK())
		found := oracle.Judge(s.history(), oracle.Options{Faultless: true}).Violations
		is.Equal(len(found), 1)
		is.Equal(found[0].Rule, oracle.Faultless)
		is.Equal(found[0].Operations, []int64{2})
	})

	t.Run("reports that it could not decide in time", func(t *testing.T) {
		is := is.New(t)
		s := oneSession()
		for i := range 14 { // concurrent payments; no order of them explains the answer below
			s.tell(history.Begin, of("cs_1"), paying(string(rune('a'+i))), during(20, never), fails(history.OutcomeUnknown))
		}
		s.tell(history.Get, of("cs_1"), during(30, 40), shows(session(version(9), status("pending"), paid("z"))))
		found := oracle.Linearize(s.history(), oracle.Options{Timeout: time.Millisecond})
		is.Equal(len(found), 1)
		is.Equal(found[0].Rule, oracle.Undecided)
	})

	t.Run("counts what the table of results shows", func(t *testing.T) {
		is := is.New(t)
		s := oneSession()
		s.tell(history.Create, under("k1"), replayed, shows(session()))                                            // a replay acknowledges nothing new
		s.tell(history.Create, under("k2"), fails(history.OutcomeUnknown))                                         // unknown, converges with the next call
		s.tell(history.Create, under("k2"), replayed, shows(session(named("cs_2", "k2"))))                         //
		s.tell(history.Create, under("k3"), fails(history.NoAnswer))                                               // unknown, is not asked for again
		s.tell(history.Begin, of("cs_1"), fails(history.OutcomeUnknown))                                           // unknown
		s.tell(history.Cancel, of("cs_1"), shows(session(version(3), status("cancelled"))))                        // acknowledged
		s.tell(history.Get, of("cs_1"), fails(history.NotFound))                                                   // lost
		s.tell(history.Create, under("k2"), shows(session(named("cs_3", "k2"))))                                   // doubled
		s.tell(history.Create, under("k4"), meant("order"), shows(session(named("cs_4", "k4"))))                   //
		s.tell(history.Create, under("k5"), meant("order"), shows(session(named("cs_5", "k5"))))                   // doubled
		s.tell(history.Expire, clock(expires, expires), shows(session(named("cs_4", "k4"), changedTo("expired")))) // acknowledged
		tally := oracle.Judge(s.history(), oracle.Options{}).Tally
		is.Equal(tally, oracle.Tally{Operations: 12, Acknowledged: 6, Lost: 1, Doubled: 2, Unknown: 3, Converged: 1})
		tally.Add(tally)
		is.Equal(tally, oracle.Tally{Operations: 24, Acknowledged: 12, Lost: 2, Doubled: 4, Unknown: 6, Converged: 2})
	})
}

func TestCheck(t *testing.T) {
	t.Run("fails a test and saves the history if there is a violation", func(t *testing.T) {
		is := is.New(t)
		t.Setenv("TMPDIR", t.TempDir())
		s := oneSession()
		s.tell(history.Get, of("cs_1"), fails(history.NotFound))
		report := trial.Run(t.Context(), "a test", func(tb testing.TB) { oracle.Check(tb, s.history(), oracle.Options{}) })
		is.True(report.Failed)
		saved, err := filepath.Glob(filepath.Join(os.TempDir(), "*.jsonl"))
		is.NoErr(err)
		is.Equal(len(saved), 1)
		h, err := history.ReadFile(saved[0])
		is.NoErr(err)
		is.Equal(h, s.history())
	})

	t.Run("passes a test and saves nothing if there is none", func(t *testing.T) {
		is := is.New(t)
		t.Setenv("TMPDIR", t.TempDir())
		report := trial.Run(t.Context(), "a test", func(tb testing.TB) { oracle.Check(tb, oneSession().history(), oracle.Options{}) })
		is.Equal(report, trial.Report{})
		saved, err := filepath.Glob(filepath.Join(os.TempDir(), "*"))
		is.NoErr(err)
		is.Equal(len(saved), 0)
	})
}

// TestVisualize proves that the page is written only for a history that no order of its calls explains.
func TestVisualize(t *testing.T) {
	is := is.New(t)
	page := filepath.Join(t.TempDir(), "page.html")
	s := oneSession()
	found, err := oracle.Visualize(s.history(), page)
	is.NoErr(err)
	is.True(!found) // an order explains this history, so there is no page
	s.tell(history.Cancel, of("cs_1"), clock(expires, expires), shows(session(changedTo("cancelled"))))
	found, err = oracle.Visualize(s.history(), page)
	is.NoErr(err)
	is.True(found)
	_, err = os.Stat(page)
	is.NoErr(err)
}
