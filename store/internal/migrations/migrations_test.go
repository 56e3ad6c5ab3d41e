package migrations_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/caisse/checkout/store/internal/migrations"
	"github.com/matryer/is"
)

// files returns a file system with these files. Each one contains its own name.
func files(names ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for _, name := range names {
		fsys[name] = &fstest.MapFile{Data: []byte("-- " + name)}
	}
	return fsys
}

func TestLoad(t *testing.T) {
	t.Run("reads the migrations in order", func(t *testing.T) {
		is := is.New(t)
		got, err := migrations.Load(files("0002_b_2.sql", "0003_c.sql", "0001_first.sql"))
		is.NoErr(err)
		is.Equal(got, []migrations.Migration{
			{Version: 1, Name: "first", SQL: "-- 0001_first.sql"},
			{Version: 2, Name: "b_2", SQL: "-- 0002_b_2.sql"},
			{Version: 3, Name: "c", SQL: "-- 0003_c.sql"},
		})
	})

	for name, test := range map[string]struct {
		names []string
		want  string // a part of the error
	}{
		"refuses an empty file system":           {nil, "there are none"},
		"refuses a gap":                          {[]string{"0001_a.sql", "0003_c.sql"}, "0003_c.sql: version 2 is missing"},
		"refuses a start above one":              {[]string{"0002_a.sql"}, "0002_a.sql: version 1 is missing"},
		"refuses version zero":                   {[]string{"0000_a.sql", "0001_b.sql"}, "0000_a.sql: versions begin at 1"},
		"refuses a version that comes twice":     {[]string{"0001_a.sql", "0001_b.sql"}, "0001_b.sql: version 1 is given twice"},
		"refuses a number of three digits":       {[]string{"001_a.sql"}, "001_a.sql is not named like"},
		"refuses a number of five digits":        {[]string{"00001_a.sql"}, "00001_a.sql is not named like"},
		"refuses a file without a name":          {[]string{"0001.sql"}, "0001.sql is not named like"},
		"refuses an empty name":                  {[]string{"0001_.sql"}, "0001_.sql is not named like"},
		"refuses capital letters":                {[]string{"0001_A.sql"}, "0001_A.sql is not named like"},
		"refuses another ending":                 {[]string{"0001_a.sql", "0002_b.sql.orig"}, "0002_b.sql.orig is not named like"},
		"refuses a file that is not a migration": {[]string{"0001_a.sql", "embed.go"}, "embed.go is not named like"},
		"refuses a folder":                       {[]string{"0001_a.sql/x", "0001_b.sql"}, "0001_a.sql is not named like"},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			got, err := migrations.Load(files(test.names...))
			is.True(err != nil)
			is.True(strings.Contains(err.Error(), test.want)) // the error names the file and its fault
			is.Equal(got, nil)                                // no migration is returned
		})
	}

	t.Run("refuses an empty file", func(t *testing.T) {
		is := is.New(t)
		fsys := files("0001_a.sql")
		fsys["0002_b.sql"] = &fstest.MapFile{Data: []byte(" \n\t")}
		_, err := migrations.Load(fsys)
		is.True(err != nil)
		is.True(strings.Contains(err.Error(), "0002_b.sql is empty"))
	})

	t.Run("recognizes a migration that older programs cannot work with", func(t *testing.T) {
		is := is.New(t)
		got, err := migrations.Load(files("0001_first.sql", "0002_drop_late_breaking.sql", "0003_record_breaking_amounts.sql"))
		is.NoErr(err)
		is.True(!migrations.Breaking(got[0].Name))
		is.True(migrations.Breaking(got[1].Name))
		is.True(!migrations.Breaking(got[2].Name)) // only the end of the name counts
	})

	t.Run("reports every fault", func(t *testing.T) {
		is := is.New(t)
		_, err := migrations.Load(files("0001_a.sql", "0003_c.sql", "README.md"))
		is.True(err != nil)
		is.True(strings.Contains(err.Error(), "version 2 is missing"))
		is.True(strings.Contains(err.Error(), "README.md"))
	})
}
