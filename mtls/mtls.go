package mtls

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/internal/crossorigin"
)

// method is the Method of Identities and events.
const method = "mtls"

// Config of New. Roots is required.
type Config struct {
	// Roots are the authorities whose certificates are accepted, and these only:
	// never a copy of the system's, where anybody gets a certificate. New keeps a
	// copy. Intermediates that clients do not send may stand here, too.
	Roots *x509.CertPool
	// TrustDomain is that of SPIFFE ids, such as "acme.internal": a certificate
	// must then have one URI, an id of this domain, which is the Subject:
	// "spiffe://acme.internal/orders". "": the Subject is the one DNS name, in
	// lower case, and no wildcard.
	TrustDomain string
	// InsecureCommonName takes the common name of a certificate without any
	// subject alternative name. Authorities often copy it unchecked from what the
	// client asked for, and then any client can be any other; name constraints
	// of authorities do not bind it. Not with TrustDomain or Identify.
	InsecureCommonName bool
	// Identify says who a certificate is in this service: Subject, which is
	// unique here, Kind, Scopes, Roles. It sees those that were verified, and
	// with TrustDomain have an id there, and decides from the certificate alone,
	// at each request. An [authn.Error] of it stands; any other error refuses the
	// certificate. Method, CredentialID, VerifiedAt and Credential are set here,
	// and so is ExpiresAt, but for an earlier one of its own. nil: KindClient by
	// SPIFFE id or DNS name.
	Identify func(leaf *x509.Certificate) (*authn.Identity, error)
	// Denied is the denylist. It is asked at each request for each certificate of
	// the chain, from many goroutines, so it looks at memory and waits for
	// nothing. Issuer (RawIssuer) and SerialNumber together name a certificate
	// (RFC 5280 §4.1.2.2). Where a leaf has another chain of which nothing is
	// denied, that one counts: deny the leaf, or take the root away. nil: none is
	// denied.
	Denied func(c *x509.Certificate) bool
	// ProxyHeader is the field in which a proxy hands certificates on. "": none.
	// Read "Behind a proxy" above.
	ProxyHeader ProxyHeader
	// FromProxy says whether a request comes from that proxy:
	// clientip.Resolver.FromProxy. Only with ProxyHeader.
	FromProxy func(r *http.Request) bool
	// CrossOrigin says which other origins may make requests that count. A gateway
	// that calls with its own certificate passes browsers' Origin and
	// Sec-Fetch-Site on: it has to look itself and to take these fields away, or
	// is let in here by AddInsecureBypassPattern. Defaults to none.
	CrossOrigin *http.CrossOriginProtection
	// OnEvent gets refusals, and a warning when files of ServerTLS cannot be read
	// again.
	OnEvent authn.EventFunc
	// Now is the clock, also of ServerTLS. Defaults to time.Now.
	Now func() time.Time
}

// Verifier is an [authn.Verifier] for client certificates. It is safe for
// concurrent use.
type Verifier struct {
	cfg   Config
	log   audit.Log
	trust atomic.Pointer[trust]
}

// New refuses a Config without Roots, or one that contradicts itself.
func New(cfg Config) (*Verifier, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("authn/mtls: %w", err)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Denied == nil {
		cfg.Denied = func(*x509.Certificate) bool { return false }
	}
	v := &Verifier{log: audit.Log{Method: method, OnEvent: cfg.OnEvent, Now: cfg.Now}}
	v.trust.Store(newTrust(cfg.Roots))
	cfg.Roots = nil // they are in trust
	v.cfg = cfg
	return v, nil
}

func (cfg *Config) check() error {
	switch {
	case isEmpty(cfg.Roots):
		return fmt.Errorf("Config.Roots %w", errNoRoots)
	case cfg.TrustDomain != "" && !isTrustDomain(cfg.TrustDomain):
		return fmt.Errorf("Config.TrustDomain %.64q is no trust domain, such as acme.internal: lower case, without spiffe://", cfg.TrustDomain)
	case cfg.InsecureCommonName && cfg.TrustDomain != "":
		return errors.New("Config.InsecureCommonName with TrustDomain: a common name could be anybody's SPIFFE id")
	case cfg.InsecureCommonName && cfg.Identify != nil:
		return errors.New("Config.InsecureCommonName with Identify: which says who it is?")
	case cfg.ProxyHeader != "" && cfg.ProxyHeader != ClientCert && cfg.ProxyHeader != XForwardedClientCert:
		return fmt.Errorf("Config.ProxyHeader %.64q is neither %s nor %s", cfg.ProxyHeader, ClientCert, XForwardedClientCert)
	case cfg.ProxyHeader != "" && cfg.FromProxy == nil:
		return errors.New("Config.FromProxy is nil: whose ProxyHeader is to be believed? See clientip.Resolver.FromProxy")
	case cfg.ProxyHeader == "" && cfg.FromProxy != nil:
		return errors.New("Config.ProxyHeader is empty: which field does the proxy write?")
	}
	return nil
}

var errNoRoots = errors.New("is nil or has no certificate: whose clients are to be accepted? AppendCertsFromPEM says whether it found one")

func isEmpty(roots *x509.CertPool) bool { return roots == nil || roots.Equal(x509.NewCertPool()) }

// SetRoots puts others in the place of Config.Roots while requests run. It
// counts at the next request of every connection. Without a certificate in
// roots it is an error, and the old ones stay.
func (v *Verifier) SetRoots(roots *x509.CertPool) error {
	if isEmpty(roots) {
		return fmt.Errorf("authn/mtls: the argument of SetRoots %w", errNoRoots)
	}
	v.trust.Store(newTrust(roots))
	return nil
}

// Middleware is authn.Require of v alone.
func (v *Verifier) Middleware(next http.Handler) http.Handler { return authn.Require(v)(next) }

// Describe is of [authn.Describer].
func (v *Verifier) Describe() authn.Description {
	return authn.Description{
		Challenges: []authn.Challenge{{Scheme: "ClientCertificate"}},
		// Not Credentials: from who is no proxy they are nothing at all.
		Vary:    v.cfg.ProxyHeader.fields(),
		Private: true,
	}
}

// Verify is of [authn.Verifier]. A request over no certificate has no
// credential; any other certificate than a good one is refused. The Identity's
// CredentialID is the SHA-256 of the certificate in lower-case hex, its
// ExpiresAt the earliest end in the chain, its Credential the
// *x509.Certificate.
func (v *Verifier) Verify(r *http.Request) (*authn.Identity, error) {
	s, e := v.shown(r)
	if e == nil && s.none() {
		return nil, authn.ErrNoCredential
	}
	var id *authn.Identity
	if e == nil {
		id, e = v.identify(s)
	}
	if e == nil {
		if e = crossorigin.Check(v.cfg.CrossOrigin, r); e == nil {
			return id, nil
		}
		e.About = id
	}
	return nil, v.log.Refusal(r, e)
}

// Certificate is the certificate that r came over, verified as Verify does it,
// whomever it names; nil if there is none or it is refused. It is shared: do not
// change it. It is what jwtauth and tokenserver take as ClientCert.
func (v *Verifier) Certificate(r *http.Request) *x509.Certificate {
	s, e := v.shown(r)
	if e != nil || s.none() {
		return nil
	}
	k, _, e := v.check(s, v.cfg.Now())
	if e != nil {
		return nil
	}
	return k.leaf
}
