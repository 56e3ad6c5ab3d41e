package checkout_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents returns the text of each Markdown file of the repository, by path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	texts := filesOf(t, ".md")
	for path := range texts {
		if strings.Contains(path, "node_modules/") {
			delete(texts, path)
		}
	}
	if texts["README.md"] == "" || texts["docs/contract.md"] == "" {
		t.Fatal("README.md or docs/contract.md was not found")
	}
	return texts
}

// filesOf returns the text of each file whose name has the ending, by path.
func filesOf(t *testing.T, ending string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git"):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ending):
			return nil
		}
		text, err := os.ReadFile(path)
		files[filepath.ToSlash(path)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// fence is a fenced code block of a document.
type fence struct {
	path, language string
	lines          []string
}

// fences returns the fenced code blocks of the documents, ordered by path.
func fences(texts map[string]string) (all []fence) {
	for _, path := range slices.Sorted(maps.Keys(texts)) {
		var open *fence
		for line := range strings.Lines(texts[path]) {
			line = strings.TrimRight(line, "\n")
			switch language, marked := strings.CutPrefix(strings.TrimSpace(line), "```"); {
			case marked && open == nil:
				open = &fence{path: path, language: language}
			case marked:
				all = append(all, *open)
				open = nil
			case open != nil:
				open.lines = append(open.lines, line)
			}
		}
	}
	return all
}

func TestTheREADMEIsShort(t *testing.T) {
	if n := strings.Count(documents(t)["README.md"], "\n"); n > 200 {
		t.Errorf("README.md has %d lines, want at most 200", n)
	}
}

// TestPrograms checks that each Go block of the documents is also in a Go file of the repository. Indentation and blank lines do not
// count. Without this test a document could show code that no longer compiles.
func TestPrograms(t *testing.T) {
	flat := func(lines []string) string {
		var b strings.Builder
		for _, line := range lines {
			if line = strings.TrimSpace(line); line != "" {
				b.WriteString(line + "\n")
			}
		}
		return "\n" + b.String()
	}
	var sources []string
	for _, text := range filesOf(t, ".go") {
		sources = append(sources, flat(strings.Split(text, "\n")))
	}
	found := 0
	for _, f := range fences(documents(t)) {
		if f.language != "go" {
			continue
		}
		found++
		code := flat(f.lines)
		if !slices.ContainsFunc(sources, func(source string) bool { return strings.Contains(source, code) }) {
			t.Errorf("%s: no Go file of the repository has this code:\n%s", f.path, strings.Join(f.lines, "\n"))
		}
	}
	if found == 0 {
		t.Error("no document has a Go block")
	}
}

// byHand has the commands of the documents that no script runs in this form, each with the reason.
var byHand = map[string]string{
	"cd bench && go run .":                                         "takes several minutes; the tests of bench run each section for a moment",
	"cd bench && go run . -only lists -rows 10000000":              "takes forty minutes",
	"cd bench && go run . -only webhooks":                          "takes two minutes; the tests of bench run it for a moment",
	"cd bench && go run . -only waiters":                           "takes a minute; the tests of bench run it for a moment",
	"cd bench && go run . -rows 10000000":                          "takes an hour",
	"systemd-run --scope -p 'IOWriteIOPSMax=DEVICE 3000' go run .": "needs systemd, and the name of a disk",
	"go run ./examples/server -store 'postgres://checkout@db1,db2/shop?target_session_attrs=read-write&sslmode=verify-full'": "db1 and db2 stand for the reader's own servers",
	"apt-get install chromium":                                   "run by .ci/run if Chromium is not installed",
	"cd paypage/browsertest && npm ci && go test ./...":          "run by .ci/run, with options that silence npm",
	"UPDATE_SCREENSHOTS=1 go test -run 'Screenshots|TheShop$' .": "overwrites the committed screenshots",
	"cd faults && go test ./...":                                 "run by .ci/run, with a time limit",
	"go test -race ./...":                                        "in the faults module, where it takes half an hour",
	"go test ./concurrent -seed 7":                               "a part of go test ./..., with another seed",
	"go test ./controls -v":                                      "a part of go test ./...",
	"go test ./power -long -timeout 1h":                          "takes minutes",
	"go run ./cmd/report > results.md":                           "overwrites the committed results",
	"go run ./cmd/report -long -json results.json > results.md":  "takes an hour",
}

// TestCommands checks that .ci/run or .ci/docs runs each shell command of the documents, unless byHand excepts it. Without this test a
// command in the documents could stop working, and nobody would notice.
func TestCommands(t *testing.T) {
	var scripts string
	for _, path := range []string{".ci/run", ".ci/docs"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		scripts += string(text)
	}
	comment := regexp.MustCompile(`\s+# .*$`)
	seen := make(map[string]bool)
	for _, f := range fences(documents(t)) {
		if f.language != "sh" {
			continue
		}
		for _, command := range f.lines {
			command = strings.TrimSpace(strings.TrimSuffix(comment.ReplaceAllString(command, ""), "\\"))
			seen[command] = true
			if command != "" && byHand[command] == "" && !strings.Contains(scripts, command) {
				t.Errorf("%s: neither .ci/run nor .ci/docs runs %s", f.path, command)
			}
		}
	}
	for command := range byHand {
		if !seen[command] {
			t.Errorf("byHand has a command that no document has: %s", command)
		}
	}
}

// TestLinks checks that each link from a document to a file of the repository leads to a file and a heading that exist.
func TestLinks(t *testing.T) {
	texts := documents(t)
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	notInHeading := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	headings := func(path string) map[string]bool {
		found := make(map[string]bool)
		for line := range strings.Lines(texts[path]) {
			if title := strings.TrimLeft(line, "#"); title != line {
				title = notInHeading.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
				found[strings.ReplaceAll(title, " ", "-")] = true
			}
		}
		return found
	}
	for path, text := range texts {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, heading, _ := strings.Cut(m[1], "#")
			target := path
			if file != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(path), file))
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, but there is no such file", path, m[1])
			} else if heading != "" && !headings(target)[heading] {
				t.Errorf("%s links to %s, but the file has no such heading", path, m[1])
			}
		}
	}
}

// TestContractTable checks that each test that docs/contract.md or README.md names exists.
func TestContractTable(t *testing.T) {
	declared := map[string]bool{}
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	for path, source := range filesOf(t, "_test.go") {
		for _, m := range declaration.FindAllStringSubmatch(source, -1) {
			name := m[1]
			if dir := filepath.ToSlash(filepath.Dir(path)); dir != "." {
				name = dir + "/" + name
			}
			declared[name] = true
		}
	}
	for _, path := range []string{"docs/contract.md", "README.md"} {
		names := 0
		for _, m := range regexp.MustCompile("`((?:[a-z/]+/)?(?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(documents(t)[path], -1) {
			names++
			if !declared[m[1]] {
				t.Errorf("%s names %s, but there is no such test", path, m[1])
			}
		}
		if names == 0 {
			t.Errorf("%s names no test", path)
		}
	}
}
