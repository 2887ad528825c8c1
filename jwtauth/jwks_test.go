package jwtauth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

// askJWKS is one exchange; fields are names and values.
func askJWKS(ring *jwtauth.KeyRing, method string, fields ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/.well-known/jwks.json", nil)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	ring.JWKS().ServeHTTP(w, r)
	return w
}

// publishedFor are the kids of JWKS, and for how long that may be kept.
func publishedFor(t *testing.T, ring *jwtauth.KeyRing) ([]string, time.Duration) {
	t.Helper()
	text, ok := strings.CutPrefix(askJWKS(ring, http.MethodGet).Header().Get("Cache-Control"), "public, max-age=")
	seconds, err := strconv.Atoi(text)
	if !ok || err != nil {
		t.Fatalf("Cache-Control %q", text)
	}
	return published(t, ring), time.Duration(seconds) * time.Second
}

// J15: public keys only, under the media type of RFC 7517 §8.5, in an order
// that does not change.
func TestJWKSHasPublicKeysOnly(t *testing.T) {
	pair, public, mac := ringKeys(t)
	var keys []jwtauth.Key
	for _, alg := range []jwtauth.Algorithm{jwtauth.RS256, jwtauth.PS256, jwtauth.ES384, jwtauth.EdDSA, jwtauth.HS512} {
		keys = append(keys, authn.Must(jwtauth.GenerateKey(alg)))
	}
	ring := authn.Must(jwtauth.NewKeyRing(append([]jwtauth.Key{mac, pair, public}, keys...)...))
	w := askJWKS(ring, http.MethodGet)
	if got := w.Header().Get("Content-Type"); got != "application/jwk-set+json" {
		t.Errorf("Content-Type %q", got)
	}
	var set map[string][]map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil || len(set) != 1 {
		t.Fatalf("%v: %s", err, w.Body)
	}
	want := []jwtauth.Key{pair, public, keys[0], keys[1], keys[2], keys[3]}
	if len(set["keys"]) != len(want) {
		t.Fatalf("%d keys, want %d", len(set["keys"]), len(want))
	}
	members := map[string]bool{"kty": true, "kid": true, "use": true, "alg": true, "crv": true, "x": true, "y": true, "n": true, "e": true}
	for i, jwk := range set["keys"] {
		for name := range jwk {
			if !members[name] {
				t.Errorf("key %d has a member %q", i, name)
			}
		}
		if jwk["kid"] != want[i].ID() || jwk["alg"] != string(want[i].Algorithm()) || jwk["use"] != "sig" || jwk["kty"] == "oct" {
			t.Errorf("key %d is %v, want %v", i, jwk, want[i])
		}
		if _, err := jwtauth.ParseJWK(authn.Must(json.Marshal(jwk))); err != nil {
			t.Errorf("key %d: %v", i, err)
		}
	}
	alone := askJWKS(authn.Must(jwtauth.NewKeyRing(mac)), http.MethodGet)
	if got := alone.Body.String(); got != `{"keys":[]}` {
		t.Errorf("of an HMAC key alone: %s", got)
	}
}

