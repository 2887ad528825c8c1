package main

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

const (
	issuerURL = "https://auth.example.com"
	audience  = "https://api.example.com"
)

// What ours are called in the rows.
const (
	oursAlone    = "jwtauth"
	oursStore    = "jwtauth, memstore asked for revocations"
	oursRepeated = "jwtauth, token seen before"
	oursNoting   = "jwtauth, which takes a note of each"
)

// tokens is everything that a service does with a JWT. Peers know neither
// revocation nor jti: what is compared with them is ours with SkipRevocation,
// and what the default costs stands beside it.
func tokens() []row {
	hs := newKey("HS256")
	all, forged, signed := []row{verifyHMAC(hs), verifyNew(hs)}, []row{verifyForged(hs)}, []row{sign(hs)}
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		k := newKey(alg)
		all, forged, signed = append(all, verifyAsymmetric(k)), append(forged, verifyForged(k)), append(signed, sign(k))
	}
	return slices.Concat(all, forged, signed, []row{middlewares(hs)})
}

// rows of peers that verify the same token; the first two are golang-jwt's.
func verifiers(k key, raw string, answer func(name string, op func() error) contender) (all []contender, names []string) {
	for _, p := range []peer{golangJWTMap(k), golangJWTStruct(k), jwx(k), auth0(k)} {
		all = append(all, answer(p.name, func() error { return p.verify(raw) }))
		names = append(names, p.name)
	}
	return all, names
}

// verifyHMAC is one token, verified each time, and by a verifier that knows it.
func verifyHMAC(k key) row {
	st := memstore.New(memstore.Config{})
	raw := k.token()
	bare, keyed := k.bareHMAC(raw)
	peers, names := verifiers(k, raw, good)
	return row{
		name: "JWT HS256",
		contenders: append([]contender{
			good("hmac.New, Write, Equal", bare),
			good("the same, keyed before", keyed),
			good(oursAlone, k.ours(nil, true, raw)),
			good(oursStore, k.ours(st, true, raw)),
			good(oursRepeated, k.ours(nil, false, raw)),
			good(oursRepeated+", memstore", k.ours(st, false, raw)),
		}, peers...),
		promises: slices.Concat(
			faster("J28", oursAlone, 0.25, names[:2]...),
			[]promise{{"J28", oursAlone, "", 2}, {"J28", oursStore, "", 2}, {"J28", oursRepeated, "", 1}},
		),
	}
}

// verifyNew is tokens that come once each.
func verifyNew(k key) row {
	tokens, fields := make([]string, 2048), make([]string, 2048)
	for i := range tokens {
		tokens[i] = k.token()
		fields[i] = "Bearer " + tokens[i]
	}
	each := func(verify func(i int) error) func() error {
		i := -1
		return func() error {
			i = (i + 1) % len(tokens)
			return verify(i)
		}
	}
	var v *jwtauth.Verifier
	r := bearer("")
	ours := func(i int) error {
		if i == 0 {
			v = k.verifier(nil, false) // has seen none of them
		}
		r.Header["Authorization"][0] = fields[i]
		_, err := v.Verify(r)
		return err
	}
	byHand, typed := golangJWTMap(k), golangJWTStruct(k)
	bare, _ := k.bareHMAC(tokens[0])
	return row{
		name: "JWT HS256, new each time",
		contenders: []contender{
			good("hmac.New, Write, Equal, of one", bare),
			good(oursNoting, each(ours)),
			good(byHand.name, each(func(i int) error { return byHand.verify(tokens[i]) })),
			good(typed.name, each(func(i int) error { return typed.verify(tokens[i]) })),
		},
		promises: faster("J28", oursNoting, 0.25, byHand.name, typed.name),
	}
}

// verifyForged is never cached: each time it costs a signature check.
func verifyForged(k key) row {
	raw := []byte(k.token())
	if last := len(raw) - 10; raw[last] == 'A' { // of the signature
		raw[last] = 'B'
	} else {
		raw[last] = 'A'
	}
	forged := string(raw)
	peers, _ := verifiers(k, forged, bad)
	r := row{name: "JWT " + k.alg + ", forged"}
	if k.alg == "HS256" {
		bare, keyed := k.bareHMAC(forged)
		r.contenders = []contender{bad("hmac.New, Write, Equal", bare), bad("the same, keyed before", keyed)}
		r.promises = []promise{
			{"J28", oursAlone, "hmac.New, Write, Equal", 2},
			{"J28", oursAlone, "", 2},
		}
	} else {
		r.contenders = []contender{bad("signature check", k.bareCheck(forged))}
	}
	r.contenders = append(append(r.contenders, bad(oursAlone, k.ours(nil, false, forged))), peers...)
	return r
}

