// Command accounting writes the sessions that an account created on one day as CSV, with sums by status.
//
//	go run ./examples/accounting -store checkouts.db -account acct_demo -test -day 2026-11-27 > day.csv
package main

import (
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/sqlite"
)

func main() {
	path := flag.String("store", "checkouts.db", "the SQLite `file`")
	account := flag.String("account", "acct_demo", "export the sessions of this account")
	test := flag.Bool("test", false, "export the sessions of test mode, in place of those of live mode")
	day := flag.String("day", time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly), "export the sessions created on this `day`, in UTC, the time of Abidjan and Dakar")
	flag.Parse()
	from, err := time.Parse(time.DateOnly, *day)
	exitOn(err)
	store, err := sqlite.Open(context.Background(), *path)
	exitOn(err)
	defer store.Close()
	checkouts, err := checkout.New(store, checkout.Config{})
	exitOn(err)
	exitOn(export(checkouts, checkout.Account{ID: *account, Test: *test}, from, os.Stdout, os.Stderr))
}

func exitOn(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// export lists a day by cursor, so that a page costs the same at any depth and each session comes once. A sum can be of any size.
func export(checkouts *checkout.Checkouts, account checkout.Account, day time.Time, sessions, totals io.Writer) error {
	sums := make(map[[2]string]*[3]big.Int) // by status and currency: sessions, amounts, fees
	table := csv.NewWriter(sessions)
	table.Write([]string{"created_at", "id", "status", "late", "currency", "amount", "transaction_fee", "payment_id", "client_reference", "description"})
	query := checkout.Query{CreatedAfter: day, CreatedBefore: day.AddDate(0, 0, 1), Limit: 100}
	for more := true; more; {
		page, err := checkouts.List(context.Background(), account, query)
		if err != nil {
			return err
		}
		for _, s := range page.Sessions {
			table.Write([]string{s.CreatedAt.Format(time.RFC3339Nano), s.ID, string(s.Status), fmt.Sprint(s.Late), s.Currency,
				fmt.Sprint(s.Amount), fmt.Sprint(s.TransactionFee), text(s.PaymentID), text(s.ClientReference), text(s.Description)})
			key := [2]string{string(s.Status), s.Currency}
			if sums[key] == nil {
				sums[key] = new([3]big.Int)
			}
			for i, n := range []int64{1, s.Amount, s.TransactionFee} {
				sums[key][i].Add(&sums[key][i], big.NewInt(n))
			}
		}
		query.Cursor, more = page.NextCursor, page.HasMore
	}
	for _, key := range slices.SortedFunc(maps.Keys(sums), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		fmt.Fprintf(totals, "%-10s %s: %v sessions, %v in all, %v of fees\n", key[0], key[1], &sums[key][0], &sums[key][1], &sums[key][2])
	}
	table.Flush()
	return table.Error()
}

// formula matches a text that a spreadsheet would run as a formula (OWASP, CSV Injection). Such a text gets an apostrophe in front.
var formula = regexp.MustCompile(`^ *[=+\-@\t\r\n＝＋－＠]`)

func text(s string) string { return formula.ReplaceAllString(s, "'$0") }
