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
	_ "modernc.org/sqlite" // the driver whose SQLite is asked for its version

	"github.com/caisse/checkout/internal/pgtest"
)

// revision is that of the source in the working directory, "" where git does not know.
func revision(ctx context.Context) string {
	head, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return ""
	}
	changes, err := exec.CommandContext(ctx, "git", "status", "--porcelain").Output()
	if err != nil || len(changes) > 0 {
		return strings.TrimSpace(string(head)) + "+changes"
	}
	return strings.TrimSpace(string(head))
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
