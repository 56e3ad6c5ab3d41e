package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// errNoPgbench says that pgbench is not installed.
var errNoPgbench = errors.New("pgbench is neither on the PATH nor in /usr/lib/postgresql/*/bin")

// insertOne inserts the row of the request. The id, which grows with time, and the key are new. They are computed as cheaply as SQL
// allows. The times are those of the transaction. The other values are constant.
const insertOne = `INSERT INTO checkout_sessions (
	id, account, test, idempotency_key, fingerprint, status, amount, currency,
	payment_method, user_phone, payment_id, customer_id, description, success_url, cancel_url,
	created_at, expires_at, completed_at, failure_reason, transaction_fee, late, version
) SELECT
	'cs_ci_' || lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000000)::bigint), 14, '0') || left(k.hex, 18),
	'` + accountID + `', false, k.key, '\x01` + zeros64 + `'::bytea, 'created', 5000, 'XOF',
	'mobile_money', '` + phone + `', NULL, '', '` + description + `', '', '',
	now(), now() + interval '30 minutes', NULL, '', 25, false, 1
FROM (SELECT key::text, replace(key::text, '-', '') AS hex FROM gen_random_uuid() AS key) AS k
ON CONFLICT DO NOTHING RETURNING id;
`

const zeros64 = "0000000000000000000000000000000000000000000000000000000000000000"

// pgbench is PostgreSQL's own load generator.
type pgbench struct{ program, server string }

func newPgbench(server string) (pgbench, error) {
	if program, err := exec.LookPath("pgbench"); err == nil {
		return pgbench{program, server}, nil
	}
	programs, err := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	if err != nil || len(programs) == 0 {
		return pgbench{}, errors.Join(errNoPgbench, err)
	}
	return pgbench{slices.Max(programs), server}, nil
}

// run measures for d, which pgbench rounds up to whole seconds.
func (b pgbench) run(ctx context.Context, clients int, d time.Duration) (sample, error) {
	script, err := os.CreateTemp("", "checkout-bench-*.sql")
	if err != nil {
		return sample{}, err
	}
	defer os.Remove(script.Name())
	_, err = script.WriteString(strings.ReplaceAll(insertOne, "\n", " "))
	if err = errors.Join(err, script.Close()); err != nil {
		return sample{}, err
	}
	seconds := max(int((d+time.Second-1)/time.Second), 1)
	cmd := exec.CommandContext(ctx, b.program, "--no-vacuum", "--protocol=prepared", "--file="+script.Name(),
		"--client="+strconv.Itoa(clients), "--jobs="+strconv.Itoa(min(clients, 2)), "--time="+strconv.Itoa(seconds), b.server)
	output, err := cmd.CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("pgbench: %w\n%s", err, output)
	}
	rate, err := parsePgbench(string(output))
	return sample{Rate: rate}, err
}

var pgbenchRate = regexp.MustCompile(`(?m)^tps = ([0-9.]+) \((without initial connection time|excluding connections establishing)\)`)

// parsePgbench finds the transactions per second, without the time to connect.
func parsePgbench(output string) (float64, error) {
	found := pgbenchRate.FindStringSubmatch(output)
	if found == nil {
		return 0, fmt.Errorf("pgbench printed no rate:\n%s", output)
	}
	return strconv.ParseFloat(found[1], 64)
}
