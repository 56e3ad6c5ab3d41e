// Package idempotency reads idempotency keys, and computes fingerprints of requests. It follows
// draft-ietf-httpapi-idempotency-key-header, and uses only the standard library.
//
// The client chooses a [Key] once for each operation that must happen only once, before the first try. A [Fingerprint] says
// whether a request under a used key is the same request again.
package idempotency
