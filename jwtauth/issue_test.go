package jwtauth_test

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

// J12, J24: every claim that a token may have, as encoding/json and golang-jwt
// read it.
func TestClaimsOnTheWire(t *testing.T) {
	w := newIssuerWorld(t, nil)
	w.clock.advance(999 * time.Millisecond) // dates are whole seconds, rounded down
	thumbprint := strings.Repeat("t", 43)
	now := w.clock.Now()
	set := w.login(func(g *jwtauth.Grant) {
		g.Identity.Kind = authn.KindClient
		g.Identity.Factors = []authn.Factor{{Name: "pwd", At: now.Add(-time.Hour)}, {Name: "otp", At: now}}
		g.ClientID, g.Confirm = "app", thumbprint
	})
	got := issuerClaims(t, set)
	sid, _ := got["sid"].(string)
	jti, _ := got["jti"].(string)
	iat := float64(now.Unix())
	want := map[string]any{
		"iss": issuerURL, "sub": "ada", "aud": []any{issuerAPI, issuerDocs},
		"exp": iat + 900, "iat": iat, "nbf": iat, "jti": jti, "ver": 1.0,
		"client_id": "app", "scope": "orders:read orders:write", "roles": []any{"editor"}, "sid": sid,
		"amr": []any{"pwd", "otp"}, "auth_time": iat, "amr_times": []any{iat - 3600, iat},
		"kind": "client", "cnf": map[string]any{"x5t#S256": thumbprint},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("claims %v\n  want %v", got, want)
	}
	if len(sid) != 22 || len(jti) != 22 || strings.Contains(set.Refresh.Reveal(), sid) {
		t.Errorf("sid %q, jti %q", sid, jti)
	}
	if header := issuerDecoded(t, set.Access.Reveal(), 0); !reflect.DeepEqual(header, map[string]any{"alg": "HS256", "kid": "k1", "typ": "at+jwt"}) {
		t.Errorf("header %v", header)
	}
	peer := jwt.MapClaims{}
	_, err := jwt.NewParser(jwt.WithStrictDecoding(), jwt.WithValidMethods([]string{"HS256"}), jwt.WithTimeFunc(w.clock.Now),
		jwt.WithAudience(issuerAPI), jwt.WithIssuer(issuerURL), jwt.WithIssuedAt(), jwt.WithExpirationRequired()).
		ParseWithClaims(set.Access.Reveal(), peer, func(*jwt.Token) (any, error) { return []byte(issuerSecret), nil })
	if err != nil || !reflect.DeepEqual(map[string]any(peer), want) {
		t.Errorf("golang-jwt: %v, %v", peer, err)
	}
	if !set.ExpiresAt.Equal(time.Unix(int64(iat)+900, 0)) || !slices.Equal(set.Scopes, []string{"orders:read", "orders:write"}) || set.Pending != nil {
		t.Errorf("TokenSet %+v", set)
	}
	if want := now.Add(30 * issuerDay); !set.RefreshExpiresAt.Equal(want) {
		t.Errorf("the refresh token ends %s, want %s", set.RefreshExpiresAt, want)
	}
}

// J12: what there is not is not written.
func TestOptionalClaimsAreLeftOut(t *testing.T) {
	w := newIssuerWorld(t, nil)
	set := w.issue(func(g *jwtauth.Grant) {
		g.Identity = &authn.Identity{Subject: "ada", Kind: authn.KindUser, VerifiedAt: w.clock.Now()}
	})
	names := slices.Sorted(maps.Keys(issuerClaims(t, set)))
	if want := []string{"aud", "exp", "iat", "iss", "jti", "nbf", "sub", "ver"}; !slices.Equal(names, want) {
		t.Errorf("claims %v, want %v", names, want)
	}
	if !set.Refresh.IsZero() || set.Scopes != nil {
		t.Errorf("TokenSet %+v", set)
	}
	id, err := w.issuer.Verifier().Verify(issuerBearer(set.Access.Reveal()))
	if err != nil || id.Scopes != nil || id.Roles != nil || id.Factors != nil {
		t.Errorf("%+v, %v", id, err)
	}
}

