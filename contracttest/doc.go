// Package contracttest tests the handler against openapi.yaml, the document that it serves.
//
// Two validators read the document: kin-openapi and libopenapi-validator. They share nothing but a JSON Schema engine. The tests
// call a mounted handler over HTTP, on the memory and the SQLite store, until they have seen everything that the document promises.
// Both validators check the requests and the answers. Some rules could be written as a schema only in a form that client generators
// refuse. These rules are in the document's descriptions and its x-codes instead. A third check, written here, tests the handler
// against them.
//
// At the end the tests look for promises that no answer has kept. The run fails if the document has a status, a problem code, a
// header or a session's status that no answer had.
//
// The package is a module of its own, so that the validators stay out of the go.mod of hosts.
package contracttest
