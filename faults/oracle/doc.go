// Package oracle judges histories. Every test under faults asks it, so that there is one answer to what "nothing lost,
// nothing doubled" means.
//
// [Judge] looks at a history in two ways, which share no code, so that each covers for the other:
//
//   - Rules that follow from the contract alone and hold whatever was under way at once: one key, one session; what was
//     acknowledged is there later; a definite error wrote nothing; accounts do not see each other; amount, currency, fee
//     and id stay; a version is one change; no edge but those of the table; expiry by the clock, to the instant. They
//     cost n log n.
//   - Linearizability, by porcupine: some order of the calls on a session, each at one instant between its call and its
//     return, explains every answer. A call of unknown outcome has no end: it may take effect at any later time, which
//     includes never.
//
// An unknown outcome may have happened or not. A call that failed for good did not.
//
// Both take the service's own clock as it was read before and after each call, and let a session have any status that it
// had in between. The clock may be set back, except while a call is under way.
package oracle
