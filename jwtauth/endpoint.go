package jwtauth

import (
	"net/http"
	"slices"
	"time"
)

// Here is what a token endpoint asks of its Issuer: package tokenserver.

// URL is the iss of tokens, IssuerConfig.Issuer.
func (i *Issuer) URL() string { return i.cfg.Issuer }

// Audience is who tokens may be for, IssuerConfig.Audience.
func (i *Issuer) Audience() []string { return slices.Clone(i.cfg.Audience) }

// MaxTTL is the most that Grant.TTL may be.
func (i *Issuer) MaxTTL() time.Duration { return i.ring.maxTokenAge() }

// Revokes reports whether tokens can be revoked: false of SkipRevocation.
func (i *Issuer) Revokes() bool { return i.st != nil }

// JWKS publishes the keys that tokens are signed with: [KeyRing.JWKS].
func (i *Issuer) JWKS() http.Handler { return i.ring.JWKS() }
