// Package paypage is the payer's page: where a payer sees what is to be paid and to whom, pays or cancels, and is sent back
// to the shop. It is an [http.Handler] beside the one of package checkout:
//
//	page, err := paypage.New(checkouts, paypage.Config{
//		Keys: [][]byte{key},                 // 32 random bytes, kept secret
//		URL:  "https://pay.example.com/pay", // where it is mounted, as payers see it
//		Pay:  askOperator,                   // func(context.Context, checkout.Session) (paypage.Next, error)
//	})
//	mux.Handle("/pay/", http.StripPrefix("/pay", page))
//	handler, err := checkout.NewHandler(checkouts, auth, checkout.HandlerConfig{CheckoutURL: page.Link})
//
// # The link
//
// [Page.Link] is the URL of one session's page. It is sealed: nobody can read an account or a session from it, guess another one
// or change it. It is the payer's only credential. It shows, pays and cancels its one session, and opens no API. A link that was
// changed, cut or made with another key is answered 404. The answer takes the same work whatever is wrong with the link, and the
// store is not asked.
//
// # No second payment
//
// Whatever the payer does, each attempt has one payment ID, and [Config.Pay] gets the session with that ID in Session.PaymentID.
// The ID is computed from the session and from the attempt before it, so that two clicks compute the same one, also where two
// processes serve them. The page starts another attempt only after Pay has returned a [*Refused] for the one before. So at most
// one attempt of a session can be open at the operator, provided that Pay asks the operator under the payment ID, and that the
// operator takes two requests under one ID for one payment. Pay is called again with the same ID when the payer asks again, after
// an error or because the phone stayed silent. Clicks that come at the same time share one call.
//
// A payment ID has the form of a random UUID, which is what most operators ask for. A PaymentID that the session was created with
// is replaced, as by any Begin: the shop's own reference belongs in ClientReference.
//
// A session whose payment the host begins itself, by [checkout.Checkouts.Begin], is shown and can be cancelled, but the page
// starts no attempt beside that one.
//
// # Cards
//
// Pay may return the URL of a card processor's page in [Next], and the payer is sent there. The processor sends the payer
// back to [Page.Link]. The page itself has no field for a card number and must never get one: whoever serves such a
// field is in scope of all of PCI DSS, while a host that sends payers to a certified processor answers the short
// questionnaire (SAQ A).
//
// # What it costs
//
// A page view is one read of the store and no write. A page that is left open waits through [checkout.Checkouts.Wait]: with
// script this costs one read every 25 seconds and a share of the reads of the feed, without script one read every five seconds.
// Paying is one read and one write for each attempt, and a session takes [checkout.MaxChanges] changes at most; asking again for
// the same attempt writes nothing. The page does not limit how often somebody who has a link calls it. If that matters, put a
// rate limit by link in front of it.
//
// # Browsers
//
// The page works without script, at 320 pixels, and with a screen reader. It loads nothing: style and script are part of
// its one answer, below 14 KB, and the Content-Security-Policy allows these two by their hashes and nothing else. It sets no
// cookie. A POST that a browser sends for another origin is refused.
package paypage
