package jwtauth_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/jwtauth"
)

// remoteJWK is a public key with this kid, another one for each of variants.
func remoteJWK(kid string, variants ...byte) string {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, kid)
	copy(seed[16:], variants)
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	return fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":%q,"x":%q}`, kid, base64.RawURLEncoding.EncodeToString(public))
}

// remoteSet is a JWK Set of these keys.
func remoteSet(jwks ...string) string { return `{"keys":[` + strings.Join(jwks, ",") + `]}` }

// source is a provider in memory, for time that synctest moves.
type source struct {
	mu           sync.Mutex
	body         string
	cacheControl string
	err          error
	takes        time.Duration // before it answers
	asked        []time.Time
	ctx          context.Context
}

func (s *source) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.asked, s.ctx = append(s.asked, time.Now()), r.Context()
	takes := s.takes
	s.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Cache-Control": {s.cacheControl}},
		Body: io.NopCloser(strings.NewReader(s.body)), Request: r,
	}, nil
}

// has sets what the source publishes.
func (s *source) has(jwks ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body, s.err = remoteSet(jwks...), nil
}

func (s *source) fails(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *source) slow(takes time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takes = takes
}

func (s *source) fetches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

// context is of the last request.
func (s *source) context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ctx
}

// remote is RemoteKeys over a source.
type remote struct {
	*source
	t      *testing.T
	keys   *jwtauth.RemoteKeys
	events authntest.Recorder
}

// withRemote runs f in a synctest bubble, with a source that has the key "a"
// for max-age=1000.
func withRemote(t *testing.T, f func(r *remote)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &remote{t: t, source: &source{cacheControl: "max-age=1000"}}
		r.has(remoteJWK("a"))
		keys, err := jwtauth.NewRemoteKeys("https://idp.example/jwks.json", jwtauth.RemoteConfig{Transport: r.source, OnEvent: r.events.OnEvent})
		if err != nil {
			t.Fatal(err)
		}
		r.keys = keys
		defer func() {
			if err := keys.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		f(r)
	})
}

var errSource = errors.New("connection refused")

// What a lookup may answer.
const (
	found   = "found"
	unknown = "unknown"
	outage  = "outage"
)

// lookup is found, unknown or outage.
func (r *remote) lookup(kid string) string {
	r.t.Helper()
	key, err := r.keys.VerificationKey(context.Background(), kid)
	switch {
	case err == nil:
		if kid != "" && key.ID() != kid || key.Algorithm() != jwtauth.EdDSA {
			r.t.Errorf("%q: answered the key %v", kid, key)
		}
		return found
	case errors.Is(err, jwtauth.ErrUnknownKey):
		return unknown
	case authn.AsError(err).Status == http.StatusServiceUnavailable:
		return outage
	}
	r.t.Errorf("%q: %v is neither ErrUnknownKey nor an outage", kid, err)
	return ""
}

// want looks kid up, and wants the answer after that time of waiting.
func (r *remote) want(kid, answer string, waits time.Duration) {
	r.t.Helper()
	start := time.Now()
	if got := r.lookup(kid); got != answer {
		r.t.Errorf("%q: %s, want %s", kid, got, answer)
	}
	if got := time.Since(start); got != waits {
		r.t.Errorf("%q: waited %v, want %v", kid, got, waits)
	}
}

// wantFetches wants so many fetches so far, when none runs.
func (r *remote) wantFetches(n int) {
	r.t.Helper()
	synctest.Wait()
	if got := r.fetches(); got != n {
		r.t.Errorf("%d fetches, want %d", got, n)
	}
}

func (r *remote) wantEvents(kinds ...authn.EventKind) {
	r.t.Helper()
	synctest.Wait()
	var got []authn.EventKind
	for _, e := range r.events.Events() {
		got = append(got, e.Kind)
		if e.At.IsZero() || e.Method != "jwt" || e.Reason == "" {
			r.t.Errorf("incomplete event %+v", e)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(kinds) {
		r.t.Errorf("events %v, want %v", got, kinds)
	}
}
