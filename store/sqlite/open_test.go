package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/sqlite"
)

func TestOpen(t *testing.T) {
	t.Run("accepts a path with any characters", func(t *testing.T) {
		for _, name := range []string{
			"a b.db", "a?b=c.db", "a#b.db", "100%.db", "%20%3f.db", "a&b;c=d,e+f.db", `it's "quoted".db`, "é\u0301🛒.db", "a\nb.db", "-.db", "~.db",
			"?_synchronous=OFF", "x.db?vfs=none", ":memory:.db", "\xff.db",
		} {
			is := is.New(t)
			dir := t.TempDir()
			s := open(t, filepath.Join(dir, name))
			session := create(t, s, newSession(t))
			is.NoErr(s.Close())
			entries, err := os.ReadDir(dir)
			is.NoErr(err)
			is.Equal(len(entries), 1)         // no other file was created
			is.Equal(entries[0].Name(), name) // the file has the given name
			wantStored(t, open(t, filepath.Join(dir, name)), session)
		}
	})
	t.Run("keeps using the file of a relative path after the working directory has changed", func(t *testing.T) {
		is := is.New(t)
		dir := t.TempDir()
		t.Chdir(dir)
		s := open(t, "checkouts.db")
		session := create(t, s, newSession(t))
		t.Chdir(t.TempDir())
		var wg sync.WaitGroup
		for range 32 { // so many that the store opens more than one connection
			wg.Go(func() { wantStored(t, s, session) })
		}
		wg.Wait()
		is.NoErr(s.Close())
		wantStored(t, open(t, filepath.Join(dir, "checkouts.db")), session)
	})
	t.Run("creates files that only their owner can read", func(t *testing.T) {
		if runtime.GOOS == "windows" {
			t.Skip("Windows has no file modes")
		}
		is := is.New(t)
		path := newPath(t)
		create(t, open(t, path), newSession(t))
		for _, file := range []string{path, path + "-wal", path + "-shm"} {
			found, err := os.Stat(file)
			is.NoErr(err)
			is.Equal(found.Mode().Perm(), fs.FileMode(0o600))
		}
	})
	t.Run("does not change the mode of an existing file", func(t *testing.T) {
		if runtime.GOOS == "windows" {
			t.Skip("Windows has no file modes")
		}
		is := is.New(t)
		path := newPath(t)
		is.NoErr(os.WriteFile(path, nil, 0o640))
		is.NoErr(os.Chmod(path, 0o640)) // the umask may have changed the mode in WriteFile
		create(t, open(t, path), newSession(t))
		found, err := os.Stat(path)
		is.NoErr(err)
		is.Equal(found.Mode().Perm(), fs.FileMode(0o640))
	})
	t.Run("shares the file with the host's tables", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		db := hostPool(t, hostDSN(path))
		_, err := db.Exec("CREATE TABLE orders (id INTEGER PRIMARY KEY); PRAGMA user_version = 7; PRAGMA application_id = 11")
		is.NoErr(err)
		create(t, open(t, path), newSession(t))
		var version, application int
		is.NoErr(db.QueryRow("SELECT user_version, application_id FROM pragma_user_version, pragma_application_id").Scan(&version, &application))
		is.Equal([]int{version, application}, []int{7, 11}) // both numbers belong to the host
	})
	t.Run("lets several stores open one new file at the same time", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		const stores = 8
		var wg sync.WaitGroup
		errs := make([]error, stores)
		for i := range stores {
			wg.Go(func() {
				var s *sqlite.Store
				if s, errs[i] = sqlite.Open(t.Context(), path); errs[i] != nil {
					return
				}
				_, _, err := s.Create(t.Context(), newSession(t))
				errs[i] = errors.Join(err, s.Close())
			})
		}
		wg.Wait()
		is.NoErr(errors.Join(errs...))
		_, total, err := open(t, path).List(t.Context(), merchant, checkout.Query{Limit: 100})
		is.NoErr(err)
		is.Equal(total, stores)
	})

	t.Run("refuses", func(t *testing.T) {
		dir := t.TempDir()
		notes := filepath.Join(dir, "notes.txt")
		text := strings.Repeat("these are notes ", 100)
		if err := os.WriteFile(notes, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for name, test := range map[string]struct{ path, says string }{
			"an empty path":                 {"", "the path is empty"},
			"a database in memory":          {":memory:", "store/memory"},
			"a DSN":                         {"file:checkouts.db?mode=rwc", "not a DSN"},
			"a folder that does not exist":  {filepath.Join(dir, "none", "checkouts.db"), "make it first"},
			"a folder":                      {dir, "is a folder"},
			"a file that is not a database": {notes, "not a database"},
		} {
			t.Run(name, func(t *testing.T) {
				is := is.New(t)
				s, err := sqlite.Open(t.Context(), test.path)
				is.True(err != nil)
				is.True(s == nil)
				is.True(strings.Contains(err.Error(), test.says)) // the error explains the problem
				entries, readErr := os.ReadDir(dir)
				is.NoErr(readErr)
				is.Equal(len(entries), 1) // no file was created
			})
		}
		is := is.New(t)
		found, err := os.ReadFile(notes)
		is.NoErr(err)
		is.Equal(string(found), text) // the file that is not a database was not changed
	})
	t.Run("returns an error that is fs.ErrNotExist if the folder is missing", func(t *testing.T) {
		is := is.New(t)
		_, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "none", "checkouts.db"))
		is.True(errors.Is(err, fs.ErrNotExist))
	})
	t.Run("fails if its context has ended, but an open store keeps working", func(t *testing.T) {
		is := is.New(t)
		ctx, cancel := context.WithCancel(t.Context())
		s, err := sqlite.Open(ctx, newPath(t))
		is.NoErr(err)
		t.Cleanup(func() { _ = s.Close() })
		cancel()
		create(t, s, newSession(t))
		_, err = sqlite.Open(ctx, newPath(t))
		is.True(errors.Is(err, context.Canceled))
	})
}

func TestNew(t *testing.T) {
	t.Run("does not change the schema, and says that Migrate must run first", func(t *testing.T) {
		is := is.New(t)
		db := hostPool(t, hostDSN(newPath(t)))
		_, err := sqlite.New(db)
		is.True(err != nil)
		is.True(strings.Contains(err.Error(), "Migrate"))
		is.Equal(schemaNames(t, db), []string(nil))
	})
	for setting, says := range map[[2]string]string{
		{"_synchronous", "OFF"}:     "_synchronous=FULL",
		{"_synchronous", "NORMAL"}:  "_synchronous=FULL",
		{"_journal_mode", "OFF"}:    "_journal_mode=WAL",
		{"_journal_mode", "MEMORY"}: "_journal_mode=WAL",
	} {
		t.Run("refuses a pool with "+strings.Join(setting[:], "="), func(t *testing.T) {
			is := is.New(t)
			db := hostPool(t, hostDSN(newPath(t), setting[:]...))
			is.NoErr(sqlite.Migrate(t.Context(), db))
			_, err := sqlite.New(db)
			is.True(err != nil)
			is.True(strings.Contains(err.Error(), says)) // the error names the setting to add
		})
	}
	t.Run("accepts a pool with SQLite's default settings", func(t *testing.T) {
		s := migrated(t, hostPool(t, "file:"+newPath(t)))
		wantStored(t, s, create(t, s, newSession(t)))
	})
}

// schemaNames returns the names of all tables, indexes, views and triggers in db's schema, without those of SQLite itself.
func schemaNames(tb testing.TB, db *sql.DB) (names []string) {
	tb.Helper()
	rows, err := db.Query("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name")
	if err != nil {
		tb.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			tb.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}
