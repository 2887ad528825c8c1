package jwtauth_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
)

// issuerMAC ends a refresh token, by a second implementation of its format.
func issuerMAC(t testing.TB, kc *authn.Keychain, purpose, keyID, signed string) string {
	t.Helper()
	mac, err := kc.MAC(purpose, keyID, []byte(issuerURL+" "+signed))
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac)
}

// J20: tag.family.generation.kid.MAC, and its family in no other place: not in
// the access token, not in the store.
func TestRefreshTokenFormat(t *testing.T) {
	w := newIssuerWorld(t, nil)
	set := w.login()
	pattern := regexp.MustCompile(`^([A-Za-z0-9_-]{8})\.([A-Za-z0-9_-]{22})\.([1-9][0-9]{0,14})\.([a-z2-7]{8})\.([A-Za-z0-9_-]{43})$`)
	families := map[string]bool{}
	for generation := 1; generation <= 12; generation++ {
		token := set.Refresh.Reveal()
		m := pattern.FindStringSubmatch(token)
		if m == nil {
			t.Fatalf("token %q", token)
		}
		if m[1] != store.TagOf("ada") || m[3] != strconv.Itoa(generation) || m[4] != w.kc.KeyID() ||
			issuerMAC(t, w.kc, "refresh", m[4], strings.Join(m[1:5], ".")) != token {
			t.Errorf("generation %d: %q", generation, token)
		}
		families[m[2]] = true
		sid := issuerClaims(t, set)["sid"].(string)
		row, err := w.st.Family(issuerCtx, store.FamilyRef{Tag: m[1], ID: sid})
		if err != nil {
			t.Fatal(err)
		}
		if shown := fmt.Sprintf("%+v %s", row, issuerClaims(t, set)); strings.Contains(shown, m[2]) || strings.Contains(shown, m[5]) {
			t.Errorf("the token is shown: %s", shown)
		}
		set = w.refresh(set)
	}
	if len(families) != 1 {
		t.Errorf("families %v", families)
	}
	if a, b := w.login().Refresh.Reveal(), w.login().Refresh.Reveal(); a[9:31] == b[9:31] {
		t.Error("two logins share a family")
	}
}

// J20: what was not made here, for this purpose and in this one spelling, is
// refused without asking the store.
func TestForgedRefreshTokensCostNoStoreCall(t *testing.T) {
	w := newIssuerWorld(t, nil)
	token := w.login().Refresh.Reveal()
	p := strings.Split(token, ".")
	signed := strings.Join(p[:4], ".")
	with := func(i int, s string) string {
		q := slices.Clone(p)
		q[i] = s
		return strings.Join(q, ".")
	}
	remade := func(i int, s string) string { // with a MAC of ours
		q := slices.Clone(p[:4])
		q[i] = s
		return issuerMAC(t, w.kc, "refresh", p[3], strings.Join(q, "."))
	}
	stray := p[4][:42] + string("BCDFGHJ"[0]) // the last character of 32 bytes has two bits of nothing
	forged := map[string]string{
		"nothing":                    "",
		"dots":                       "....",
		"no MAC":                     signed,
		"empty MAC":                  signed + ".",
		"truncated":                  token[:len(token)-1],
		"longer":                     token + "A",
		"a space after it":           token + " ",
		"a newline after it":         token + "\n",
		"a newline in the MAC":       signed + "." + p[4][:42] + "\n",
		"padded":                     token + "=",
		"six parts":                  token + ".A",
		"stray bits":                 signed + "." + stray,
		"one bit":                    signed + "." + string(p[4][0]^1) + p[4][1:],
		"MAC of another purpose":     issuerMAC(t, w.kc, "session", p[3], signed),
		"MAC of no purpose's prefix": issuerMAC(t, w.kc, "refresh2", p[3], signed),
		"MAC of another keychain":    func() string { kc := authn.GenerateKeychain(); return issuerMAC(t, kc, "refresh", kc.KeyID(), signed) }(),
		"MAC in upper case":          signed + "." + strings.ToUpper(p[4]),
		"all in upper case":          strings.ToUpper(token),
		"another tag":                with(0, store.TagOf("bob")),
		"another family":             with(1, strings.Repeat("A", 22)),
		"next generation":            with(2, "2"),
		"leading zero":               remade(2, "01"),
		"leading plus":               remade(2, "+1"),
		"leading space":              remade(2, " 1"),
		"negative":                   remade(2, "-1"),
		"generation 0":               remade(2, "0"),
		"no generation":              remade(2, ""),
		"hexadecimal":                remade(2, "0x1"),
		"digits apart":               remade(2, "1_0"),
		"another script's digit":     remade(2, "\u0661"),
		"huge":                       remade(2, "9223372036854775808"),
		"sixteen digits":             remade(2, "1000000000000000"),
		"a kid in upper case":        remade(3, strings.ToUpper(p[3])),
		"no kid":                     remade(3, ""),
		"unknown kid":                remade(3, "aaaaaaaa"),
		"short tag":                  remade(0, p[0][:7]),
		"long family":                remade(1, p[1]+"A"),
		"a megabyte":                 strings.Repeat("x", 1<<20),
		"a megabyte of dots":         strings.Repeat(".", 1<<20),
		"the access token":           w.issue().Access.Reveal(),
	}
	w.st.reset(0, false)
	for name, forged := range forged {
		_, err := w.issuer.Refresh(issuerCtx, forged, jwtauth.Grant{})
		issuerWant(t, name, err, 400, "invalid_grant", "malformed")
		if strings.Count(forged, ".") != 2 {
			if err := w.issuer.RevokeToken(issuerCtx, forged, ""); err != nil {
				t.Errorf("RevokeToken, %s: %v", name, err)
			}
		}
	}
	if calls := w.st.called(); len(calls) != 0 {
		t.Errorf("calls %v", calls)
	}
	if _, err := w.issuer.Refresh(issuerCtx, token, jwtauth.Grant{}); err != nil {
		t.Errorf("the token itself: %v", err)
	}
}