// verifyAsymmetric is a token that comes for the first time, and one that was
// seen before. To a peer it is always the first time.
func verifyAsymmetric(k key) row {
	st := memstore.New(memstore.Config{})
	raw := k.token()
	bytes := []byte(raw)
	known := map[store.Digest]bool{sha256.Sum256(bytes): true}
	peers, names := verifiers(k, raw, good)
	times := 1.0 / 40
	if k.alg == "RS256" {
		times = 1.0 / 20
	}
	return row{
		name: "JWT " + k.alg,
		contenders: append([]contender{
			good("signature check", k.bareCheck(raw)),
			{"SHA-256 + map lookup", func() { _ = known[sha256.Sum256(bytes)] }},
			good(oursAlone, k.ours(nil, true, raw)),
			good(oursRepeated, k.ours(nil, false, raw)),
			good(oursRepeated+", memstore", k.ours(st, false, raw)),
		}, peers...),
		promises: slices.Concat(
			[]promise{
				{"J28", oursAlone, "signature check", 1.1},
				{"J29", oursRepeated, "SHA-256 + map lookup", 2.5},
			},
			faster("J29", oursRepeated, times, names...),
			faster("J29", oursRepeated+", memstore", times, names...),
		),
	}
}

// ours verifies raw as it comes in a request.
func (k key) ours(rev store.Revocations, skipCache bool, raw string) func() error {
	v, r := k.verifier(rev, skipCache), bearer(raw)
	return func() error {
		_, err := v.Verify(r)
		return err
	}
}

func (k key) verifier(rev store.Revocations, skipCache bool) *jwtauth.Verifier {
	return authn.Must(jwtauth.NewVerifier(rev, jwtauth.VerifierConfig{
		Trust:          []jwtauth.Trust{{Issuer: issuerURL, Audiences: []string{audience}, Keys: k.ring}},
		SkipRevocation: rev == nil, SkipVerifiedCache: skipCache,
	}))
}

func bearer(raw string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+raw)
	return r
}

// sign is a new access token of nine claims, its jti and iat of this moment.
func sign(k key) row {
	issuer := func(st store.Tokens) func() error {
		i := authn.Must(jwtauth.NewIssuer(k.ring, st, authn.GenerateKeychain(), jwtauth.IssuerConfig{
			Issuer: issuerURL, Audience: []string{audience}, SkipRevocation: st == nil,
		}))
		ada := authn.User("ada", "password")
		ada.Scopes = []string{"orders:read", "orders:write"}
		return func() error {
			_, err := i.Issue(context.Background(), jwtauth.Grant{Identity: ada})
			return err
		}
	}
	r := row{
		name: "JWT " + k.alg + ", sign",
		contenders: []contender{
			good("signature", k.bareSign()),
			good(oursAlone, issuer(nil)),
			good("jwtauth, memstore asked for the version", issuer(memstore.New(memstore.Config{}))),
			good(golangJWTMap(k).name, func() error { return k.signGolangJWT(mapOf(claimsNow())) }),
			good(golangJWTStruct(k).name, func() error { return k.signGolangJWT(claimsNow()) }),
			good(jwx(k).name, k.signJWX),
		},
	}
	if k.alg == "HS256" {
		r.promises = faster("J28", oursAlone, 0.4, golangJWTMap(k).name, golangJWTStruct(k).name)
	}
	return r
}

// middlewares are whole requests, from the header to the handler.
func middlewares(k key) row {
	raw := k.token()
	r := bearer(raw)
	byHand, typed := golangJWTMap(k), golangJWTStruct(k)
	return row{
		name: "JWT HS256, middleware",
		contenders: []contender{
			{"bare handler", handle(bare, r)},
			{oursAlone, handle(k.verifier(nil, true).Middleware(bare), r)},
			{oursStore, handle(k.verifier(memstore.New(memstore.Config{}), true).Middleware(bare), r)},
			{oursRepeated, handle(k.verifier(nil, false).Middleware(bare), r)},
			{oursRepeated + ", memstore", handle(k.verifier(memstore.New(memstore.Config{}), false).Middleware(bare), r)},
			{byHand.name, handle(byHand.middleware(bare), r)},
			{typed.name, handle(typed.middleware(bare), r)},
			{jwx(k).name, handle(jwx(k).middleware(bare), r)},
			{auth0(k).name, handle(auth0Middleware(k).CheckJWT(bare), r)},
		},
		promises: slices.Concat(
			faster("J28", oursAlone, 0.25, byHand.name, typed.name),
		),
	}
}

// good is an op that must not fail, bad one that must; each is tried here.
func good(name string, op func() error) contender {
	if err := op(); err != nil {
		panic(name + ": " + err.Error())
	}
	return contender{name, func() { _ = op() }}
}

func bad(name string, op func() error) contender {
	if op() == nil {
		panic(name + " takes what is forged")
	}
	return contender{name, func() { _ = op() }}
}

// bareSign is the signature alone, of a text of the same length.
func (k key) bareSign() func() error {
	input := []byte(signingInput(k.token()))
	switch private := k.private.(type) {
	case []byte:
		bare, _ := k.bareHMAC(k.token())
		return bare
	case ed25519.PrivateKey:
		return func() error {
			_, err := private.Sign(nil, input, crypto.Hash(0))
			return err
		}
	default:
		return func() error {
			digest := sha256.Sum256(input)
			_, err := private.(crypto.Signer).Sign(rand.Reader, digest[:], crypto.SHA256)
			return err
		}
	}
}

// token is of eight claims, and lives as long as any run takes.
func (k key) token() string {
	c := mapOf(claimsNow())
	delete(c, "nbf")
	c["exp"] = time.Now().Add(12 * time.Hour).Unix()
	return k.signed(c)
}

func (k key) signGolangJWT(c jwt.Claims) error {
	k.signed(c)
	return nil
}
