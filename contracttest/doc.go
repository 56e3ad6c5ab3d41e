// Package contracttest tests the handler against openapi.yaml, the document that it serves.
//
// Two validators that share nothing but the JSON Schema engine beneath them, kin-openapi and libopenapi-validator, read
// the document. The tests drive a mounted handler over HTTP, on the memory and the SQLite store, through all that the
// document promises, and both validators check each request and each answer. Some rules could stand in a schema only in a form
// that client generators refuse. They stand in the document's descriptions and its x-codes instead, and a third check, written
// here, tests the handler against them.
//
// At the end the tests look for promises that no answer has shown. The run fails if a status, a problem code, a header or a
// session's status of the document never came.
//
// It is a module of its own, so that the validators stay out of the go.mod of hosts.
package contracttest
