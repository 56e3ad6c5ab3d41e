package pgfault

import (
	"slices"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/pgfault/proxy"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// Suites lists what this package tries.
func Suites() []suite.Suite {
	of := func(fault string, run func(tb testing.TB, o suite.Options) suite.Result) []suite.Suite {
		return suite.Each(fault, func(tb testing.TB, _ stores.Kind, o suite.Options) suite.Result { return run(tb, o) }, stores.Postgres)
	}
	return slices.Concat(
		of("answer to COMMIT dropped", lostAnswers.run),
		of("COMMIT dropped", lostRequests.run),
		of("errors of the server", errorsOfTheServer.run),
		of("warning that no standby has it", warnings.run),
		of("silence, and COMMIT delivered late", silence.run),
		of("wait for a standby ended, then failover", waits{}.run),
		of("failover to a synchronous standby", failovers),
		of("failover beneath dispatchers of webhooks", deliveries),
	)
}

// lostAnswers loses the answer to a COMMIT that the server carried out. Only the server then knows that it committed.
var lostAnswers = faults{
	plan: func(_ int, seed uint64) proxy.Plan {
		return proxy.Plan{Write: proxy.Random(seed, 0.2,
			proxy.Fate{Kind: proxy.AnswerCut},
			proxy.Fate{Kind: proxy.AnswerCut, Reset: true},
			proxy.Fate{Kind: proxy.AnswerCut, Bytes: 7},  // within CommandComplete
			proxy.Fate{Kind: proxy.AnswerCut, Bytes: 12}, // between CommandComplete and ReadyForQuery
			proxy.Fate{Kind: proxy.AnswerCut, Bytes: 17}, // the same, in the extended protocol
			proxy.Fate{Kind: proxy.AnswerCut, Whole: true},
			proxy.Fate{Kind: proxy.AnswerCut, Whole: true, Reset: true},
			proxy.Fate{Kind: proxy.Abandoned},
		)}
	},
	everyWrite: true,
	short:      100, long: 5000,
}

// lostRequests loses a COMMIT, or some of its bytes, on the way to the server.
var lostRequests = faults{
	plan: func(_ int, seed uint64) proxy.Plan {
		return proxy.Plan{Write: proxy.Random(seed, 0.2,
			proxy.Fate{Kind: proxy.RequestCut},
			proxy.Fate{Kind: proxy.RequestCut, Reset: true},
			proxy.Fate{Kind: proxy.RequestCut, Bytes: 6},
			proxy.Fate{Kind: proxy.RequestCut, Bytes: 38}, // all but the Sync, in the extended protocol: the server commits
			proxy.Fate{Kind: proxy.RequestCut, Whole: true},
			proxy.Fate{Kind: proxy.RequestCut, Whole: true, Reset: true},
		)}
	},
	everyWrite: true,
	short:      50, long: 1000,
}

// errorsOfTheServer answers statements and COMMITs with errors, cuts some reads, and refuses connections. The errors are those that a
// real server may give. If an error says that nothing was written, nothing was written. If something was written, the error ends the
// session, or its code does not say whether the transaction committed.
var errorsOfTheServer = faults{
	plan: func(_ int, seed uint64) proxy.Plan {
		var writes []proxy.Fate
		for _, code := range []string{"40001", "40P01", "53100", "53300", "25006", "57P03"} {
			writes = append(writes,
				proxy.Fate{Kind: proxy.StatementFailed, Code: code},
				proxy.Fate{Kind: proxy.StatementFailed, Code: code, Ran: true},
				proxy.Fate{Kind: proxy.CommitFailed, Code: code},
			)
		}
		for _, code := range []string{"57P01", "57P02", "57P03", "53300", "25006", "XX000"} {
			writes = append(writes,
				proxy.Fate{Kind: proxy.StatementFailed, Code: code, Fatal: true},
				proxy.Fate{Kind: proxy.CommitFailed, Code: code, Fatal: true},
				proxy.Fate{Kind: proxy.CommitFailed, Code: code, Fatal: true, Ran: true},
			)
		}
		for _, code := range []string{"40003", "08006", "08P01", "58030", "XX000"} {
			writes = append(writes, proxy.Fate{Kind: proxy.CommitFailed, Code: code, Ran: true})
		}
		return proxy.Plan{
			Write: proxy.Random(seed, 0.25, writes...),
			Read: proxy.Random(seed+1, 0.05,
				proxy.Fate{Kind: proxy.RequestCut},
				proxy.Fate{Kind: proxy.AnswerCut, Bytes: 50},
				proxy.Fate{Kind: proxy.StatementFailed, Code: "57P01", Fatal: true},
				proxy.Fate{Kind: proxy.StatementFailed, Code: "53200"},
				proxy.Fate{Kind: proxy.StatementFailed, Code: "40001"},
			),
			Connect: proxy.Random(seed+2, 0.2,
				proxy.Fate{Kind: proxy.StatementFailed, Code: "57P03"},
				proxy.Fate{Kind: proxy.StatementFailed, Code: "53300"},
				proxy.Fate{Kind: proxy.RequestCut},
				proxy.Fate{Kind: proxy.RequestCut, Reset: true},
			),
		}
	},
	short: 100, long: 2000,
}

// warnings adds a warning to the answer of a successful COMMIT: the standby may not have the transaction.
var warnings = faults{
	plan: func(_ int, seed uint64) proxy.Plan {
		return proxy.Plan{Write: proxy.Random(seed, 0.2, proxy.Fate{Kind: proxy.Warned})}
	},
	everyWrite: true,
	short:      50, long: 500,
}

// silence makes a write wait until the store's deadline of ten seconds. Such a round takes long, so each has only one such write, and
// six places have rounds at the same time. Some other statements are slow, and callers give up some of their calls.
var silence = faults{
	plan: func(round int, seed uint64) proxy.Plan {
		silent := []proxy.Fate{
			{Kind: proxy.Silenced},
			{Kind: proxy.Silenced, Whole: true},
			{Kind: proxy.Silenced, Ran: true},
			{Kind: proxy.Silenced, Ran: true, Whole: true},
			{Kind: proxy.Late},
			{Kind: proxy.Late, Whole: true, Delay: 50 * time.Millisecond},
		}[round%6]
		slow := proxy.Random(seed, 0.3, proxy.Fate{Delay: 5 * time.Millisecond}, proxy.Fate{Delay: 30 * time.Millisecond})
		return proxy.Plan{
			Write: func(n int) proxy.Fate {
				if n == int(seed%20) {
					return silent
				}
				return slow(n)
			},
			Read:    proxy.Random(seed+1, 0.1, proxy.Fate{Delay: 10 * time.Millisecond}),
			Connect: proxy.Random(seed+2, 0.1, proxy.Fate{Kind: proxy.RequestCut}, proxy.Fate{Kind: proxy.Silenced}),
		}
	},
	counted:   []proxy.Kind{proxy.Silenced, proxy.Late},
	impatient: true,
	places:    6,
	short:     6, long: 120,
}
