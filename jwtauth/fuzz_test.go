package jwtauth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-go/authn"
)

// laxer says why the reader may refuse what encoding/json accepts: found by
// another way, encoding/json's own tokens.
func laxer(s string) (reason string) {
	if !utf8.ValidString(s) {
		return "UTF-8"
	}
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	type level struct {
		object bool
		name   bool // a name comes next
		names  []string
	}
	var levels []level
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return loneSurrogate(s)
		}
		if err != nil {
			return "an error: " + err.Error()
		}
		top := len(levels) - 1
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			levels = levels[:top]
			continue
		}
		if top >= 0 && levels[top].object {
			l := &levels[top]
			if l.name {
				l.name = false
				name, _ := token.(string)
				for _, other := range l.names {
					if strings.EqualFold(name, other) {
						return "duplicate"
					}
				}
				if l.names = append(l.names, name); len(l.names) > maxMembers {
					return "members"
				}
				continue
			}
			l.name = true
		}
		if delim, ok := token.(json.Delim); ok {
			if levels = append(levels, level{object: delim == '{', name: delim == '{'}); len(levels) > maxDepth {
				return "levels"
			}
		}
	}
}

// loneSurrogate looks for what encoding/json replaces.
func loneSurrogate(s string) string {
	unescaped := strings.ReplaceAll(s, `\\`, "__")
	for i := 0; ; {
		j := strings.Index(unescaped[i:], `\u`)
		if j < 0 {
			return ""
		}
		i += j
		var q string
		if i+12 <= len(unescaped) && json.Unmarshal([]byte(`"`+unescaped[i:i+12]+`"`), &q) == nil && utf8.RuneCountInString(q) == 1 {
			i += 12
			continue
		}
		if _ = json.Unmarshal([]byte(`"`+unescaped[i:i+6]+`"`), &q); q == "\ufffd" && !strings.EqualFold(unescaped[i:i+6], `\ufffd`) {
			return "surrogate"
		}
		i += 6
	}
}

// J6: what the reader accepts encoding/json accepts, with the same meaning; what
// it refuses beyond that is one of the few things that its doc names.
func FuzzStrictJSON(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":1}`, `{"a":"\ud83d\ude00","b":[{"c":null}]}`, `{"k":0,"K":1}`, `{"a":0,"A":1}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}",
		`{"exp":1e400}`, strings.Repeat(`{"a":`, 17) + "1" + strings.Repeat("}", 17), "\ufeff{}", `{"a":1}{}`, `{"a":01}`, `[]`, `{"a":"\\ud800"}`, `{"a":"\u0000\ud800"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := read(s)
		want, stdErr := standard(s)
		switch {
		case err == nil && stdErr != nil:
			t.Fatalf("%q is accepted, and not by encoding/json: %v", s, stdErr)
		case err != nil && stdErr == nil && strings.TrimSpace(s) != "null" && laxer(s) == "":
			t.Fatalf("%q is refused without reason: %v", s, err)
		case err == nil && laxer(s) != "":
			t.Fatalf("%q is accepted, though: %s", s, laxer(s))
		case err != nil:
			return
		}
		if len(got) != len(want) {
			t.Fatalf("%q: %d members, encoding/json %d", s, len(got), len(want))
		}
		for name, value := range got {
			if w, ok := want[name]; !ok || w != value {
				t.Fatalf("%q: %q is %q, encoding/json %q", s, name, value, w)
			}
			sameValue(t, value)
		}
	})
}

// sameValue holds what is read of a value against encoding/json.
func sameValue(t *testing.T, value string) {
	var text string
	var list []string
	var number json.Number
	if got, err := textOf(value); err == nil && (json.Unmarshal([]byte(value), &text) != nil || text != got) {
		t.Fatalf("%q is %q, encoding/json %q", value, got, text)
	}
	if got, err := textsOf(value); err == nil && value[0] == '[' {
		if json.Unmarshal([]byte(value), &list) != nil || strings.Join(list, "\x00") != strings.Join(got, "\x00") {
			t.Fatalf("%q is %q, encoding/json %q", value, got, list)
		}
	}
	if seconds, fraction, err := dateOf(value); err == nil {
		if json.Unmarshal([]byte(value), &number) != nil || seconds < 0 || seconds > maxDate {
			t.Fatalf("%q is %d", value, seconds)
		}
		if f, err := number.Float64(); err != nil || f < float64(seconds) || f >= float64(seconds)+1 || fraction != (f != float64(seconds)) {
			t.Fatalf("%q is %d, encoding/json %v", value, seconds, f)
		}
	}
}

// J2: what a header says is what encoding/json reads, and none that changes the
// meaning of the rest is passed over.
func FuzzHeader(f *testing.F) {
	for _, s := range []string{
		`{"alg":"HS256","kid":"k1","typ":"at+jwt"}`, `{"alg":"none"}`, `{"alg":"HS256","Alg":"none"}`, `{"alg":"HS256","crit":["b64"],"b64":false}`,
		`{"alg":"HS256","typ":"application/AT+JWT"}`, `{"alg":["HS256"]}`, `{"alg":"HS256","kid":"\ud800"}`, `{"alg":"HS256","jwk":{"kty":"oct","k":"AA"}}`,
		`{"alg":"HS256","Crit":["x"]}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parseHeader(s)
		if err != nil {
			return
		}
		var std struct {
			Alg, Kid, Typ string
			Crit, B64     json.RawMessage
			Zip, Enc, Cty json.RawMessage
		}
		if err := json.Unmarshal([]byte(s), &std); err != nil {
			t.Fatalf("%q is accepted, and not by encoding/json: %v", s, err)
		}
		if string(h.alg) != std.Alg || h.kid != std.Kid || h.alg == "" || len(h.kid) > maxKeyID {
			t.Fatalf("%q: %+v, encoding/json %+v", s, h, std)
		}
		if std.Crit != nil || std.B64 != nil || std.Zip != nil || std.Enc != nil || std.Cty != nil {
			t.Fatalf("%q is accepted: %+v", s, std)
		}
		typ := strings.TrimPrefix(strings.ToLower(std.Typ), "application/")
		if h.typ == typeAccess && typ != "at+jwt" || h.typ == typePending && typ != "pending+jwt" || h.typ == typePlain && typ != "jwt" && std.Typ != "" {
			t.Fatalf("%q has type %d", s, h.typ)
		}
	})
}

