//go:build !race

// The race detector makes sync.Pool forget, and time runs differently.

package tokenserver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/oauth/tokenserver"
	"github.com/gatehouse-go/authn/store/memstore"
)

// plain is a Server over a store that counts nothing, with a client.
func plain(t testing.TB) (s *tokenserver.Server, secret string) {
	t.Helper()
	st := memstore.New(memstore.Config{})
	issuer := authn.Must(jwtauth.NewIssuer(ring, st, authn.GenerateKeychain(), jwtauth.IssuerConfig{Issuer: issuerURL, Audience: []string{orders}}))
	s = authn.Must(tokenserver.New(st, issuer, tokenserver.Config{}))
	_, created, err := s.CreateClient(t.Context(), tokenserver.Client{ID: "worker", Scopes: []string{"orders:read"}, Audience: []string{orders}})
	if err != nil {
		t.Fatal(err)
	}
	return s, created.Reveal()
}

// asking is a request again and again.
func asking(t testing.TB, s *tokenserver.Server, id, secret string, want int) func() {
	t.Helper()
	body := strings.NewReader("")
	r := httptest.NewRequest(http.MethodPost, issuerURL+"/token", body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	basic(id, secret)(r)
	return func() {
		body.Reset("grant_type=client_credentials&scope=orders%3Aread")
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != want {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}

// O10: what a token costs cannot creep.
func TestTokenAllocations(t *testing.T) {
	s, secret := plain(t)
	if got := testing.AllocsPerRun(200, asking(t, s, "worker", secret, 200)); got > tokenAllocs {
		t.Errorf("%v allocations, want at most %d", got, tokenAllocs)
	}
}

const tokenAllocs = 112

// O11: a JWKS is read once, and not for each assertion that somebody forges.
func TestForgedAssertionsDoNotCostTheWholeJWKS(t *testing.T) {
	w := newWorld(t, nil)
	keys := make([]signer, 100)
	for i := range keys {
		keys[i] = newSigner(fmt.Sprint("k", i))
	}
	w.create(tokenserver.Client{ID: "one", AuthMethod: tokenserver.PrivateKeyJWT, JWKS: jwks(keys[0])})
	w.create(tokenserver.Client{ID: "many", AuthMethod: tokenserver.PrivateKeyJWT, JWKS: jwks(keys...)})
	cost := func(id string) float64 {
		forged := w.assertion(newSigner("k0"), id)
		return testing.AllocsPerRun(10, func() { w.askBy(forged) })
	}
	if one, many := cost("one"), cost("many"); many > 1.2*one {
		t.Errorf("%v allocations of a client with 100 keys, %v of one with a key", many, one)
	}
}

// O10: a token costs at most 1.3 times its signature.
func BenchmarkToken(b *testing.B) {
	key := authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	text := []byte(strings.Repeat("x", 400))
	b.Run("signature", func(b *testing.B) {
		for b.Loop() {
			digest := sha256.Sum256(text)
			_, _ = ecdsa.SignASN1(rand.Reader, key, digest[:])
		}
	})
	s, secret := plain(b)
	b.Run("token", func(b *testing.B) {
		ask := asking(b, s, "worker", secret, 200)
		b.ReportAllocs()
		for b.Loop() {
			ask()
		}
	})
}
