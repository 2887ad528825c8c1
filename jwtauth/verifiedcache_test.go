package jwtauth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

// swapping is a KeySource whose keys a test changes.
type swapping struct {
	ring atomic.Pointer[jwtauth.KeyRing]
	down atomic.Bool
	n    atomic.Int64

	empty atomic.Bool // it answers a zero Key
}

func (s *swapping) VerificationKey(ctx context.Context, kid string) (jwtauth.Key, error) {
	s.n.Add(1)
	if s.down.Load() {
		return jwtauth.Key{}, errDown
	}
	if s.empty.Load() {
		return jwtauth.Key{}, nil
	}
	return s.ring.Load().VerificationKey(ctx, kid)
}

// newCached counts how often Map, and so the signature, is looked at.
func newCached(t *testing.T, change func(cfg *jwtauth.VerifierConfig)) (s *service, source *swapping, parsed *atomic.Int64) {
	t.Helper()
	source, parsed = &swapping{}, &atomic.Int64{}
	source.ring.Store(ringOf())
	s = newService(t, func(cfg *jwtauth.VerifierConfig) {
		cfg.Trust[0].Keys = source
		cfg.Trust[0].Map = func(tok *jwtauth.Token) (*authn.Identity, error) {
			parsed.Add(1)
			return &authn.Identity{Subject: "net:" + tok.Subject(), Kind: authn.KindUser, Scopes: tok.Scopes()}, nil
		}
		if change != nil {
			change(cfg)
		}
	})
	return s, source, parsed
}

// J29: a repeated token with an asymmetric signature is not verified again, one
// with an HMAC once more, and with SkipVerifiedCache each is every time. The store
// and the key set are asked each time.
func TestRepeatedTokensAreKnown(t *testing.T) {
	for _, skip := range [...]bool{false, true} {
		for _, alg := range everyAlgorithm {
			s, source, parsed := newCached(t, func(cfg *jwtauth.VerifierConfig) { cfg.SkipVerifiedCache = skip })
			token := goodDraft(alg).token()
			var first *authn.Identity
			for i := range 4 {
				s.clock.advance(time.Second)
				id := s.wantGood(t, strings.Clone(token))
				if i == 0 {
					first = id
				}
				if id == first && i > 0 || id.Subject != "net:ada" || !id.VerifiedAt.Equal(s.clock.Now()) || len(id.Scopes) != 2 || !id.ExpiresAt.Equal(first.ExpiresAt) {
					t.Errorf("%s: %+v", alg, id)
				}
			}
			want := firstTimes(alg)
			if skip {
				want = 4
			}
			if parsed.Load() != want || s.rev.asked.Load() != 4 || source.n.Load() != 4 {
				t.Errorf("%s, skip %v: parsed %d times, store asked %d times, keys %d times", alg, skip, parsed.Load(), s.rev.asked.Load(), source.n.Load())
			}
		}
	}
}

// firstTimes is how often a token is verified until it is known.
func firstTimes(alg jwtauth.Algorithm) int64 {
	if strings.HasPrefix(string(alg), "HS") {
		return 2
	}
	return 1
}

// known is what s knows by now.
func (s *service) known(t *testing.T, alg jwtauth.Algorithm, token string) {
	t.Helper()
	for range firstTimes(alg) {
		s.wantGood(t, token)
	}
}

// J29: a token with an HMAC is known when it comes again, whatever comes in
// between; others with the same key are not.
func TestHMACTokensAreKnownBesidesOthers(t *testing.T) {
	s, _, parsed := newCached(t, nil)
	var tokens []string
	for i := range 100 {
		tokens = append(tokens, goodDraft(jwtauth.HS256).swap(`"jti":"t1"`, fmt.Sprintf(`"jti":"t%d"`, i)).token())
	}
	for round, want := range []int64{100, 200, 200, 200} {
		for i, token := range tokens {
			if id := s.wantGood(t, token); id.CredentialID != fmt.Sprint("t", i) {
				t.Fatalf("%d is %+v", i, id)
			}
		}
		if parsed.Load() != want {
			t.Errorf("round %d: parsed %d times", round, parsed.Load())
		}
	}
}

