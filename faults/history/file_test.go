package history_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/trial"
)

func TestRead(t *testing.T) {
	t.Run("reads what was written", func(t *testing.T) {
		is := is.New(t)
		recorder, checkouts, _ := recorded(t)
		client := recorder.Client("caller", checkouts)
		client.Create(t.Context(), params())
		client.Get(t.Context(), merchant, "another")
		var file bytes.Buffer
		is.NoErr(recorder.History().Write(&file))
		h, err := history.Read(&file)
		is.NoErr(err)
		is.Equal(h, recorder.History())
	})

	t.Run("reads what a process streamed that was killed in a call", func(t *testing.T) {
		is := is.New(t)
		recorder, checkouts, _ := recorded(t)
		var file bytes.Buffer
		is.NoErr(recorder.Stream(&file))
		recorder.Client("caller", checkouts).Create(t.Context(), params())
		killed := &interrupted{Service: checkouts, file: &file}
		recorder.Client("caller", killed).Get(t.Context(), merchant, "cs_1")
		is.NoErr(recorder.Err())

		for _, text := range []string{killed.before, killed.before + `{"return":{"id`} {
			h, err := history.Read(strings.NewReader(text))
			is.NoErr(err)
			is.Equal(len(h.Operations), 2)
			is.Equal(h.Header.Seed, uint64(7))
			last := h.Operations[1]
			is.Equal(last.Kind, history.Get)
			is.Equal(last.Return, history.Return{ID: 2, At: history.Never, Outcome: history.Unknown, Code: history.NoAnswer})
			var again bytes.Buffer
			is.NoErr(h.Write(&again))
			reread, err := history.Read(&again)
			is.NoErr(err)
			is.Equal(reread, h) // a call without an answer stays one
		}
	})

	t.Run("refuses what is no history", func(t *testing.T) {
		for _, text := range []string{"nonsense\n", "{}\n", `{"return":{"id":1}}` + "\n"} {
			is := is.New(t)
			_, err := history.Read(strings.NewReader(text))
			is.True(err != nil)
		}
	})

	t.Run("says when the stream was cut short", func(t *testing.T) {
		is := is.New(t)
		recorder, checkouts, _ := recorded(t)
		is.NoErr(recorder.Stream(&fullDisk{room: 300}))
		for range 3 {
			recorder.Client("caller", checkouts).Get(t.Context(), merchant, "cs_1")
		}
		is.True(errors.Is(recorder.Err(), errFull))
		is.Equal(len(recorder.History().Operations), 3) // memory has it all
	})
}

// interrupted notes what the file held while a call was under way.
type interrupted struct {
	history.Service
	file   *bytes.Buffer
	before string
}

func (i *interrupted) Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	i.before = i.file.String()
	return i.Service.Get(ctx, account, id)
}

var errFull = errors.New("disk full")

type fullDisk struct{ room int }

func (f *fullDisk) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestMerge(t *testing.T) {
	is := is.New(t)
	one, checkouts, _ := recorded(t)
	two, _, _ := recorded(t)
	for range 2 {
		one.Client("one", checkouts).Get(t.Context(), merchant, "cs_1")
		two.Client("two", checkouts).Get(t.Context(), merchant, "cs_1")
	}
	var who []string
	merged := history.Merge(two.History(), one.History())
	for i, op := range merged.Operations {
		is.Equal(op.ID, int64(i+1))
		is.Equal(op.Return.ID, op.ID)
		who = append(who, op.Client)
	}
	is.Equal(who, []string{"one", "two", "one", "two"})
	is.Equal(merged.Header, two.History().Header)
}

func TestLongestGap(t *testing.T) {
	is := is.New(t)
	told := func(k history.Kind, o history.Outcome, at int64) history.Operation {
		return history.Operation{Call: history.Call{Kind: k, At: at - 10}, Return: history.Return{At: at, Outcome: o}}
	}
	h := history.History{Operations: []history.Operation{
		told(history.Create, history.OK, 900), // called before, returned last
		told(history.Create, history.OK, 100),
		told(history.Create, history.OK, 150),
		told(history.Create, history.Error, 500),
		told(history.Create, history.Unknown, 600),
		told(history.Get, history.OK, 700),
	}}
	is.Equal(h.LongestGap(history.Create), 750*time.Nanosecond)
	is.Equal(h.LongestGap(history.Get), time.Duration(0))
	is.Equal(h.LongestGap(history.Cancel), time.Duration(0))
}

func TestSave(t *testing.T) {
	is := is.New(t)
	t.Setenv("TMPDIR", t.TempDir())
	recorder, checkouts, _ := recorded(t)
	recorder.Client("caller", checkouts).Get(t.Context(), merchant, "cs_1")
	var name string
	report := trial.Run(t.Context(), "saves", func(tb testing.TB) { name = recorder.History().Save(tb) })
	is.True(!report.Failed)
	is.True(strings.Contains(report.Log, name))
	is.True(strings.Contains(report.Log, "seed 7"))
	h, err := history.ReadFile(name)
	is.NoErr(err)
	is.Equal(h, recorder.History())

	t.Setenv("TMPDIR", os.DevNull)
	report = trial.Run(t.Context(), "cannot save", func(tb testing.TB) { recorder.History().Save(tb) })
	is.True(report.Failed)
}
