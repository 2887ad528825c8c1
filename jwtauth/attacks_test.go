package jwtauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

// attack changes one thing of a good token. Its source says who did it first,
// or which rule forbids it.
type attack struct {
	name, source string
	alg          jwtauth.Algorithm // ES256 if it is ""
	change       func(d *draft)
	reason       string
}

const (
	wrongSignature = "wrong signature"
	wrongAlgorithm = "wrong algorithm"
	badForm        = "malformed"
	badHeader      = "malformed header"
	badSignature   = "malformed signature"
	badClaims      = "malformed claims"
	unknownKey     = "unknown key"
)

// byHMAC signs by a secret that everybody knows.
func byHMAC(secret []byte) func(string) []byte {
	return func(input string) []byte {
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(input))
		return m.Sum(nil)
	}
}

// fixed is a signature that does not depend on what is signed.
func fixed(signature ...byte) func(string) []byte {
	return func(string) []byte { return signature }
}

// after changes a good signature.
func after(d *draft, change func(signature []byte) []byte) func(string) []byte {
	return func(input string) []byte {
		return change(authn.Must(jwt.GetSigningMethod(string(d.alg)).Sign(input, privates()[d.alg])))
	}
}

// byStranger signs as a key that the service does not know would.
func byStranger(d *draft) func(string) []byte {
	return func(input string) []byte {
		return authn.Must(jwt.SigningMethodES256.Sign(input, strangerKey))
	}
}

var strangerKey = authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))

// strangerJWK is its public half.
func strangerJWK() string {
	point := authn.Must(strangerKey.PublicKey.Bytes())
	return fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":"%s","y":"%s"}`, encode(string(point[1:33])), encode(string(point[33:])))
}

func header(h string) func(*draft)     { return func(d *draft) { d.header = h } }
func swapped(a, b string) func(*draft) { return func(d *draft) { d.swap(a, b) } }
func headed(m string) func(*draft)     { return func(d *draft) { d.head(m) } }

// confused is a header that says HS256 of a key that is for RS256, signed by
// what is public of that key.
func confused(secret func(pub *rsa.PublicKey) []byte) func(*draft) {
	return func(d *draft) {
		d.swap(`"alg":"RS256"`, `"alg":"HS256"`)
		d.sign = byHMAC(secret(&privates()[jwtauth.RS256].(*rsa.PrivateKey).PublicKey))
	}
}

func spki(pub *rsa.PublicKey) []byte { return authn.Must(x509.MarshalPKIXPublicKey(pub)) }