// J20, J21: a token of ours that is of no family, of another's tag or of a
// generation that has not come is invalid, and ends nothing.
func TestTokensOfNoGeneration(t *testing.T) {
	w := newIssuerWorld(t, nil)
	set := w.login()
	p := strings.Split(set.Refresh.Reveal(), ".")
	for name, signed := range map[string]string{
		"future generation": strings.Join([]string{p[0], p[1], "2", p[3]}, "."),
		"last generation":   strings.Join([]string{p[0], p[1], "999999999999999", p[3]}, "."),
		"unknown family":    strings.Join([]string{p[0], strings.Repeat("A", 22), "1", p[3]}, "."),
		"wrong tag":         strings.Join([]string{store.TagOf("bob"), p[1], "1", p[3]}, "."),
	} {
		_, err := w.issuer.Refresh(issuerCtx, issuerMAC(t, w.kc, "refresh", p[3], signed), jwtauth.Grant{})
		issuerWant(t, name, err, 400, "invalid_grant", "unknown, expired or revoked")
	}
	if n := len(w.events.Events(authn.EventReuse)); n != 0 {
		t.Errorf("%d events of reuse", n)
	}
	w.refresh(set)
}

// J20, J21: the keychain is rotated: an old token is good while its key is
// there, its successor is of the new key, and within the grace the answer is
// the one that was given, by whatever instance.
func TestKeychainRotation(t *testing.T) {
	const older, newer = "b2xkZXItMDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5", "bmV3ZXItMDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5"
	w := newIssuerWorld(t, nil)
	on := func(keys ...string) *jwtauth.Issuer {
		w.kc = authn.Must(authn.ParseKeychain(strings.Join(keys, ",")))
		return w.instance(nil)
	}
	before, staged, after, gone := on(older), on(older, newer), on(newer, older), on(newer)
	refresh := func(i *jwtauth.Issuer, set jwtauth.TokenSet) (jwtauth.TokenSet, string) {
		t.Helper()
		next, err := i.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{})
		if err != nil {
			t.Fatal(err)
		}
		return next, strings.Split(next.Refresh.Reveal(), ".")[3]
	}
	w.issuer = before
	first := w.login()
	second, kid := refresh(staged, first)
	if kid != issuerKeyOf(first) {
		t.Errorf("a key that is staged makes tokens: %s", kid)
	}
	// Instances with the new key first answer a second time as the old ones did.
	if again, _ := refresh(after, first); again.Refresh.Reveal() != second.Refresh.Reveal() {
		t.Error("a grace hit after the rotation has another successor")
	}
	third, kid := refresh(after, second)
	if kid == issuerKeyOf(first) {
		t.Error("the successor is of the old key")
	}
	if again, _ := refresh(staged, second); again.Refresh.Reveal() != third.Refresh.Reveal() {
		t.Error("a grace hit on an instance that lags has another successor")
	}
	// An instance that has not the new key at all cannot know the answer: the
	// client may try another.
	w.st.reset(0, false)
	_, err := before.Refresh(issuerCtx, second.Refresh.Reveal(), jwtauth.Grant{})
	issuerWant(t, "a grace hit without its key", err, 503, "unavailable", "keychain")
	fourth, _ := refresh(gone, third)
	_, err = gone.Refresh(issuerCtx, first.Refresh.Reveal(), jwtauth.Grant{})
	issuerWant(t, "a token of a key that is gone", err, 400, "invalid_grant", "malformed")
	refresh(gone, fourth)
}

func issuerKeyOf(set jwtauth.TokenSet) string { return strings.Split(set.Refresh.Reveal(), ".")[3] }

// J20: what another service of the same keychain made is not ours: its store
// has other families.
func TestAnotherServicesRefreshToken(t *testing.T) {
	w, other := newIssuerWorld(t, nil), newIssuerWorld(t, nil)
	other.kc = w.kc
	other.issuer = other.instance(nil)
	_, err := w.issuer.Refresh(issuerCtx, other.login().Refresh.Reveal(), jwtauth.Grant{})
	issuerWant(t, "Refresh", err, 400, "invalid_grant", "unknown, expired or revoked")
}

// J20, J22: two issuers over one store and keychain: neither gives what it may
// not give itself.
func TestAnotherIssuersAudience(t *testing.T) {
	w := newIssuerWorld(t, nil)
	other := w.instance(func(cfg *jwtauth.IssuerConfig) { cfg.Audience = []string{issuerDocs} })
	none, set := w.instance(func(cfg *jwtauth.IssuerConfig) { cfg.Audience = []string{"https://third.example"} }), w.login()
	_, err := none.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{})
	issuerWant(t, "an issuer for nobody of the login's", err, 400, "invalid_target", "audience")
	next, err := other.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{})
	if err != nil {
		if authn.AsError(err).Status != 400 {
			t.Error(err)
		}
		return
	}
	for _, aud := range issuerClaims(t, next)["aud"].([]any) {
		if aud != issuerDocs {
			t.Errorf("an issuer for %s gives tokens for %s", issuerDocs, aud)
		}
	}
}