// J29: the cache knows exact bytes: no other spelling, signature, payload or
// header is the token that it knows.
func TestCacheKnowsExactBytes(t *testing.T) {
	for _, alg := range [...]jwtauth.Algorithm{jwtauth.HS256, jwtauth.EdDSA} {
		s, _, _ := newCached(t, nil)
		token := goodDraft(alg).token()
		s.known(t, alg, token)
		cacheKnowsExactBytes(t, s, token)
	}
}

func cacheKnowsExactBytes(t *testing.T, s *service, token string) {
	t.Helper()
	for i := range token {
		changed := []byte(token)
		changed[i] ^= 1
		if id, err := s.verify(string(changed)); err == nil {
			t.Fatalf("byte %d: %+v", i, id)
		}
	}
	for _, changed := range []string{token + "=", token + "A", token + " ", token[:len(token)-1], token + ".", "\n" + token} {
		if id, err := s.verify(changed); err == nil {
			t.Fatalf("%q: %+v", changed, id)
		}
	}
	s.wantGood(t, token)
}

// J29: refusals are not kept: anybody can make those.
func TestCacheKeepsNoRefusals(t *testing.T) {
	for _, alg := range [...]jwtauth.Algorithm{jwtauth.HS256, jwtauth.ES256} {
		s, source, parsed := newCached(t, nil)
		source.ring.Store(ringOf(jwtauth.EdDSA))
		token := goodDraft(alg).token()
		s.wantRefused(t, token, unknownKey)
		s.wantRefused(t, token, unknownKey)
		source.ring.Store(ringOf())
		for range 4 {
			s.wantGood(t, token)
		}
		if parsed.Load() != firstTimes(alg) {
			t.Errorf("%s: parsed %d times", alg, parsed.Load())
		}
	}
}

// J29: nor is a token of ours that is expired, though its signature is good: they
// would drive out others.
func TestCacheKeepsNoExpiredTokens(t *testing.T) {
	for _, alg := range [...]jwtauth.Algorithm{jwtauth.HS256, jwtauth.ES256} {
		s := newService(t, nil)
		token := goodDraft(alg).token()
		s.clock.advance(tokenLife)
		for range 3 {
			s.wantRefused(t, token, "expired")
		}
		if n := jwtauth.KnownTokens(s.Verifier); n != 0 {
			t.Errorf("%s: %d tokens are kept", alg, n)
		}
		s.clock.advance(-time.Second)
		s.known(t, alg, token)
		if n := jwtauth.KnownTokens(s.Verifier); n != 1 {
			t.Errorf("%s: %d tokens are kept, want the good one", alg, n)
		}
	}
}

// J29: a key that goes, or that another one replaces under its kid, ends what was
// verified by it; one that was merely read again does not; a source that is
// down is an outage.
func TestCacheIsTiedToTheKey(t *testing.T) {
	s, source, parsed := newCached(t, nil)
	token := goodDraft(jwtauth.ES256).token()
	s.wantGood(t, token)
	source.ring.Store(ringOf()) // parsed again
	s.wantGood(t, token)
	if parsed.Load() != 1 {
		t.Errorf("a key that was read again: parsed %d times", parsed.Load())
	}
	source.ring.Store(ringOf(jwtauth.HS256, jwtauth.EdDSA))
	s.wantRefused(t, token, unknownKey)
	source.ring.Store(authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.NewKey("ES256", jwtauth.ES256, strangerKey)))))
	s.wantRefused(t, token, wrongSignature)
	source.ring.Store(authn.Must(jwtauth.NewKeyRing(keyOf("ES256", jwtauth.RS256))))
	s.wantRefused(t, token, wrongAlgorithm)
	source.ring.Store(ringOf())
	rs256 := goodDraft(jwtauth.RS256).token()
	s.wantGood(t, rs256)
	source.ring.Store(authn.Must(jwtauth.NewKeyRing(keyOf("RS256", jwtauth.PS256)))) // the same RSA key
	s.wantRefused(t, rs256, wrongAlgorithm)
	source.ring.Store(ringOf())
	source.empty.Store(true)
	if _, err := s.verify(token); authn.AsError(err) == nil || authn.AsError(err).Status != 503 {
		t.Errorf("a zero Key: %v", err)
	}
	source.empty.Store(false)
	source.down.Store(true)
	_, err := s.verify(token)
	if e := authn.AsError(err); e == nil || e.Status != 503 || !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
	source.down.Store(false)
	s.wantGood(t, token)
}

