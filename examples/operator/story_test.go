package main_test

import (
	"fmt"
	"os"

	operator "github.com/caisse/checkout/examples/operator"
)

// This is what go run prints.
func Example() {
	if err := operator.Tell(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// The payer confirms.
	//    0:00  host: asks for P-1              pending
	//    0:01  operator: P-1 HELD         200  processing
	//    0:03  operator: P-1 PAID         200  completed        goods delivered
	//
	// The payer has not enough money.
	//    0:00  host: asks for P-1              pending
	//    0:03  operator: P-1 REFUSED      200  failed           insufficient funds
	//
	// The operator tells everything twice.
	//    0:00  host: asks for P-1              pending
	//    0:01  operator: P-1 HELD         200  processing
	//    0:01  operator: P-1 HELD         200  processing
	//    0:03  operator: P-1 PAID         200  completed        goods delivered
	//    0:03  operator: P-1 PAID         200  completed
	//
	// Our store is away when the operator calls.
	//    0:00  host: asks for P-1              pending
	//    0:01  operator: P-1 HELD         200  processing
	//    0:03  operator: P-1 PAID         503  ?
	//    0:04  operator: P-1 PAID         503  ?
	//    0:05  operator: P-1 PAID         200  completed        goods delivered
	//
	// The operator never says a word.
	//    0:00  host: asks for P-1              pending
	//   30:00  host: sweeps, 1 expired         expired          payer told
	//
	// The operator takes the money, and its last call gets lost.
	//    0:00  host: asks for P-1              pending
	//    0:01  operator: P-1 HELD         200  processing
	//   30:00  host: sweeps, 0 expired         processing
	//   60:00  host: asks what became          completed        goods delivered
	//
	// The payment comes late.
	//    0:00  host: asks for P-1              pending
	//   30:00  host: sweeps, 1 expired         expired          payer told
	//   30:03  operator: P-1 PAID         200  completed, late  noted: P-1 came late: deliver or refund
	//
	// The payer is asked twice, and pays twice.
	//    0:00  host: asks for P-1              pending
	//    0:02  operator: P-1 PAID         200  completed        goods delivered
	//    0:03  operator: P-1-2 PAID       200  completed        noted: P-1-2 refund: P-1 has paid already
	//
	// The payer is asked twice, and the first try is refused meanwhile.
	//    0:00  host: asks for P-1              pending
	//    0:02  operator: P-1 REFUSED      200  pending
	//    0:03  operator: P-1-2 PAID       200  completed        goods delivered
	//
	// The operator takes its refusal back.
	//    0:00  host: asks for P-1              pending
	//    0:03  operator: P-1 REFUSED      200  failed           insufficient funds
	//    0:50  operator: P-1 PAID         200  completed, late  insufficient funds; noted: P-1 came late: deliver or refund
	//
	// The operator takes its confirmation back.
	//    0:00  host: asks for P-1              pending
	//    0:01  operator: P-1 HELD         200  processing
	//    0:03  operator: P-1 PAID         200  completed        goods delivered
	//    0:50  operator: P-1 REFUSED      200  completed        noted: P-1 refused after it had paid: ask the operator
	//
	// A stranger says that it was paid.
	//    0:00  host: asks for P-1              pending
	//    0:10  stranger: P-1 PAID         401  pending
}
