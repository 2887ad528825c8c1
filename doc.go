// Package authn says who calls a net/http handler, and lets through only who may.
//
// Every way to authenticate is a [Verifier]. [Require] wraps a handler with
// one, [FirstOf] joins several, [Rule]s say what a route needs, and
// [FromContext] tells the handler who is calling:
//
//	mux.Handle("GET /orders", authn.Require(keys, authn.Scopes("orders:read"))(orders))
//
// Start with the package of the method that fits who is calling:
//
//   - A developer's integration, CI or a partner: package apikey.
//   - A browser on a web app: package session, after package password.
//   - A mobile app, a single-page application, services that trust each other:
//     package jwtauth.
//   - A user with an account elsewhere, such as Google, GitHub or the company:
//     package oauth, which ends in a session or in tokens.
//   - A service account: package oauth/tokenserver.
//   - Services with certificates of their own: package mtls.
//   - A method of your own, such as a partner's signature: a [Verifier], as in
//     the examples.
//
// Beside them, package totp is a second factor for all of these, ratelimit limits
// requests and guesses, and clientip finds the client behind proxies.
//
// # Three outcomes
//
// A verifier finds no credential of its method, a bad one, or a backend that
// is down. They are never confused: the first asks the next verifier, the
// second is a 401 even if another method would accept the request, the third
// is a 503. Cookies are sent unasked, so a stale one counts as none.
//
// # Security
//
// The zero value and nil are safe or panic when a route is built. What weakens
// a check is named Insecure or Skip. Answers to clients are constant: what was
// wrong goes to the [EventFunc], never on the wire. The response is never
// wrapped or buffered, so that streaming, Hijack and
// [net/http.ResponseController] work as without this package.
//
// [Secret]s print as "[redacted]". An [Identity] that owes a factor is refused
// everywhere but where a route says [AllowPending].
//
// # Compatibility
//
// Before version 1.0 the API may still change; CHANGELOG.md says how. What is
// persisted (the JSON of an Identity, API keys, sealed values) stays readable.
package authn
