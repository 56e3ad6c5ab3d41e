// Package oracle judges histories. Every suite uses it, so that "nothing lost, nothing doubled" means the same everywhere.
//
// [Judge] checks a history in two ways that share no code, so that a mistake in one does not hide a bug from the other:
//
//   - Rules, which follow from the contract and hold however calls overlap: one key has one session; what was acknowledged is
//     found later; a definite error wrote nothing; accounts do not see each other; amount, currency, fee and ID never change;
//     a version has one state, and every change raises it by one; a status changes only as the table of transitions allows; a
//     session expires exactly at its time. They take n log n.
//   - Linearizability, checked with porcupine: there is an order of the calls on a session that explains every answer, where
//     each call takes effect at one instant between its start and its return. A call of unknown outcome has no end: it may take
//     effect at any later time, or never.
//
// A call of unknown outcome may or may not have taken effect. A call with a definite error did not.
//
// Both checks know the service's clock just before and just after each call, and accept any status that the session had in
// between. A test may set the clock back, but not during a call.
package oracle
