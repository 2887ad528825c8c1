package mtls

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-go/authn"
)

// identify says whom the certificates name, if they are good.
func (v *Verifier) identify(s shown) (*authn.Identity, *authn.Error) {
	now := v.cfg.Now()
	k, end, e := v.check(s, now)
	if e != nil {
		return nil, e
	}
	if k.misnamed != "" {
		return nil, k.refused(k.misnamed, nil)
	}
	id := &authn.Identity{Subject: k.subject, Kind: authn.KindClient}
	if v.cfg.Identify != nil {
		theirs, err := v.cfg.Identify(k.leaf)
		if err != nil || theirs == nil {
			return nil, k.unknown(err)
		}
		*id = *theirs
		if id.Kind != authn.KindUser && id.Kind != authn.KindClient {
			return nil, k.unknown(fmt.Errorf("authn/mtls: Config.Identify answered kind %v", id.Kind))
		}
		if id.Subject == "" {
			return nil, k.unknown(errors.New("authn/mtls: Config.Identify answered no Subject"))
		}
	}
	id.Method, id.CredentialID, id.VerifiedAt, id.Credential = method, k.fingerprint, now, k.leaf
	if id.ExpiresAt.IsZero() || end.Before(id.ExpiresAt) {
		id.ExpiresAt = end
	}
	return id, nil
}

// unknown is what Identify's error, or its nil Identity, comes to.
func (k *known) unknown(err error) *authn.Error {
	const reason = "unknown subject"
	if err == nil {
		return k.refused(reason, errors.New("authn/mtls: Config.Identify answered nil"))
	}
	if e := (*authn.Error)(nil); !errors.As(err, &e) {
		return k.refused(reason, err)
	}
	answer := *authn.AsError(err)
	if answer.Code == "" && errors.Is(err, authn.ErrNoCredential) { // there was one
		return k.refused(reason, nil)
	}
	if answer.About == nil {
		answer.About = k.about()
	}
	return &answer
}

// name is whom a verified certificate names, or what is wrong with its name.
func (cfg *Config) name(leaf *x509.Certificate) (subject, wrong string) {
	switch {
	case cfg.TrustDomain != "":
		return spiffeID(leaf, cfg.TrustDomain)
	case cfg.Identify != nil:
		return "", ""
	case cfg.InsecureCommonName && !hasAltName(leaf):
		return commonName(leaf)
	case len(leaf.DNSNames) == 0:
		return "", "no DNS name"
	case len(leaf.DNSNames) > 1: // which one it is would be a guess
		return "", "several DNS names"
	}
	subject = strings.ToLower(leaf.DNSNames[0])
	if !isHostName(subject) {
		return "", "no name of a host"
	}
	return subject, ""
}

var (
	oidAltName    = asn1.ObjectIdentifier{2, 5, 29, 17} // RFC 5280 §4.2.1.6
	oidCommonName = asn1.ObjectIdentifier{2, 5, 4, 3}
)

func hasAltName(leaf *x509.Certificate) bool {
	for _, ext := range leaf.Extensions {
		if ext.Id.Equal(oidAltName) {
			return true
		}
	}
	return false
}

// maxText bounds a subject that is not a SPIFFE id, in bytes: what stores take.
const maxText = 255

// commonName is the only one.
func commonName(leaf *x509.Certificate) (subject, wrong string) {
	names := 0
	for _, attr := range leaf.Subject.Names {
		if attr.Type.Equal(oidCommonName) {
			names++
		}
	}
	subject = leaf.Subject.CommonName
	if names != 1 || subject == "" || len(subject) > maxText || !utf8.ValidString(subject) || strings.ContainsFunc(subject, unicode.IsControl) {
		return "", "no common name"
	}
	return subject, ""
}

// isHostName is about names in lower case. A wildcard names nobody.
func isHostName(s string) bool {
	return s != "" && len(s) <= 253 && !slices.ContainsFunc(strings.Split(s, "."), func(label string) bool {
		return label == "" || len(label) > 63 || !isOf(label, letters+digits+"-_")
	})
}
