package jwtauth

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/store"
)

// IssuerConfig of NewIssuer. Issuer and Audience are required.
type IssuerConfig struct {
	// Issuer is the iss of tokens: the URL of this service (RFC 8414 §2), https,
	// or http of a loopback host.
	Issuer string
	// Audience is the aud of tokens: who they are for, by URL or name. A
	// [Grant] may narrow it. Other services trust their own name only.
	Audience []string
	// AccessTTL is how long an access token lives, 1 s to 24 h, and at most
	// RefreshIdle. Defaults to 15 min.
	AccessTTL time.Duration
	// RefreshIdle ends a login that was not refreshed for so long,
	// RefreshAbsolute any login. Default to 30 and 90 days.
	RefreshIdle, RefreshAbsolute time.Duration
	// RefreshGrace is how long the refresh token before the current one still
	// gets the same answer, for a client that lost it or that runs in two tabs;
	// at most 60 s. Negative is not at all. Defaults to 10 s.
	RefreshGrace time.Duration
	// SkipRevocation, with a nil store: no refresh tokens, and an access token
	// lives until it expires.
	SkipRevocation bool
	// Owed says which factors an Identity still owes. nil: none.
	Owed authn.OwedFunc
	// Reload is the host's look at its user at each refresh, as of
	// [authn.Enrich]: of its answer Roles and Attributes count, and Scopes as a
	// bound. A refusal ends the login; a factor that it would owe is not asked
	// for. nil: what held at the login holds on.
	Reload authn.EnrichFunc
	// Claims are the host's own: a struct or a map, as JSON. It is asked for
	// each access token, at a refresh with the Identity of Reload. Names of
	// claims that this package writes or reads are refused. Tokens are signed
	// and not encrypted: no secret goes in, and nothing that the bearer, a log
	// or a browser's storage must not show. What changes within AccessTTL does
	// not belong there either.
	Claims func(ctx context.Context, id *authn.Identity) (any, error)
	// PublicClients are the clients that RefreshHandler serves, beside logins
	// without a ClientID: those that have no secret (RFC 6749 §2.1). Others
	// refresh at a token endpoint, which asks for their secret.
	PublicClients []string
	// Leeway is how far the clocks of instances may be from each other, at most
	// 60 s. Defaults to none.
	Leeway time.Duration
	// Cookies makes browsers keep the tokens in cookies. nil: they are sent in
	// bodies and in Authorization only.
	Cookies *Cookies
	// CrossOrigin says which other origins may use the cookies. Defaults to none.
	CrossOrigin *http.CrossOriginProtection
	// ClientCert is as of VerifierConfig.
	ClientCert func(r *http.Request) *x509.Certificate
	// OnEvent gets logins, refreshes, reuse, revocations, refusals and outages.
	OnEvent authn.EventFunc
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

const (
	defaultAccessTTL       = 15 * time.Minute
	defaultRefreshIdle     = 30 * 24 * time.Hour
	defaultRefreshAbsolute = 90 * 24 * time.Hour
	defaultRefreshGrace    = 10 * time.Second
	maxRefresh             = 400 * 24 * time.Hour
	maxRefreshGrace        = time.Minute
	// pendingTTL is how long half a login lasts.
	pendingTTL = 10 * time.Minute
)

// Issuer makes tokens: access tokens (RFC 9068) that live for minutes, and
// refresh tokens by which a login lives for weeks and can be ended at once. It
// is an [authn.Revoker], and safe for concurrent use.
type Issuer struct {
	ring     *KeyRing
	st       store.Tokens // nil: SkipRevocation
	kc       *authn.Keychain
	cfg      IssuerConfig
	log      audit.Log
	verifier *Verifier
}

var _ authn.Revoker = (*Issuer)(nil)

// NewIssuer signs with ring, keeps logins and revocations in st and makes
// refresh tokens with kc, which all instances share. A nil st needs
// SkipRevocation, and then kc may be nil, too.
func NewIssuer(ring *KeyRing, st store.Tokens, kc *authn.Keychain, cfg IssuerConfig) (*Issuer, error) {
	if isNil(st) {
		st = nil
	}
	cfg = cfg.withDefaults()
	if err := checkIssuer(ring, st, kc, cfg); err != nil {
		return nil, fmt.Errorf("authn/jwtauth: %w", err)
	}
	vc := VerifierConfig{
		Trust:          []Trust{{Issuer: cfg.Issuer, Audiences: cfg.Audience, Keys: ring}},
		SkipRevocation: cfg.SkipRevocation, CrossOrigin: cfg.CrossOrigin, ClientCert: cfg.ClientCert,
		Leeway: cfg.Leeway, OnEvent: cfg.OnEvent, Now: cfg.Now,
	}
	if cfg.Cookies != nil {
		vc.Cookie = cfg.Cookies.Access
	}
	v, err := NewVerifier(st, vc)
	if err != nil {
		return nil, err
	}
	v.trusts[0].acceptPending = true
	return &Issuer{
		ring: ring, st: st, kc: kc, cfg: cfg, verifier: v,
		log: audit.Log{Method: method, OnEvent: cfg.OnEvent, Now: cfg.Now},
	}, nil
}

func (cfg IssuerConfig) withDefaults() IssuerConfig {
	set := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	set(&cfg.AccessTTL, defaultAccessTTL)
	set(&cfg.RefreshIdle, defaultRefreshIdle)
	set(&cfg.RefreshAbsolute, defaultRefreshAbsolute)
	set(&cfg.RefreshGrace, defaultRefreshGrace)
	cfg.Audience, cfg.PublicClients = slices.Clone(cfg.Audience), slices.Clone(cfg.PublicClients)
	if cfg.Cookies != nil {
		c := cfg.Cookies.withDefaults()
		cfg.Cookies = &c
	}
	if cfg.ClientCert == nil {
		cfg.ClientCert = peerCertificate
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg
}

// checkIssuer says what is wrong, naming the field.
func checkIssuer(ring *KeyRing, st store.Tokens, kc *authn.Keychain, cfg IssuerConfig) error {
	switch {
	case ring == nil || isEmpty(ring):
		return errors.New("NewIssuer needs a KeyRing, of NewKeyRing or OpenKeyRing")
	case st == nil && !cfg.SkipRevocation:
		return errors.New("NewIssuer needs a store, such as memstore.New: without one nothing can be revoked (SkipRevocation)")
	case st != nil && cfg.SkipRevocation:
		return errors.New("IssuerConfig.SkipRevocation contradicts the store")
	case st != nil && kc.KeyID() == "":
		return errors.New("NewIssuer needs a keychain, by authn.ParseKeychain: refresh tokens are made with it")
	case len(cfg.Audience) == 0:
		return errors.New("IssuerConfig.Audience is empty: name this service")
	case cfg.AccessTTL < time.Second || cfg.AccessTTL > defaultMaxLifetime:
		return fmt.Errorf("IssuerConfig.AccessTTL is 1 s to %s, not %s", defaultMaxLifetime, cfg.AccessTTL)
	case cfg.AccessTTL > ring.maxTokenAge():
		return fmt.Errorf("IssuerConfig.AccessTTL %s is longer than RingConfig.MaxTokenAge %s: its key would be gone first", cfg.AccessTTL, ring.maxTokenAge())
	case cfg.AccessTTL > cfg.RefreshIdle:
		return fmt.Errorf("IssuerConfig.RefreshIdle is at least AccessTTL, not %s", cfg.RefreshIdle)
	case cfg.RefreshIdle > cfg.RefreshAbsolute || cfg.RefreshAbsolute > maxRefresh:
		return fmt.Errorf("IssuerConfig.RefreshAbsolute is RefreshIdle to 400 days, not %s", cfg.RefreshAbsolute)
	case cfg.RefreshGrace > maxRefreshGrace:
		return fmt.Errorf("IssuerConfig.RefreshGrace is at most %s, not %s", maxRefreshGrace, cfg.RefreshGrace)
	}
	for _, a := range cfg.Audience {
		if !isText(a) {
			return fmt.Errorf("IssuerConfig.Audience has %.64q: 1 to %d bytes without control characters", a, maxText)
		}
	}
	if u, err := url.Parse(cfg.Issuer); err != nil || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !isText(cfg.Issuer) {
		return fmt.Errorf("IssuerConfig.Issuer is the URL of this service, such as \"https://auth.example.com\", not %.64q (RFC 8414 §2)", cfg.Issuer)
	}
	if cfg.Cookies != nil {
		return cfg.Cookies.check()
	}
	return nil
}

// Verifier accepts this issuer's own tokens.
func (i *Issuer) Verifier() *Verifier { return i.verifier }

// isText reports whether s may be in a claim and in a store.
func isText(s string) bool {
	if s == "" || len(s) > maxText {
		return false
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return false
		}
	}
	return true
}

// isScope is RFC 6749 §3.3.
func isScope(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}