// J1, J6: nothing panics; and what is accepted, golang-jwt accepts with strict
// decoding, and reads the same. The fuzzer writes the header and the payload,
// which are signed, or the whole token.
func FuzzVerify(f *testing.F) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	at := time.Unix(1795348800, 0)
	ring := authn.Must(NewKeyRing(authn.Must(HMACKey("k1", HS256, authn.NewSecret(string(secret))))))
	v := authn.Must(NewVerifier(nil, VerifierConfig{
		Trust:          []Trust{{Issuer: "https://a.example", Audiences: []string{"b"}, Keys: ring}},
		SkipRevocation: true, Now: func() time.Time { return at },
	}))
	parser := jwt.NewParser(jwt.WithStrictDecoding(), jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuer("https://a.example"),
		jwt.WithAudience("b"), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithTimeFunc(func() time.Time { return at }), jwt.WithJSONNumber())
	header, payload := `{"alg":"HS256","kid":"k1","typ":"at+jwt"}`, `{"iss":"https://a.example","sub":"ada","aud":"b","exp":1795349700,"iat":1795348800,"jti":"t1","ver":1}`
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	sign := func(input string) string {
		return input + "." + encode(string(authn.Must(jwt.SigningMethodHS256.Sign(input, secret))))
	}
	good := sign(encode(header) + "." + encode(payload))
	f.Add("", header, payload)
	f.Add(good, "", "")
	f.Add(good+"=", "", "")
	f.Add("a.b.c", "", "")
	f.Add("..", "", "")
	f.Add("", `{"alg":"none"}`, payload)
	f.Add("", header, strings.Replace(payload, `"exp":1795349700`, `"exp":1e400`, 1))
	f.Add("", header, strings.Replace(payload, `"exp":1795349700`, `"exp":1795348800.9`, 1))
	f.Add("", header, strings.Replace(payload, `"aud":"b"`, `"aud":["a","b"]`, 1))
	f.Add("", header, strings.Replace(payload, `{`, `{"NBF":99999999999,`, 1))
	f.Add("", header, strings.Replace(payload, `{`, `{"nbf":1795348800.5,`, 1))
	f.Fuzz(func(t *testing.T, token, header, payload string) {
		if token == "" {
			token = sign(encode(header) + "." + encode(payload))
		}
		r := &http.Request{Method: http.MethodGet, Header: http.Header{"Authorization": {"Bearer " + token}}}
		id, err := v.Verify(r)
		if err != nil {
			if e := authn.AsError(err); e.Status != http.StatusUnauthorized {
				t.Fatalf("%q: %v", token, err)
			}
			return
		}
		// As a struct: so names in other cases count, too.
		var claims jwt.RegisteredClaims
		key := func(*jwt.Token) (any, error) { return secret, nil }
		parsed, err := parser.ParseWithClaims(strings.TrimLeft(token, " "), &claims, key)
		if wide, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wide.Type.Kind() == reflect.Float64 {
			return // it reads the numbers of a header, of which nobody asks for any, as float64: 1e400 is none
		}
		if err != nil || !parsed.Valid {
			t.Fatalf("%q (%q) is accepted, and not by golang-jwt: %v", token, payload, err)
		}
		tok := tokenOf(id)
		switch {
		case claims.Issuer != tok.claims.issuer, claims.Subject != id.Subject, claims.ID != id.CredentialID:
			t.Fatalf("%q: %+v, golang-jwt %+v", payload, tok.claims, claims)
		case claims.ExpiresAt.Unix() != tok.claims.expires, claims.IssuedAt.Unix() != tok.claims.issued:
			t.Fatalf("%q: %+v, golang-jwt %+v", payload, tok.claims, claims)
		case fmt.Sprint(claims.Audience) != fmt.Sprint(tok.Strings("aud")):
			t.Fatalf("%q: audience %q, golang-jwt %q", payload, tok.Strings("aud"), claims.Audience)
		}
		var all map[string]any
		d := json.NewDecoder(bytes.NewReader([]byte(tok.payload)))
		d.UseNumber()
		if err := d.Decode(&all); err != nil {
			t.Fatalf("%q: %v", payload, err)
		}
	})
}
