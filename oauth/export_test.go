package oauth

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
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

// UsableKeys are for each key of a set the algorithms of tokens that it verifies.
func UsableKeys(raws ...string) (algs [][]string, err error) {
	set := make([]json.RawMessage, len(raws))
	for i, raw := range raws {
		set[i] = json.RawMessage(raw)
	}
	keys, err := parseKeys(set)
	for _, k := range keys {
		algs = append(algs, slices.DeleteFunc(slices.Clone(algorithms), func(alg string) bool { return !k.fits(alg) }))
	}
	return algs, err
}
