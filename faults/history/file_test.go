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

// TestRead proves that a history survives its file, also when the process that wrote the file was killed in the middle of a call.
func TestRead(t *testing.T) {
	t.Run("reads back what Write wrote", func(t *testing.T) {
		is := is.New(t)
		recorder, checkouts, _ := newRecorder(t)
		client := recorder.Client("caller", checkouts)
		client.Create(t.Context(), params())
		client.Get(t.Context(), merchant, "another")
		var file bytes.Buffer
		is.NoErr(recorder.History().Write(&file))
		h, err := history.Read(&file)
		is.NoErr(err)
		is.Equal(h, recorder.History())
	})

	t.Run("reads the stream of a process that was killed during a call", func(t *testing.T) {
		is := is.New(t)
		recorder, checkouts, _ := newRecorder(t)
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
			is.Equal(reread, h) // the call must still have no answer
		}
	})

	t.Run("refuses a file that is not a history", func(t *testing.T) {
		for _, text := range []string{"nonsense\n", "{}\n", `{"return":{"id":1}}` + "\n"} {
			is := is.New(t)
			_, err := history.Read(strings.NewReader(text))
			is.True(err != nil)
		}
	})

	t.Run("returns the error when the stream could not be written", func(t *testing.T) {
		is := is.New(t)
		recorder, checkouts, _ := newRecorder(t)
		is.NoErr(recorder.Stream(&fullDisk{room: 300}))
		for range 3 {
			recorder.Client("caller", checkouts).Get(t.Context(), merchant, "cs_1")
		}
		is.True(errors.Is(recorder.Err(), errFull))
		is.Equal(len(recorder.History().Operations), 3) // the recorder must still have every call in memory
	})
}

// interrupted notes the content of the file during a call. A process that is killed at this moment leaves exactly that.
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

// TestMerge proves that the histories of two processes become one, ordered by time and numbered anew, with the header of the first.
func TestMerge(t *testing.T) {
	is := is.New(t)
	one, checkouts, _ := newRecorder(t)
	two, _, _ := newRecorder(t)
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

// TestLongestGap proves that only calls that succeeded end a gap, and that the order of their returns counts.
func TestLongestGap(t *testing.T) {
	is := is.New(t)
	operation := func(k history.Kind, o history.Outcome, at int64) history.Operation {
		return history.Operation{Call: history.Call{Kind: k, At: at - 10}, Return: history.Return{At: at, Outcome: o}}
	}
	h := history.History{Operations: []history.Operation{
		operation(history.Create, history.OK, 900), // first in the history, last to return
		operation(history.Create, history.OK, 100),
		operation(history.Create, history.OK, 150),
		operation(history.Create, history.Error, 500),
		operation(history.Create, history.Unknown, 600),
		operation(history.Get, history.OK, 700),
	}}
	is.Equal(h.LongestGap(history.Create), 750*time.Nanosecond)
	is.Equal(h.LongestGap(history.Get), time.Duration(0))
	is.Equal(h.LongestGap(history.Cancel), time.Duration(0))
}

// TestSave proves that a test's log names the saved file and the seed, and that a history that cannot be saved fails the test.
func TestSave(t *testing.T) {
	is := is.New(t)
	t.Setenv("TMPDIR", t.TempDir())
	recorder, checkouts, _ := newRecorder(t)
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
