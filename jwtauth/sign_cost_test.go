//go:build !race

package jwtauth_test

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

// issuerQuiet is an issuer without store and events, and a Grant of 8 claims
// and more.
func issuerQuiet(tb testing.TB) (*jwtauth.Issuer, jwtauth.Grant) {
	tb.Helper()
	clock := newIssuerClock()
	issuer, err := jwtauth.NewIssuer(issuerRing(tb), nil, nil, jwtauth.IssuerConfig{
		Issuer: issuerURL, Audience: []string{issuerAPI}, SkipRevocation: true, Now: clock.Now,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return issuer, jwtauth.Grant{Identity: &authn.Identity{
		Subject: "ada", Kind: authn.KindUser, Scopes: []string{"orders:read", "orders:write"}, VerifiedAt: clock.Now(),
	}}
}

// J28: what issuing costs cannot creep.
func TestIssueAllocations(t *testing.T) {
	issuer, grant := issuerQuiet(t)
	got := testing.AllocsPerRun(1000, func() {
		if _, err := issuer.Issue(issuerCtx, grant); err != nil {
			t.Error(err)
		}
	})
	if got > issuerMostAllocations {
		t.Errorf("%v allocations, want at most %d", got, issuerMostAllocations)
	}
}

// issuerMostAllocations: the Identity and its scopes, twice, the token that is
// made, its jti, the MAC, the text, and the Secret. The race detector makes
// pools forget, and so more.
const issuerMostAllocations = 7

// J28: Issue beside golang-jwt with the same claims.
func BenchmarkIssue(b *testing.B) {
	issuer, grant := issuerQuiet(b)
	b.Run("Issue", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := issuer.Issue(issuerCtx, grant); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("golang-jwt", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
				"iss": issuerURL, "sub": "ada", "exp": 1795349700, "iat": 1795348800, "nbf": 1795348800,
				"jti": "AAAAAAAAAAAAAAAAAAAAAA", "ver": 1, "aud": []string{issuerAPI}, "scope": "orders:read orders:write",
			})
			token.Header["kid"], token.Header["typ"] = "k1", "at+jwt"
			if _, err := token.SignedString([]byte(issuerSecret)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
