package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // to ask SQLite for its version

	"github.com/caisse/checkout/internal/pgtest"
)

// source says which files count for the revision. Texts and reports do not, since the report itself may be written into the tree.
var source = []string{"--", ":(top)*.go", ":(top)*.sql", ":(top)*go.mod", ":(top)*go.sum"}

// revision returns the last revision that changed source, or "" if git does not know.
func revision(ctx context.Context) string {
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", append(append([]string{"--no-optional-locks"}, args...), source...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	last, err := git("log", "-1", "--format=%h", "--abbrev=12")
	if err != nil {
		return ""
	}
	if changes, err := git("status", "--porcelain"); err != nil || changes != "" {
		return last + "+changes"
	}
	return last
}

func versions(ctx context.Context) map[string]string {
	v := map[string]string{"Go": strings.TrimPrefix(runtime.Version(), "go")}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, module := range build.Deps {
			switch module.Path {
			case "modernc.org/sqlite":
				v["modernc.org/sqlite"] = module.Version
			case "github.com/jackc/pgx/v5":
				v["pgx"] = module.Version
			}
		}
	}
	if db, err := sql.Open("sqlite", ":memory:"); err == nil {
		defer db.Close()
		var version string
		if db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version) == nil {
			v["SQLite"] = version
		}
	}
	if url := os.Getenv(pgtest.Env); url != "" {
		if conn, err := pgx.Connect(ctx, url); err == nil {
			defer conn.Close(ctx)
			var version string
			if conn.QueryRow(ctx, "SHOW server_version").Scan(&version) == nil {
				v["PostgreSQL"], _, _ = strings.Cut(version, " ")
			}
		}
	}
	return v
}

func machine() string {
	return fmt.Sprintf("%s/%s with %d processors", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
}
