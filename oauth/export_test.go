package oauth

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// IDTokens verifies as a callback does, for tests of what that costs.
type IDTokens struct {
	p *provider
	m *metadata
}

// NewIDTokens is of an issuer whose metadata is known.
func NewIDTokens(issuer, id, jwks string, rt http.RoundTripper) *IDTokens {
	client := newClient(rt)
	p := newProvider(Provider{spec: spec{id: id, issuer: issuer}}, "", client, time.Now)
	return &IDTokens{p, &metadata{Issuer: issuer, Algorithms: []string{"RS256", "ES256"}, keys: &keySet{url: jwks, client: client, now: time.Now}}}
}

// Verify answers the subject.
func (v *IDTokens) Verify(ctx context.Context, raw, nonce, accessToken string) (string, error) {
	t, err := v.p.verify(ctx, v.m, raw, nonce, accessToken)
	return t.subject, err
}

// UsableKey reports whether a JWK verifies, and tokens of which algorithms.
func UsableKey(raw string) (algs []string) {
	k, err := parseKey(json.RawMessage(raw))
	if err != nil {
		return nil
	}
	for _, alg := range algorithms {
		if k.fits(alg) {
			algs = append(algs, alg)
		}
	}
	return algs
}