// J12: a service is its own client, unless the Grant names another (RFC 9068 §2.2).
func TestServiceIsItsOwnClient(t *testing.T) {
	w := newIssuerWorld(t, nil)
	for _, tt := range []struct {
		kind         authn.Kind
		client, want string
	}{
		{authn.KindClient, "", "ada"},
		{authn.KindClient, "app", "app"},
		{authn.KindUser, "", ""},
		{authn.KindUser, "app", "app"},
	} {
		set := w.issue(func(g *jwtauth.Grant) { g.Identity.Kind, g.ClientID = tt.kind, tt.client })
		if got, _ := issuerClaims(t, set)["client_id"].(string); got != tt.want {
			t.Errorf("%v by %q: client_id %q, want %q", tt.kind, tt.client, got, tt.want)
		}
	}
}

// J12: what was issued is what a request brings back.
func TestIssuedIdentityComesBack(t *testing.T) {
	w := newIssuerWorld(t, nil)
	for _, kind := range []authn.Kind{authn.KindUser, authn.KindClient} {
		id := w.ada()
		id.Kind = kind
		id.Subject = "gr\u00fc\u00df \"dich\"\\ <&> \U0001F600"
		id.Roles = []string{"\u0440\u0435\u0434\u0430\u043a\u0442\u043e\u0440", `a"b\c`}
		id.Factors = []authn.Factor{{Name: "otp", At: w.clock.Now().Add(-time.Minute)}, {Name: "pwd", At: w.clock.Now().Add(-time.Hour)}}
		id.Credential = "the session's"
		before := *id.Clone()
		set := w.issue(func(g *jwtauth.Grant) { g.Identity = id })
		if !reflect.DeepEqual(*id, before) {
			t.Errorf("Issue changed the Identity: %+v", id)
		}
		got, err := w.issuer.Verifier().Verify(issuerBearer(set.Access.Reveal()))
		if err != nil {
			t.Fatal(err)
		}
		if got.Subject != id.Subject || got.Kind != kind || got.Method != "jwt" || !slices.Equal(got.Scopes, id.Scopes) ||
			!slices.Equal(got.Roles, id.Roles) || got.CredentialID == "" || !got.VerifiedAt.Equal(w.clock.Now()) || !got.ExpiresAt.Equal(set.ExpiresAt) {
			t.Errorf("Identity %+v", got)
		}
		for i, f := range id.Factors {
			if got.Factors[i].Name != f.Name || !got.Factors[i].At.Equal(f.At) {
				t.Errorf("factor %v, want %v", got.Factors[i], f)
			}
		}
		if got.Attributes != nil {
			t.Errorf("attributes %v are in the token", got.Attributes)
		}
	}
}

// J12: every algorithm, as golang-jwt verifies it, and by a signer whose key
// cannot be exported.
func TestTokensAreSignedByEveryAlgorithm(t *testing.T) {
	for alg, size := range map[jwtauth.Algorithm]int{jwtauth.HS256: 32, jwtauth.HS384: 48, jwtauth.HS512: 64} {
		secret := issuerSecret[:size]
		key, err := jwtauth.HMACKey("h", alg, authn.NewSecret(secret))
		issuerSigns(t, key, err, []byte(secret))
	}
	for _, alg := range []jwtauth.Algorithm{jwtauth.RS256, jwtauth.PS256, jwtauth.ES256, jwtauth.ES384, jwtauth.EdDSA} {
		key, err := jwtauth.GenerateKey(alg)
		issuerSigns(t, key, err, key.Public())
		signer := issuerHSM{issuerPrivate(t, alg)}
		key, err = jwtauth.NewKey("hsm", alg, signer)
		issuerSigns(t, key, err, signer.Public())
	}
}

func issuerSigns(t *testing.T, key jwtauth.Key, err error, verifyBy any) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	w := newIssuerWorld(t, nil)
	if w.ring, err = jwtauth.NewKeyRing(key); err != nil {
		t.Fatal(err)
	}
	w.issuer = w.instance(nil)
	for range 20 { // r and s of ECDSA have leading zeros now and then
		access := w.issue().Access.Reveal()
		_, err = jwt.NewParser(jwt.WithStrictDecoding(), jwt.WithValidMethods([]string{string(key.Algorithm())}), jwt.WithTimeFunc(w.clock.Now)).
			Parse(access, func(*jwt.Token) (any, error) { return verifyBy, nil })
		if err != nil {
			t.Errorf("%v: golang-jwt: %v", key, err)
		}
		if reason := issuerReason(w.issuer.Verifier(), access); reason != "" {
			t.Errorf("%v: %s", key, reason)
		}
	}
}

