// Package mounting shows how to mount a [checkout.Handler] in the servers that hosts already have. It has a small function for each
// router, to be copied, and a test that sends the same requests through all of them and compares every answer.
//
// Three rules hold for every router:
//
//   - Pass the whole tree /v1/ to the handler, with every method. The handler answers 404, 405 with Allow, HEAD and OPTIONS itself. A router
//     with routes such as GET /v1/checkouts/:id would give its own answers, and redirect paths.
//   - Strip a prefix with [http.StripPrefix] and name it in HandlerConfig.BasePath, so that Location is the path that the client sees.
//     StripPrefix also changes URL.RawPath. To change only URL.Path breaks escaped paths.
//   - Put no middleware in front that rewrites the path: no clean-path, strip-slashes or redirect-slashes.
//
// Every function here takes that prefix, or "", and a handler with the same BasePath. Their answers differ only for requests that no
// client of the contract sends: [ServeMux] redirects paths that are not clean, [Chi], [Gin] and [GinBeside] answer methods that they
// do not know, and [GinBeside] also answers paths under /v1 that it does not know.
//
// This is a module of its own, so that the go.mod of the library has no router.
package mounting
