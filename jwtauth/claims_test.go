package jwtauth_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

const noIdentity = "no identity"

// claimAttacks change one claim of a token whose signature is good: RFC 8725
// §3.8 to §3.12, and what JSON leaves to its readers.
func claimAttacks() []attack {
	whole := func(payload string) func(*draft) { return func(d *draft) { d.payload = payload } }
	exp, iat := fmt.Sprintf(`"exp":%d`, noon+900), fmt.Sprintf(`"iat":%d`, noon)
	rows := []attack{
		{"sub empty", "RFC 7519 §4.1.2", "", swapped(`"sub":"ada"`, `"sub":""`), "no sub"},
		{"jti empty", "RFC 9068 §2.2", "", swapped(`"jti":"t1"`, `"jti":""`), "no jti"},
		{"ver 0: a foreign token's", "J24", "", swapped(`"ver":1`, `"ver":0`), "no ver"},
		{"ver negative", "J24", "", swapped(`"ver":1`, `"ver":-1`), badClaims},
		{"ver string", "J24", "", swapped(`"ver":1`, `"ver":"1"`), badClaims},

		{"iss of another", "RFC 8725 §3.8", "", swapped(`"`+ours+`"`, `"https://evil.example"`), "wrong issuer"},
		{"iss in another case", "RFC 3986 is not applied", "", swapped(`"`+ours+`"`, `"https://AUTH.example.com"`), "wrong issuer"},
		{"iss with a slash behind", "RFC 8414 §2", "", swapped(`"`+ours+`"`, `"`+ours+`/"`), "wrong issuer"},
		{"iss with NUL behind", "RFC 7519 §4.1.1", "", swapped(`"`+ours+`"`, `"`+ours+`\u0000"`), "wrong issuer"},
		{"iss longer", "RFC 7519 §4.1.1", "", swapped(`"`+ours+`"`, `"`+ours+`.evil.example"`), "wrong issuer"},
		{"iss array", "CVE-2025-30144", "", swapped(`"`+ours+`"`, `["https://evil.example","`+ours+`"]`), badClaims},

		{"aud of another", "RFC 8725 §3.9", "", swapped(`"`+api+`"`, `"https://other.example.com"`), "wrong audience"},
		{"aud shorter", "RFC 7519 §4.1.3", "", swapped(`"`+api+`"`, `"https://api.example"`), "wrong audience"},
		{"aud longer", "RFC 7519 §4.1.3", "", swapped(`"`+api+`"`, `"`+api+`/v1"`), "wrong audience"},
		{"aud in another case", "RFC 7519 §4.1.3", "", swapped(`"`+api+`"`, `"https://API.example.com"`), "wrong audience"},
		{"aud empty", "RFC 7519 §4.1.3", "", swapped(`"`+api+`"`, `""`), "wrong audience"},
		{"aud empty array", "CVE-2020-26160", "", swapped(`"`+api+`"`, `[]`), "wrong audience"},
		{"aud array of others", "RFC 7519 §4.1.3", "", swapped(`"`+api+`"`, `["a","b",""]`), "wrong audience"},
		{"aud array in array", "RFC 7519 §4.1.3", "", swapped(`"`+api+`"`, `[["`+api+`"]]`), badClaims},
		{"aud array with a number", "RFC 7519 §4.1.3", "", swapped(`"`+api+`"`, `["`+api+`",1]`), badClaims},
		{"aud with commas", "RFC 7519 §4.1.3", "", swapped(`"`+api+`"`, `"a,`+api+`"`), "wrong audience"},
		{"aud with spaces", "RFC 7519 §4.1.3", "", swapped(`"`+api+`"`, `"a `+api+`"`), "wrong audience"},
		{"aud object", "RFC 7519 §4.1.3", "", swapped(`"`+api+`"`, `{"`+api+`":1}`), badClaims},

		{"sub of 256 bytes", "store: 255", "", swapped(`"ada"`, `"`+strings.Repeat("a", 256)+`"`), noIdentity},
		{"sub with NUL", "store", "", swapped(`"ada"`, `"a\u0000da"`), noIdentity},
		{"kind unknown", "J12", "", headedClaim(`"kind":"admin"`), badClaims},
		{"kind key", "J13", "", headedClaim(`"kind":"key"`), badClaims},
		{"scope array", "J9", "", swapped(`"orders:read orders:write"`, `["orders:read"]`), badClaims},
		{"roles number", "RFC 9068 §2.2.3.1", "", headedClaim(`"roles":1`), badClaims},
		{"roles null", "RFC 9068 §2.2.3.1", "", headedClaim(`"roles":null`), badClaims},
		{"sid number", "J20", "", headedClaim(`"sid":1`), badClaims},
		{"amr object", "RFC 8176", "", headedClaim(`"amr":{}`), badClaims},
		{"amr_times number", "OIDC Core §2", "", headedClaim(`"amr_times":1`), badClaims},
		{"amr_times of strings", "OIDC Core §2", "", headedClaim(`"amr_times":["1"]`), badClaims},
		{"auth_time string", "OIDC Core §2", "", headedClaim(`"auth_time":"1"`), badClaims},

		{"sub twice", "RFC 7519 §4", "", headedClaim(`"sub":"root"`), badClaims},
		{"sub twice, one escaped", "J6", "", headedClaim(`"s\u0075b":"root"`), badClaims},
		{"sub twice, in two cases", "encoding/json folds it", "", headedClaim(`"SUB":"root"`), badClaims},
		{"sub twice, long s", "encoding/json folds it", "", headedClaim(`"ſub":"root"`), badClaims},
		{"sub twice, long s escaped", "encoding/json folds it", "", headedClaim(`"\u017fub":"root"`), badClaims},
		{"unknown twice, Kelvin sign", "encoding/json folds it", "", headedClaim(`"k":1,"K":2`), badClaims},
		{"twice, deep inside", "J6", "", headedClaim(`"x":[{"y":{"z":1,"Z":2}}]`), badClaims},
		{"NBF alone", "J6: encoding/json reads nbf", "", headedClaim(`"NBF":99999999999`), badClaims},
		{"Aud alone", "J6: encoding/json reads aud", "", swapped(`"aud"`, `"Aud"`), badClaims},
		{"Cnf alone", "J6: encoding/json reads cnf", "", headedClaim(`"Cnf":{"jkt":"x"}`), badClaims},
		{"Roles alone", "J6: encoding/json reads roles", "", headedClaim(`"Roles":["admin"]`), badClaims},

		{"trailing brace", "RFC 8259 §2", "", func(d *draft) { d.payload += "}" }, badClaims},
		{"trailing object", "RFC 8259 §2", "", func(d *draft) { d.payload += "{}" }, badClaims},
		{"trailing NUL", "RFC 8259 §2", "", func(d *draft) { d.payload += "\x00" }, badClaims},
		{"byte order mark", "RFC 8259 §8.1", "", func(d *draft) { d.payload = "\ufeff" + d.payload }, badClaims},
		{"lone high surrogate", "RFC 8259 §8.2", "", swapped(`"ada"`, `"\ud83d"`), badClaims},
		{"lone low surrogate", "RFC 8259 §8.2", "", swapped(`"ada"`, `"\ude00"`), badClaims},
		{"surrogates in the wrong order", "RFC 8259 §8.2", "", swapped(`"ada"`, `"\ude00\ud83d"`), badClaims},
		{"high surrogate and a letter", "RFC 8259 §8.2", "", swapped(`"ada"`, `"\ud83d\u0041"`), badClaims},
		{"invalid UTF-8", "RFC 8259 §8.1", "", swapped(`"ada"`, "\"a\xff\""), badClaims},
		{"overlong UTF-8", "RFC 3629 §3", "", swapped(`"ada"`, "\"a\xc0\x80\""), badClaims},
		{"surrogate as UTF-8", "RFC 3629 §3", "", swapped(`"ada"`, "\"a\xed\xa0\x80\""), badClaims},
		{"line end in a string", "RFC 8259 §7", "", swapped(`"ada"`, "\"a\nda\""), badClaims},
		{"unknown escape", "RFC 8259 §7", "", swapped(`"ada"`, `"a\xda"`), badClaims},
		{"short escape", "RFC 8259 §7", "", swapped(`"ada"`, `"\u12"`), badClaims},
		{"array", "RFC 7519 §7.2", "", whole(`[]`), badClaims},
		{"null", "RFC 7519 §7.2", "", whole(`null`), badClaims},
		{"string", "RFC 7519 §7.2", "", whole(`"x"`), badClaims},
		{"a token: nested", "RFC 7519 §5.2", "", whole(goodDraft(jwtauth.HS256).token()), badClaims},
		{"empty object", "RFC 7519 §7.2", "", whole(`{}`), "no iss"},
		{"17 levels", "J6", "", headedClaim(`"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16)), badClaims},
		{"129 members", "J6", "", headedClaim(manyMembers(120)), badClaims},

		{"expired a second ago", "RFC 7519 §4.1.4", "", swapped(exp, fmt.Sprintf(`"exp":%d`, noon-1)), "expired"},
		{"exp 0", "RFC 7519 §4.1.4", "", swapped(exp, `"exp":0`), "expired"},
		{"exp just past, as a float", "RFC 7519 §2", "", swapped(exp, fmt.Sprintf(`"exp":%d.999`, noon-1)), "expired"},
		{"exp before iat", "J6", "", swapped(iat, fmt.Sprintf(`"iat":%d`, noon+901)), "issued in the future"},
		{"iat in the future", "RFC 7519 §4.1.6", "", swapped(iat, fmt.Sprintf(`"iat":%d`, noon+1)), "issued in the future"},
		{"nbf in the future", "RFC 7519 §4.1.5", "", headedClaim(fmt.Sprintf(`"nbf":%d`, noon+1)), "not yet valid"},
		{"nbf in the future, by a fraction", "RFC 7519 §2", "", headedClaim(fmt.Sprintf(`"nbf":%d.001`, noon)), "not yet valid"},
		{"a year", "J6", "", swapped(exp, fmt.Sprintf(`"exp":%d`, noon+365*24*3600)), "lives too long"},
		{"a day and a second", "J6", "", swapped(exp, fmt.Sprintf(`"exp":%d`, noon+24*3600+1)), "lives too long"},
		{"until 9999", "J6", "", swapped(exp, `"exp":253402300799`), "lives too long"},
		{"iat 0", "J6", "", swapped(iat, `"iat":0`), "lives too long"},
	}
	// Required ones: not there, null, of another type.
	for claim, member := range map[string]string{
		"iss": `"iss":"` + ours + `",`, "sub": `"sub":"ada",`, "aud": `"aud":"` + api + `",`,
		"exp": exp + `,`, "iat": iat + `,`, "jti": `"jti":"t1",`, "ver": `,"ver":1`,
	} {
		rows = append(rows, attack{claim + " missing", "RFC 9068 §2.2", "", swapped(member, ``), "no " + claim})
		for _, value := range []string{`null`, `true`, `{}`, `[1]`} {
			other := strings.Replace(strings.Trim(member, ","), member[strings.Index(member, ":")+1:len(strings.TrimSuffix(member, ","))], value, 1)
			rows = append(rows, attack{claim + " " + value, "RFC 7519 §4.1", "", swapped(strings.Trim(member, ","), other), badClaims})
		}
	}
	for _, claim := range []string{"iss", "sub", "jti"} {
		rows = append(rows, attack{claim + " upper case", "J6", "", swapped(`"`+claim+`"`, `"`+strings.ToUpper(claim)+`"`), badClaims})
	}
	// What a NumericDate is not: golang-jwt reads floats into int64, where large
	// ones wrap around.
	for _, date := range []string{
		`"1795349700"`, `1e400`, `-1e400`, `-1`, `-0`, `-0.5`, `9223372036854775807`, `9223372036854775808`, `18446744073709551616`,
		`1e18`, `1e19`, `9.3e18`, `253402300800`, `253402300799.5`, `1e308`, `"NaN"`, `"Infinity"`,
		`NaN`, `Infinity`, `-Infinity`, `01795349700`, `+1795349700`, `1795349700.`, `.5`, `1e`, `0x6B000000`, `1_795_349_700`, `"2026-11-22T12:15:00Z"`,
	} {
		rows = append(rows,
			attack{"exp " + date, "J6, RFC 7519 §2", "", swapped(exp, `"exp":`+date), badClaims},
			attack{"nbf " + date, "J6, RFC 7519 §2", "", headedClaim(`"nbf":` + date), badClaims},
			attack{"iat " + date, "J6, RFC 7519 §2", "", swapped(iat, `"iat":`+date), badClaims})
	}
	return rows
}

func headedClaim(m string) func(*draft) { return func(d *draft) { d.claim(m) } }

// typeAttacks are RFC 8725 §3.11 and §3.12: another kind of JWT of the same
// issuer, with a good signature, and for this audience.
func typeAttacks() []attack {
	rows := []attack{
		{"no typ", "RFC 9068 §4", "", swapped(`,"typ":"at+jwt"`, ``), "wrong type"},
		{"typ null", "RFC 7515 §4.1.9", "", swapped(`"typ":"at+jwt"`, `"typ":null`), badHeader},
		{"typ array", "RFC 7515 §4.1.9", "", swapped(`"typ":"at+jwt"`, `"typ":["at+jwt"]`), badHeader},
		{"typ twice", "RFC 7515 §4", "", headed(`"typ":"JWT"`), badHeader},
	}
	for _, typ := range []string{
		"", "JWT", "jwt", "id_token", "id+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "pending+jwt", "application/pending+jwt", "token-introspection+jwt",
		"oauth-authz-req+jwt", "entity-statement+jwt", "kb+jwt", "at+jwt ", " at+jwt", "at+jwt;x=1", "at", "at+", "at jwt", "application/", "application/JWT",
		"application/application/at+jwt", "text/at+jwt", "at+jwt,JWT", "rat+jwt", `at+jwt\u0000`,
	} {
		rows = append(rows, attack{"typ " + typ, "RFC 8725 §3.11", "", swapped(`"typ":"at+jwt"`, `"typ":"`+typ+`"`), "wrong type"})
	}
	return rows
}

// J6, J8, J11: whatever a token with a good signature says, it is refused if
// two readers could read it differently, or if it is not for this service now;
// and the client sees the same of all.
func TestClaimAttacks(t *testing.T) {
	s := newService(t, nil)
	constant := wire(answer(s.Middleware, bearer(goodDraft(jwtauth.HS256).token()+"x")))
	for name, rows := range map[string][]attack{"claims": claimAttacks(), "type": typeAttacks()} {
		for _, a := range rows {
			t.Run(name+"/"+a.name, func(t *testing.T) {
				for _, alg := range [...]jwtauth.Algorithm{jwtauth.HS256, jwtauth.EdDSA} { // EdDSA has the cache
					d := goodDraft(alg)
					a.change(d)
					token := d.token()
					for range 2 {
						s.wantRefused(t, token, a.reason)
					}
					if got := wire(answer(s.Middleware, bearer(token))); got != constant {
						t.Errorf("%s: the client sees\n%s\nand of others\n%s", a.source, got, constant)
					}
				}
			})
		}
	}
}

// J6, J8: near misses that are good.
func TestUnusualButGoodClaims(t *testing.T) {
	s := newService(t, nil)
	for _, a := range []attack{
		{"aud array", "RFC 7519 §4.1.3", "", swapped(`"`+api+`"`, `["x","`+api+`"]`), ""},
		{"our other aud", "J9", "", swapped(`"`+api+`"`, `"https://api.example.org"`), ""},
		{"typ application/", "RFC 7515 §4.1.9", "", swapped(`"at+jwt"`, `"application/at+jwt"`), ""},
		{"typ upper case", "RFC 7515 §4.1.9", "", swapped(`"at+jwt"`, `"Application/AT+JWT"`), ""},
		{"typ escaped", "RFC 8259 §7", "", swapped(`"at+jwt"`, `"\u0061t\u002bjwt"`), ""},
		{"names escaped", "RFC 8259 §7", "", swapped(`"sub"`, `"\u0073ub"`), ""},
		{"white space", "RFC 8259 §2", "", func(d *draft) { d.header, d.payload = " \t"+d.header+"\r\n", "\n"+d.payload+" " }, ""},
		{"float dates", "RFC 7519 §2", "", swapped(fmt.Sprintf(`"exp":%d`, noon+900), `"exp":1.7953497e9`), ""},
		{"exp with a fraction", "RFC 7519 §2", "", swapped(fmt.Sprintf(`"exp":%d`, noon+900), fmt.Sprintf(`"exp":%d.5`, noon+900)), ""},
		{"nbf now", "RFC 7519 §4.1.5", "", headedClaim(fmt.Sprintf(`"nbf":%d`, noon)), ""},
		{"nbf 0", "RFC 7519 §4.1.5", "", headedClaim(`"nbf":0`), ""},
		{"sub of 255 bytes", "store", "", swapped(`"ada"`, `"`+strings.Repeat("a", 255)+`"`), ""},
		{"16 levels", "J6", "", headedClaim(`"x":` + strings.Repeat("[", 15) + strings.Repeat("]", 15)), ""},
		{"128 members", "J6", "", headedClaim(manyMembers(119)), ""},
		{"strange names", "RFC 8259 §4", "", headedClaim(`"":1,"é":2,"e":3,"É2":4`), ""},
		{"emoji", "RFC 8259 §7", "", headedClaim(`"x":"\ud83d\ude00"`), ""},
		{"a number that no float holds", "RFC 8259 §6", "", headedClaim(`"x":1e400`), ""},
	} {
		d := goodDraft(jwtauth.HS256)
		a.change(d)
		if _, err := s.verify(d.token()); err != nil {
			t.Errorf("%s: %v", a.name, err)
		}
	}
}

// J6: exp, nbf and iat count to the second, and with the leeway to the second
// after it, on the first request and on the next, which the cache answers.
func TestTimesAreExact(t *testing.T) {
	const ns = time.Nanosecond
	for _, c := range []struct {
		name   string
		leeway time.Duration
		claim  string // beside exp = noon+900 and iat = noon
		at     time.Duration
		reason string
	}{
		{"last moment", 0, "", tokenLife - ns, ""},
		{"at exp", 0, "", tokenLife, "expired"},
		{"last moment, leeway", 10 * time.Second, "", 910*time.Second - ns, ""},
		{"at exp + leeway", 10 * time.Second, "", 910 * time.Second, "expired"},
		{"most leeway", time.Minute, "", 960*time.Second - ns, ""},
		{"after most leeway", time.Minute, "", 960 * time.Second, "expired"},
		{"before iat", 0, "", -ns, "issued in the future"},
		{"at iat", 0, "", 0, ""},
		{"before iat - leeway", 10 * time.Second, "", -10*time.Second - ns, "issued in the future"},
		{"at iat - leeway", 10 * time.Second, "", -10 * time.Second, ""},
		{"before nbf", 0, `"nbf":1795348900`, 100*time.Second - ns, "not yet valid"},
		{"at nbf", 0, `"nbf":1795348900`, 100 * time.Second, ""},
		{"before nbf - leeway", 10 * time.Second, `"nbf":1795348900`, 90*time.Second - ns, "not yet valid"},
		{"at nbf - leeway", 10 * time.Second, `"nbf":1795348900`, 90 * time.Second, ""},
		{"a fraction of nbf counts as a second", 0, `"nbf":1795348900.1`, 101*time.Second - ns, "not yet valid"},
	} {
		for _, alg := range [...]jwtauth.Algorithm{jwtauth.HS256, jwtauth.ES256} {
			s := newService(t, func(cfg *jwtauth.VerifierConfig) { cfg.Leeway = c.leeway })
			d := goodDraft(alg)
			if c.claim != "" {
				d.claim(c.claim)
			}
			token := d.token()
			for _, cached := range [...]bool{false, true} {
				if cached {
					s.clock.set(200 * time.Second)
					s.wantGood(t, token)
				}
				s.clock.set(c.at)
				_, err := s.verify(token)
				if e := authn.AsError(err); e == nil && c.reason != "" || e != nil && e.Reason != c.reason {
					t.Errorf("%s, %s, cached %v: %v, want %q", c.name, alg, cached, err, c.reason)
				}
			}
		}
	}
}

// J6: exp - iat is at most MaxLifetime, whatever the leeway.
func TestLifetimeIsCapped(t *testing.T) {
	s := newService(t, func(cfg *jwtauth.VerifierConfig) {
		cfg.MaxLifetime, cfg.Leeway = tokenLife, time.Minute
	})
	s.wantGood(t, goodDraft(jwtauth.HS256).token())
	s.wantRefused(t, goodDraft(jwtauth.HS256).swap(fmt.Sprint(noon+900), fmt.Sprint(noon+901)).token(), "lives too long")
	s.clock.advance(time.Second)
	s.wantRefused(t, goodDraft(jwtauth.HS256).swap(fmt.Sprintf(`"exp":%d`, noon+900), fmt.Sprintf(`"exp":%d`, noon)).token(), "expires before it is issued")
}

// J5: claims are never read before the signature is good: neither Map nor the
// store hears of a forged token, and how broken its claims are makes no
// difference.
func TestClaimsAreNotReadBeforeTheSignature(t *testing.T) {
	mapped := 0
	s := newService(t, func(cfg *jwtauth.VerifierConfig) {
		cfg.Trust[0].Map = func(*jwtauth.Token) (*authn.Identity, error) {
			mapped++
			return authn.User("ada", ""), nil
		}
	})
	for _, payload := range []string{goodDraft(jwtauth.HS256).payload, `{`, "", "\xff", `{"exp":1}`, strings.Repeat("[", 5000)} {
		d := goodDraft(jwtauth.HS256)
		d.payload = payload
		d.sign = fixed(make([]byte, 32)...)
		s.wantRefused(t, d.token(), wrongSignature)
	}
	if mapped != 0 {
		t.Errorf("Map was called %d times", mapped)
	}
	s.wantGood(t, goodDraft(jwtauth.HS256).token())
	if mapped != 1 || s.rev.asked.Load() != 1 {
		t.Errorf("Map was called %d times, the store %d times", mapped, s.rev.asked.Load())
	}
}

// J5: of a token that names one of two issuers nothing but iss is read before
// the signature.
func TestOnlyTheIssuerIsReadBefore(t *testing.T) {
	s, _ := newTwoIssuers(t)
	for _, c := range []struct{ payload, reason string }{
		{`{"iss":"` + ours + `","iss":"` + theirs + `"}`, wrongSignature},
		{`{"iss":"` + ours + `",`, wrongSignature},
		{`{"iss":"` + ours + `"}` + "\x00", wrongSignature},
		{`{"exp":"x","iss":"` + ours + `"}`, wrongSignature},
		{`{"sub":"a","sub":"b","iss":"` + ours + `"}`, badClaims},
		{`{"iss":["` + ours + `"]}`, badClaims},
		{`{"iss":null}`, badClaims},
		{`{"iss":""}`, "unknown issuer"},
		{`{"ISS":"` + ours + `"}`, "unknown issuer"},
		{`{"x":{"iss":"` + ours + `"}}`, "unknown issuer"},
		{`{}`, "unknown issuer"},
		{`{"iss":"https://evil.example"}`, "unknown issuer"},
		{"", badClaims},
	} {
		d := goodDraft(jwtauth.HS256)
		d.payload, d.sign = c.payload, fixed(make([]byte, 32)...)
		s.wantRefused(t, d.token(), c.reason)
	}
}

// J11: no refusal shows the client which it was, and each is one event with its
// reason and without the token.
func TestRefusalsAreEvents(t *testing.T) {
	s := newService(t, nil)
	token := goodDraft(jwtauth.HS256).token()
	s.clock.advance(tokenLife)
	w := answer(s.Middleware, bearer(token))
	events := s.events.Events()
	if w.Code != http.StatusUnauthorized || len(events) != 1 {
		t.Fatalf("%d, events %v", w.Code, events)
	}
	e := events[0]
	if e.Kind != authn.EventRefused || e.Reason != "expired" || e.Subject != "ada" || e.CredentialID != "t1" || e.Method != "jwt" || !e.At.Equal(s.clock.Now()) {
		t.Errorf("%+v", e)
	}
	for _, a := range append(headerAttacks(), claimAttacks()...) {
		if a.alg == "" {
			a.alg = jwtauth.ES256
		}
		d := goodDraft(a.alg)
		a.change(d)
		token := d.token()
		_, _ = s.verify(token)
		for _, e := range s.events.Events() {
			text := fmt.Sprintf("%+v", e)
			if segments := strings.Split(token, "."); len(segments) == 3 && len(segments[2]) > 40 && strings.Contains(text, segments[2]) {
				t.Fatalf("%s: the event shows the signature: %s", a.name, text)
			}
		}
	}
}
