package jwtauth

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Places of the vectors in testdata/jws.json.
const (
	octVector = 0
	rsaVector = 1
	ecVector  = 2
	okpVector = 5
)

// changed is a vector's JWK with other members; nil removes one.
func changed(t *testing.T, vector int, members map[string]any) []byte {
	t.Helper()
	m := vectors(t)[vector].members(t)
	for name, value := range members {
		if m[name] = value; value == nil {
			delete(m, name)
		}
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// public is without the private members.
func public(members map[string]any) map[string]any {
	m := map[string]any{}
	for _, name := range privateMembers {
		m[name] = nil
	}
	maps.Copy(m, members)
	return m
}

func encoded(b ...byte) string { return base64.RawURLEncoding.EncodeToString(b) }

type jwkObject = map[string]any

// J4: what a JWK may be used for, and that it is what it says.
func TestParseJWKPolicy(t *testing.T) {
	vs := vectors(t)
	member := func(vector int, name string) string { return vs[vector].members(t)[name].(string) }
	raw := func(vector int, name string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(member(vector, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	n := raw(rsaVector, "n")
	order := encoded(slices.Concat([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, slices.Repeat([]byte{0xff}, 8), []byte{0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51})...)
	tests := []struct {
		name   string
		vector int
		change jwkObject
		want   string // in the error; "" is good
	}{
		{"use sig", ecVector, jwkObject{"use": "sig"}, ""},
		{"use enc", ecVector, jwkObject{"use": "enc"}, `"use" is not "sig"`},
		{"use in another case", ecVector, jwkObject{"use": "Sig"}, `"use" is not "sig"`},
		{"use empty", ecVector, jwkObject{"use": ""}, `"use" is required, and a string`},
		{"use a list", ecVector, jwkObject{"use": []string{"sig"}}, `"use" is required, and a string`},
		{"key_ops of a private key", ecVector, jwkObject{"key_ops": []string{"sign"}}, ""},
		{"key_ops both", ecVector, jwkObject{"key_ops": []string{"verify", "sign"}, "use": "sig"}, ""},
		{"key_ops of a public key", ecVector, public(jwkObject{"key_ops": []string{"verify"}}), ""},
		{"a public key that may sign only", ecVector, public(jwkObject{"key_ops": []string{"sign"}}), "does not permit verifying"},
		{"a secret that may sign only", octVector, jwkObject{"key_ops": []string{"sign"}}, "does not permit verifying"},
		{"a secret that may verify only", octVector, jwkObject{"key_ops": []string{"verify"}}, ""},
		{"key_ops for nothing", ecVector, jwkObject{"key_ops": []string{}}, "does not permit verifying"},
		{"key_ops null", ecVector, jwkObject{"key_ops": json.RawMessage("null")}, "does not permit verifying"},
		{"key_ops for encryption", ecVector, jwkObject{"key_ops": []string{"encrypt"}}, `"key_ops" has something else`},
		{"key_ops for more", ecVector, jwkObject{"key_ops": []string{"verify", "sign", "deriveKey"}}, `"key_ops" has something else`},
		{"key_ops twice", ecVector, jwkObject{"key_ops": []string{"verify", "verify"}}, `"key_ops" has something else`},
		{"key_ops a string", ecVector, jwkObject{"key_ops": "verify"}, "not an array of strings"},
		{"key_ops with a null", ecVector, jwkObject{"key_ops": []any{"verify", nil}}, `"key_ops" has something else`},

		{"unknown members", okpVector, jwkObject{"x5t": 1, "Kid": "other", "KTY": "oct", "x5c": []any{jwkObject{"a": 1}}}, ""},
		{"no kid", ecVector, jwkObject{"kid": nil}, `"kid" is required`},
		{"kid a number", ecVector, jwkObject{"kid": 1}, `"kid" is required, and a string`},
		{"kid null", ecVector, jwkObject{"kid": json.RawMessage("null")}, `"kid" is required`},
		{"kid empty", ecVector, jwkObject{"kid": ""}, `"kid" is required`},
		{"kid too long", ecVector, jwkObject{"kid": strings.Repeat("k", 129)}, "129 bytes"},
		{"kid with a line end", ecVector, jwkObject{"kid": "a\nb"}, "control"},
		{"no alg", ecVector, jwkObject{"alg": nil}, `"alg" is required`},
		{"alg none", ecVector, jwkObject{"alg": "none"}, `"none" is none of`},
		{"alg in another case", ecVector, jwkObject{"alg": "es256"}, "none of"},
		{"alg of another curve", ecVector, jwkObject{"alg": "ES384"}, "ES384 needs a key on P-384"},
		{"alg of another type", ecVector, jwkObject{"alg": "RS256"}, "RS256 does not go with"},
		{"alg HMAC of a public key", rsaVector, public(jwkObject{"alg": "HS256"}), "use HMACKey"},
		{"alg RS256 of a secret", octVector, jwkObject{"alg": "RS256"}, "RS256 takes no secret"},
		{"alg PS256 of an RSA key", rsaVector, jwkObject{"alg": "PS256"}, ""},
		{"no kty", ecVector, jwkObject{"kty": nil}, `"kty" is required`},
		{"kty unknown", ecVector, jwkObject{"kty": "AKP"}, `"AKP" is none of`},
		{"kty in another case", rsaVector, jwkObject{"kty": "rsa"}, `"rsa" is none of`},

		{"k short", octVector, jwkObject{"k": encoded(raw(octVector, "k")[:31]...)}, "31 bytes"},
		{"k one byte repeated", octVector, jwkObject{"k": encoded(slices.Repeat([]byte{7}, 64)...)}, "repeated"},
		{"k for HS512", octVector, jwkObject{"alg": "HS512"}, ""},
		{"no k", octVector, jwkObject{"k": nil}, `"k" is required`},
		{"k padded", octVector, jwkObject{"k": member(octVector, "k") + "=="}, `"k" is not base64url`},
		{"k of the other alphabet", octVector, jwkObject{"k": strings.ReplaceAll(member(octVector, "k"), "-", "+")}, `"k" is not base64url`},
		{"k with a line end", octVector, jwkObject{"k": member(octVector, "k") + "\n"}, `"k" is not base64url`},
		{"k with stray bits", octVector, jwkObject{"k": member(octVector, "k")[:85] + "x"}, `"k" is not base64url`},

		{"n with a zero in front", rsaVector, public(jwkObject{"n": encoded(append([]byte{0}, n...)...)}), ""},
		{"n of 2040 bits", rsaVector, public(jwkObject{"n": encoded(n[:255]...)}), "fewer than 2048"},
		{"n of 1 MiB", rsaVector, public(jwkObject{"n": strings.Repeat("A", 1<<20)}), "16384 are allowed"},
		{"n of 8200 bits", rsaVector, public(jwkObject{"n": encoded(slices.Repeat([]byte{0xff}, 1025)...)}), "8200 bits"},
		{"n even", rsaVector, public(jwkObject{"n": encoded(append(slices.Clone(n[:255]), 2)...)}), "even"},
		{"e = 3", rsaVector, public(jwkObject{"e": encoded(3)}), ""},
		{"e with a zero in front", rsaVector, public(jwkObject{"e": encoded(0, 1, 0, 1)}), ""},
		{"e = 1", rsaVector, public(jwkObject{"e": encoded(1)}), "exponent"},
		{"e even", rsaVector, public(jwkObject{"e": encoded(1, 0, 0)}), "exponent"},
		{"e of 31 bits", rsaVector, public(jwkObject{"e": encoded(0x7f, 0xff, 0xff, 0xff)}), ""},
		{"e of 32 bits", rsaVector, public(jwkObject{"e": encoded(0x80, 0, 0, 1)}), "exponent"},
		{"e of 33 bits", rsaVector, public(jwkObject{"e": encoded(1, 0, 0, 0, 3)}), "exponent"},
		{"e of 65 bits", rsaVector, public(jwkObject{"e": encoded(1, 0, 0, 0, 0, 0, 0, 0, 3)}), "exponent"},
		{"no e", rsaVector, public(jwkObject{"e": nil}), `"e" is required`},
		{"RSA d of another key", rsaVector, jwkObject{"d": member(3, "d")}, "damaged, or does not belong"},
		{"RSA n of another key", rsaVector, jwkObject{"n": member(3, "n")}, "damaged, or does not belong"},
		{"RSA dp of another key", rsaVector, jwkObject{"dp": member(3, "dp")}, "damaged, or does not belong"},
		{"RSA dq of another key", rsaVector, jwkObject{"dq": member(3, "dq")}, "damaged, or does not belong"},
		{"RSA qi of another key", rsaVector, jwkObject{"qi": member(3, "qi")}, "damaged, or does not belong"},
		{"RSA p = 0", rsaVector, jwkObject{"p": encoded(0)}, "damaged, or does not belong"},
		{"RSA d without primes", rsaVector, jwkObject{"p": nil, "q": nil, "dp": nil, "dq": nil, "qi": nil}, `"p" is required`},
		{"RSA without qi", rsaVector, jwkObject{"qi": nil}, `"qi" is required`},
		{"RSA of three primes", rsaVector, jwkObject{"oth": []any{}}, "more than two primes"},

		{"crv unknown", ecVector, jwkObject{"crv": "P-521"}, `"P-521" is none of P-256, P-384`},
		{"crv of another", ecVector, jwkObject{"crv": "P-384"}, `"x" has 32 bytes, not 48`},
		{"no crv", ecVector, jwkObject{"crv": nil}, `"crv" is required`},
		{"x short", ecVector, jwkObject{"x": encoded(raw(ecVector, "x")[:31]...)}, `"x" has 31 bytes`},
		{"y with a zero in front", ecVector, jwkObject{"y": encoded(append([]byte{0}, raw(ecVector, "y")...)...)}, `"y" has 33 bytes`},
		{"no y", ecVector, jwkObject{"y": nil}, `"y" is required`},
		{"not on the curve", ecVector, jwkObject{"y": member(ecVector, "x")}, "not a point of P-256"},
		{"infinity", ecVector, jwkObject{"x": encoded(make([]byte, 32)...), "y": encoded(make([]byte, 32)...)}, "not a point of P-256"},
		{"EC d of another key", ecVector, jwkObject{"d": encoded(append(make([]byte, 31), 1)...)}, "damaged, or does not belong"},
		{"EC d = 0", ecVector, jwkObject{"d": encoded(make([]byte, 32)...)}, "damaged, or does not belong"},
		{"EC d = n", ecVector, jwkObject{"d": order}, "damaged, or does not belong"},
		{"EC d short", ecVector, jwkObject{"d": encoded(1)}, `"d" has 1 bytes`},
		{"EC d null", ecVector, jwkObject{"d": json.RawMessage("null")}, `"d" is required`},

		{"X25519", okpVector, jwkObject{"crv": "X25519"}, "is not Ed25519"},
		{"Ed448", okpVector, jwkObject{"crv": "Ed448"}, "is not Ed25519"},
		{"alg Ed25519", okpVector, jwkObject{"alg": "Ed25519"}, "none of"},
		{"OKP x short", okpVector, public(jwkObject{"x": encoded(1)}), `"x" has 1 bytes`},
		{"OKP small order", okpVector, public(jwkObject{"x": encoded(make([]byte, 32)...)}), "small order"},
		{"OKP x of another key", okpVector, jwkObject{"x": member(ecVector, "x")}, "damaged, or does not belong"},
		{"OKP d of another key", okpVector, jwkObject{"d": member(ecVector, "d")}, "damaged, or does not belong"},
		{"OKP d short", okpVector, jwkObject{"d": encoded(1)}, `"d" has 1 bytes`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			jwk := changed(t, tt.vector, tt.change)
			k, err := ParseJWK(jwk)
			if tt.want == "" {
				if err != nil || k.isZero() {
					t.Errorf("%s: %v", jwk, err)
				}
				return
			}
			if err == nil || !k.isZero() || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "authn/jwtauth: key") {
				t.Fatalf("err = %v, want %q in it", err, tt.want)
			}
			if len(err.Error()) > 300 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			for _, name := range []string{"d", "p", "k"} {
				if secret, ok := vs[tt.vector].members(t)[name].(string); ok && strings.Contains(err.Error(), secret[:8]) {
					t.Errorf("%q is in the error: %v", name, err)
				}
			}
		})
	}
}

// J4: one jwkObject of JSON, each member once.
func TestParseJWKIsStrictJSON(t *testing.T) {
	good := string(vectors(t)[okpVector].JWK)
	tests := []struct{ name, jwk, want string }{
		{"good", good, ""},
		{"space around", " \r\n\t" + good + "\n", ""},
		{"a name with an escape", strings.Replace(good, `"kty"`, `"\u006bty"`, 1), ""},
		{"nothing", "", "not JSON"},
		{"cut", good[:len(good)-1], "not JSON"},
		{"trailing brace", good + "}", "not JSON"},
		{"two objects", good + good, "not JSON"},
		{"an array", "[" + good + "]", "not a JSON object"},
		{"a string", `"kty"`, "not a JSON object"},
		{"null", "null", "not a JSON object"},
		{"no comma", strings.Replace(good, ",", " ", 1), "not JSON"},
		{"last comma", strings.Replace(good, "}", ",}", 1), "not JSON"},
		{"a comment", "/**/" + good, "not JSON"},
		{"byte order mark", "\xef\xbb\xbf" + good, "not JSON"},
		{"not UTF-8", strings.Replace(good, `"a4"`, "\"a\xff\"", 1), "not JSON"},
		{"kid twice", strings.Replace(good, "{", `{"kid":"a4",`, 1), `"kid" is there twice`},
		{"unknown twice", strings.Replace(good, "{", `{"a":1,"a":1,`, 1), `"a" is there twice`},
		{"twice by an escape", strings.Replace(good, "{", `{"\u006bty":"OKP",`, 1), `"kty" is there twice`},
		{"deep", strings.Replace(good, "{", `{"a":`+strings.Repeat("[", 7000)+strings.Repeat("]", 7000)+",", 1), ""},
		{"16 KiB", good + strings.Repeat(" ", 16<<10-len(good)), ""},
		{"too long", good + strings.Repeat(" ", 16<<10+1-len(good)), "16384 are allowed"},
		{"empty", "{}", `"kty" is required`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseJWK([]byte(tt.jwk))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("err = %v, want %q in it", err, tt.want)
			}
		})
	}
}

// J4: a key does what key_ops permits.
func TestKeyOpsLimitAKey(t *testing.T) {
	for _, vector := range []int{octVector, rsaVector, ecVector, okpVector} {
		in, signature := vectors(t)[vector].split(t)
		for _, tt := range []struct {
			ops   []string
			signs bool
		}{{[]string{"verify"}, false}, {[]string{"verify", "sign"}, true}} {
			k, err := ParseJWK(changed(t, vector, jwkObject{"key_ops": tt.ops}))
			if err != nil {
				t.Fatal(err)
			}
			if err := k.verify(in, signature); err != nil {
				t.Errorf("%v with %q: %v", k, tt.ops, err)
			}
			if _, err := k.sign([]byte(in)); k.canSign() != tt.signs || (err == nil) != tt.signs {
				t.Errorf("%v with %q: signs %v, %v", k, tt.ops, k.canSign(), err)
			}
		}
	}
}

// J3, J4, J16: a remote set has public keys only; alg may follow from the type.
func TestRemoteJWKPolicy(t *testing.T) {
	p384, ok := generate(t, ES384).publicJWK()
	if !ok {
		t.Fatal("no JWK")
	}
	tests := []struct {
		name string
		jwk  []byte
		alg  Algorithm
		want string
	}{
		{"RSA", changed(t, rsaVector, public(nil)), RS256, ""},
		{"RSA without alg", changed(t, rsaVector, public(jwkObject{"alg": nil, "use": "sig"})), RS256, ""},
		{"RSA with PS256", changed(t, rsaVector, public(jwkObject{"alg": "PS256"})), PS256, ""},
		{"P-256 without alg", changed(t, ecVector, public(jwkObject{"alg": nil})), ES256, ""},
		{"P-384 without alg", []byte(strings.Replace(string(p384), `"alg":"ES384",`, "", 1)), ES384, ""},
		{"Ed25519 without alg", changed(t, okpVector, public(jwkObject{"alg": nil})), EdDSA, ""},
		{"P-521 without alg", changed(t, ecVector, public(jwkObject{"alg": nil, "crv": "P-521"})), "", "none of P-256"},
		{"X25519 without alg", changed(t, okpVector, public(jwkObject{"alg": nil, "crv": "X25519"})), "", "not Ed25519"},
		{"alg of encryption", changed(t, rsaVector, public(jwkObject{"alg": "RSA-OAEP"})), "", "none of"},
		{"alg empty", changed(t, rsaVector, public(jwkObject{"alg": ""})), "", `"alg" is required`},
		{"kid empty", changed(t, rsaVector, public(jwkObject{"kid": ""})), "", `"kid" is required`},
		{"use enc", changed(t, rsaVector, public(jwkObject{"use": "enc"})), "", "use"},
		{"symmetric", changed(t, octVector, nil), "", "symmetric"},
		{"symmetric without k", changed(t, octVector, jwkObject{"k": nil}), "", "symmetric"},
		{"a public key with k", changed(t, rsaVector, public(jwkObject{"k": "AA"})), "", `private member "k"`},
		{"private RSA", changed(t, rsaVector, nil), "", `private member "d"`},
		{"private EC", changed(t, ecVector, nil), "", `private member "d"`},
		{"private Ed25519", changed(t, okpVector, nil), "", `private member "d"`},
		{"a prime", changed(t, rsaVector, public(jwkObject{"q": "AQ"})), "", `private member "q"`},
		{"private null", changed(t, ecVector, jwkObject{"d": json.RawMessage("null")}), "", `private member "d"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := parseJWKSetKey(tt.jwk, true)
			if tt.want != "" {
				if err == nil || !k.isZero() || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("err = %v, want %q in it", err, tt.want)
				}
			} else if err != nil || k.Algorithm() != tt.alg || k.canSign() {
				t.Errorf("%v, %v, want %s", k, err, tt.alg)
			}
		})
	}
	nameless, err := parseJWKSetKey(changed(t, ecVector, public(jwkObject{"kid": nil})), true)
	if err != nil || nameless.isZero() || nameless.ID() != "" {
		t.Fatalf("a key without kid: %v, %v", nameless, err)
	}
	in, signature := vectors(t)[ecVector].split(t)
	if err := nameless.verify(in, signature); err != nil {
		t.Errorf("a key without kid: %v", err)
	}
	if k, err := parseJWKSetKey(changed(t, ecVector, public(jwkObject{"kid": nil, "y": "AA"})), true); err == nil || !k.isZero() {
		t.Errorf("a bad key without kid: %v, %v", k, err)
	}
	if k, err := parseJWKSetKey(changed(t, ecVector, public(jwkObject{"kid": nil, "alg": "RS256"})), true); err == nil || !k.isZero() {
		t.Errorf("a key without kid of another algorithm: %v, %v", k, err)
	}
}

// J15: what is published is the public key, by the canonical members, and
// reads as itself.
func TestPublicJWK(t *testing.T) {
	members := map[Algorithm][]string{
		RS256: {"kty", "kid", "use", "alg", "n", "e"}, PS256: {"kty", "kid", "use", "alg", "n", "e"},
		ES256: {"kty", "kid", "use", "alg", "crv", "x", "y"}, ES384: {"kty", "kid", "use", "alg", "crv", "x", "y"},
		EdDSA: {"kty", "kid", "use", "alg", "crv", "x"},
	}
	for _, alg := range algorithms {
		k := generate(t, alg)
		jwk, ok := k.publicJWK()
		if ok == alg.symmetric() || (jwk == nil) != alg.symmetric() {
			t.Errorf("%s: %s, %v", alg, jwk, ok)
		}
		if !ok {
			continue
		}
		at := -1
		for _, name := range members[alg] {
			next := strings.Index(string(jwk), `"`+name+`":"`)
			if next <= at {
				t.Errorf("%s: %q is missing, or out of order: %s", alg, name, jwk)
			}
			at = next
		}
		if n := strings.Count(string(jwk), `":"`); n != len(members[alg]) {
			t.Errorf("%s: %d members: %s", alg, n, jwk)
		}
		for _, remote := range []bool{false, true} {
			again, err := parseJWKSetKey(jwk, remote)
			if err != nil {
				t.Fatalf("%s: %v", jwk, err)
			}
			signature, err := k.sign([]byte(input))
			if err != nil || again.verify(input, signature) != nil || again.canSign() || again.ID() != k.ID() {
				t.Errorf("%s does not verify what its key signs: %v", jwk, err)
			}
			if same, _ := again.publicJWK(); string(same) != string(jwk) {
				t.Errorf("%s became %s", jwk, same)
			}
		}
	}
	odd := vectors(t)[ecVector].members(t)
	odd["kid"] = "<\"\\ü\u2028"
	raw, err := json.Marshal(odd)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseJWK(raw)
	if err != nil {
		t.Fatal(err)
	}
	jwk, _ := k.publicJWK()
	if again, err := ParseJWK(jwk); err != nil || again.ID() != odd["kid"] {
		t.Errorf("%s: %v", jwk, err)
	}
}

// J4: no JWK panics or makes a key that cannot be published again, and errors
// stay short and secret.
func FuzzParseJWK(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, remote := range []bool{false, true} {
			k, err := parseJWKSetKey(raw, remote)
			if err != nil {
				// %q writes a character as up to 10 bytes: 64 of a kid, and 32 of a member.
				if !k.isZero() || len(err.Error()) > 1200 || !strings.HasPrefix(err.Error(), "authn/jwtauth: key") {
					t.Errorf("%v, %v", k, err)
				}
				continue
			}
			if remote && (k.canSign() || k.Public() == nil) {
				t.Errorf("remote: %v", k)
			}
			if !k.Algorithm().known() || !remote && k.ID() == "" {
				t.Errorf("key %v", k)
			}
			jwk, ok := k.publicJWK()
			if ok != (k.Public() != nil) {
				t.Errorf("%v is published as %s", k, jwk)
			}
			if again, err := parseJWKSetKey(jwk, true); ok && (err != nil || again.ID() != k.ID() || again.Algorithm() != k.Algorithm()) {
				t.Errorf("%s: %v", jwk, err)
			}
			if k.verify("a.b", []byte("c")) == nil {
				t.Errorf("%v verifies anything", k)
			}
			if k.canSign() {
				signature, err := k.sign([]byte("a.b"))
				if err != nil || k.verify("a.b", signature) != nil {
					t.Errorf("%v does not verify its own signature: %v", k, err)
				}
			}
		}
	})
}
