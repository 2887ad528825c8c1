package jwtauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

func issuerPrivate(t testing.TB, alg jwtauth.Algorithm) crypto.Signer {
	t.Helper()
	var s crypto.Signer
	var err error
	switch alg {
	case jwtauth.RS256, jwtauth.PS256:
		s, err = rsa.GenerateKey(rand.Reader, 2048)
	case jwtauth.ES256:
		s, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jwtauth.ES384:
		s, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case jwtauth.EdDSA:
		_, s, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// J7, J20: what is unsafe or contradictory is no Issuer. The error names the
// field.
func TestIssuerConfigIsChecked(t *testing.T) {
	type args struct {
		ring *jwtauth.KeyRing
		st   store.Tokens
		kc   *authn.Keychain
		cfg  jwtauth.IssuerConfig
	}
	cookies := func(c jwtauth.Cookies) func(a *args) {
		return func(a *args) { a.cfg.Cookies = &c }
	}
	ring := func(age time.Duration) *jwtauth.KeyRing {
		return authn.Must(jwtauth.OpenKeyRing(memstore.New(memstore.Config{}), authn.GenerateKeychain(), jwtauth.RingConfig{MaxTokenAge: age}))
	}
	tests := []struct {
		name   string
		change func(a *args)
		want   string // in the error; "" is good
	}{
		{"good", func(*args) {}, ""},
		{"no ring", func(a *args) { a.ring = nil }, "KeyRing"},
		{"no store", func(a *args) { a.st = nil }, "NewIssuer needs a store"},
		{"nil pointer as store", func(a *args) { a.st = (*memstore.Store)(nil) }, "NewIssuer needs a store"},
		{"nil pointer as store, by name", func(a *args) { a.st, a.cfg.SkipRevocation = (*memstore.Store)(nil), true }, ""},
		{"no store, by name", func(a *args) { a.st, a.cfg.SkipRevocation = nil, true }, ""},
		{"no store and no keychain, by name", func(a *args) { a.st, a.kc, a.cfg.SkipRevocation = nil, nil, true }, ""},
		{"a store and SkipRevocation", func(a *args) { a.cfg.SkipRevocation = true }, "IssuerConfig.SkipRevocation contradicts"},
		{"no keychain", func(a *args) { a.kc = nil }, "keychain"},
		{"zero keychain", func(a *args) { a.kc = &authn.Keychain{} }, "keychain"},
		{"no issuer", func(a *args) { a.cfg.Issuer = "" }, "Issuer"},
		{"issuer without scheme", func(a *args) { a.cfg.Issuer = "auth.example" }, "Issuer"},
		{"issuer without host", func(a *args) { a.cfg.Issuer = "https://" }, "Issuer"},
		{"issuer of another scheme", func(a *args) { a.cfg.Issuer = "ftp://auth.example" }, "Issuer"},
		{"issuer with a query", func(a *args) { a.cfg.Issuer = issuerURL + "/?a=b" }, "Issuer"},
		{"issuer with a fragment", func(a *args) { a.cfg.Issuer = issuerURL + "/#a" }, "Issuer"},
		{"issuer with a password", func(a *args) { a.cfg.Issuer = "https://me:secret@auth.example" }, "Issuer"},
		{"issuer with a newline", func(a *args) { a.cfg.Issuer = issuerURL + "\n" }, "Issuer"},
		{"long issuer", func(a *args) { a.cfg.Issuer = issuerURL + "/" + strings.Repeat("x", 255) }, "Issuer"},
		{"issuer by http", func(a *args) { a.cfg.Issuer = "http://auth.example" }, "Issuer"},
		{"issuer by http from this machine", func(a *args) { a.cfg.Issuer = "http://localhost:8080" }, ""},
		{"issuer of another scheme from this machine", func(a *args) { a.cfg.Issuer = "ftp://localhost" }, "Issuer"},
		{"issuer with a path", func(a *args) { a.cfg.Issuer = issuerURL + "/eu" }, ""},
		{"no audience", func(a *args) { a.cfg.Audience = nil }, "Audience is empty"},
		{"empty list of audiences", func(a *args) { a.cfg.Audience = []string{} }, "Audience is empty"},
		{"empty audience", func(a *args) { a.cfg.Audience = []string{issuerAPI, ""} }, "Audience"},
		{"audience with NUL", func(a *args) { a.cfg.Audience = []string{"a\x00"} }, "Audience"},
		{"AccessTTL of a second", func(a *args) { a.cfg.AccessTTL = time.Second }, ""},
		{"AccessTTL under a second", func(a *args) { a.cfg.AccessTTL = time.Second - 1 }, "AccessTTL"},
		{"negative AccessTTL", func(a *args) { a.cfg.AccessTTL = -time.Hour }, "AccessTTL"},
		{"AccessTTL of a day", func(a *args) { a.cfg.AccessTTL = issuerDay }, ""},
		{"AccessTTL over a day", func(a *args) { a.cfg.AccessTTL = issuerDay + 1 }, "AccessTTL"},
		{"AccessTTL of MaxTokenAge", func(a *args) { a.ring = ring(15 * time.Minute) }, ""},
		{"AccessTTL over MaxTokenAge", func(a *args) { a.ring = ring(15*time.Minute - 1) }, "MaxTokenAge"},
		{"RefreshIdle under AccessTTL", func(a *args) { a.cfg.RefreshIdle = 15*time.Minute - 1 }, "RefreshIdle"},
		{"RefreshIdle of AccessTTL", func(a *args) { a.cfg.RefreshIdle = 15 * time.Minute }, ""},
		{"negative RefreshIdle", func(a *args) { a.cfg.RefreshIdle = -1 }, "RefreshIdle"},
		{"RefreshAbsolute under RefreshIdle", func(a *args) { a.cfg.RefreshAbsolute = 30*issuerDay - 1 }, "RefreshAbsolute"},
		{"RefreshAbsolute of RefreshIdle", func(a *args) { a.cfg.RefreshAbsolute = 30 * issuerDay }, ""},
		{"negative RefreshAbsolute", func(a *args) { a.cfg.RefreshAbsolute = -1 }, "RefreshAbsolute"},
		{"RefreshAbsolute of 400 days", func(a *args) { a.cfg.RefreshAbsolute = 400 * issuerDay }, ""},
		{"RefreshAbsolute over 400 days", func(a *args) { a.cfg.RefreshAbsolute = 400*issuerDay + 1 }, "RefreshAbsolute"},
		{"RefreshGrace of a minute", func(a *args) { a.cfg.RefreshGrace = time.Minute }, ""},
		{"RefreshGrace over a minute", func(a *args) { a.cfg.RefreshGrace = time.Minute + 1 }, "RefreshGrace"},
		{"no RefreshGrace", func(a *args) { a.cfg.RefreshGrace = -1 }, ""},
		{"Leeway of a minute", func(a *args) { a.cfg.Leeway = time.Minute }, ""},
		{"Leeway over a minute", func(a *args) { a.cfg.Leeway = time.Minute + 1 }, "Leeway"},
		{"cookies", cookies(jwtauth.Cookies{RefreshPath: "/token/refresh"}), ""},
		{"cookies with names", cookies(jwtauth.Cookies{Access: "a", Refresh: "r", RefreshPath: "/r"}), ""},
		{"no RefreshPath", cookies(jwtauth.Cookies{}), "RefreshPath"},
		{"the RefreshPath of everything", cookies(jwtauth.Cookies{RefreshPath: "/"}), "RefreshPath"},
		{"relative RefreshPath", cookies(jwtauth.Cookies{RefreshPath: "token"}), "RefreshPath"},
		{"RefreshPath with a slash at its end", cookies(jwtauth.Cookies{RefreshPath: "/token/"}), "RefreshPath"},
		{"RefreshPath with dots", cookies(jwtauth.Cookies{RefreshPath: "/a/../token"}), "RefreshPath"},
		{"RefreshPath with two slashes", cookies(jwtauth.Cookies{RefreshPath: "//token"}), "RefreshPath"},
		{"RefreshPath with an attribute", cookies(jwtauth.Cookies{RefreshPath: "/token; Domain=example"}), "RefreshPath"},
		{"RefreshPath with a query", cookies(jwtauth.Cookies{RefreshPath: "/token?a"}), "RefreshPath"},
		{"RefreshPath with an escape", cookies(jwtauth.Cookies{RefreshPath: "/to%20ken"}), "RefreshPath"},
		{"RefreshPath with a space", cookies(jwtauth.Cookies{RefreshPath: "/to ken"}), "RefreshPath"},
		{"RefreshPath beyond ASCII, which net/http would leave out of the cookie", cookies(jwtauth.Cookies{RefreshPath: "/t\u00f6ken"}), "RefreshPath"},
		{"RefreshPath as a URL", cookies(jwtauth.Cookies{RefreshPath: issuerURL + "/token"}), "RefreshPath"},
		{"one name for both", cookies(jwtauth.Cookies{Access: "x", Refresh: "x", RefreshPath: "/r"}), "Access and Refresh"},
		{"__Host- for the refresh token", cookies(jwtauth.Cookies{Refresh: "__Host-r", RefreshPath: "/r"}), "__Host-"},
		{"__Host- alone", cookies(jwtauth.Cookies{Refresh: "__Host-", RefreshPath: "/r"}), "__Host-\", which"},
		{"__host-, which browsers take for __Host-", cookies(jwtauth.Cookies{Refresh: "__host-r", RefreshPath: "/r"}), "__Host-"},
		{"a name with a space", cookies(jwtauth.Cookies{Access: "a b", RefreshPath: "/r"}), "name"},
		{"a name with =", cookies(jwtauth.Cookies{Refresh: "a=b", RefreshPath: "/r"}), "name"},
		{"a name of 64 bytes", cookies(jwtauth.Cookies{Access: strings.Repeat("a", 64), RefreshPath: "/r"}), ""},
		{"a long name", cookies(jwtauth.Cookies{Access: strings.Repeat("a", 65), RefreshPath: "/r"}), "name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := args{
				ring: issuerRing(t), st: memstore.New(memstore.Config{}), kc: authn.GenerateKeychain(),
				cfg: jwtauth.IssuerConfig{Issuer: issuerURL, Audience: []string{issuerAPI}},
			}
			tt.change(&a)
			issuer, err := jwtauth.NewIssuer(a.ring, a.st, a.kc, a.cfg)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && err == nil:
				t.Errorf("it is good, want an error with %q", tt.want)
			case err != nil && (issuer != nil || !strings.HasPrefix(err.Error(), "authn/jwtauth: ") || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v, want %q in it", err, tt.want)
			}
		})
	}
}

