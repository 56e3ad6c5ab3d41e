// Package mounting shows how a [checkout.Handler] goes into the servers that hosts already have: one small function per
// router, each to be copied, and a test that drives the same script through all of them and compares every answer.
//
// Three rules hold for every router:
//
//   - Hand over the whole tree /v1/ and every method. The handler answers 404, 405 with Allow, HEAD and OPTIONS itself;
//     a router that is given GET /v1/checkouts/:id and the like answers them in its own words, and redirects paths.
//   - Strip a prefix with [http.StripPrefix] and tell the handler of it by HandlerConfig.BasePath, so that Location is
//     what the client has to follow. StripPrefix also strips URL.RawPath; cutting URL.Path alone breaks escaped paths.
//   - Let nothing in front rewrite the path: no clean-path, strip-slashes or redirect-slashes middleware over this tree.
//
// Every function here takes that prefix, "" for none, and a handler that was told the same. Their answers differ in
// three places that no client of the contract gets to: [ServeMux] redirects paths that are not clean, [Chi] and [Gin]
// answer methods that they do not know.
//
// This is a module of its own, so that no router enters the go.mod of the library.
package mounting