// algorithmAttacks are RFC 8725 §2.1 and §3.1.
func algorithmAttacks() []attack {
	unsigned := func(alg string) func(*draft) {
		return func(d *draft) {
			d.swap(`"alg":"ES256"`, `"alg":`+alg)
			d.sign = fixed()
		}
	}
	rows := []attack{
		{"alg number", "RFC 7515 §4.1.1", "", unsigned(`256`), badHeader},
		{"alg null", "RFC 7515 §4.1.1", "", unsigned(`null`), badHeader},
		{"alg array", "RFC 7515 §4.1.1", "", unsigned(`["ES256"]`), badHeader},
		{"alg object", "RFC 7515 §4.1.1", "", unsigned(`{"ES256":1}`), badHeader},
		{"alg empty", "CVE-2015-9235", "", unsigned(`""`), badHeader},
		{"alg missing", "RFC 7515 §4.1.1", "", swapped(`"alg":"ES256",`, ``), badHeader},
		{"alg in upper case only", "RFC 7515 §4.1.1", "", swapped(`"alg"`, `"ALG"`), badHeader},
		{"alg value in lower case", "RFC 7515 §4.1.1", "", swapped(`"alg":"ES256"`, `"alg":"es256"`), wrongAlgorithm},
		{"alg with a space", "RFC 7515 §4.1.1", "", swapped(`"alg":"ES256"`, `"alg":"ES256 "`), wrongAlgorithm},
		{"ES256K", "RFC 8812", "", swapped(`"alg":"ES256"`, `"alg":"ES256K"`), wrongAlgorithm},
		{"ES384 of an ES256 key", "RFC 8725 §3.1", "", swapped(`"alg":"ES256"`, `"alg":"ES384"`), wrongAlgorithm},
		{"ES256 of an ES384 key", "RFC 8725 §3.1", jwtauth.ES384, swapped(`"alg":"ES384"`, `"alg":"ES256"`), wrongAlgorithm},
		{"RS256 to PS256, one RSA key", "RFC 8725 §3.1", jwtauth.RS256, swapped(`"alg":"RS256"`, `"alg":"PS256"`), wrongAlgorithm},
		{"HS256 to HS512", "RFC 8725 §3.1", jwtauth.HS256, swapped(`"alg":"HS256"`, `"alg":"HS512"`), wrongAlgorithm},
		{"HS to RS", "CVE-2016-5431", jwtauth.HS256, func(d *draft) {
			d.swap(`"alg":"HS256"`, `"alg":"RS256"`)
			d.sign = func(input string) []byte {
				return authn.Must(jwt.SigningMethodRS256.Sign(input, privates()[jwtauth.RS256]))
			}
		}, wrongAlgorithm},
		{"public key as secret, PEM", "CVE-2016-10555", jwtauth.RS256, confused(func(pub *rsa.PublicKey) []byte {
			return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki(pub)})
		}), wrongAlgorithm},
		{"public key as secret, PKCS #1 PEM", "CVE-2016-10555", jwtauth.RS256, confused(func(pub *rsa.PublicKey) []byte {
			return pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(pub)})
		}), wrongAlgorithm},
		{"public key as secret, DER", "CVE-2017-11424", jwtauth.RS256, confused(spki), wrongAlgorithm},
		{"public key as secret, JWK", "CVE-2022-29217", jwtauth.RS256, confused(func(pub *rsa.PublicKey) []byte {
			return fmt.Appendf(nil, `{"kty":"RSA","n":"%s","e":"AQAB"}`, encode(string(pub.N.Bytes())))
		}), wrongAlgorithm},
		{"public key as secret, modulus", "CVE-2016-10555", jwtauth.RS256, confused(func(pub *rsa.PublicKey) []byte { return pub.N.Bytes() }), wrongAlgorithm},
		{"public key as secret, EC point", "CVE-2023-48223", "", func(d *draft) {
			d.swap(`"alg":"ES256"`, `"alg":"HS256"`)
			d.sign = byHMAC(authn.Must(privates()[jwtauth.ES256].(*ecdsa.PrivateKey).PublicKey.Bytes()))
		}, wrongAlgorithm},
		{"empty secret", "CVE-2020-28637", jwtauth.HS256, func(d *draft) { d.sign = byHMAC(nil) }, wrongSignature},
	}
	for _, none := range []string{"none", "None", "NONE", "nOnE", " none", "none ", "nonе", `none`, "none\u200b", `none\u0000`} {
		rows = append(rows, attack{"alg " + none, "RFC 8725 §3.2, CVE-2015-2951", "", unsigned(`"` + none + `"`), wrongAlgorithm})
	}
	return rows
}