// issuerHSM signs and shows nothing else of its key.
type issuerHSM struct{ inside crypto.Signer }

func (s issuerHSM) Public() crypto.PublicKey { return s.inside.Public() }
func (s issuerHSM) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.inside.Sign(random, digest, opts)
}

// J12, J22: a Grant narrows what the Identity and the issuer have, and never
// widens it.
func TestScopesAndAudienceAreNarrowed(t *testing.T) {
	w := newIssuerWorld(t, nil)
	tests := []struct {
		name               string
		scopes, audience   []string
		wantScope, wantAud any
		code               string
	}{
		{"all", nil, nil, "orders:read orders:write", []any{issuerAPI, issuerDocs}, ""},
		{"one scope", []string{"orders:write"}, nil, "orders:write", []any{issuerAPI, issuerDocs}, ""},
		{"no scope", []string{}, nil, nil, []any{issuerAPI, issuerDocs}, ""},
		{"one audience", nil, []string{issuerDocs}, "orders:read orders:write", []any{issuerDocs}, ""},
		{"foreign scope", []string{"orders:read", "admin"}, nil, nil, nil, "invalid_scope"},
		{"scope in another case", []string{"Orders:read"}, nil, nil, nil, "invalid_scope"},
		{"two scopes in one", []string{"orders:read orders:write"}, nil, nil, nil, "invalid_scope"},
		{"empty scope", []string{""}, nil, nil, nil, "invalid_scope"},
		{"foreign audience", nil, []string{issuerAPI, "https://evil.example"}, nil, nil, "invalid_target"},
		{"a prefix of the audience", nil, []string{"https://api.exampl"}, nil, nil, "invalid_target"},
		{"empty audience", nil, []string{""}, nil, nil, "invalid_target"},
		{"no audience", nil, []string{}, nil, nil, "invalid_target"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, refresh := range []bool{false, true} {
				set, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: w.ada(), Scopes: tt.scopes, Audience: tt.audience, Refresh: refresh})
				if tt.code != "" {
					issuerWant(t, "Issue", err, 400, tt.code, "")
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := issuerClaims(t, set); !reflect.DeepEqual(got["scope"], tt.wantScope) || !reflect.DeepEqual(got["aud"], tt.wantAud) {
					t.Errorf("scope %v, aud %v", got["scope"], got["aud"])
				}
			}
		})
	}
	// What would not bind the tokens is not passed over.
	_, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: w.ada(), ClientCert: &x509.Certificate{Raw: []byte("cert")}})
	issuerWant(t, "ClientCert", err, 500, "internal", "")
	// A scope that would read as two is nobody's, also if an Identity has it.
	for _, scope := range []string{"a b", "", `a"b`, `a\b`, "a\n", "a\x7f", "gr\u00fc\u00df"} {
		_, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: &authn.Identity{
			Subject: "ada", Kind: authn.KindUser, VerifiedAt: w.clock.Now(), Scopes: []string{scope},
		}})
		issuerWant(t, fmt.Sprintf("scope %q", scope), err, 400, "invalid_scope", "")
	}
	// The first and the last characters of RFC 6749 §3.3, and those beside what is left out.
	if got := issuerClaims(t, w.issue(issuerBy(func(id *authn.Identity) { id.Scopes = []string{"!#[]~"} })))["scope"]; got != "!#[]~" {
		t.Errorf("scope %v", got)
	}
}

