// Package model is the whole public API once more, as plainly as the contract can be said: a slice of sessions, no
// store, no concurrency. [Check] drives random programs through the model and any number of stores side by side, and
// compares every answer.
//
// The model was written from the contract and the architecture, not from the code, and shares nothing with it but the
// types. Where it and the code disagree, one of them misread the contract.
//
// Identifiers are the one thing that two stores cannot have alike, for each Checkouts makes its own. The model names
// sessions by number, and what a store answers is translated before it is compared: "#3" for the ID of the fourth session,
// "customer of #3" for a customer that was made up. The order of a list at equal instants follows the IDs of the store
// that answered it.
package model
