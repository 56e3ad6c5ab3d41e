// Package client creates, reads, lists, waits for and cancels checkout sessions over HTTP, at /v1/checkouts and the paths below it.
// It imports only the standard library.
//
//	c, err := client.New("https://api.example.com", token, client.Config{})
//	intent := client.NewIntent(client.Params{Amount: 5000, Currency: "XOF", UserPhone: "+2250707987654"})
//	// Keep the intent with the order, as JSON.
//	session, err := c.Create(ctx, intent)
//	for err == nil && !session.Status.Ended() {
//		session, err = c.Wait(ctx, session)
//	}
//
// # One intent, one session
//
// A connection may break after the server has made the session and before its answer has come. A program that then tries
// again with a new idempotency key makes a second session and may charge its customer twice. So the key belongs to the
// [Intent], not to the request: [NewIntent] makes it once, and every try of every [Client.Create] with that intent sends the
// same key. However often Create is called, in this process, in another one or after a restart, there is one session.
//
// Keep the intent before the first call: in the row of the order, as JSON. After a crash, read it back and call Create
// again. It returns the session as it is at that time.
//
// # What is retried
//
// A try is repeated if the network fails, if the try takes longer than Config.Timeout, if the answer is cut off, and after the
// answers 429, 500, 502, 503 and 504. The pause before a retry is random, between 0 and a bound that begins at 250 ms and doubles
// up to 10 s (full jitter). Retry-After, in seconds or as a date, is added to it. Retries end when the context ends. They also end
// after Config.MaxAttempts tries, or if the next try would begin after the context's deadline or later than Config.MaxElapsed after
// the first try; the error is then a [*GaveUpError]. Everything that this package sends may be sent twice: a create has its key, a
// second cancel changes nothing, and all other requests only read.
//
// # Tested
//
// A test sends 10,000 intents, 64 at once, to the real handler, through a proxy that disturbs 30 % of the requests: it loses the
// request, loses the answer, cuts the answer in two, resets the connection before or after the request took effect, delays the
// answer past the timeout, answers 500, 502, 503 or 504 before or after the request took effect, or 429 with Retry-After. It
// disturbs some 4,400 requests. Each intent gets its session, the server has exactly 10,000, and some 2,000 of them were made by
// a try whose answer was lost. A program that takes a new key for each try gets 1,100 sessions for 1,000 payments from the same
// proxy.
//
// # What it does not do
//
// Redirects are not followed, so that the token goes to no other host. No error and no log contains a token, a key or a phone
// number. If a program prints or logs a [Client], [Intent], [Params], [Query], [Session] or [Event] with fmt or log/slog, these secrets
// are left out or masked. Endpoints of webhooks (/v1/webhooks) are not part of this package, and a list is walked by cursor, not by
// offset.
package client
