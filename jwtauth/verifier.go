package jwtauth

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/internal/crossorigin"
	"github.com/gatehouse-go/authn/store"
)

// method is the Method of Identities and events.
const method = "jwt"

// VerifierConfig of NewVerifier. Trust is required.
type VerifierConfig struct {
	// Trust is whose tokens are accepted. Each issuer stands there once.
	Trust []Trust
	// SkipRevocation, with nil Revocations, lets every token live until it
	// expires: nothing can be revoked.
	SkipRevocation bool
	// RevocationCacheTTL is how long "not revoked" is believed without asking
	// again, at most 5 s: so late is a revocation seen. Defaults to asking each
	// time.
	RevocationCacheTTL time.Duration
	// Cookie names a cookie that tokens are taken from, too, such as
	// "__Host-access"; see [Issuer.SetCookies]. A request that a cookie
	// authenticates and that may change something must come from this origin,
	// or it is refused by 403. Defaults to no cookie.
	Cookie string
	// CrossOrigin says which other origins may use the cookie. Defaults to none.
	CrossOrigin *http.CrossOriginProtection
	// ClientCert is the certificate that r came over, nil if none: for tokens
	// that are bound to one (RFC 8705). Behind a proxy it is
	// mtls.Verifier.Certificate. Defaults to that of r.TLS.
	ClientCert func(r *http.Request) *x509.Certificate
	// MaxLength bounds tokens, in bytes. Defaults to 8192.
	MaxLength int
	// MaxLifetime bounds exp − iat. Defaults to 24 h.
	MaxLifetime time.Duration
	// Leeway is how far the clocks of issuers may be from ours, at most 60 s.
	// Defaults to none.
	Leeway time.Duration
	// SkipVerifiedCache checks the signature of every request's token again.
	// Otherwise tokens that were found good once, those with an HMAC twice, are
	// known by their SHA-256, at most 10 000 of up to 4 KiB each; times, revocation,
	// binding and the key itself are looked at on every request all the same.
	SkipVerifiedCache bool
	// OnEvent gets refusals and outages.
	OnEvent authn.EventFunc
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

const (
	defaultMaxLength   = 8192
	maxMaxLength       = 64 << 10
	defaultMaxLifetime = 24 * time.Hour
	maxLeeway          = time.Minute
	maxRevocationCache = 5 * time.Second
)

// Verifier is an [authn.Verifier] for access tokens. It is safe for concurrent
// use.
type Verifier struct {
	rev    store.Revocations // nil: SkipRevocation
	since  store.Forgetful   // rev, if it forgets
	cfg    VerifierConfig
	trusts []trust
	log    audit.Log
	header lastHeader
	good   verifiedCache
	alive  aliveCache
}

var _ interface {
	authn.Verifier
	authn.Describer
} = (*Verifier)(nil)

// NewVerifier is for services that verify what others issue; an [Issuer] has a
// Verifier of its own. rev is asked on every request, in one round trip: it is
// the store that the issuer revokes in. A nil rev needs SkipRevocation.
func NewVerifier(rev store.Revocations, cfg VerifierConfig) (*Verifier, error) {
	if err := cfg.check(isNil(rev)); err != nil {
		return nil, fmt.Errorf("authn/jwtauth: %w", err)
	}
	v := &Verifier{cfg: cfg.withDefaults()}
	if !isNil(rev) {
		v.rev = rev
		v.since, _ = rev.(store.Forgetful)
	}
	for _, t := range v.cfg.Trust {
		t.Audiences, t.Algorithms = slices.Clone(t.Audiences), slices.Clone(t.Algorithms)
		v.trusts = append(v.trusts, trust{Trust: t})
	}
	v.log = audit.Log{Method: method, OnEvent: v.cfg.OnEvent, Now: v.cfg.Now}
	v.good.init(v.cfg.SkipVerifiedCache)
	v.alive.init(v.cfg.RevocationCacheTTL)
	return v, nil
}

// check says what is wrong with cfg, naming the field.
func (cfg VerifierConfig) check(noRevocations bool) error {
	switch {
	case noRevocations && !cfg.SkipRevocation:
		return errors.New("a nil Revocations needs VerifierConfig.SkipRevocation: then no token can be revoked")
	case !noRevocations && cfg.SkipRevocation:
		return errors.New("VerifierConfig.SkipRevocation contradicts the Revocations")
	case len(cfg.Trust) == 0:
		return errors.New("VerifierConfig.Trust is empty")
	case cfg.RevocationCacheTTL < 0 || cfg.RevocationCacheTTL > maxRevocationCache:
		return fmt.Errorf("VerifierConfig.RevocationCacheTTL is how late a revocation is seen: 0 to %s, not %s", maxRevocationCache, cfg.RevocationCacheTTL)
	case cfg.MaxLength < 0 || cfg.MaxLength > maxMaxLength:
		return fmt.Errorf("VerifierConfig.MaxLength is %d: at most %d", cfg.MaxLength, maxMaxLength)
	case cfg.MaxLifetime != 0 && cfg.MaxLifetime < time.Second:
		return errors.New("VerifierConfig.MaxLifetime is at least 1 s")
	case cfg.Leeway < 0 || cfg.Leeway > maxLeeway:
		return fmt.Errorf("VerifierConfig.Leeway is %s: 0 to %s", cfg.Leeway, maxLeeway)
	}
	if cfg.Cookie != "" {
		if err := checkCookieName(cfg.Cookie); err != nil {
			return err
		}
	}
	seen := make(map[string]bool)
	for _, t := range cfg.Trust {
		if err := t.check(); err != nil {
			return err
		}
		if seen[t.Issuer] {
			return fmt.Errorf("VerifierConfig.Trust has %s twice", t.Issuer)
		}
		seen[t.Issuer] = true
	}
	return nil
}

func (cfg VerifierConfig) withDefaults() VerifierConfig {
	if cfg.MaxLength == 0 {
		cfg.MaxLength = defaultMaxLength
	}
	if cfg.MaxLifetime == 0 {
		cfg.MaxLifetime = defaultMaxLifetime
	}
	if cfg.ClientCert == nil {
		cfg.ClientCert = peerCertificate
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg
}

// Middleware is authn.Require of v alone.
func (v *Verifier) Middleware(next http.Handler) http.Handler { return authn.Require(v)(next) }

// Describe is of [authn.Describer].
func (v *Verifier) Describe() authn.Description {
	d := authn.Description{
		Challenges:  []authn.Challenge{{Scheme: "Bearer"}},
		Credentials: []string{"Authorization"},
	}
	if v.cfg.Cookie != "" {
		d.Vary = []string{"Cookie"}
	}
	return d
}

// Verify is of [authn.Verifier]: Authorization: Bearer with a value of three
// segments (RFC 6750 §2.1, RFC 7515 §3.1), or the cookie. See also [Claims].
func (v *Verifier) Verify(r *http.Request) (*authn.Identity, error) {
	raw, cookie, e := v.credential(r)
	if e == nil && raw == "" {
		return nil, authn.ErrNoCredential
	}
	var t *Token
	now := v.cfg.Now()
	if e == nil {
		t, e = v.check(r.Context(), raw, now, v.cfg.Leeway)
	}
	if e == nil && t.claims.confirm != "" && !confirmed(t.claims.confirm, v.cfg.ClientCert(r)) {
		e = about(authn.Refused("bound to another certificate", nil), t)
	}
	if e == nil {
		e = v.revoked(r.Context(), t, now)
	}
	if e == nil && cookie {
		e = crossorigin.Check(v.cfg.CrossOrigin, r)
	}
	if e == nil {
		return t.newIdentity(now), nil
	}
	if cookie && e.Status == http.StatusUnauthorized {
		// Browsers send a dead one unasked: it is as good as none.
		id := e.About
		e = authn.NoCredential(e.Reason)
		e.About = id
	}
	return nil, v.log.Refusal(r, e)
}

// isNil reports nil, also a nil pointer or func in an interface.
func isNil(v any) bool {
	switch rv := reflect.ValueOf(v); rv.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map:
		return rv.IsNil()
	default:
		return false
	}
}
