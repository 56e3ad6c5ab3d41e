// Package contracttest holds the handler to openapi.yaml, the document that it serves.
//
// Two validators that share nothing but the JSON Schema engine beneath them, kin-openapi and libopenapi-validator, read
// the document. The tests drive a mounted handler over HTTP, on the memory and the SQLite store, through all that the
// document promises, and both validators judge each request and each answer. What a schema could say only in a way that
// generators of clients refuse stands in the document's descriptions and its x-codes; a third judge, written here, holds
// the handler to that.
//
// Then the tests ask the other way round whether there is a promise that no answer kept: a status, a problem code, a header,
// a session's status that nothing produces fails the run.
//
// It is a module of its own, so that the validators stay out of the go.mod of hosts.
package contracttest