// J29: the same of a secret.
func TestCacheIsTiedToTheSecret(t *testing.T) {
	s, source, parsed := newCached(t, nil)
	token := goodDraft(jwtauth.HS256).token()
	s.known(t, jwtauth.HS256, token)
	source.ring.Store(ringOf())
	for range 3 {
		s.wantGood(t, token)
	}
	if parsed.Load() != 2 {
		t.Errorf("a secret that was read again: parsed %d times", parsed.Load())
	}
	source.ring.Store(ringOf(jwtauth.ES256, jwtauth.EdDSA))
	s.wantRefused(t, token, unknownKey)
	other := authn.Must(jwtauth.HMACKey("HS256", jwtauth.HS256, authn.NewSecret(strings.Repeat("another", 8))))
	source.ring.Store(authn.Must(jwtauth.NewKeyRing(other)))
	s.wantRefused(t, token, wrongSignature)
	source.ring.Store(authn.Must(jwtauth.NewKeyRing(keyOf("HS256", jwtauth.HS512))))
	s.wantRefused(t, token, wrongAlgorithm)
	source.down.Store(true)
	if _, err := s.verify(token); authn.AsError(err) == nil || authn.AsError(err).Status != 503 || !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
	source.down.Store(false)
	source.ring.Store(ringOf())
	s.wantGood(t, token)
}

// J29, J3: a token without kid is refused as soon as there are two keys.
func TestCacheForgetsTheOnlyKey(t *testing.T) {
	s, source, _ := newCached(t, nil)
	source.ring.Store(ringOf(jwtauth.ES256))
	token := goodDraft(jwtauth.ES256).swap(`"kid":"ES256",`, ``).token()
	s.wantGood(t, token)
	source.ring.Store(ringOf(jwtauth.ES256, jwtauth.EdDSA))
	s.wantRefused(t, token, unknownKey)
}

// J29: tokens of up to 4 KiB are kept, to the byte.
func TestLongTokensAreNotKept(t *testing.T) {
	for _, alg := range [...]jwtauth.Algorithm{jwtauth.HS512, jwtauth.EdDSA} { // whose signatures have 64 bytes
		for length, kept := range map[int]bool{4096: true, 4097: false} {
			s, _, parsed := newCached(t, nil)
			token := padded(goodDraft(alg), length)
			for range 3 {
				s.wantGood(t, token)
			}
			want := int64(3)
			if kept {
				want = firstTimes(alg)
			}
			if len(token) != length || parsed.Load() != want {
				t.Errorf("%s, %d bytes: parsed %d times", alg, length, parsed.Load())
			}
		}
	}
}

// padded is the token of d with spaces, which has n bytes and a signature of 64.
func padded(d *draft, n int) string {
	size := base64.RawURLEncoding.EncodedLen
	for i := range 3 * n {
		h, p := i%3, i/3
		if size(len(d.header)+h)+size(len(d.payload)+p)+len("..")+size(64) == n {
			d.header, d.payload = d.header+strings.Repeat(" ", h), d.payload+strings.Repeat(" ", p)
			break
		}
	}
	return d.token()
}

