package session_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
)

func withKeychain(kc *authn.Keychain) func(cfg *session.Config) {
	return func(cfg *session.Config) { cfg.Keychain = kc }
}

// keychains are the old key, both with the new one first, and the new one.
func keychains() (old, both, fresh *authn.Keychain) {
	key := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(s, 8))) }
	a, b := key("abcd"), key("efgh")
	return authn.Must(authn.ParseKeychain(a)), authn.Must(authn.ParseKeychain(b + "," + a)), authn.Must(authn.ParseKeychain(b))
}

// S1: a token is 32 random bytes behind the subject's tag, and the store knows
// its SHA-256 only.
func TestTokenIsRandomAndTheStoreHasItsHash(t *testing.T) {
	w := newWorld(t, nil)
	shape := regexp.MustCompile(`^[A-Za-z0-9_-]{8}\.[A-Za-z0-9_-]{43}$`)
	seen := map[string]bool{}
	for range 50 {
		b := w.in("ada")
		value := b.cookies[cookieName]
		tag, token, _ := strings.Cut(value, ".")
		raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
		if !shape.MatchString(value) || tag != store.TagOf("ada") || err != nil || len(raw) != 32 || seen[token] {
			t.Fatalf("cookie %q", value)
		}
		seen[token] = true
		s, err := w.st.Sessions.SessionByRef(t.Context(), store.SessionRef{Tag: tag, Token: store.DigestOf(value)}, w.clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		if shown := fmt.Sprintf("%+v", s); strings.Contains(shown, token) {
			t.Errorf("the store has the token: %s", shown)
		}
		if raw, err := base64.RawURLEncoding.DecodeString(s.ID); err != nil || len(raw) != 16 || seen[s.ID] {
			t.Errorf("ID %q", s.ID)
		}
		seen[s.ID] = true
	}
}

// S1, S10: sessions of nobody lie anywhere.
func TestAnonymousTagsAreRandom(t *testing.T) {
	w := newWorld(t, nil)
	seen := map[string]bool{}
	for range 20 {
		b := w.tab()
		if err := b.update(add); err != nil {
			t.Fatal(err)
		}
		tag, _, _ := strings.Cut(b.cookies[cookieName], ".")
		if len(tag) != 8 || seen[tag] || tag == store.TagOf("") {
			t.Errorf("tag %q", tag)
		}
		seen[tag] = true
	}
}

// mangled is what is wrong with a cookie of that value.
func mangled(good string) map[string]string {
	flip := func(i int) string {
		c := byte('A')
		if good[i] == c {
			c = 'B'
		}
		return good[:i] + string(c) + good[i+1:]
	}
	return map[string]string{
		"empty":               "",
		"a dot":               ".",
		"short by one":        good[:len(good)-1],
		"long by one":         good + "A",
		"64 KB":               strings.Repeat("A", 64<<10),
		"no dot":              strings.Replace(good, ".", "A", 1),
		"dot too early":       good[:7] + "." + good[7:8] + good[9:],
		"standard base64":     good[:20] + "+" + good[21:],
		"padding":             good[:len(good)-1] + "=",
		"quoted":              `"` + good + `"`,
		"quoted, of its size": `"` + good[1:len(good)-1] + `"`,
		"percent":             good[:20] + "%41" + good[23:],
		"space":               good[:20] + " " + good[21:],
		"NUL":                 good[:20] + "\x00" + good[21:],
		"not ASCII":           good[:20] + "é" + good[22:],
		"slash in the tag":    good[:3] + "/" + good[4:],
		"JWT":                 "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.",
		"tag of another":      flip(0),
	}
}

// S1, S4: what cannot be our cookie costs no call of the store, always with
// the same answer.
func TestMalformedCookiesAreNotLookedUp(t *testing.T) {
	for _, signed := range []bool{false, true} {
		w := newWorld(t, func(cfg *session.Config) {
			if signed {
				cfg.Keychain = authn.GenerateKeychain()
			}
		})
		good := w.in("ada").cookies[cookieName]
		cases := mangled(good)
		if !signed {
			delete(cases, "tag of another") // has the shape
			cases["signed by somebody"] = good + ".aaaaaaaa." + strings.Repeat("A", 22)
		} else {
			cases["unsigned"] = good[:52]
			cases["without key id"] = good[:53] + "........" + good[61:]
			cases["MAC is not canonical"] = good[:len(good)-1] + "B"
		}
		for what, value := range cases {
			w.st.reset()
			for range 2 {
				r := httptest.NewRequest(http.MethodGet, site, nil)
				r.Header["Cookie"] = []string{"a=b; " + cookieName + "=" + value + "; c=d"}
				id, err := w.Verify(r)
				reason := "malformed"
				if what == "tag of another" || what == "without key id" {
					reason = "forged"
				}
				if id != nil {
					t.Fatalf("%s: %+v", what, id)
				}
				wantErr(t, what, err, http.StatusUnauthorized, "", reason)
			}
			if asked := w.st.asked(); asked != "" {
				t.Errorf("%s (signed: %v): asked %s", what, signed, asked)
			}
		}
	}
}

// S1: of two cookies nobody guesses which one counts, wherever they stand.
func TestTwoCookiesAreNone(t *testing.T) {
	w := newWorld(t, nil)
	good, other := w.in("ada").cookies[cookieName], w.in("eve").cookies[cookieName]
	for what, lines := range map[string][]string{
		"in one line":         {cookieName + "=" + good + "; " + cookieName + "=" + other},
		"the same twice":      {cookieName + "=" + good + "; " + cookieName + "=" + good},
		"in two lines":        {cookieName + "=" + good, cookieName + "=" + other},
		"one is empty":        {cookieName + "=; " + cookieName + "=" + good},
		"without spaces":      {cookieName + "=" + good + ";" + cookieName + "=" + other},
		"the second is wrong": {cookieName + "=" + good + "; " + cookieName + "=x"},
	} {
		w.st.reset()
		r := httptest.NewRequest(http.MethodGet, site, nil)
		r.Header["Cookie"] = lines
		_, err := w.Verify(r)
		wantErr(t, what, err, http.StatusUnauthorized, "", "two cookies")
		if asked := w.st.asked(); asked != "" {
			t.Errorf("%s: asked %s", what, asked)
		}
	}
}

// S1: cookies of other names are not looked at.
func TestForeignCookiesAreAbsent(t *testing.T) {
	w := newWorld(t, nil)
	good := w.in("ada").cookies[cookieName]
	for _, line := range []string{
		"session=" + good, "__host-session=" + good, "x__Host-session=" + good, "__Host-sessions=" + good,
		"a=__Host-session=" + good, "__Secure-session=" + good, "; ;;=;", "__Host-session",
	} {
		w.st.reset()
		r := httptest.NewRequest(http.MethodGet, site, nil)
		r.Header["Cookie"] = []string{line}
		if id, err := w.Verify(r); id != nil || !errors.Is(err, authn.ErrNoCredential) {
			t.Errorf("%s: %v, %v", line, id, err)
		}
		if asked := w.st.asked(); asked != "" {
			t.Errorf("%s: asked %s", line, asked)
		}
	}
	if n := len(w.events.Events(authn.EventRefused)); n != 0 {
		t.Errorf("%d events", n)
	}
}

// S1: with a Keychain, forged cookies cost no call of the store, ten thousand
// of them neither.
func TestForgedCookiesAreNotLookedUp(t *testing.T) {
	w := newWorld(t, withKeychain(authn.GenerateKeychain()))
	good := w.in("ada").cookies[cookieName]
	stranger := newWorld(t, withKeychain(authn.GenerateKeychain())).in("ada").cookies[cookieName]
	w.st.reset()
	try := func(value string) {
		t.Helper()
		b := w.tab()
		b.cookies[cookieName] = value
		b.dead(value, "forged")
	}
	try(stranger)
	try(stranger[:52] + good[52:])               // a good MAC of another token
	try(good[:53] + stranger[53:61] + good[61:]) // another key
	try(good[:53] + "aaaaaaaa" + good[61:])      // no key
	for i := range 10_000 {
		try(fmt.Sprintf("%s.%043d%s", store.TagOf("ada"), i, good[52:]))
	}
	if n := w.st.called(); n != 0 {
		t.Errorf("%d calls of the store", n)
	}
}

// S2: an unknown token is one read each and never becomes a session, neither by
// reading, nor by writing, nor by a login.
func TestUnknownTokenIsNeverAdopted(t *testing.T) {
	w := newWorld(t, nil)
	b := w.tab()
	for i := range 10_000 {
		b.cookies[cookieName] = fmt.Sprintf("%s.%043d", store.TagOf("ada"), i)
		b.dead("unknown", "unknown, expired or revoked")
	}
	if n := w.st.called(); n != 10_000 || w.st.called("Read") != n {
		t.Errorf("%d calls", n)
	}
	fixed := b.cookies[cookieName]
	attacker := b.clone()
	b.begin(w.user("ada"), session.LoginOptions{KeepData: true})
	if b.cookies[cookieName] == fixed {
		t.Error("a login took the token that was there")
	}
	attacker.dead("the fixed token after a login", "unknown, expired or revoked")

	visitor := attacker.clone()
	if err := visitor.update(add); err != nil {
		t.Fatal(err)
	}
	if visitor.cookies[cookieName] == fixed {
		t.Error("Update took the token that was there")
	}
	if attacker.counted() != 0 {
		t.Error("data under the fixed token")
	}
	if _, err := attacker.factor("otp"); err == nil {
		t.Error("AddFactor of an unknown token")
	}
}

// S1: a token under another tag, or with its case changed, is another one.
func TestTokensCompareExactly(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	good := b.cookies[cookieName]
	for _, value := range []string{store.TagOf("eve") + good[8:], good[:9] + strings.ToUpper(good[9:]), good[:51] + "_"} {
		if value == good {
			continue
		}
		b.cookies[cookieName] = value
		b.dead(value, "unknown, expired or revoked")
	}
}

// S1: keys rotate without ending sessions, until the old one is dropped.
func TestKeychainRotates(t *testing.T) {
	old, both, fresh := keychains()
	w := newWorld(t, withKeychain(old))
	b := w.in("ada")
	w.Manager = w.instance(withKeychain(both))
	b.good("under the older key")
	if _, err := b.factor("otp"); err != nil { // signs anew
		t.Fatal(err)
	}
	stays, goes := b.clone(), newTabUnder(w, old, "eve")
	w.Manager = w.instance(withKeychain(fresh))
	stays.good("signed by the new key")
	w.st.reset()
	goes.dead("its key is gone", "forged")
	if w.st.called() != 0 {
		t.Error("the store was asked")
	}
}

func newTabUnder(w *world, kc *authn.Keychain, subject string) *tab {
	other := *w
	other.Manager = w.instance(withKeychain(kc))
	b := other.in(subject)
	b.world = w
	return b
}

// S1: a keychain that the service began to use, or stopped using, ends the
// sessions of before, and nothing else.
func TestSigningIsAllOrNothing(t *testing.T) {
	kc := authn.GenerateKeychain()
	w := newWorld(t, nil)
	plain := w.in("ada")
	w.Manager = w.instance(withKeychain(kc))
	plain.dead("unsigned", "malformed")
	signed := w.in("ada")
	w.Manager = w.instance(nil)
	signed.dead("signed", "malformed")
}

// S1: the signature is for sessions only: what a Keychain signed for another
// purpose is none.
func TestSignatureIsOfOnePurpose(t *testing.T) {
	kc := authn.GenerateKeychain()
	w := newWorld(t, withKeychain(kc))
	b := w.in("ada")
	token := b.cookies[cookieName][:52]
	for _, purpose := range []string{"session csrf", "totp", "Session"} {
		mac := authn.Must(kc.MAC(purpose, "", []byte(token)))
		b.cookies[cookieName] = token + "." + kc.KeyID() + "." + base64.RawURLEncoding.EncodeToString(mac[:16])
		b.dead(purpose, "forged")
	}
}
