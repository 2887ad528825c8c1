//go:build !race

// The race detector makes time run differently.

package oauth_test

import (
	"context"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-go/authn/oauth"
)

// repeated is a verifier that has its keys already, and a token.
func repeated(tb testing.TB) (*oauth.IDTokens, *standIn, string) {
	tb.Helper()
	s := google()
	s.t = tb
	v := oauth.NewIDTokens("https://accounts.google.com", "1234987819200.apps.googleusercontent.com", "https://www.googleapis.com/oauth2/v3/certs", s)
	raw := signedBy(googleClaims("n0nce"))
	if subject, err := v.Verify(tb.Context(), raw, "n0nce", "ya29.a0AfH6SMB"); err != nil || subject != "10769150350006150715113082367" {
		tb.Fatalf("%q, %v", subject, err)
	}
	s.made()
	return v, s, raw
}

// O4: the id_tokens of a provider that is known cost no request, and what verifying
// one allocates cannot creep.
func TestVerifyAllocations(t *testing.T) {
	v, s, raw := repeated(t)
	if got := testing.AllocsPerRun(200, func() { _, _ = v.Verify(context.Background(), raw, "n0nce", "ya29.a0AfH6SMB") }); got > verifyAllocs {
		t.Errorf("%v allocations, want at most %d", got, verifyAllocs)
	}
	if got := s.made(); got != "" {
		t.Errorf("asked %s", got)
	}
}

const verifyAllocs = 200

// O4: an id_token costs at most twice what its signature does, on top of that.
func BenchmarkVerify(b *testing.B) {
	v, _, raw := repeated(b)
	parts := strings.Split(raw, ".")
	sig, err := jwt.NewParser().DecodeSegment(parts[2])
	if err != nil {
		b.Fatal(err)
	}
	key := &rsaKey().PublicKey
	b.Run("signature", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := jwt.SigningMethodRS256.Verify(parts[0]+"."+parts[1], sig, key); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("id_token", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(context.Background(), raw, "n0nce", "ya29.a0AfH6SMB"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
