package jwtauth

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// vector is an example of an RFC: a private or secret key and what it signed.
// kid and alg are in the keys where the RFC has them beside.
type vector struct {
	Source string
	JWK    json.RawMessage
	Token  string
}

func vectors(tb testing.TB) []vector {
	tb.Helper()
	raw, err := os.ReadFile("testdata/jws.json")
	if err != nil {
		tb.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(raw, &all); err != nil {
		tb.Fatal(err)
	}
	return all
}

func (v vector) key(tb testing.TB) Key {
	tb.Helper()
	k, err := ParseJWK(v.JWK)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func (v vector) split(tb testing.TB) (input string, signature []byte) {
	tb.Helper()
	at := strings.LastIndexByte(v.Token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(v.Token[at+1:])
	if err != nil {
		tb.Fatal(err)
	}
	return v.Token[:at], signature
}

// members are of the JWK of the vector, to be changed.
func (v vector) members(tb testing.TB) map[string]any {
	tb.Helper()
	var m map[string]any
	if err := json.Unmarshal(v.JWK, &m); err != nil {
		tb.Fatal(err)
	}
	return m
}

// J3, J4, J12: the examples of RFC 7515, 7520 and 8037 verify, and where a
// signature is determined by key and message we sign the same.
func TestRFCExamplesVerify(t *testing.T) {
	if n := len(vectors(t)); n != 6 {
		t.Fatalf("%d vectors", n)
	}
	for _, v := range vectors(t) {
		t.Run(v.Source, func(t *testing.T) {
			k := v.key(t)
			input, want := v.split(t)
			if err := k.verify(input, want); err != nil {
				t.Fatal(err)
			}
			got, err := k.sign([]byte(input))
			if err != nil {
				t.Fatal(err)
			}
			if k.Algorithm() != ES256 && string(got) != string(want) {
				t.Errorf("signature %x, want %x", got, want)
			}
			if err := k.verify(input, got); err != nil {
				t.Errorf("our own signature: %v", err)
			}
		})
	}
}

// J15: kids that we make are thumbprints, as in RFC 7638 §3.1 and
// RFC 8037 A.3.
func TestRFCThumbprints(t *testing.T) {
	tests := []struct{ source, jwk, want string }{
		{
			"RFC 7638 §3.1", `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`,
			"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
		},
		{
			"RFC 8037 A.3", `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"a","alg":"EdDSA"}`,
			"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
		},
	}
	for _, tt := range tests {
		k, err := ParseJWK([]byte(tt.jwk))
		if err != nil {
			t.Fatalf("%s: %v", tt.source, err)
		}
		if got := thumbprint(k.Public()); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.source, got, tt.want)
		}
	}
}