// J12: an access token lives for TTL, in whole seconds, rounded down.
func TestLifetimeOfAccessTokens(t *testing.T) {
	w := newIssuerWorld(t, func(cfg *jwtauth.IssuerConfig) { cfg.AccessTTL = 5 * time.Minute })
	w.clock.advance(600 * time.Millisecond)
	for _, tt := range []struct{ ttl, want time.Duration }{
		{0, 5 * time.Minute},
		{time.Second, time.Second},
		{1999 * time.Millisecond, time.Second},
		{issuerDay, issuerDay},
	} {
		set := w.issue(func(g *jwtauth.Grant) { g.TTL = tt.ttl })
		c := issuerClaims(t, set)
		if got := time.Duration(c["exp"].(float64)-c["iat"].(float64)) * time.Second; got != tt.want {
			t.Errorf("TTL %s: it lives %s, want %s", tt.ttl, got, tt.want)
		}
		if reason := w.alive(set); reason != "" {
			t.Errorf("TTL %s: %s", tt.ttl, reason)
		}
		if set.ExpiresAt.After(w.clock.Now().Add(tt.want)) {
			t.Errorf("TTL %s: it ends %s", tt.ttl, set.ExpiresAt)
		}
	}
}

// J12, J22: no access token outlives the login that it is of.
func TestAccessTokenEndsWithTheLogin(t *testing.T) {
	w := newIssuerWorld(t, func(cfg *jwtauth.IssuerConfig) {
		cfg.RefreshIdle, cfg.RefreshAbsolute = time.Hour, 2*time.Hour
	})
	end := w.clock.Now().Add(2 * time.Hour)
	if set := w.login(func(g *jwtauth.Grant) { g.TTL = issuerDay }); set.ExpiresAt.After(end) {
		t.Errorf("at the login: it ends %s, the login %s", set.ExpiresAt, end)
	}
}

// J12, J13: what may not become a token costs no call of the store.
func TestGrantsThatAreRefused(t *testing.T) {
	text := func(n int) string { return strings.Repeat("x", n) }
	tests := []struct {
		name   string
		change func(g *jwtauth.Grant)
		status int
		code   string
	}{
		{"nobody", func(g *jwtauth.Grant) { g.Identity = nil }, 500, "internal"},
		{"a key", issuerBy(func(id *authn.Identity) { id.Kind = authn.KindKey }), 403, "forbidden"},
		{"no kind", issuerBy(func(id *authn.Identity) { id.Kind = 0 }), 500, "internal"},
		{"unknown kind", issuerBy(func(id *authn.Identity) { id.Kind = 77 }), 500, "internal"},
		{"no subject", issuerBy(func(id *authn.Identity) { id.Subject = "" }), 500, "internal"},
		{"long subject", issuerBy(func(id *authn.Identity) { id.Subject = text(256) }), 500, "internal"},
		{"NUL in the subject", issuerBy(func(id *authn.Identity) { id.Subject = "a\x00" }), 500, "internal"},
		{"invalid UTF-8 in the subject", issuerBy(func(id *authn.Identity) { id.Subject = "a\xff" }), 500, "internal"},
		{"no VerifiedAt", issuerBy(func(id *authn.Identity) { id.VerifiedAt = time.Time{} }), 500, "internal"},
		{"empty role", issuerBy(func(id *authn.Identity) { id.Roles = []string{""} }), 500, "internal"},
		{"DEL in a role", issuerBy(func(id *authn.Identity) { id.Roles = []string{"a\x7f"} }), 500, "internal"},
		{"last control character in a role", issuerBy(func(id *authn.Identity) { id.Roles = []string{"a\x1f"} }), 500, "internal"},
		{"newline in a role", issuerBy(func(id *authn.Identity) { id.Roles = []string{"a\nb"} }), 500, "internal"},
		{"long client", func(g *jwtauth.Grant) { g.ClientID = text(256) }, 500, "internal"},
		{"NUL in the client", func(g *jwtauth.Grant) { g.ClientID = "\x00" }, 500, "internal"},
		{"confirmation in hex", func(g *jwtauth.Grant) { g.Confirm = text(64) }, 500, "internal"},
		{"negative TTL", func(g *jwtauth.Grant) { g.TTL = -1 }, 500, "internal"},
		{"TTL under a second", func(g *jwtauth.Grant) { g.TTL = time.Second - 1 }, 500, "internal"},
		{"TTL over a day", func(g *jwtauth.Grant) { g.TTL = issuerDay + 1 }, 500, "internal"},
	}
	w := newIssuerWorld(t, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, refresh := range []bool{false, true} {
				w.st.reset(0, false)
				g := jwtauth.Grant{Identity: w.ada(), Refresh: refresh}
				tt.change(&g)
				set, err := w.issuer.Issue(issuerCtx, g)
				issuerWant(t, "Issue", err, tt.status, tt.code, "")
				if !set.Access.IsZero() || !set.Refresh.IsZero() {
					t.Error("tokens all the same")
				}
				if calls := w.st.called(); len(calls) != 0 {
					t.Errorf("calls %v", calls)
				}
			}
		})
	}
	if n := len(w.events.Events(authn.EventCreated, authn.EventLogin)); n != 0 {
		t.Errorf("%d events of tokens that are not", n)
	}
}