// signatureAttacks are RFC 8725 §2.2 to §2.4 and what has become of ECDSA.
func signatureAttacks() []attack {
	n := elliptic.P256().Params().N
	pair := func(r, s *big.Int) func(*draft) {
		return func(d *draft) {
			d.sign = fixed(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)...)
		}
	}
	one := big.NewInt(1)
	last := func(segments []string, letters string) string {
		s := segments[2]
		i := strings.IndexByte(alphabet, s[len(s)-1])
		return segments[0] + "." + segments[1] + "." + s[:len(s)-1] + string(alphabet[i^1]) + letters
	}
	return []attack{
		{"psychic: r = s = 0", "CVE-2022-21449", "", pair(new(big.Int), new(big.Int)), wrongSignature},
		{"r = 0", "CVE-2022-21449", "", pair(new(big.Int), one), wrongSignature},
		{"s = 0", "CVE-2022-21449", "", pair(one, new(big.Int)), wrongSignature},
		{"r = n", "CVE-2022-21449", "", pair(n, one), wrongSignature},
		{"s = n", "CVE-2022-21449", "", pair(one, n), wrongSignature},
		{"r = s = n", "CVE-2022-21449", "", pair(n, n), wrongSignature},
		{"r and s of all ones", "CVE-2022-21449", "", func(d *draft) { d.sign = fixed([]byte(strings.Repeat("\xff", 64))...) }, wrongSignature},
		{"s + n", "RFC 7515 §10.12", "", func(d *draft) {
			d.sign = after(d, func(sig []byte) []byte {
				s := new(big.Int).SetBytes(sig[32:])
				if s.Add(s, n).BitLen() > 256 {
					return append(sig[:32], make([]byte, 32)...) // it does not fit
				}
				return append(sig[:32], s.FillBytes(make([]byte, 32))...)
			})
		}, wrongSignature},
		{"ASN.1 for r and s", "RFC 7518 §3.4", "", func(d *draft) {
			d.sign = func(input string) []byte {
				sum := sha256.Sum256([]byte(input))
				return authn.Must(privates()[jwtauth.ES256].(*ecdsa.PrivateKey).Sign(rand.Reader, sum[:], crypto.SHA256))
			}
		}, wrongSignature},
		{"zeros around r and s", "RFC 7518 §3.4", "", func(d *draft) {
			d.sign = after(d, func(sig []byte) []byte { return append(append(append([]byte{0}, sig[:32]...), 0), sig[32:]...) })
		}, wrongSignature},
		{"all zero, RSA", "RFC 8017 §8.2.2", jwtauth.RS256, func(d *draft) { d.sign = fixed(make([]byte, 256)...) }, wrongSignature},
		{"one, RSA", "RFC 8017 §8.2.2", jwtauth.RS256, func(d *draft) { d.sign = fixed(append(make([]byte, 255), 1)...) }, wrongSignature},
		{"signature + n, RSA", "RFC 8017 §8.2.2", jwtauth.RS256, func(d *draft) {
			d.sign = after(d, func(sig []byte) []byte {
				s := new(big.Int).SetBytes(sig)
				return s.Add(s, privates()[jwtauth.RS256].(*rsa.PrivateKey).N).Bytes()
			})
		}, wrongSignature},
		{"RSA PSS for PKCS #1", "RFC 8725 §3.1", jwtauth.RS256, func(d *draft) {
			d.sign = func(input string) []byte {
				return authn.Must(jwt.SigningMethodPS256.Sign(input, privates()[jwtauth.PS256]))
			}
		}, wrongSignature},
		{"PSS with the longest salt", "RFC 7518 §3.5", jwtauth.PS256, func(d *draft) {
			d.sign = func(input string) []byte {
				sum := sha256.Sum256([]byte(input))
				return authn.Must(rsa.SignPSS(rand.Reader, privates()[jwtauth.PS256].(*rsa.PrivateKey), crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}))
			}
		}, wrongSignature},
		{"Ed25519, S + L", "RFC 8032 §5.1.7", jwtauth.EdDSA, func(d *draft) { d.sign = after(d, plusL) }, wrongSignature},
		{"Ed25519, R of order 1, S = 0", "eprint 2020/1244 §2", jwtauth.EdDSA, func(d *draft) {
			d.sign = fixed(append([]byte{1}, make([]byte, 63)...)...)
		}, wrongSignature},
		{"Ed25519, all zero", "eprint 2020/1244 §2", jwtauth.EdDSA, func(d *draft) { d.sign = fixed(make([]byte, 64)...) }, wrongSignature},
		{"empty", "RFC 7515 §5.2", "", func(d *draft) { d.sign = fixed() }, wrongSignature},
		{"empty, HMAC", "RFC 7515 §5.2", jwtauth.HS256, func(d *draft) { d.sign = fixed() }, wrongSignature},
		{"truncated HMAC", "RFC 8725 §2.2", jwtauth.HS256, func(d *draft) {
			d.sign = after(d, func(sig []byte) []byte { return sig[:16] })
		}, wrongSignature},
		{"HMAC of 31 bytes", "RFC 8725 §2.2", jwtauth.HS256, func(d *draft) {
			d.sign = after(d, func(sig []byte) []byte { return sig[:31] })
		}, wrongSignature},
		{"one byte more", "RFC 7515 §5.2", jwtauth.HS256, func(d *draft) {
			d.sign = after(d, func(sig []byte) []byte { return append(sig, 0) })
		}, wrongSignature},
		{"one byte more, ECDSA", "RFC 7515 §5.2", "", func(d *draft) {
			d.sign = after(d, func(sig []byte) []byte { return append(sig, 0) })
		}, wrongSignature},
		{"one bit", "RFC 7515 §5.2", jwtauth.HS256, func(d *draft) {
			d.sign = after(d, func(sig []byte) []byte { sig[31] ^= 1; return sig })
		}, wrongSignature},
		{"of another token", "RFC 7515 §5.2", jwtauth.HS256, func(d *draft) {
			d.sign = func(string) []byte {
				return authn.Must(jwt.SigningMethodHS256.Sign("a.b", privates()[jwtauth.HS256]))
			}
		}, wrongSignature},
		{"payload changed", "RFC 7515 §5.2", jwtauth.HS256, func(d *draft) {
			d.mangle = func(s []string) string {
				return s[0] + "." + encode(strings.Replace(d.payload, "ada", "bob", 1)) + "." + s[2]
			}
		}, wrongSignature},
		{"header changed", "RFC 7515 §5.2", jwtauth.HS256, func(d *draft) {
			d.mangle = func(s []string) string {
				return encode(strings.Replace(d.header, `{`, `{"x":1,`, 1)) + "." + s[1] + "." + s[2]
			}
		}, wrongSignature},
		{"of a payload that is no base64", "J5: nothing of it is read before", jwtauth.HS256, func(d *draft) {
			d.mangle = func(s []string) string { return s[0] + ".*." + s[2] }
		}, wrongSignature},
		{"of a payload that is no JSON", "J5: nothing of it is read before", jwtauth.HS256, func(d *draft) {
			d.mangle = func(s []string) string { return s[0] + "." + encode("{") + "." + s[2] }
		}, wrongSignature},
		{"stray bits", "RFC 4648 §3.5", jwtauth.HS256, func(d *draft) {
			d.mangle = func(s []string) string { return last(s, "") }
		}, badSignature},
		{"one letter", "RFC 4648 §3.5", jwtauth.HS256, func(d *draft) {
			d.mangle = func(s []string) string { return strings.Join(s, ".") + "AA" }
		}, badSignature},
	}
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// plusL adds the order of the group to S, which a lax verifier does not see.
func plusL(sig []byte) []byte {
	l, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	le := func(b []byte) []byte {
		r := make([]byte, len(b))
		for i := range b {
			r[len(b)-1-i] = b[i]
		}
		return r
	}
	s := new(big.Int).SetBytes(le(sig[32:]))
	return append(sig[:32:32], le(s.Add(s, l).FillBytes(make([]byte, 32)))...)
}

