// Package tokenserver is the token endpoint for machines: service accounts get
// short tokens of their own host for a client id and secret, a signed assertion or
// a certificate, as from any commercial provider. Start with [New]; clients are made
// by [Server.CreateClient].
//
//	server, err := tokenserver.New(st, issuer, tokenserver.Config{})
//	client, secret, err := server.CreateClient(ctx, tokenserver.Client{
//		ID: "worker", Scopes: []string{"orders:read"}, Audience: []string{"https://orders.internal"},
//	})
//	perClient, err := ratelimit.New(st, ratelimit.Config{},
//		ratelimit.GCRA("token", 60, time.Minute, 20, ratelimit.ByClient))
//	mux.Handle("/", perClient.Middleware(server)) // /token /introspect /revoke /.well-known/…
//
// A Server does not limit requests: the Limiter around it does, before anything is
// read or hashed.
//
// # Endpoints
//
// They lie below the issuer's URL: /token (RFC 6749 §4.4 and §6), /introspect (RFC
// 7662), /revoke (RFC 7009), /.well-known/jwks.json, and the metadata by which
// clients find them (RFC 8414). Of an issuer with a path that is
// /.well-known/oauth-authorization-server and then the path.
//
// Tokens are JWTs of RFC 9068: sub is the client id, and KindClient the Identity's
// kind. They are for the client's Audience, or for the resources of it that the
// request names (RFC 8707), and have its Scopes or those that the request names. A
// client without Audience gets none. It may introspect, revoke and refresh all the
// same: the refresh tokens of logins that jwtauth began with its id as
// Grant.ClientID.
//
// # Authentication
//
// Each client has one method, and others are refused. A secret has 256 random bits,
// a prefix that scanners find ([SecretPattern]) and a checksum; the store has its
// SHA-256 only. Assertions are JWTs that name the issuer, or its token endpoint, as
// their only aud: OpenID has asked for the issuer since 2025, since an aud that another
// server can choose lets that server replay it here, and older clients send the
// endpoint. A certificate is one that Config.ClientCert has verified.
//
// # Security
//
// Whether a client id exists is not told: an unknown one gets the answer of a wrong
// secret, and the same comparisons are made. It is no secret, though, and an
// assertion's signature is checked of known clients only.
//
// Users and clients share one name space: no user's Subject may be a client id.
// Scopes and audiences that a client loses stay in its tokens until they expire,
// unless jwtauth.Issuer.RevokeSubject ends these. Introspection knows access tokens;
// refresh tokens are nobody's business but the client's, and are not active there.
package tokenserver

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
)

// method is the Method of Identities and events.
const method = "client"

// Config of New. The zero Config serves secrets only.
type Config struct {
	// TTL is how long a client's own tokens live, 1 s to the issuer's MaxTTL.
	// Those of refresh tokens live as long as the issuer's. Defaults to 60 min.
	TTL time.Duration
	// SecretTTL ends new secrets so long after they were made. Defaults to never:
	// they live until they are rotated.
	SecretTTL time.Duration
	// Once remembers assertions: for PrivateKeyJWT, which nil turns off.
	Once store.Once
	// ClientCert is the verified certificate that r came over, nil if none:
	// mtls.Verifier.Certificate. One that nobody has verified lets anybody in. It is
	// for TLSClientAuth, which nil turns off, and for tokens that are bound; with nil
	// logins that are bound to a certificate cannot be refreshed here.
	ClientCert func(r *http.Request) *x509.Certificate
	// BindTokens binds a client's own tokens to the certificate that the request
	// came over, if there is one, whatever the client's method (RFC 8705 §3).
	BindTokens bool
	// OnEvent gets refusals and outages, and what happens to clients. Tokens are in
	// the issuer's events.
	OnEvent authn.EventFunc
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

const defaultTTL = time.Hour

// Server is the http.Handler of all endpoints. It is safe for concurrent use.
type Server struct {
	clients   store.OAuthClients
	issuer    *jwtauth.Issuer
	cfg       Config
	log       audit.Log
	audience  []string // the issuer's
	audiences []string // of assertions
	handlers  map[string]http.Handler
	known     sync.Map // of knownKeys, by client ID
}

// New serves the clients of a store. Issuer signs their tokens and must be one that
// can revoke.
func New(clients store.OAuthClients, issuer *jwtauth.Issuer, cfg Config) (*Server, error) {
	if cfg.TTL == 0 {
		cfg.TTL = defaultTTL
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	switch {
	case clients == nil:
		return nil, errors.New("authn/tokenserver: New needs a store, such as memstore.New")
	case issuer == nil || !issuer.Revokes():
		return nil, errors.New("authn/tokenserver: New needs an Issuer with a store: without one no client's tokens can be revoked")
	case cfg.TTL < time.Second || cfg.TTL > issuer.MaxTTL():
		return nil, fmt.Errorf("authn/tokenserver: Config.TTL is 1 s to %s, which is RingConfig.MaxTokenAge, not %s", issuer.MaxTTL(), cfg.TTL)
	case cfg.SecretTTL < 0:
		return nil, errors.New("authn/tokenserver: Config.SecretTTL is negative")
	case cfg.BindTokens && cfg.ClientCert == nil:
		return nil, errors.New("authn/tokenserver: Config.BindTokens needs ClientCert, such as mtls.Verifier.Certificate")
	}
	u, err := url.Parse(issuer.URL())
	if err != nil {
		return nil, fmt.Errorf("authn/tokenserver: the issuer's URL: %w", err)
	}
	base, path := strings.TrimSuffix(issuer.URL(), "/"), strings.TrimSuffix(u.Path, "/")
	s := &Server{
		clients: clients, issuer: issuer, cfg: cfg,
		audience: issuer.Audience(), audiences: []string{issuer.URL(), base + pathToken},
		log: audit.Log{Method: method, OnEvent: cfg.OnEvent, Now: cfg.Now},
	}
	doc, err := s.metadata(base)
	if err != nil {
		return nil, fmt.Errorf("authn/tokenserver: metadata: %w", err)
	}
	s.handlers = map[string]http.Handler{
		path + pathToken:      s.post(s.token),
		path + pathIntrospect: s.post(s.introspect),
		path + pathRevoke:     s.post(s.revoke),
		path + pathJWKS:       issuer.JWKS(),
		pathMetadata + path:   doc,
	}
	return s, nil
}

// Where the endpoints are below the issuer's URL; but pathMetadata is between its
// host and its path (RFC 8414 §3.1).
const (
	pathToken      = "/token"
	pathIntrospect = "/introspect"
	pathRevoke     = "/revoke"
	pathJWKS       = "/.well-known/jwks.json"
	pathMetadata   = "/.well-known/oauth-authorization-server"
)

// ServeHTTP answers what is not an endpoint by 404.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, ok := s.handlers[r.URL.Path]
	if !ok {
		authn.WriteError(w, r, store.ErrNotFound)
		return
	}
	h.ServeHTTP(w, r)
}

// now is the time of store calls, which keep microseconds.
func (s *Server) now() time.Time { return s.cfg.Now().Truncate(time.Microsecond) }
