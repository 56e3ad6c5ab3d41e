package suite

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Report has what all suites counted, and the versions that they ran with.
type Report struct {
	Revision string            `json:"revision"` // the last commit that changed source; with "+changes" if some are not committed
	Seed     uint64            `json:"seed"`
	Long     bool              `json:"long"`
	Versions map[string]string `json:"versions"` // of Go, SQLite, PostgreSQL and their drivers
	Machine  string            `json:"machine"`
	Started  time.Time         `json:"started"`
	Rows     []Row             `json:"rows"`
}

// Row is one fault on one store.
type Row struct {
	Fault  string  `json:"fault"`
	Store  string  `json:"store"`
	Result Result  `json:"result"`
	Took   float64 `json:"seconds"`
	Failed bool    `json:"failed"`
	NotRun string  `json:"not_run,omitempty"` // why it was not run, if the machine lacks something
	Log    string  `json:"log,omitempty"`     // what the suite logged, if it failed
}

// Name returns what was tried: "fault on store".
func (r Row) Name() string { return r.Fault + " on " + r.Store }

// OK reports whether nothing failed. A suite that was not run has not failed.
func (r Report) OK() bool {
	for _, row := range r.Rows {
		if row.Failed {
			return false
		}
	}
	return true
}

// WriteJSON writes the whole report.
func (r Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// WriteMarkdown writes the report as a table for people.
func (r Report) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| fault | store | runs | operations | acknowledged | lost | doubled | unknown | converged | events | missing | |\n")
	b.WriteString("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n")
	for _, row := range r.Rows {
		if row.NotRun != "" {
			fmt.Fprintf(&b, "| %s | %s | | | | | | | | | | not run: %s |\n", row.Fault, row.Store, oneLine(row.NotRun))
			continue
		}
		remarks := row.Result.Notes
		if row.Failed {
			remarks = append([]string{"**failed**"}, remarks...)
		}
		t := row.Result.Tally
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", row.Fault, row.Store, grouped(row.Result.Runs),
			grouped(t.Operations), grouped(t.Acknowledged), grouped(t.Lost), grouped(t.Doubled), grouped(t.Unknown), grouped(t.Converged),
			grouped(t.Events), grouped(t.Missing), oneLine(strings.Join(remarks, "; ")))
	}
	all := r.all()
	fmt.Fprintf(&b, "| all | | %s | %s | %s | %s | %s | %s | %s | %s | %s | |\n", grouped(all.Runs), grouped(all.Tally.Operations), grouped(all.Tally.Acknowledged),
		grouped(all.Tally.Lost), grouped(all.Tally.Doubled), grouped(all.Tally.Unknown), grouped(all.Tally.Converged),
		grouped(all.Tally.Events), grouped(all.Tally.Missing))
	pass := "short"
	if r.Long {
		pass = "long"
	}
	fmt.Fprintf(&b, "\nRevision %s, %s pass, seed %d, %s, on %s, %s.\n", cmp.Or(r.Revision, "unknown"), pass, r.Seed,
		r.versions(), r.Machine, r.Started.UTC().Format("2 January 2006"))
	_, err := io.WriteString(w, b.String())
	return err
}

// all is the sum of all rows.
func (r Report) all() (sum Result) {
	for _, row := range r.Rows {
		sum.Runs += row.Result.Runs
		sum.Tally.Add(row.Result.Tally)
	}
	return sum
}

func (r Report) versions() string {
	var all []string
	for _, name := range []string{"Go", "SQLite", "PostgreSQL", "modernc.org/sqlite", "pgx"} {
		if v := r.Versions[name]; v != "" {
			all = append(all, name+" "+v)
		}
	}
	return strings.Join(all, ", ")
}

// grouped formats n with commas between thousands.
func grouped(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func oneLine(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}
