// Package paypage is the payer's page. It shows a payer the amount and the merchant, lets the payer pay or cancel, and sends the
// payer back to the shop. It is an [http.Handler], which a host mounts next to the one of package checkout:
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
// [Page.Link] is the URL of one session's page. It is encrypted and authenticated: nobody can read an account or a session from it,
// guess the link of another session, or change a link. It is the payer's only credential. Whoever has it can see, pay and cancel that
// one session, and cannot call the API with it. A link that was changed, cut or made with another key is answered 404. This answer
// takes the same work whatever is wrong with the link, and does not read the store.
//
// # No second payment
//
// Whatever the payer does, each attempt has one payment ID, and [Config.Pay] gets the session with that ID in Session.PaymentID.
// The ID is computed from the session and from the attempt before it, so that two clicks compute the same one, also where two
// processes serve them. The page starts another attempt only after Pay has returned a [*Refused] for the one before. So at most
// one attempt of a session can be open at the operator, provided that Pay asks the operator under the payment ID, and that the
// operator treats two requests under one ID as one payment. Pay is called again with the same ID when the payer asks again, after
// an error or because no request has come to the phone. Clicks that reach one process at the same time share one call.
//
// A payment ID has the form of a random UUID, which is what most operators ask for. A PaymentID that the session was created with
// is replaced, as by any Begin: put the shop's own reference into ClientReference.
//
// A host may begin the payment of a session itself, with [checkout.Checkouts.Begin]. The page shows such a session and can cancel
// it, but starts no other attempt.
//
// # Cards
//
// Pay may return the URL of a card processor's page in [Next], and the payer is sent there. The processor sends the payer
// back to [Page.Link]. The page itself has no field for a card number and must never get one. A host that serves such a
// field must comply with all of PCI DSS. A host that sends payers to a certified processor answers only the short
// questionnaire (SAQ A).
//
// # What it costs
//
// A page view is one read of the store and no write. A page that is left open waits through [checkout.Checkouts.Wait]: with
// script this costs one read every 25 seconds and a share of the reads of the feed, without script one read every five seconds.
// Each new attempt costs two reads and one write, and a session takes [checkout.MaxChanges] changes at most. Asking again for
// the same attempt costs two reads and no write. The page does not limit how often somebody who has a link calls it. If that matters, put a
// rate limit by link in front of it.
//
// # Browsers
//
// The page works without script, at a width of 320 pixels, and with a screen reader. It loads no other file: style and script are
// part of its one answer of less than 14 KB. The Content-Security-Policy allows these two by their hashes, requests and forms to the
// page's own origin, and images as data: URLs. It allows nothing else. The page sets no cookie. A POST that a browser sends for another
// origin is refused.
package paypage
