// Package model implements the public API a second time, as simply as possible: a slice of sessions, no store, no concurrency.
// [Check] runs random programs on the model and on any number of stores side by side, and compares every answer.
//
// The model was written from the contract (openapi.yaml, docs/contract.md), not from the code. It shares only types
// and constants with the code. If the two disagree, one of them misread the contract.
//
// Each store makes its own identifiers. So the model numbers sessions, and answers of a store are translated before they are
// compared: "#3" is the ID of the fourth session, "customer of #3" a customer ID that the library made up. Sessions of the same
// instant are listed in the order of the store's IDs.
package model
