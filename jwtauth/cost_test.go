//go:build !race

// The race detector makes sync.Pool forget, and time runs differently.

package jwtauth_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn/jwtauth"
)

// discard is a ResponseWriter that costs nothing.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// J28, J29: what a request costs cannot creep.
func TestVerifyAllocations(t *testing.T) {
	s := newService(t, func(cfg *jwtauth.VerifierConfig) { cfg.OnEvent = nil })
	request := func(d *draft) *http.Request { return bearer(d.token()) }
	hs, es := request(goodDraft(jwtauth.HS256)), request(goodDraft(jwtauth.ES256))
	forge := func(alg jwtauth.Algorithm, n int) *http.Request {
		d := goodDraft(alg)
		d.sign = fixed(make([]byte, n)...)
		return request(d)
	}
	forged := forge(jwtauth.HS256, 32)
	big := goodDraft(jwtauth.HS256).claim(`"x":"` + strings.Repeat("x", 5000) + `"`)
	big.sign = fixed(make([]byte, 32)...)
	bigForged, none := request(big), without()
	h := s.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w := discard{http.Header{}}
	verify := func(r *http.Request) func() { return func() { _, _ = s.Verify(r) } }
	const runs = 500
	first := make([]*http.Request, 2*(runs+3)) // one for each call, with those that warm up
	for i := range first {
		first[i] = request(goodDraft(jwtauth.HS256).swap(`"jti":"t1"`, fmt.Sprintf(`"jti":"f%d"`, i)))
	}
	seen := slices.Clone(first[:runs+3])
	another := func() (r *http.Request) {
		r, first = first[0], first[1:]
		return r
	}
	again := func() (r *http.Request) {
		r, seen = seen[0], seen[1:]
		return r
	}
	for _, c := range []struct {
		name string
		most float64 // what it is; J28 allows 12 for Verify, 6 for a forged one
		f    func()
	}{
		{"HS256", 2, func() { _, _ = s.Verify(another()) }},
		{"HS256, the middleware", 3, func() { clear(w.h); h.ServeHTTP(w, another()) }},
		{"HS256, again", 3, func() { _, _ = s.Verify(again()) }},
		{"HS256, known", 1, verify(hs)},
		{"HS256, forged", 2, verify(forged)},
		{"HS256, forged, of 7 KB", 2, verify(bigForged)},
		{"ES256, known", 1, verify(es)},
		{"HS256, forged, besides ES256", 2, verify(forged)},
		{"HS256, forged, of 7 KB, besides ES256", 2, verify(bigForged)},
		{"absent", 0, verify(none)},
	} {
		c.f()
		c.f()
		if got := testing.AllocsPerRun(runs, c.f); got > c.most {
			t.Errorf("%s: %v allocations, want at most %v", c.name, got, c.most)
		}
	}
}

// hostileAllocs bounds what a token that nobody signed may allocate, whatever
// stands in it.
const hostileAllocs = 40

// J5, J28: there is no header or payload that keeps the reader busy before the
// signature is looked at.
func TestHostileTokensAllocateLittle(t *testing.T) {
	s, _ := newTwoIssuers(t)
	names := func(n int, name func(i int) string) string {
		members := make([]string, n)
		for i := range members {
			members[i] = `"` + name(i) + `":1`
		}
		return strings.Join(members, ",")
	}
	digits := func(i int) string { return string([]byte{'0' + byte(i/100), '0' + byte(i/10%10), '0' + byte(i%10)}) }
	inCases := func(i int) string { // one word in many mixes of cases
		word := []rune(strings.Repeat("αβ", 6))
		for b := range 10 {
			if i>>b&1 == 1 {
				word[b] += 'Α' - 'α'
			}
		}
		return string(word) + digits(i)
	}
	prefix := strings.Repeat("k", 36)
	for name, d := range map[string]*draft{
		"header: 128 members, long prefix":        goodDraft(jwtauth.HS256).head(names(120, func(i int) string { return prefix + digits(i) })),
		"header: 128 members, cases of Greek":     goodDraft(jwtauth.HS256).head(names(120, inCases)),
		"header: many objects":                    goodDraft(jwtauth.HS256).head(`"x":[` + strings.Repeat(`{`+names(120, func(i int) string { return "k" + digits(i) })+`},`, 5) + `1]`),
		"payload: many objects, of two issuers":   goodDraft(jwtauth.HS256).claim(`"x":[` + strings.Repeat(`{`+names(120, func(i int) string { return "k" + digits(i) })+`},`, 5) + `1]`),
		"payload: cases of Greek, of two issuers": goodDraft(jwtauth.HS256).claim(names(118, inCases)),
	} {
		d.sign = fixed(make([]byte, 32)...)
		token := d.token()
		if len(token) > 8192 {
			t.Fatalf("%s: %d bytes", name, len(token))
		}
		r := bearer(token)
		if _, err := s.Verify(r); err == nil {
			t.Fatal("accepted")
		}
		if n := testing.AllocsPerRun(100, func() { _, _ = s.Verify(r) }); n > hostileAllocs {
			t.Errorf("%s: refusing %d bytes allocates %v times, want at most %d", name, len(token), n, hostileAllocs)
		}
	}
}

// J28: a forged signature costs at most twice the bare HMAC.
func BenchmarkVerify(b *testing.B) {
	s := newService(b, func(cfg *jwtauth.VerifierConfig) { cfg.OnEvent = nil })
	each := newService(b, func(cfg *jwtauth.VerifierConfig) { cfg.OnEvent, cfg.SkipVerifiedCache = nil, true })
	forged := goodDraft(jwtauth.HS256)
	forged.sign = fixed(make([]byte, 32)...)
	token := goodDraft(jwtauth.HS256).token()
	known := map[[32]byte]bool{}
	es := goodDraft(jwtauth.ES256).token()
	for _, c := range []struct {
		name string
		f    func()
	}{
		{"HMAC", func() { byHMAC([]byte("0123456789abcdef0123456789abcdef"))(token) }},
		{"HS256", func(r *http.Request) func() { return func() { _, _ = each.Verify(r) } }(bearer(token))},
		{"HS256, known", func(r *http.Request) func() { return func() { _, _ = s.Verify(r) } }(bearer(token))},
		{"forged", func(r *http.Request) func() { return func() { _, _ = s.Verify(r) } }(bearer(forged.token()))},
		{"floor of a known one", func() { _ = known[sha256.Sum256([]byte(es))] }},
		{"ES256, known", func(r *http.Request) func() { return func() { _, _ = s.Verify(r) } }(bearer(es))},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.f()
			}
		})
	}
}
