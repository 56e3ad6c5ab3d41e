// Package simulator simulates a mobile-money operator and a card processor within a program, for tests, for test mode and for
// first steps. No money moves. It fits the payer's page:
//
//	var page *paypage.Page
//	sim, err := simulator.New(checkouts, simulator.Config{
//		CardURL: "https://pay.example.com/card",
//		Return:  func(s checkout.Session) string { return page.Link(s) },
//	})
//	page, err = paypage.New(checkouts, paypage.Config{Keys: keys, URL: "https://pay.example.com/pay", Pay: sim.Pay, Simulated: true})
//	mux.Handle("/card/", http.StripPrefix("/card", sim.CardPage()))
//	go sim.Run(ctx)
//
// # What happens
//
// The last two digits of the payer's phone choose what happens to a payment. Times count from the call of Pay, unless the line says
// otherwise:
//
//	01    refused after 3 s: insufficient funds
//	02    refused after 3 s: wrong PIN
//	03    nothing: the payer never answers, and the session expires
//	04    paid 3 s after the session has expired: a late payment
//	05    held after 1 s, paid after 3 s, but that callback is lost: the host asks after 10 s and finds it paid
//	06    held after 1 s and paid after 3 s, each reported twice
//	07    a second attempt begins after 1 s, the first is refused after 2 s, the second is paid after 3 s
//	08    a second attempt begins after 1 s, the first is paid after 2 s, the second too after 3 s: one is to be refunded
//	else  held after 1 s, paid after 3 s
//
// Held means that the session is processing. A payment without a phone follows the last line. With Config.Interactive nothing
// happens by itself: the payments wait for [Simulator.Answer], from a test or from a phone on a screen.
//
// # Test mode
//
// [Simulator.Drive] begins a payment for each mobile-money session of test accounts, with no page and no payer. So a developer
// who integrates the API can see every outcome with curl:
//
//	sim.Drive(testAccounts...) // before Run
//
// # Time
//
// Everything happens in [Simulator.Tick], which does what is due by Config.Clock. [Simulator.Run] calls Tick whenever something
// is due, until its context ends. So in a test with a clock of its own the same things happen every time. New starts no goroutine. The
// simulator keeps everything in memory. After a restart it knows a payment that was under way only once Pay is called for it
// again.
//
// # A host's own callbacks
//
// With Config.Tell the simulator is only the operator: it tells a host the outcomes of payments, and [Simulator.Lookup] answers
// when the host asks. So a host's tests run the same code as its operator's callbacks. The simulator then changes a session only to
// begin a payment: the second attempt of 07 and 08, and the payments of Drive.
//
// # A host to copy
//
// drive.go shows how a host changes a session after an operator's news. The news may come twice, late, out of order, about an
// attempt that was replaced, or never. examples/operator adds signed callbacks over HTTP.
package simulator