// J12: an Issuer keeps what it was made with.
func TestIssuerCopiesItsConfig(t *testing.T) {
	audience := []string{issuerAPI}
	cookies := jwtauth.Cookies{RefreshPath: "/token/refresh"}
	w := newIssuerWorld(t, func(cfg *jwtauth.IssuerConfig) { cfg.Audience, cfg.Cookies = audience, &cookies })
	audience[0], cookies.RefreshPath = "https://evil.example", "/"
	set := w.login()
	if aud := issuerClaims(t, set)["aud"].([]any); aud[0] != issuerAPI {
		t.Errorf("aud %v", aud)
	}
	if reason := w.alive(set); reason != "" {
		t.Error(reason)
	}
	if got := issuerCookies(w.issuer, set)["__Secure-refresh"]; got.Path != "/token/refresh" {
		t.Errorf("path %s", got.Path)
	}
}

// J24: without a store nothing can be revoked, and who asks for it hears so;
// access tokens are good all the same.
func TestIssuerWithoutStore(t *testing.T) {
	w := newIssuerWorld(t, nil)
	issuer, err := jwtauth.NewIssuer(w.ring, nil, nil, jwtauth.IssuerConfig{
		Issuer: issuerURL, Audience: []string{issuerAPI}, SkipRevocation: true, Now: w.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	set, err := issuer.Issue(issuerCtx, jwtauth.Grant{Identity: w.ada()})
	if err != nil || issuerReason(issuer.Verifier(), set.Access.Reveal()) != "" {
		t.Errorf("an access token: %v", err)
	}
	_, err = issuer.Issue(issuerCtx, jwtauth.Grant{Identity: w.ada(), Refresh: true})
	issuerWant(t, "Issue with Refresh", err, 500, "internal", "")
	_, err = issuer.Refresh(issuerCtx, "x", jwtauth.Grant{})
	issuerWant(t, "Refresh", err, 500, "internal", "")
	issuerWant(t, "RevokeToken", issuer.RevokeToken(issuerCtx, set.Access.Reveal(), ""), 500, "internal", "")
	issuerWant(t, "RevokeFamily", issuer.RevokeFamily(issuerCtx, "ada", "x"), 500, "internal", "")
	issuerWant(t, "RevokeSubject", issuer.RevokeSubject(issuerCtx, "ada"), 500, "internal", "")
	if issuer.Revokes() || !w.issuer.Revokes() {
		t.Errorf("Revokes: %v without a store, %v with one", issuer.Revokes(), w.issuer.Revokes())
	}
	if info, err := issuer.Introspect(issuerCtx, set.Access.Reveal()); err != nil || info.Identity.Subject != "ada" {
		t.Errorf("Introspect: %v", err)
	}
}