// J12: 255 bytes are no more than stores take.
func TestLongestNames(t *testing.T) {
	w := newIssuerWorld(t, nil)
	long := strings.Repeat("\u00e9", 127) + "x"
	set := w.login(func(g *jwtauth.Grant) {
		g.Identity.Subject, g.Identity.Roles, g.ClientID = long, []string{long}, long
	})
	if reason := w.alive(set); reason != "" {
		t.Error(reason)
	}
	if _, err := w.issuer.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{ClientID: long}); err != nil {
		t.Error(err)
	}
}

// J12: a token that no verifier would take is an error of whoever makes it, and
// no login begins with it.
func TestTokensThatAreTooLong(t *testing.T) {
	w := newIssuerWorld(t, nil)
	roles := make([]string, 50)
	for i := range roles {
		roles[i] = fmt.Sprint(i, strings.Repeat("x", 200))
	}
	for _, refresh := range []bool{false, true} {
		w.st.reset(0, false)
		id := w.ada()
		id.Roles = roles
		_, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: id, Refresh: refresh})
		issuerWant(t, "Issue", err, 500, "internal", "")
		if slices.Contains(w.st.called(), "CreateFamily") {
			t.Error("a login began")
		}
	}
	id := w.ada()
	id.Roles = roles[:20]
	set, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: id})
	if err != nil || w.alive(set) != "" {
		t.Errorf("of %d bytes: %v, %s", len(set.Access.Reveal()), err, w.alive(set))
	}
}

// J12: a token of 8192 bytes is what verifiers take, and none of more is issued.
func TestLongestToken(t *testing.T) {
	var claims any
	w := newIssuerWorld(t, nil)
	key := authn.Must(jwtauth.HMACKey("k12", jwtauth.HS256, authn.NewSecret(issuerSecret))) // base64 has no 8192 bytes with k1
	w.ring = authn.Must(jwtauth.NewKeyRing(key))
	w.issuer = w.instance(issuerSays(&claims))
	longest := len(w.issue().Access.Reveal())
	for n := (8192-longest)*3/4 - 20; ; n++ {
		claims = map[string]string{"a": strings.Repeat("x", n)}
		set, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: w.ada()})
		if err != nil {
			issuerWant(t, "Issue", err, 500, "internal", "")
			break
		}
		longest = len(set.Access.Reveal())
		if reason := w.alive(set); reason != "" {
			t.Errorf("%d bytes: %s", longest, reason)
		}
	}
	if longest != 8192 {
		t.Errorf("the longest has %d bytes", longest)
	}
}

// J12: when each factor was proven is said where it is not one time for all.
func TestTimesOfFactors(t *testing.T) {
	w := newIssuerWorld(t, nil)
	for _, tt := range []struct {
		ago    []time.Duration
		differ bool
	}{
		{[]time.Duration{0}, false},
		{[]time.Duration{time.Hour, time.Hour}, false},
		{[]time.Duration{0, time.Second}, true},
		{[]time.Duration{0, time.Second, 0}, true},
	} {
		var want []authn.Factor
		for i, d := range tt.ago {
			want = append(want, authn.Factor{Name: fmt.Sprint("f", i), At: w.clock.Now().Add(-d)})
		}
		set := w.issue(issuerBy(func(id *authn.Identity) { id.Factors = want }))
		if _, there := issuerClaims(t, set)["amr_times"]; there != tt.differ {
			t.Errorf("%v: amr_times: %v", tt.ago, there)
		}
		id, err := w.issuer.Verifier().Verify(issuerBearer(set.Access.Reveal()))
		if err != nil || !slices.EqualFunc(id.Factors, want, func(a, b authn.Factor) bool { return a.Name == b.Name && a.At.Equal(b.At) }) {
			t.Errorf("%v: %+v, %v", tt.ago, id, err)
		}
	}
}