// formAttacks are about the compact serialization (RFC 7515 §3.1, §7.1).
func formAttacks() []attack {
	mangled := func(f func(s []string) string) func(*draft) { return func(d *draft) { d.mangle = f } }
	in := func(segment int, f func(s string) string) func(*draft) {
		return mangled(func(s []string) string {
			s[segment] = f(s[segment])
			return strings.Join(s, ".")
		})
	}
	rows := []attack{
		{"four segments", "RFC 7515 §7.1", "", mangled(func(s []string) string { return strings.Join(s, ".") + ".x" }), badForm},
		{"trailing dot", "RFC 7515 §7.1", "", mangled(func(s []string) string { return strings.Join(s, ".") + "." }), badForm},
		{"five segments: JWE", "RFC 7516 §7.1", "", mangled(func(s []string) string { return s[0] + "." + s[1] + "." + s[1] + "." + s[2] + "." + s[2] }), badForm},
		{"six segments", "RFC 7515 §7.1", "", mangled(func(s []string) string { return strings.Join(append(s, s...), ".") }), badForm},
		{"8000 dots", "CVE-2025-30204", "", mangled(func([]string) string { return strings.Repeat(".", 8000) }), badForm},
		{"dots alone", "RFC 7515 §7.1", "", mangled(func([]string) string { return ".." }), badHeader},
		{"no header", "RFC 7515 §7.1", "", in(0, func(string) string { return "" }), badHeader},
		{"no payload", "RFC 7515 §7.1", jwtauth.HS256, func(d *draft) { d.payload = "" }, badClaims},
		{"unsecured, trailing dot", "RFC 7519 §6.1", "", func(d *draft) {
			d.swap(`"ES256","kid":"ES256"`, `"none"`)
			d.sign = fixed()
		}, unknownKey},
		{"JSON serialization", "RFC 7515 §7.2", "", mangled(func(s []string) string {
			return fmt.Sprintf(`{"payload":"%s","protected":"%s","signature":"%s","x":"a.b.c"}`, s[1], s[0], s[2])
		}), badHeader},
		{"8193 bytes", "J1", "", mangled(func(s []string) string {
			t := strings.Join(s, ".")
			return t + strings.Repeat("A", 8193-len(t))
		}), "too long"},
		{"a megabyte", "J1", "", mangled(func(s []string) string { return strings.Join(s, ".") + strings.Repeat("A", 1<<20) }), "too long"},
	}
	for i, reason := range [...]string{badHeader, badClaims, badSignature} {
		at := func(name, source string, f func(s string) string) {
			rows = append(rows, attack{fmt.Sprintf("%s in segment %d", name, i), source, jwtauth.HS256, in(i, f), reason})
		}
		// The signature is of the segment as it is sent.
		if i < 2 {
			at = func(name, source string, f func(s string) string) {
				rows = append(rows, attack{fmt.Sprintf("%s in segment %d", name, i), source, jwtauth.HS256, func(d *draft) {
					d.mangle = func(s []string) string {
						s[i] = f(s[i])
						input := s[0] + "." + s[1]
						return input + "." + encode(string(authn.Must(jwt.SigningMethodHS256.Sign(input, privates()[jwtauth.HS256]))))
					}
				}, reason})
			}
		}
		for _, c := range []struct{ name, insert string }{{"space", " "}, {"tab", "\t"}, {"NUL", "\x00"}, {"comma", ","}, {"percent", "%2e"}, {"plus", "+"}, {"slash", "/"}, {"not ASCII", "é"}} {
			at(c.name, "RFC 7515 §2", func(s string) string { return s[:4] + c.insert + s[4:] })
		}
		at("padding", "RFC 7515 §2", func(s string) string { return s + strings.Repeat("=", 4-len(s)%4) })
		at("space at the end", "RFC 7515 §2", func(s string) string { return s + " " })
		for _, c := range []struct{ name, insert string }{{"CR", "\r"}, {"LF", "\n"}, {"CR LF", "\r\n"}} {
			at(c.name, "golang-jwt's decoder passes it over", func(s string) string { return s[:4] + c.insert + s[4:] })
		}
	}
	// Other spellings of the same bytes: stray bits, and the standard alphabet.
	stray := func(text string) string {
		s := encode(text)
		if len(s)%4 == 0 {
			panic("no stray bits in " + text)
		}
		return s[:len(s)-1] + string(alphabet[strings.IndexByte(alphabet, s[len(s)-1])|1])
	}
	respelt := func(segment int, spell func(string) string) func(*draft) {
		return func(d *draft) {
			d.header += " " // so that there are stray bits
			for len(encode(d.header))%4 == 0 {
				d.header += " "
			}
			for len(encode(d.payload))%4 == 0 {
				d.payload += " "
			}
			d.mangle = func(s []string) string {
				s[segment] = spell([...]string{d.header, d.payload}[segment])
				input := s[0] + "." + s[1]
				return input + "." + encode(string(authn.Must(jwt.SigningMethodHS256.Sign(input, privates()[jwtauth.HS256]))))
			}
		}
	}
	standard := func(text string) string { return base64.RawStdEncoding.EncodeToString([]byte(text)) }
	return append(rows,
		attack{"stray bits in the header", "RFC 4648 §3.5", jwtauth.HS256, respelt(0, stray), badHeader},
		attack{"stray bits in the payload", "RFC 4648 §3.5", jwtauth.HS256, respelt(1, stray), badClaims},
		attack{"standard alphabet", "RFC 4648 §4", jwtauth.HS256, func(d *draft) {
			d.claim(`"x":"???>>>"`) // some / and +, somewhere
			respelt(1, standard)(d)
		}, badClaims},
	)
}