// J29: one verifier's cache is not another's.
func TestCachesArePrivate(t *testing.T) {
	for _, alg := range [...]jwtauth.Algorithm{jwtauth.HS256, jwtauth.ES256} {
		a, _, _ := newCached(t, nil)
		b, _, _ := newCached(t, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].Audiences = []string{"another"} })
		token := goodDraft(alg).token()
		a.known(t, alg, token)
		b.known(t, alg, goodDraft(alg).swap(`"aud":"`+api+`"`, `"aud":"another"`).token()) // so that it looks
		b.wantRefused(t, token, "wrong audience")
	}
}

// J29: Identities of one cached token are structs of their own, that of the
// request which it was kept by, too.
func TestCachedIdentitiesAreCopies(t *testing.T) {
	for _, alg := range [...]jwtauth.Algorithm{jwtauth.HS256, jwtauth.ES256} {
		s, _, _ := newCached(t, nil)
		token := goodDraft(alg).token()
		for i := range 5 {
			id := s.wantGood(t, token)
			if id.Subject != "net:ada" || id.Pending != nil {
				t.Errorf("%s, %d: %+v", alg, i, id)
			}
			id.Subject, id.Pending = "root", []string{"otp"}
		}
	}
}

// J29: what one request appends to its Identity is not another's, whatever room
// there is behind.
func TestCachedIdentitiesDoNotGrowIntoEachOther(t *testing.T) {
	now := time.Now()
	for name, mapped := range map[string]*authn.Identity{
		"mapped": {
			Scopes: make([]string, 1, 8), Roles: make([]string, 1, 8), Pending: make([]string, 1, 8), Factors: append(make([]authn.Factor, 0, 8), authn.Factor{Name: "pwd", At: now}),
		},
		"own": nil,
	} {
		s := newService(t, func(cfg *jwtauth.VerifierConfig) {
			if mapped == nil {
				return
			}
			cfg.Trust[0].Map = func(tok *jwtauth.Token) (*authn.Identity, error) {
				id := *mapped
				id.Subject, id.Kind = tok.Subject(), authn.KindUser
				return &id, nil
			}
		})
		token := goodDraft(jwtauth.HS256).claim(`"roles":["a,b","c"],"amr":["a,b","c"]`).token()
		s.known(t, jwtauth.HS256, token)
		for range 2 { // from the cache
			id := s.wantGood(t, token)
			if cap(id.Scopes) != len(id.Scopes) || cap(id.Roles) != len(id.Roles) || cap(id.Factors) != len(id.Factors) || cap(id.Pending) != len(id.Pending) {
				t.Errorf("%s: room for %d of %d scopes, %d of %d roles, %d of %d factors, %d of %d pending", name,
					cap(id.Scopes), len(id.Scopes), cap(id.Roles), len(id.Roles), cap(id.Factors), len(id.Factors), cap(id.Pending), len(id.Pending))
			}
			if len(id.Roles) == 0 {
				t.Errorf("%s: no roles: %+v", name, id)
			}
		}
	}
}

// J29: many goroutines with a few tokens, while their key goes.
func TestCacheUnderConcurrency(t *testing.T) {
	for _, alg := range [...]jwtauth.Algorithm{jwtauth.HS256, jwtauth.ES256} {
		s, source, _ := newCached(t, nil)
		var tokens []string
		for i := range 4 {
			tokens = append(tokens, goodDraft(alg).swap(`"jti":"t1"`, fmt.Sprintf(`"jti":"t%d"`, i)).token())
		}
		here, gone := ringOf(alg), ringOf(jwtauth.EdDSA)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for i := range 200 {
					id, err := s.verify(tokens[i%len(tokens)])
					if e := authn.AsError(err); err == nil && (id.Subject != "net:ada" || id.CredentialID != fmt.Sprint("t", i%len(tokens))) || e != nil && e.Reason != unknownKey {
						t.Errorf("%s: %+v, %v", alg, id, err)
					}
				}
			})
		}
		wg.Go(func() {
			for range 100 {
				source.ring.Store(gone)
				source.ring.Store(here)
				source.ring.Store(ringOf(alg))
			}
		})
		wg.Wait()
		source.ring.Store(gone)
		s.wantRefused(t, tokens[0], unknownKey)
	}
}
