package pgfault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/pgfault/proxy"
	"github.com/caisse/checkout/idempotency"
)

// Control is a bug or a setting that the suites of this package must catch. Package controls tries them all.
type Control struct {
	Name string
	By   oracle.Rule // the rule that must catch it

	// begin plants the bug. round then makes a fault that reveals the bug, and returns the history.
	begin func(tb testing.TB, seed uint64) (round func(n int) history.History)
}

// Caught makes rounds with the bug until the oracle catches it, and returns the oracle's report. After ten rounds it gives up and
// returns "".
func (c Control) Caught(tb testing.TB, seed uint64) string {
	tb.Helper()
	round := c.begin(tb, seed)
	for n := range 10 {
		for _, v := range oracle.Rules(round(n), oracle.Options{}) {
			if v.Rule == c.By {
				return v.String()
			}
		}
	}
	return ""
}

// Controls lists the controls.
func Controls() []Control {
	lossy := func(f faults, plant func(*faults)) func(testing.TB, uint64) func(int) history.History {
		plant(&f)
		return func(tb testing.TB, seed uint64) func(int) history.History { return f.place(tb, 0, seed).round }
	}
	pairs := func(round func(testing.TB, uint64) history.History) func(testing.TB, uint64) func(int) history.History {
		return func(tb testing.TB, seed uint64) func(int) history.History {
			return func(n int) history.History { return round(tb, seed+uint64(n)) }
		}
	}
	return []Control{
		{"a store answers ErrUnavailable when the connection is cut in COMMIT", oracle.Ghost, lossy(lostAnswers, func(f *faults) {
			f.store = func(s checkout.Store) checkout.Store {
				return says{s, func(error) error { return fmt.Errorf("the connection was cut: %w", checkout.ErrUnavailable) }}
			}
		})},
		{"a store takes a cut connection for success", oracle.OneSession, lossy(lostRequests, func(f *faults) {
			f.store = func(s checkout.Store) checkout.Store { return says{s, func(error) error { return nil }} }
		})},
		{"a client tries again under a new key", oracle.OnePayment, lossy(lostAnswers, func(f *faults) {
			f.caller = func(s history.Service) history.Service { return forgetful{s} }
		})},
		{"a server answers a COMMIT that succeeded with an error", oracle.Ghost, lossy(errorsOfTheServer, func(f *faults) {
			f.plan = func(_ int, seed uint64) proxy.Plan {
				return proxy.Plan{Write: proxy.Random(seed, 0.3, proxy.Fate{Kind: proxy.CommitFailed, Code: "25006", Ran: true})}
			}
		})},
		{"a store ignores the warning of a cancelled wait", oracle.OneSession, pairs(waits{store: func(s checkout.Store) checkout.Store {
			return says{s, func(err error) error {
				if strings.Contains(err.Error(), "canceling wait for synchronous replication") {
					return nil
				}
				return err
			}}
		}}.round)},
		{"a store replays a session that no standby has", oracle.OneSession, pairs(waits{
			store: func(s checkout.Store) checkout.Store { return hasty{s} }, retried: true,
		}.round)},
		{"the standby is asynchronous", oracle.Lost, pairs(failover{forsake: true}.round)},
	}
}

// says is a store that returns another error, or none, when the outcome is unknown.
type says struct {
	checkout.Store
	of func(error) error
}

func (s says) Create(ctx context.Context, session checkout.Session) (checkout.Session, bool, error) {
	held, created, err := s.Store.Create(ctx, session)
	if errors.Is(err, checkout.ErrOutcomeUnknown) {
		if err = s.of(err); err == nil {
			return session, true, nil
		}
	}
	return held, created, err
}

func (s says) Update(ctx context.Context, session checkout.Session) error {
	err := s.Store.Update(ctx, session)
	if errors.Is(err, checkout.ErrOutcomeUnknown) {
		return s.of(err)
	}
	return err
}

func (s says) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	expired, err := s.Store.Expire(ctx, now, limit)
	if errors.Is(err, checkout.ErrOutcomeUnknown) {
		return nil, s.of(err)
	}
	return expired, err
}

// hasty is a store that replays a session as soon as it can read the session, although a failover might still lose the session.
type hasty struct{ checkout.Store }

func (h hasty) Create(ctx context.Context, session checkout.Session) (checkout.Session, bool, error) {
	if held, err := h.GetByKey(ctx, session.Account, session.IdempotencyKey); err == nil {
		return held, false, nil
	}
	return h.Store.Create(ctx, session)
}

// forgetful is a caller that takes an unknown outcome for a failure, and tries again with a new key.
type forgetful struct{ history.Service }

func (f forgetful) Create(ctx context.Context, p checkout.CreateParams) (checkout.Session, bool, error) {
	for {
		session, replayed, err := f.Service.Create(ctx, p)
		if !errors.Is(err, checkout.ErrOutcomeUnknown) {
			return session, replayed, err
		}
		p.IdempotencyKey = idempotency.Key(uuid.NewString())
	}
}