// J15: methods, conditional requests (RFC 9110 §13.1.2) and caching.
func TestJWKSExchanges(t *testing.T) {
	pair, _, _ := ringKeys(t)
	ring := authn.Must(jwtauth.NewKeyRing(pair))
	full := askJWKS(ring, http.MethodGet)
	etag := full.Header().Get("ETag")
	if len(etag) < 18 || etag[0] != '"' || etag[len(etag)-1] != '"' {
		t.Fatalf("ETag %q is not a strong one", etag)
	}
	tests := []struct {
		name, method, ifNoneMatch string
		want                      int
	}{
		{"GET", http.MethodGet, "", 200},
		{"HEAD", http.MethodHead, "", 200},
		{"the same", http.MethodGet, etag, 304},
		{"the same, HEAD", http.MethodHead, etag, 304},
		{"weak", http.MethodGet, "W/" + etag, 304},
		{"in a list", http.MethodGet, `"a", W/"b,c",` + etag + `, "d"`, 304},
		{"anything", http.MethodGet, "*", 304},
		{"another", http.MethodGet, `"other"`, 200},
		{"others", http.MethodGet, `"a", W/"b"`, 200},
		{"unquoted", http.MethodGet, strings.Trim(etag, `"`), 200},
		{"a part", http.MethodGet, etag[:len(etag)-2] + `"`, 200},
		{"POST", http.MethodPost, "", 405},
		{"POST, the same", http.MethodPost, etag, 405},
		{"OPTIONS", http.MethodOptions, "", 405},
		{"DELETE", http.MethodDelete, "", 405},
		{"no method of HTTP", "get", "", 405},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var fields []string
			if test.ifNoneMatch != "" {
				fields = []string{"If-None-Match", test.ifNoneMatch}
			}
			w := askJWKS(ring, test.method, fields...)
			h := w.Header()
			if w.Code != test.want {
				t.Errorf("status %d, want %d", w.Code, test.want)
			}
			wantBody := ""
			switch test.want {
			case 200, 304:
				if h.Get("Cache-Control") != "public, max-age=3600" || h.Get("ETag") != etag || h.Get("X-Content-Type-Options") != "nosniff" {
					t.Errorf("header %v", h)
				}
				if test.want == 200 && h.Get("Content-Length") != strconv.Itoa(full.Body.Len()) {
					t.Errorf("Content-Length %q", h.Get("Content-Length"))
				}
				if test.want == 200 && test.method == http.MethodGet {
					wantBody = full.Body.String()
				}
			case 405:
				if h.Get("Allow") != "GET, HEAD" || h.Get("Cache-Control") != "no-store" || h.Get("ETag") != "" {
					t.Errorf("header %v", h)
				}
				wantBody = w.Body.String()
			}
			if got := w.Body.String(); got != wantBody {
				t.Errorf("body %q, want %q", got, wantBody)
			}
			if h.Get("Access-Control-Allow-Origin") != "" || h.Get("Set-Cookie") != "" {
				t.Errorf("header %v", h)
			}
		})
	}
}

// J14, J15: a copy is good for Publish less what the instance has not seen; a
// new key changes the ETag.
func TestSharedJWKS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRingService(t)
		ring := s.instance(func(cfg *jwtauth.RingConfig) { cfg.Publish = 10 * time.Minute })
		first := ring.signing()
		age := func(want time.Duration) string {
			t.Helper()
			w := askJWKS(ring.KeyRing, http.MethodGet)
			if got := w.Header().Get("Cache-Control"); got != "public, max-age="+strconv.Itoa(int(want.Seconds())) {
				t.Errorf("Cache-Control %q, want %v", got, want)
			}
			return w.Header().Get("ETag")
		}
		before := age(10 * time.Minute)
		time.Sleep(4 * time.Second)
		if got := age(10*time.Minute - 4*time.Second); got != before {
			t.Error("the ETag has changed and the keys have not")
		}
		ring.rotate()
		if got := age(10 * time.Minute); got == before {
			t.Error("the ETag has not changed")
		}
		equalKids(t, "newest first", published(t, ring.KeyRing), s.records()[0].ID, first)
		ring.retire(s.records()[0].ID)
		equalKids(t, "after a staged key leaked", published(t, ring.KeyRing), s.records()[0].ID, first)
		ring.st.down.Store(true)
		for range 200 {
			time.Sleep(time.Second)
			askJWKS(ring.KeyRing, http.MethodGet)
		}
		age(10*time.Minute - 200*time.Second)
	})
}

// J15: the answer is made once, not for each request.
func TestJWKSIsMadeOnce(t *testing.T) {
	var keys []jwtauth.Key
	for range 20 {
		keys = append(keys, authn.Must(jwtauth.GenerateKey(jwtauth.EdDSA)))
	}
	var allocs []float64
	for _, ring := range []*jwtauth.KeyRing{authn.Must(jwtauth.NewKeyRing(keys[0])), authn.Must(jwtauth.NewKeyRing(keys...))} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("If-None-Match", askJWKS(ring, http.MethodGet).Header().Get("ETag"))
		h := ring.JWKS()
		allocs = append(allocs, testing.AllocsPerRun(100, func() { h.ServeHTTP(httptest.NewRecorder(), r) }))
	}
	if allocs[1] > allocs[0] {
		t.Errorf("%v allocations for one key, %v for twenty", allocs[0], allocs[1])
	}
}

// J15: nothing read and the store down is 503, which nobody keeps.
func TestJWKSOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ring := newRingService(t).instance()
		ring.st.down.Store(true)
		w := askJWKS(ring.KeyRing, http.MethodGet, "If-None-Match", "*")
		if w.Code != 503 || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "refused") {
			t.Errorf("status %d, header %v: %s", w.Code, w.Header(), w.Body)
		}
		ring.st.down.Store(false)
		time.Sleep(time.Second)
		if w := askJWKS(ring.KeyRing, http.MethodGet); w.Code != 200 {
			t.Errorf("status %d after the outage", w.Code)
		}
	})
}
