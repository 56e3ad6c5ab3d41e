// Package migrations reads the numbered migrations that the SQL stores embed. How a migration is applied, and where it
// is written down that it was, is the business of each store.
package migrations

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
)

// Migration is one step of a schema. A migration that was released never changes: what it got wrong, the next one
// puts right.
type Migration struct {
	Version int    // 1 and up, without gaps
	Name    string // "sessions" of 0001_sessions.sql
	SQL     string // one statement or more; never blank
}

// Breaking reports whether the migration of this name makes a schema that programs which do not know it cannot work
// with: its file ends in _breaking.sql. All others only add what an older program can ignore, so older and newer
// programs share one database while a host rolls out a release. A store writes the names of its migrations down with
// their versions, and an older program refuses a schema that is newer than itself only if a name says so.
func Breaking(name string) bool { return strings.HasSuffix(name, "_breaking") }

// fileName is what a migration's file is called: four digits, so that files sort as they are applied.
var fileName = regexp.MustCompile(`^([0-9]{4})_([a-z0-9]+(?:_[a-z0-9]+)*)\.sql$`)

// Load reads 0001_name.sql, 0002_name.sql and so on from the root of fsys, in order. It refuses a gap, a number that
// is given twice, a file that says nothing, any other name, and an fsys without a migration, and reports every fault
// that it finds.
func Load(fsys fs.FS) ([]Migration, error) {
	entries, err := fs.ReadDir(fsys, ".") // sorted by name
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	if len(entries) == 0 {
		return nil, errors.New("migrations: there are none")
	}
	var found []Migration
	var faults []error
	last := 0
	for _, entry := range entries {
		parts := fileName.FindStringSubmatch(entry.Name())
		if parts == nil || entry.IsDir() {
			faults = append(faults, fmt.Errorf("migrations: %s is not named like 0001_name.sql", entry.Name()))
			continue
		}
		version, _ := strconv.Atoi(parts[1]) // four digits, by the expression
		switch {
		case version == 0:
			faults = append(faults, fmt.Errorf("migrations: %s: versions begin at 1", entry.Name()))
		case version == last:
			faults = append(faults, fmt.Errorf("migrations: %s: version %d is given twice", entry.Name(), version))
		case version != last+1:
			faults = append(faults, fmt.Errorf("migrations: %s: version %d is not there", entry.Name(), last+1))
		}
		last = version
		sql, err := fs.ReadFile(fsys, entry.Name())
		if err != nil {
			faults = append(faults, fmt.Errorf("migrations: %w", err))
			continue
		}
		if strings.TrimSpace(string(sql)) == "" {
			faults = append(faults, fmt.Errorf("migrations: %s is empty", entry.Name()))
		}
		found = append(found, Migration{Version: version, Name: parts[2], SQL: string(sql)})
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return found, nil
}
