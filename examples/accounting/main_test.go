package main

import (
	"bytes"
	"encoding/csv"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"
	"github.com/shopspring/decimal"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
)

var merchant = checkout.Account{ID: "acct_1"}

// shopOn makes a shop with three sessions on a day, one on the day before and one on the day after. The first and the last microsecond of
// the day belong to it. Some texts are formulas that a spreadsheet would run.
func shopOn(t *testing.T, day time.Time) *checkout.Checkouts {
	t.Helper()
	is := is.New(t)
	now := day.Add(-time.Microsecond)
	checkouts, err := checkout.New(memory.New(), checkout.Config{
		Clock: checkout.ClockFunc(func() time.Time { return now }),
		Fees:  map[string]checkout.FeeSchedule{"XOF": {Rate: decimal.RequireFromString("0.005")}},
	})
	is.NoErr(err)
	create := func(p checkout.CreateParams) checkout.Session {
		p.Account, p.Currency, p.UserPhone = merchant, "XOF", "+22507987654"
		s, _, err := checkouts.Create(t.Context(), p)
		is.NoErr(err)
		return s
	}
	create(checkout.CreateParams{Amount: 111, Description: "of the day before"})
	now = day
	paid := create(checkout.CreateParams{Amount: 5000, PaymentID: "pay_1", ClientReference: "-1+1", Description: `=HYPERLINK("http://thief.example","5000")`})
	create(checkout.CreateParams{Amount: 9007199254740991, Description: "two\nlines, and a comma"})
	now = day.Add(24*time.Hour - time.Microsecond)
	last := create(checkout.CreateParams{Amount: 9007199254740991, Description: "  @SUM(A1)"})
	for _, s := range []checkout.Session{paid, last} {
		_, err := checkouts.Complete(t.Context(), merchant, s.ID, "")
		is.NoErr(err)
	}
	now = day.Add(24 * time.Hour)
	create(checkout.CreateParams{Amount: 222, Description: "of the day after"})
	now = day.Add(48 * time.Hour)
	return checkouts
}

// TestExport proves that the export has exactly the sessions of the day, that sums are exact, and that no text is run as a formula.
func TestExport(t *testing.T) {
	is := is.New(t)
	day := time.Date(2026, time.November, 27, 0, 0, 0, 0, time.UTC)
	var sessions, totals bytes.Buffer
	is.NoErr(export(shopOn(t, day), merchant, day, &sessions, &totals))
	rows, err := csv.NewReader(&sessions).ReadAll()
	is.NoErr(err)
	for _, row := range rows[1:] {
		is.True(strings.HasPrefix(row[1], "cs_ci_"))
		row[1] = "id"
	}
	is.Equal(rows, [][]string{
		{"created_at", "id", "status", "late", "currency", "amount", "transaction_fee", "payment_id", "client_reference", "description"},
		{"2026-11-27T23:59:59.999999Z", "id", "completed", "false", "XOF", "9007199254740991", "45035996273705", "", "", "'  @SUM(A1)"},
		{"2026-11-27T00:00:00Z", "id", "expired", "false", "XOF", "9007199254740991", "45035996273705", "", "", "two\nlines, and a comma"},
		{"2026-11-27T00:00:00Z", "id", "completed", "true", "XOF", "5000", "25", "pay_1", "'-1+1", `'=HYPERLINK("http://thief.example","5000")`},
	})
	is.Equal(totals.String(), `completed  XOF: 2 sessions, 9007199254745991 in all, 45035996273730 of fees
expired    XOF: 1 sessions, 9007199254740991 in all, 45035996273705 of fees
`)
}

// TestWalkOfManyPages proves that the export reads every page of the list once, and that its sums do not overflow.
func TestWalkOfManyPages(t *testing.T) {
	is := is.New(t)
	day := time.Date(2026, time.November, 27, 0, 0, 0, 0, time.UTC)
	checkouts, err := checkout.New(memory.New(), checkout.Config{Clock: checkout.ClockFunc(func() time.Time { return day })})
	is.NoErr(err)
	const many = 1100 // more than the 1,024 largest amounts whose sum an int64 can hold
	for range many {
		_, _, err := checkouts.Create(t.Context(), checkout.CreateParams{Account: merchant, Amount: 9007199254740991, Currency: "XOF", UserPhone: "+22507987654"})
		is.NoErr(err)
	}
	var sessions, totals bytes.Buffer
	is.NoErr(export(checkouts, merchant, day, &sessions, &totals))
	rows, err := csv.NewReader(&sessions).ReadAll()
	is.NoErr(err)
	seen := make(map[string]bool)
	for _, row := range rows[1:] {
		seen[row[1]] = true
	}
	is.Equal(len(rows), 1+many)
	is.Equal(len(seen), many)
	is.Equal(totals.String(), "created    XOF: 1100 sessions, 9907919180215090100 in all, 0 of fees\n")
}

func TestIsShort(t *testing.T) {
	source, err := os.ReadFile("main.go")
	is.New(t).NoErr(err)
	if lines := bytes.Count(source, []byte("\n")); lines > 80 {
		t.Errorf("the example has %d lines, want at most 80", lines)
	}
}
