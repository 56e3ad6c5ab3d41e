package checkout_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestContractTable holds docs/contract.md and the README to what is there: a test that they name must exist.
func TestContractTable(t *testing.T) {
	declared := map[string]bool{}
	for _, dir := range []string{".", "contracttest", "store/sqlite", "store/postgres", "store/memory", "store/storetest", "webhook", "client", "otelcheckout", "examples/server", "examples/receiver"} {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllSubmatch(source, -1) {
				name := string(m[1])
				if dir != "." {
					name = filepath.ToSlash(dir) + "/" + name
				}
				declared[name] = true
			}
		}
	}
	for _, file := range []string{"docs/contract.md", "README.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := 0
		for _, m := range regexp.MustCompile("`((?:[a-z/]+/)?(?:Test|Fuzz)\\w+)`").FindAllSubmatch(text, -1) {
			names++
			if name := string(m[1]); !declared[name] {
				t.Errorf("%s names %s, which is not there", file, name)
			}
		}
		if names == 0 {
			t.Errorf("%s names no test", file)
		}
	}
}
