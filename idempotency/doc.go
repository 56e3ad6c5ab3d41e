// Package idempotency reads idempotency keys and fingerprints requests, after
// draft-ietf-httpapi-idempotency-key-header. It uses the standard library only.
//
// A [Key] is chosen by the client, once per operation that it means to happen once, before the first try. A
// [Fingerprint] says whether a request that comes under a used key is the same request again.
package idempotency
