package jwtauth_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// J7: what golang-jwt and others skip when it is left empty is an error, and so
// is whatever contradicts or weakens; each names the field.
func TestVerifierConfigErrors(t *testing.T) {
	var nilRing *jwtauth.KeyRing
	var nilStore *memstore.Store
	foreign := func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].Map = mapTo(authn.User("x", ""), nil) }
	none := func(*jwtauth.VerifierConfig) {}
	for _, c := range []struct {
		name   string
		rev    store.Revocations
		change func(cfg *jwtauth.VerifierConfig)
		want   string // "": none
	}{
		{"good", &spy{}, none, ""},
		{"no store, by name", nil, func(cfg *jwtauth.VerifierConfig) { cfg.SkipRevocation = true }, ""},
		{"nil pointer, by name", nilStore, func(cfg *jwtauth.VerifierConfig) { cfg.SkipRevocation = true }, ""},
		{"no store", nil, none, "SkipRevocation"},
		{"nil pointer", nilStore, none, "SkipRevocation"},
		{"a store and SkipRevocation", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.SkipRevocation = true }, "SkipRevocation contradicts"},
		{"nil Trust", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Trust = nil }, "Trust is empty"},
		{"empty Trust", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Trust = []jwtauth.Trust{} }, "Trust is empty"},
		{"zero Trust", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Trust = []jwtauth.Trust{{}} }, "Trust.Issuer"},
		{"second Trust is zero", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Trust = append(cfg.Trust, jwtauth.Trust{}) }, "Trust.Issuer"},
		{"no Issuer", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].Issuer = "" }, "Trust.Issuer"},
		{"issuer twice", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Trust = append(cfg.Trust, cfg.Trust[0]) }, "twice"},
		{"no Audiences", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].Audiences = nil }, "Trust.Audiences"},
		{"empty Audiences", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].Audiences = []string{} }, "Trust.Audiences"},
		{"an empty audience", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].Audiences = []string{api, ""} }, "Trust.Audiences"},
		{"no Keys", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].Keys = nil }, "Trust.Keys"},
		{"nil *KeyRing", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].Keys = nilRing }, "Trust.Keys"},
		{"empty KeyRing", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].Keys = &jwtauth.KeyRing{} }, "Trust.Keys"},
		{"empty RemoteKeys", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].Keys = &jwtauth.RemoteKeys{} }, "Trust.Keys"},
		{"RemoteKeys", &spy{}, func(cfg *jwtauth.VerifierConfig) {
			cfg.Trust[0].Keys = authn.Must(jwtauth.NewRemoteKeys("https://idp.example", jwtauth.RemoteConfig{}))
		}, ""},
		{"algorithm none", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].Algorithms = []jwtauth.Algorithm{"none"} }, "Trust.Algorithms"},
		{"algorithm in lower case", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].Algorithms = []jwtauth.Algorithm{"es256"} }, "Trust.Algorithms"},
		{"algorithm empty", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].Algorithms = []jwtauth.Algorithm{""} }, "Trust.Algorithms"},
		{"InsecureAnyType of ours", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].InsecureAnyType = true }, "InsecureAnyType"},
		{"InsecureNoID of ours", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].InsecureNoID = true }, "InsecureNoID"},
		{"both of a foreign one", &spy{}, func(cfg *jwtauth.VerifierConfig) {
			foreign(cfg)
			cfg.Trust[0].InsecureAnyType, cfg.Trust[0].InsecureNoID = true, true
		}, ""},
		{"RevocationCacheTTL 5 s", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.RevocationCacheTTL = 5 * time.Second }, ""},
		{"RevocationCacheTTL over 5 s", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.RevocationCacheTTL = 5*time.Second + 1 }, "RevocationCacheTTL"},
		{"RevocationCacheTTL negative", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.RevocationCacheTTL = -1 }, "RevocationCacheTTL"},
		{"MaxLength negative", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.MaxLength = -1 }, "MaxLength"},
		{"MaxLength 64 KiB", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.MaxLength = 64 << 10 }, ""},
		{"MaxLength over 64 KiB", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.MaxLength = 64<<10 + 1 }, "MaxLength"},
		{"MaxLifetime negative", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.MaxLifetime = -1 }, "MaxLifetime"},
		{"MaxLifetime of a second", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.MaxLifetime = time.Second }, ""},
		{"MaxLifetime under a second", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.MaxLifetime = time.Second - 1 }, "MaxLifetime"},
		{"Leeway 60 s", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Leeway = time.Minute }, ""},
		{"Leeway over 60 s", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Leeway = time.Minute + 1 }, "Leeway"},
		{"Leeway negative", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Leeway = -1 }, "Leeway"},
		{"Cookie with a space", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Cookie = "a b" }, "cookie"},
		{"Cookie with a semicolon", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Cookie = "a;b" }, "cookie"},
		{"Cookie too long", &spy{}, func(cfg *jwtauth.VerifierConfig) { cfg.Cookie = strings.Repeat("a", 65) }, "cookie"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := jwtauth.VerifierConfig{Trust: []jwtauth.Trust{{Issuer: ours, Audiences: []string{api}, Keys: ringOf(jwtauth.HS256)}}}
			c.change(&cfg)
			v, err := jwtauth.NewVerifier(c.rev, cfg)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || v != nil || !strings.HasPrefix(err.Error(), "authn/jwtauth: ") || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want an error about %s", err, c.want)
			}
		})
	}
}

// J7: what the host changes after New changes nothing.
func TestVerifierCopiesItsConfig(t *testing.T) {
	trust := []jwtauth.Trust{{Issuer: ours, Audiences: []string{api}, Keys: ringOf(), Algorithms: []jwtauth.Algorithm{jwtauth.HS256}}}
	s := newService(t, func(cfg *jwtauth.VerifierConfig) { cfg.Trust = trust })
	trust[0].Audiences[0], trust[0].Algorithms[0], trust[0].Issuer = "x", jwtauth.ES256, theirs
	s.wantGood(t, goodDraft(jwtauth.HS256).token())
	s.wantRefused(t, goodDraft(jwtauth.ES256).token(), wrongAlgorithm)
}

// J1: MaxLength counts the token's bytes, to the byte.
func TestMaxLength(t *testing.T) {
	token := goodDraft(jwtauth.HS256).token()
	for n, reason := range map[int]string{len(token): "", len(token) - 1: "too long"} {
		s := newService(t, func(cfg *jwtauth.VerifierConfig) { cfg.MaxLength = n })
		if reason == "" {
			s.wantGood(t, token)
		} else {
			s.wantRefused(t, token, reason)
		}
	}
	long := goodDraft(jwtauth.HS256)
	long.claim(`"x":"` + strings.Repeat("x", (8192-len(token))*3/4-20) + `"`)
	if token := long.token(); len(token) > 8192 || len(token) < 8150 {
		t.Fatal(len(token))
	}
	newService(t, nil).wantGood(t, long.token())
}

// J24: without a store, by name, nothing is asked and tokens live to their end.
func TestSkipRevocation(t *testing.T) {
	v := authn.Must(jwtauth.NewVerifier(nil, jwtauth.VerifierConfig{
		Trust:          []jwtauth.Trust{{Issuer: ours, Audiences: []string{api}, Keys: ringOf(jwtauth.HS256)}},
		SkipRevocation: true, Now: newClock().Now,
	}))
	if _, err := v.Verify(bearer(goodDraft(jwtauth.HS256).token()).WithContext(context.Background())); err != nil {
		t.Error(err)
	}
}
