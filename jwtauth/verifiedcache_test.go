package jwtauth_test

import (
	"context"
	"encoding/base64"
	"errors"
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
// with an HMAC is, and so is everything with SkipVerifiedCache. The store is
// asked each time.
func TestRepeatedTokensAreKnown(t *testing.T) {
	for _, skip := range [...]bool{false, true} {
		for _, alg := range everyAlgorithm {
			s, source, parsed := newCached(t, func(cfg *jwtauth.VerifierConfig) { cfg.SkipVerifiedCache = skip })
			token := goodDraft(alg).token()
			var first *authn.Identity
			for i := range 3 {
				s.clock.advance(time.Second)
				id := s.wantGood(t, strings.Clone(token))
				if i == 0 {
					first = id
				}
				if id == first && i > 0 || id.Subject != "net:ada" || !id.VerifiedAt.Equal(s.clock.Now()) || len(id.Scopes) != 2 || !id.ExpiresAt.Equal(first.ExpiresAt) {
					t.Errorf("%s: %+v", alg, id)
				}
			}
			want := int64(1)
			if skip || strings.HasPrefix(string(alg), "HS") {
				want = 3
			}
			if parsed.Load() != want || s.rev.asked.Load() != 3 || source.n.Load() != 3 {
				t.Errorf("%s, skip %v: parsed %d times, store asked %d times, keys %d times", alg, skip, parsed.Load(), s.rev.asked.Load(), source.n.Load())
			}
		}
	}
}

// J29: the cache knows exact bytes: no other spelling, signature, payload or
// header is the token that it knows.
func TestCacheKnowsExactBytes(t *testing.T) {
	s, _, _ := newCached(t, nil)
	token := goodDraft(jwtauth.EdDSA).token()
	s.wantGood(t, token)
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
	s, source, parsed := newCached(t, nil)
	source.ring.Store(ringOf(jwtauth.HS256))
	token := goodDraft(jwtauth.ES256).token()
	s.wantRefused(t, token, unknownKey)
	s.wantRefused(t, token, unknownKey)
	source.ring.Store(ringOf())
	s.wantGood(t, token)
	if parsed.Load() != 1 {
		t.Errorf("parsed %d times", parsed.Load())
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
	for length, want := range map[int]int64{4096: 1, 4097: 2} {
		s, _, parsed := newCached(t, nil)
		token := padded(goodDraft(jwtauth.EdDSA), length)
		for range 2 {
			s.wantGood(t, token)
		}
		if len(token) != length || parsed.Load() != want {
			t.Errorf("%d bytes: parsed %d times", len(token), parsed.Load())
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
	a, _, _ := newCached(t, nil)
	b, _, _ := newCached(t, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].Audiences = []string{"another"} })
	token := goodDraft(jwtauth.ES256).token()
	a.wantGood(t, token)
	b.wantRefused(t, token, "wrong audience")
}

// J29: Identities of one cached token are structs of their own.
func TestCachedIdentitiesAreCopies(t *testing.T) {
	s, _, _ := newCached(t, nil)
	token := goodDraft(jwtauth.ES256).token()
	first := s.wantGood(t, token)
	first.Subject, first.Pending = "root", []string{"otp"}
	if second := s.wantGood(t, token); second.Subject != "net:ada" || second.Pending != nil {
		t.Errorf("%+v", second)
	}
}

// J29: many goroutines with one token, while the key goes.
func TestCacheUnderConcurrency(t *testing.T) {
	s, source, _ := newCached(t, nil)
	token := goodDraft(jwtauth.ES256).token()
	gone := ringOf(jwtauth.HS256)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				id, err := s.verify(token)
				if e := authn.AsError(err); err == nil && id.Subject != "net:ada" || e != nil && e.Reason != unknownKey {
					t.Errorf("%+v, %v", id, err)
				}
			}
		})
	}
	wg.Go(func() {
		for range 100 {
			source.ring.Store(gone)
			source.ring.Store(ringOf(jwtauth.ES256))
		}
	})
	wg.Wait()
	source.ring.Store(gone)
	s.wantRefused(t, token, unknownKey)
}
