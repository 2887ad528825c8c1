package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/gatehouse-go/authn"
)

const (
	// metadataFor is how long a discovery document counts.
	metadataFor = 24 * time.Hour
	firstRetry  = time.Second
	maxRetry    = 30 * time.Second
)

// provider is one of a Login.
type provider struct {
	Provider
	redirect string // the redirect URI
	client   *http.Client
	now      func() time.Time

	mu       sync.Mutex
	meta     *metadata
	due      time.Time     // meta is asked for again
	flight   chan struct{} // closed when the request that is under way has ended
	failures int           // in a row
	failure  error         // of the last request
	retryAt  time.Time     // no request before
}

// metadata is what a login needs to know (OpenID Connect Discovery §3, RFC 8414).
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Userinfo      string   `json:"userinfo_endpoint"`
	JWKS          string   `json:"jwks_uri"`
	Revocation    string   `json:"revocation_endpoint"`
	EndSession    string   `json:"end_session_endpoint"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
	NamesIssuer   bool     `json:"authorization_response_iss_parameter_supported"`

	style oauth2.AuthStyle
	keys  *keySet // nil of plain OAuth 2
}

func newProvider(p Provider, redirect string, client *http.Client, now func() time.Time) *provider {
	return &provider{Provider: p, redirect: redirect, client: client, now: now}
}

// metadata is the provider's, asked for where it is not known. While one request
// is under way others wait for it; after a failure there is a pause, which grows.
// What was known before serves on.
func (p *provider) metadata(ctx context.Context) (*metadata, error) {
	if p.spec.profile != nil {
		e := p.spec.endpoint
		return &metadata{Issuer: p.spec.issuer, Authorization: e.AuthURL, Token: e.TokenURL, style: e.AuthStyle}, nil
	}
	for {
		p.mu.Lock()
		now := p.now()
		switch {
		case p.meta != nil && (now.Before(p.due) || now.Before(p.retryAt) || p.flight != nil):
			defer p.mu.Unlock()
			return p.meta, nil
		case p.flight != nil:
			flight := p.flight
			p.mu.Unlock()
			select {
			case <-flight:
			case <-ctx.Done():
				return nil, outage("discovery", context.Cause(ctx))
			}
		case now.Before(p.retryAt):
			defer p.mu.Unlock()
			return nil, &authn.Error{
				Status: http.StatusServiceUnavailable, Code: "unavailable", Reason: "discovery", Err: p.failure,
				RetryAfter: p.retryAt.Sub(now),
			}
		default:
			p.flight = make(chan struct{})
			p.mu.Unlock()
			p.discover(ctx)
		}
	}
}

// discover makes the one request. It goes on when the client has gone: others wait.
func (p *provider) discover(ctx context.Context) {
	var m *metadata
	err := errors.New("interrupted") // by a panic of the host's Transport
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		now := p.now()
		if err != nil {
			p.failure = fmt.Errorf("authn/oauth: discovery of %s: %w", p.spec.issuer, err)
			p.retryAt = now.Add(backoff(p.failures))
			p.failures++
		} else {
			if p.meta != nil && p.meta.JWKS == m.JWKS {
				m.keys = p.meta.keys
			}
			p.meta, p.due = m, now.Add(metadataFor)
			p.failures, p.failure, p.retryAt = 0, nil, time.Time{}
		}
		close(p.flight)
		p.flight = nil
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	m, err = p.fetchMetadata(ctx)
}

// backoff is the pause after so many failures before this one.
func backoff(failures int) time.Duration { return min(firstRetry<<min(failures, 5), maxRetry) }

func (p *provider) fetchMetadata(ctx context.Context) (*metadata, error) {
	m := &metadata{}
	address := strings.TrimSuffix(p.spec.issuer, "/") + "/.well-known/openid-configuration"
	if err := getJSON(ctx, p.client, address, m); err != nil {
		return nil, err
	}
	want := p.spec.issuer
	if p.spec.published != "" {
		want = p.spec.published
	}
	if m.Issuer != want {
		return nil, fmt.Errorf("its issuer is %.100q", m.Issuer)
	}
	for name, endpoint := range map[string]*string{
		"authorization_endpoint": &m.Authorization, "token_endpoint": &m.Token, "jwks_uri": &m.JWKS,
		"userinfo_endpoint": &m.Userinfo, "revocation_endpoint": &m.Revocation, "end_session_endpoint": &m.EndSession,
	} {
		required := endpoint == &m.Authorization || endpoint == &m.Token || endpoint == &m.JWKS
		if err := checkEndpoint(*endpoint, p.spec.issuer); err != nil && (required || *endpoint != "") {
			return nil, fmt.Errorf("its %s %w", name, err)
		}
	}
	if len(m.Algorithms) == 0 {
		m.Algorithms = []string{"RS256"} // what every provider has (OpenID Connect Core §15.1)
	}
	m.Algorithms = slices.DeleteFunc(m.Algorithms, func(alg string) bool { return !slices.Contains(algorithms, alg) })
	if len(m.Algorithms) == 0 {
		return nil, errors.New("it signs by no asymmetric algorithm")
	}
	switch {
	case len(m.AuthMethods) == 0 || slices.Contains(m.AuthMethods, "client_secret_basic"):
		m.style = oauth2.AuthStyleInHeader
	case slices.Contains(m.AuthMethods, "client_secret_post"):
		m.style = oauth2.AuthStyleInParams
	default:
		return nil, errors.New("its clients authenticate neither by client_secret_basic nor by client_secret_post")
	}
	m.keys = &keySet{url: m.JWKS, client: p.client, now: p.now}
	return m, nil
}

// checkEndpoint is https, or http of an issuer that is on this machine itself.
func checkEndpoint(endpoint, issuer string) error {
	u, err := url.Parse(endpoint)
	if err != nil || !secure(u) || u.User != nil || u.Fragment != "" || u.Scheme == "http" && !strings.HasPrefix(issuer, "http:") {
		return errors.New("is no https URL")
	}
	return nil
}

// config is for one request as this client.
func (p *provider) config(m *metadata) (*oauth2.Config, error) {
	secret, err := p.spec.secret(p.now())
	if err != nil {
		return nil, outage("client secret", err)
	}
	return &oauth2.Config{
		ClientID: p.spec.id, ClientSecret: secret, RedirectURL: p.redirect, Scopes: p.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: m.Authorization, TokenURL: m.Token, AuthStyle: m.style},
	}, nil
}

// use is ctx for x/oauth2, by our client.
func (p *provider) use(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, p.client)
}
