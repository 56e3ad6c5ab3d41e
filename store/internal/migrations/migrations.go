// Package migrations reads the numbered migrations that the SQL stores embed. Each store decides how it applies a migration and
// where it records that.
package migrations

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
)

// Migration is one step of a schema. A released migration never changes. A later migration corrects its mistakes.
type Migration struct {
	Version int    // 1 and up, without gaps
	Name    string // "sessions" of 0001_sessions.sql
	SQL     string // one statement or more; never blank
}

// Breaking reports whether a program that does not know the migration of this name cannot work with its schema. The file of such
// a migration ends in _breaking.sql. All other migrations only add what an older program can ignore, so older and newer programs
// can share one database while a host rolls out a release. A store records the names of its migrations with their versions. An
// older program refuses a newer schema only if one of these names ends in _breaking.
func Breaking(name string) bool { return strings.HasSuffix(name, "_breaking") }

// fileName matches the name of a migration's file. The four digits sort the files in the order in which they are applied.
var fileName = regexp.MustCompile(`^([0-9]{4})_([a-z0-9]+(?:_[a-z0-9]+)*)\.sql$`)

// Load reads 0001_name.sql, 0002_name.sql and so on from the root of fsys, in order. It refuses a gap, a number that is given
// twice, an empty file, any other name, and an fsys without a migration. It reports every fault that it finds.
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
		version, _ := strconv.Atoi(parts[1]) // fileName has matched four digits
		switch {
		case version == 0:
			faults = append(faults, fmt.Errorf("migrations: %s: versions begin at 1", entry.Name()))
		case version == last:
			faults = append(faults, fmt.Errorf("migrations: %s: version %d is given twice", entry.Name(), version))
		case version != last+1:
			faults = append(faults, fmt.Errorf("migrations: %s: version %d is missing", entry.Name(), last+1))
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
