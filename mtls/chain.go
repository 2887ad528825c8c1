package mtls

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/cache"
)

const (
	// maxKnown leaves are kept with their chains, of at most maxKept bytes each.
	maxKnown = 4096
	maxKept  = 16 << 10
	// maxTried results are kept until tryAgain, of all that was shown.
	maxTried = 256
	tryAgain = time.Minute
	// maxRSA is crypto/tls's bound, in bits: checking with a key of a header
	// field's size would take minutes.
	maxRSA = 8192
)

// shown is what a request came over, in DER: it is parsed only when the leaf is
// not known. What is kept must be our own: crypto/tls's certificates hold on to
// the whole message that they came in, of up to 256 KiB.
type shown struct {
	der   []byte              // of the leaf
	more  [][]byte            // what came with it, in any order
	chain []*x509.Certificate // the same, by TLS
}

func (s *shown) none() bool { return len(s.der) == 0 }

// trust is a set of roots, and the leaves that have chains to them: new roots
// come with an empty cache, and an answer of the old ones goes to the old.
type trust struct {
	roots *x509.CertPool
	known *cache.Cache[[sha256.Size]byte, *known]
	tried *cache.Cache[[sha256.Size]byte, tried]
}

func newTrust(roots *x509.CertPool) *trust {
	return &trust{roots.Clone(), cache.New[[sha256.Size]byte, *known](maxKnown), cache.New[[sha256.Size]byte, tried](maxTried)}
}

// tried is what became of all that was shown: what is refused or denied is not
// known, and looking for its chains again costs a client one small request and
// us up to a hundred signatures.
type tried struct {
	chains [][]*x509.Certificate
	err    error
	at     time.Time
}

// chains are those from the leaf, the first of certs, to a root.
func (t *trust) chains(certs []*x509.Certificate, now time.Time) ([][]*x509.Certificate, error) {
	h := sha256.New()
	intermediates := x509.NewCertPool()
	for i, c := range certs {
		h.Write(c.Raw)
		if i > 0 {
			intermediates.AddCert(c)
		}
	}
	all := [sha256.Size]byte(h.Sum(nil))
	if was, ok := t.tried.Get(all, now); ok && !now.Before(was.at) {
		return was.chains, was.err
	}
	chains, err := certs[0].Verify(x509.VerifyOptions{
		Roots: t.roots, Intermediates: intermediates, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	t.tried.Put(all, tried{chains, err, now}, now.Add(tryAgain), now)
	return chains, err
}

// known is a leaf that was verified once.
type known struct {
	leaf        *x509.Certificate
	fingerprint string // SHA-256 in hex
	subject     string // by the name that the certificate has
	misnamed    string // what is wrong with that
	paths       []path // at least one
}

// path is a chain from the leaf to a root.
type path struct {
	certs       []*x509.Certificate
	from, until time.Time // inclusive
}

// check answers the leaf, if there is a chain that is good now and of which
// nothing is denied, and when the first of that chain ends.
func (v *Verifier) check(s shown, now time.Time) (*known, time.Time, *authn.Error) {
	t := v.trust.Load()
	digest := sha256.Sum256(s.der)
	if k, ok := t.known.Get(digest, now); ok {
		if end, wrong := k.usable(now, v.cfg.Denied); wrong == "" {
			return k, end, nil
		}
		// Other intermediates may have come this time.
	}
	k := &known{fingerprint: hex.EncodeToString(digest[:])}
	if e := v.verify(k, t, s, now); e != nil {
		return nil, time.Time{}, e
	}
	end, wrong := k.usable(now, v.cfg.Denied)
	if wrong != "" {
		return nil, time.Time{}, k.refused(wrong, nil)
	}
	if k.size() <= maxKept {
		t.known.Put(digest, k, k.lastUntil().Add(1), now)
	}
	return k, end, nil
}

// verify completes k, whatever is denied.
func (v *Verifier) verify(k *known, t *trust, s shown, now time.Time) *authn.Error {
	if len(s.chain) > maxChain {
		return k.refused("long chain", nil)
	}
	certs, e := s.parse()
	if e != nil {
		e.About = k.about()
		return e
	}
	leaf := certs[0]
	k.leaf = leaf
	switch {
	case now.Before(leaf.NotBefore):
		return k.refused("not yet valid", nil)
	case now.After(leaf.NotAfter):
		return k.refused("expired", nil)
	case leaf.IsCA || leaf.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0: // X.509-SVID §5.2
		return k.refused("an authority's certificate", nil)
	}
	chains, err := t.chains(certs, now)
	if err != nil {
		return k.refused(reason(err), err)
	}
	for _, certs := range chains {
		p := path{certs: certs, from: leaf.NotBefore, until: leaf.NotAfter}
		for _, c := range certs[1:] {
			if c.NotBefore.After(p.from) {
				p.from = c.NotBefore
			}
			if c.NotAfter.Before(p.until) {
				p.until = c.NotAfter
			}
		}
		k.paths = append(k.paths, p)
	}
	k.subject, k.misnamed = v.cfg.name(leaf)
	return nil
}

// reason is err in a word or two. The text of err goes to the event, too.
func reason(err error) string {
	var invalid x509.CertificateInvalidError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.As(err, &authority):
		return "unknown authority"
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return "not for clients"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "chain expired"
	default:
		return "invalid chain"
	}
}

// parse makes certificates of copies, the leaf's first.
func (s *shown) parse() (certs []*x509.Certificate, e *authn.Error) {
	ders := append([][]byte{s.der}, s.more...)
	for _, c := range s.chain {
		ders = append(ders, c.Raw)
	}
	for _, der := range ders {
		c, err := x509.ParseCertificate(bytes.Clone(der))
		if err != nil {
			return nil, authn.Malformed("unreadable certificate", err)
		}
		if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSA {
			return nil, authn.Refused("large key", nil)
		}
		certs = append(certs, c)
	}
	return certs, nil
}

// usable says when a path ends that is good now, or why there is none. Who
// denies one of two paths leaves the other: what is denied is a certificate,
// and a client chooses which ones it sends.
func (k *known) usable(now time.Time, denied func(*x509.Certificate) bool) (end time.Time, wrong string) {
	wrong = "expired"
	for i := range k.paths {
		p := &k.paths[i]
		switch {
		case now.Before(p.from) || now.After(p.until):
		case slices.ContainsFunc(p.certs, denied):
			wrong = "denied"
		default:
			return p.until, ""
		}
	}
	return time.Time{}, wrong
}

// lastUntil is the end of the path that ends last.
func (k *known) lastUntil() (last time.Time) {
	for _, p := range k.paths {
		if p.until.After(last) {
			last = p.until
		}
	}
	return last
}

// size is what keeping k keeps, without the roots.
func (k *known) size() (n int) {
	for _, p := range k.paths {
		for _, c := range p.certs[:len(p.certs)-1] {
			n += len(c.Raw)
		}
	}
	return n
}

// about is for events. The subject is there once an authority has signed it.
func (k *known) about() *authn.Identity {
	id := &authn.Identity{Method: method, CredentialID: k.fingerprint}
	if k.subject != "" {
		id.Subject, id.Kind = k.subject, authn.KindClient
	}
	return id
}

func (k *known) refused(reason string, err error) *authn.Error {
	e := authn.Refused(reason, err)
	e.About = k.about()
	return e
}