// headerAttacks are RFC 8725 §3.10, §3.11 and RFC 7515 §4.
func headerAttacks() []attack {
	deep := strings.Repeat(`{"a":`, 2000) + `1` + strings.Repeat(`}`, 2000)
	embedded := func(members string) func(*draft) {
		return func(d *draft) { d.head(members).sign = byStranger(d) }
	}
	kid := func(value string) func(*draft) { return swapped(`"kid":"ES256"`, `"kid":`+value) }
	return []attack{
		{"alg twice", "RFC 7515 §4", "", headed(`"alg":"none"`), badHeader},
		{"alg twice, the same", "RFC 7515 §4", "", headed(`"alg":"ES256"`), badHeader},
		{"alg twice, in two cases", "J2", "", headed(`"Alg":"none"`), badHeader},
		{"alg twice, one escaped", "J2", "", headed(`"\u0061lg":"none"`), badHeader},
		{"kid twice", "RFC 7515 §4", "", headed(`"kid":"HS256"`), badHeader},
		{"kid twice, in two cases", "J2", "", headed(`"KID":"HS256"`), badHeader},
		{"kid twice, Kelvin sign", "encoding/json folds it", "", headed(`"\u212Aid":"HS256"`), badHeader},
		{"unknown twice", "RFC 7515 §4", "", headed(`"x":1,"x":1`), badHeader},
		{"unknown twice, not ASCII", "encoding/json folds it", "", headed(`"é":1,"\u00c9":1`), badHeader},
		{"twice inside", "J2", "", headed(`"x":{"y":1,"y":1}`), badHeader},
		{"a member that nobody knows, a control", "RFC 7515 §4.3", "", headed(`"x":1,"y":{"x":["x"]}`), ""},
		{"Crit alone", "J2: exact-case names", "", headed(`"Crit":["exp"]`), badHeader},
		{"Zip alone", "J2: exact-case names", "", headed(`"Zip":"DEF"`), badHeader},
		{"B64 alone", "J2: exact-case names", "", headed(`"B64":false`), badHeader},
		{"trailing data", "RFC 7515 §4", "", func(d *draft) { d.header += "{}" }, badHeader},
		{"trailing comma", "RFC 8259 §4", "", func(d *draft) { d.header = d.header[:len(d.header)-1] + ",}" }, badHeader},
		{"trailing NUL", "RFC 8259 §2", "", func(d *draft) { d.header += "\x00" }, badHeader},
		{"byte order mark", "RFC 8259 §8.1", "", func(d *draft) { d.header = "\ufeff" + d.header }, badHeader},
		{"invalid UTF-8", "RFC 8259 §8.1", "", headed("\"x\":\"\xff\""), badHeader},
		{"invalid UTF-8 in a name", "RFC 8259 §8.1", "", headed("\"x\xc0\xae\":1"), badHeader},
		{"UTF-16", "RFC 8259 §8.1", "", header("\x00{\x00}"), badHeader},
		{"lone surrogate", "RFC 8259 §8.2", "", headed(`"x":"\ud800"`), badHeader},
		{"array", "RFC 7515 §4", "", header(`["alg","ES256"]`), badHeader},
		{"string", "RFC 7515 §4", "", header(`"ES256"`), badHeader},
		{"null", "RFC 7515 §4", "", header(`null`), badHeader},
		{"empty object", "RFC 7515 §4", "", header(`{}`), badHeader},
		{"comment", "RFC 8259", "", headed(`/**/"x":1`), badHeader},
		{"single quotes", "RFC 8259", "", header(`{'alg':'ES256'}`), badHeader},
		{"2000 levels", "CVE-2020-28491", "", headed(`"x":` + deep[:5000]), badHeader},
		{"17 levels", "J2", "", headed(`"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16)), badHeader},
		{"1000 members", "J2", "", headed(manyMembers(700)), badHeader},
		{"crit empty", "RFC 7515 §4.1.11", "", headed(`"crit":[]`), badHeader},
		{"crit unknown", "RFC 7515 §4.1.11", "", headed(`"crit":["x"],"x":1`), badHeader},
		{"crit known", "RFC 7515 §4.1.11", "", headed(`"crit":["exp"],"exp":1`), badHeader},
		{"crit null", "RFC 7515 §4.1.11, CVE-2025-59420", "", headed(`"crit":null`), badHeader},
		{"b64 false", "RFC 7797 §3", "", headed(`"b64":false`), badHeader},
		{"b64 true", "RFC 7797 §3", "", headed(`"b64":true`), badHeader},
		{"zip", "RFC 8725 §3.6", "", headed(`"zip":"DEF"`), badHeader},
		{"enc", "RFC 7516 §4.1.2", "", headed(`"enc":"A128GCM"`), badHeader},
		{"cty JWT: nested", "RFC 7519 §5.2", "", headed(`"cty":"JWT"`), badHeader},
		{"jwk", "CVE-2018-0114", "", embedded(`"jwk":` + strangerJWK()), wrongSignature},
		{"jku", "RFC 8725 §3.10", "", embedded(`"jku":"https://evil.example/jwks.json"`), wrongSignature},
		{"x5u", "RFC 8725 §3.10", "", embedded(`"x5u":"https://evil.example/x.pem"`), wrongSignature},
		{"x5c", "RFC 8725 §3.10", "", embedded(`"x5c":["MIIB"]`), wrongSignature},
		{"jwk without kid", "CVE-2018-0114", "", func(d *draft) {
			d.head(`"jwk":`+strangerJWK()).swap(`"kid":"ES256",`, ``).sign = byStranger(d)
		}, unknownKey},
		{"kid: a path", "CVE-2024-54150", "", kid(`"../../../../dev/null"`), unknownKey},
		{"kid: a path, signed by what is there", "RFC 8725 §3.10", jwtauth.HS256, func(d *draft) {
			d.swap(`"kid":"HS256"`, `"kid":"/dev/null"`).sign = byHMAC(nil)
		}, unknownKey},
		{"kid: SQL", "RFC 8725 §3.10", "", kid(`"' UNION SELECT 'x"`), unknownKey},
		{"kid: a command", "CVE-2017-17405", "", kid(`"|id"`), unknownKey},
		{"kid: a URL", "RFC 8725 §3.10", "", kid(`"https://evil.example/"`), unknownKey},
		{"kid: NUL", "RFC 8725 §3.10", "", kid(`"ES256\u0000"`), unknownKey},
		{"kid: in another case", "RFC 7515 §4.1.4", "", kid(`"es256"`), unknownKey},
		{"kid: a space behind", "RFC 7515 §4.1.4", "", kid(`"ES256 "`), unknownKey},
		{"kid: 128 bytes", "J2", "", kid(`"` + strings.Repeat("k", 128) + `"`), unknownKey},
		{"kid: 129 bytes", "J2", "", kid(`"` + strings.Repeat("k", 129) + `"`), badHeader},
		{"kid: an array", "RFC 7515 §4.1.4", "", kid(`["ES256"]`), badHeader},
		{"kid: a number", "RFC 7515 §4.1.4", "", kid(`0`), badHeader},
		{"kid: null", "RFC 7515 §4.1.4", "", kid(`null`), badHeader},
		{"kid: empty", "J3", "", kid(`""`), unknownKey},
		{"kid: missing, and there are several", "J3", "", swapped(`"kid":"ES256",`, ``), unknownKey},
		{"kid of another key of the same kind", "J3", "", swapped(`"kid":"ES256"`, `"kid":"ES384"`), wrongAlgorithm},
		{"kid of the other RSA key", "J3", jwtauth.RS256, swapped(`"kid":"RS256"`, `"kid":"PS256"`), wrongAlgorithm},
	}
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"%d":1,`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// J1, J2, J3, J5, J11: an attack on form, header, algorithm or signature is
// refused for the reason that it deserves, without asking the store, and the
// client sees the same of all.
func TestAttacks(t *testing.T) {
	s := newService(t, nil)
	constant := wire(answer(s.Middleware, bearer(goodDraft(jwtauth.HS256).token()+"x")))
	if !strings.HasPrefix(constant, "401 ") || !strings.Contains(constant, `error="invalid_token"`) {
		t.Fatal(constant)
	}
	for name, rows := range map[string][]attack{
		"algorithm": algorithmAttacks(), "signature": signatureAttacks(), "form": formAttacks(), "header": headerAttacks(),
	} {
		for _, a := range rows {
			t.Run(name+"/"+a.name, func(t *testing.T) {
				if a.alg == "" {
					a.alg = jwtauth.ES256
				}
				d := goodDraft(a.alg)
				a.change(d)
				token := d.token()
				if a.reason == "" { // the control of a neighbour: it is no attack
					s.wantGood(t, token)
					return
				}
				s.wantRefused(t, token, a.reason)
				if got := wire(answer(s.Middleware, bearer(token))); got != constant {
					t.Errorf("%s: the client sees\n%s\nand of others\n%s", a.source, got, constant)
				}
			})
		}
	}
}

// J1, J8: what the attacks change is good unchanged, under every algorithm.
func TestGoodTokens(t *testing.T) {
	s := newService(t, nil)
	for _, alg := range everyAlgorithm {
		id := s.wantGood(t, goodDraft(alg).token())
		if id.Subject != "ada" || id.Kind != authn.KindUser || id.Method != "jwt" || id.CredentialID != "t1" || len(id.Scopes) != 2 {
			t.Errorf("%s: %+v", alg, id)
		}
	}
	if n := s.rev.asked.Load(); n != int64(len(everyAlgorithm)) {
		t.Errorf("the store was asked %d times", n)
	}
}

// J1: what has not the shape of these tokens is nobody's of ours.
func TestOtherBearersAreAbsent(t *testing.T) {
	s := newService(t, nil)
	good := goodDraft(jwtauth.HS256).token()
	for _, field := range []string{
		"", "Bearer", "Bearer ", "Bearer opaque", "Bearer a.b", "Basic YTpi", "Basic " + good, "DPoP " + good, good, "Bearer\t" + good,
		"BearerX " + good, " " + strings.Repeat("B", 1<<16), `Bearer {"payload":"x"}`,
	} {
		r := bearer("")
		r.Header["Authorization"] = []string{field}
		if id, err := s.Verify(r); id != nil || !isAbsent(err) {
			t.Errorf("%.40q: %v, %v", field, id, err)
		}
	}
	for _, field := range []string{"bearer " + good, "BEARER " + good, "Bearer   " + good} {
		r := bearer("")
		r.Header["Authorization"] = []string{field}
		if _, err := s.Verify(r); err != nil {
			t.Errorf("%.10q: %v", field, err)
		}
	}
}

// isAbsent reports whether another verifier may try.
func isAbsent(err error) bool {
	return errors.Is(err, authn.ErrNoCredential) && authn.AsError(err).Code == ""
}