// J12, J22: an answer of the issuer's is the caller's to change.
func TestAnswersAreTheCallers(t *testing.T) {
	w := newIssuerWorld(t, nil)
	set := w.login()
	for range 3 {
		set = w.refresh(set)
		set.Scopes[0] = "admin"
	}
	if got := issuerClaims(t, w.refresh(set))["scope"]; got != "orders:read orders:write" {
		t.Errorf("scope %v", got)
	}
	info, err := w.issuer.Introspect(issuerCtx, set.Access.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	info.Audience[0] = "x"
	if info, err = w.issuer.Introspect(issuerCtx, set.Access.Reveal()); err != nil || info.Audience[0] != issuerAPI {
		t.Errorf("audience %v, %v", info.Audience, err)
	}
}

// J12: a signer that fails is an outage, and nothing is left of the login.
func TestSignerIsDown(t *testing.T) {
	signer := &issuerBroken{Signer: issuerPrivate(t, jwtauth.ES256)}
	w := newIssuerWorld(t, nil)
	key, err := jwtauth.NewKey("kms", jwtauth.ES256, signer)
	if err != nil {
		t.Fatal(err)
	}
	if w.ring, err = jwtauth.NewKeyRing(key); err != nil {
		t.Fatal(err)
	}
	w.issuer = w.instance(nil)
	set := w.login()
	signer.err = errIssuerDown
	w.st.reset(0, false)
	for _, refresh := range []bool{false, true} {
		_, err = w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: w.ada(), Refresh: refresh})
		issuerWant(t, "Issue", err, 503, "unavailable", "")
		if !errors.Is(err, errIssuerDown) {
			t.Errorf("%v hides its cause", err)
		}
	}
	half := w.ada()
	half.Pending = []string{"otp"}
	if set, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: half}); err == nil || authn.AsError(err).Status != 503 || !set.Access.IsZero() {
		t.Errorf("half a login: %+v, %v", set, err)
	}
	_, err = w.issuer.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{})
	issuerWant(t, "Refresh", err, 503, "unavailable", "")
	if calls := w.st.called(); slices.Contains(calls, "CreateFamily") || slices.Contains(calls, "AdvanceFamily") {
		t.Errorf("calls %v", calls)
	}
	signer.err = nil
	w.refresh(set)
}

// J11, J12, J24, J26: where the ring's store has been down for too long, nothing is
// issued, and no token is found to be bad: each is an outage.
func TestKeysAreDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ring := newIssuerWorld(t, nil), newRingService(t).instance()
		w.ring = ring.KeyRing
		w.issuer = w.instance(nil)
		access := w.issue().Access.Reveal()
		ring.st.down.Store(true)
		time.Sleep(5 * time.Minute)
		for name, issuer := range map[string]*jwtauth.Issuer{"cached": w.issuer, "not cached": w.instance(nil)} {
			_, err := issuer.Issue(issuerCtx, jwtauth.Grant{Identity: w.ada()})
			issuerWant(t, name+", Issue", err, 503, "unavailable", "keys")
			_, err = issuer.Introspect(issuerCtx, access)
			issuerWant(t, name+", Introspect", err, 503, "unavailable", "keys")
			issuerWant(t, name+", RevokeToken", issuer.RevokeToken(issuerCtx, access, ""), 503, "unavailable", "keys")
			if rec := issuerServe(issuer.LogoutHandler(), issuerPost("", "", "Authorization", "Bearer "+access)); rec.Code != 503 {
				t.Errorf("%s, logout: %d", name, rec.Code)
			}
		}
		if n := len(w.events.Events(authn.EventOutage)); n != 2*3 { // who asks Introspect hears it
			t.Errorf("%d outages", n)
		}
		time.Sleep(time.Minute)
	})
}

// issuerBroken is a KMS that may be down.
type issuerBroken struct {
	crypto.Signer
	err error
}

func (s *issuerBroken) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.Signer.Sign(random, digest, opts)
}
