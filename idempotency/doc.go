// Package idempotency reads idempotency keys and fingerprints requests, after
// draft-ietf-httpapi-idempotency-key-header. It uses the standard library only.
//
// The client chooses a [Key] once for each operation that must happen only once, before the first try. A [Fingerprint] says
// whether a request under a used key is the same request again.
package idempotency
