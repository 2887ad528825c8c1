// Package jwtauth is for mobile apps, SPAs and services: short-lived JSON Web
// Tokens that are verified strictly, refresh tokens that are used once, and
// revocation at once. Start with [NewIssuer] where people or services log in;
// [NewVerifier] is for services that only verify what others issue.
//
//	ring, err := jwtauth.OpenKeyRing(st, keychain, jwtauth.RingConfig{})
//	issuer, err := jwtauth.NewIssuer(ring, st, keychain, jwtauth.IssuerConfig{
//		Issuer: "https://auth.example.com", Audience: []string{"https://api.example.com"},
//	})
//	tokens, err := issuer.Issue(ctx, jwtauth.Grant{Identity: id, Refresh: true}) // after the login
//	mux.Handle("POST /token/refresh", issuer.RefreshHandler())
//	mux.Handle("GET /orders", authn.Require(issuer.Verifier(), authn.Scopes("orders:read"))(orders))
//
// # Access tokens
//
// An access token is a signed JWT of RFC 9068, typ at+jwt, that lives for
// minutes; client_id is in it where the [Grant] names one. It comes in Authorization: Bearer, or in a cookie where the host
// says so, and never in the URL. A verifier takes the algorithm from its own
// key, never from the token (RFC 8725 §3.1), checks the signature before it
// reads a claim, and refuses whatever two readers could understand
// differently. It asks the store on each request, in one round trip, whether
// the token, its login or its subject was revoked; [store.Revocations] is all
// that a service needs of the issuer's store for that.
//
// # Refresh tokens
//
// A login that asks for one (Grant.Refresh) is a family of refresh tokens:
// each is exchanged once for the next. One that comes again after its grace
// was stolen, or the client lost count, and the whole login ends (RFC 9700
// §4.14.2). Nothing in the store can be made into a token.
//
// # Keys
//
// A [KeyRing] signs with one key and verifies with all. OpenKeyRing's are
// shared by all instances and rotate without a refused request; NewKeyRing's
// are the host's own. Others read them at [KeyRing.JWKS], by [NewRemoteKeys].
//
// # What it does not do
//
// Tokens are signed and not encrypted. There is no "none" and no encryption
// (JWE), and keys that a token brings (jwk, jku, x5c, x5u) are not used.
package jwtauth
