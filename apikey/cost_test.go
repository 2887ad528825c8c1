package apikey_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// quiet is a service without events, by the real clock.
func quiet(tb testing.TB) (keys *apikey.Keys, raw string) {
	tb.Helper()
	keys, err := apikey.New(memstore.New(memstore.Config{}), apikey.Config{Prefix: "acme_live", Scopes: []string{"orders:read"}})
	if err != nil {
		tb.Fatal(err)
	}
	key, err := keys.Create(background, "ada", apikey.Spec{Scopes: []string{"orders:read"}})
	if err != nil {
		tb.Fatal(err)
	}
	return keys, key.Secret.Reveal()
}

// discard is a ResponseWriter that costs nothing.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// K17: what a request costs cannot creep: the Identity, and the
// request with its context.
func TestAllocations(t *testing.T) {
	keys, raw := quiet(t)
	good, bad := request("X-API-Key", raw), request("X-API-Key", raw[:len(raw)-6]+"000000")
	h := keys.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w := discard{http.Header{}}
	tests := []struct {
		name string
		most float64
		f    func()
	}{
		{"Verify", 1, func() { _, _ = keys.Verify(good) }},
		{"Middleware", 2, func() { clear(w.h); h.ServeHTTP(w, good) }},
		{"malformed", 1, func() { _, _ = keys.Verify(bad) }},
		{"absent", 0, func() { _, _ = keys.Verify(request0) }},
	}
	for _, tt := range tests {
		if got := testing.AllocsPerRun(1000, tt.f); got > tt.most {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, got, tt.most)
		}
	}
}

var request0 = request()

// K17: the floor is what no verification can do without: the SHA-256 of the
// key and a map lookup.
func BenchmarkVerify(b *testing.B) {
	keys, raw := quiet(b)
	known := map[store.Digest]bool{store.DigestOf(raw): true}
	good, bad := request("X-API-Key", raw), request("X-API-Key", "acme_live_x")
	h := keys.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w := discard{http.Header{}}
	for _, bb := range []struct {
		name string
		f    func()
	}{
		{"floor", func() { _ = known[store.DigestOf(raw)] }},
		{"Verify", func() { _, _ = keys.Verify(good) }},
		{"Middleware", func() { clear(w.h); h.ServeHTTP(w, good) }},
		{"malformed", func() { _, _ = keys.Verify(bad) }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bb.f()
			}
		})
	}
}

func FuzzVerify(f *testing.F) {
	keys, raw := quiet(f)
	f.Add("RAW", "Bearer RAW") // by name: each process of the fuzzer has another one
	f.Add("RAW", "")
	f.Add("", "Bearer RAW")
	f.Add("RAW", "Basic RAW")
	f.Add("acme_liv", "aPIkEY   RAW")
	f.Add("acme_live_", "bearer  acme_live_x")
	f.Add("\x00", "Bearer")
	f.Fuzz(func(t *testing.T, key, authorization string) {
		key, authorization = strings.ReplaceAll(key, "RAW", raw), strings.ReplaceAll(authorization, "RAW", raw)
		r := request()
		r.Header["X-Api-Key"] = []string{key}
		r.Header["Authorization"] = []string{authorization}
		id, err := keys.Verify(r)
		var ours []string
		for _, v := range []string{key, bearer(authorization)} {
			if strings.HasPrefix(v, "acme_live_") {
				ours = append(ours, v)
			}
		}
		if good := slices.Equal(ours, []string{raw}); good != (err == nil) || good && id.Subject != "ada" {
			t.Errorf("%q, %q: %v, %v", key, authorization, id, err)
		}
		if err != nil {
			switch e := authn.AsError(err); e.Status {
			case 400, 401:
			default:
				t.Errorf("%q, %q: %v", key, authorization, err)
			}
		}
	})
}

// bearer is the slow, obvious way.
func bearer(authorization string) string {
	m := regexp.MustCompile(`(?s)^(?i:Bearer|ApiKey) +(.*)$`).FindStringSubmatch(authorization)
	if m == nil {
		return ""
	}
	return m[1]
}
