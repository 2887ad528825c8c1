package tokenserver

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

// token is RFC 6749 §3.2.
func (s *Server) token(w http.ResponseWriter, r *http.Request, f form, c *caller) *refusal {
	grant := s.clientCredentials
	switch f.get("grant_type") {
	case "client_credentials":
	case "refresh_token":
		grant = s.refresh
	case "":
		return malformed("no grant_type", nil)
	default:
		return unusable(codeUnsupportedGrantType, "grant type")
	}
	scopes, err := f.scopes()
	if err != nil {
		e := unusable(codeInvalidScope, "malformed scope")
		e.err = err
		return e
	}
	set, e := grant(r, f, c, scopes)
	if e != nil {
		return e
	}
	_ = jwtauth.WriteTokens(w, set) // a client that is gone is nobody's error
	return nil
}

// proofMargin is how much older than it is a client's authentication is said to be.
// Whether it was disabled since, the store finds by an age that it is told; while it is
// being told, that grows. A request that comes so soon after all of the client's tokens
// were revoked may come again.
const proofMargin = time.Second

// clientCredentials is RFC 6749 §4.4: no refresh token, since the client can always
// come again.
func (s *Server) clientCredentials(r *http.Request, f form, c *caller, scopes []string) (jwtauth.TokenSet, *refusal) {
	if len(c.Audience) == 0 {
		return jwtauth.TokenSet{}, unusable(codeUnauthorizedClient, "no audience")
	}
	if scopes == nil {
		scopes = c.Scopes
	}
	audience := f.resources
	if audience == nil { // what it may have and the issuer still has
		audience = slices.DeleteFunc(slices.Clone(c.Audience), func(a string) bool { return !slices.Contains(s.audience, a) })
	}
	switch {
	case !within(scopes, c.Scopes):
		return jwtauth.TokenSet{}, unusable(codeInvalidScope, "scope")
	case len(audience) == 0 || !within(audience, c.Audience) || !within(audience, s.audience):
		return jwtauth.TokenSet{}, unusable(codeInvalidTarget, "resource")
	}
	g := jwtauth.Grant{
		Identity: &authn.Identity{
			Subject: c.ID, Kind: authn.KindClient, Method: method, Scopes: scopes, VerifiedAt: c.at.Add(-proofMargin),
		},
		ClientID: c.ID, Audience: audience, TTL: s.cfg.TTL, Request: r,
	}
	if s.cfg.BindTokens && c.cert != nil {
		g.Confirm = jwtauth.Thumbprint(c.cert)
	}
	set, err := s.issuer.Issue(r.Context(), g)
	switch {
	case err != nil:
		return jwtauth.TokenSet{}, ofIssuer(err)
	case len(set.Pending) > 0:
		return jwtauth.TokenSet{}, &refusal{status: http.StatusInternalServerError, code: codeServerError, reason: "pending", err: errOwes}
	}
	return set, nil
}

var errOwes = errors.New("authn/tokenserver: IssuerConfig.Owed wants a factor of a client, which has none: answer nil for KindClient")

// refresh is RFC 6749 §6, for logins of this client.
func (s *Server) refresh(r *http.Request, f form, c *caller, scopes []string) (jwtauth.TokenSet, *refusal) {
	token := f.get("refresh_token")
	if token == "" {
		return jwtauth.TokenSet{}, malformed("no refresh_token", nil)
	}
	set, err := s.issuer.Refresh(eventContext(r), token, jwtauth.Grant{
		ClientID: c.ID, Scopes: scopes, Audience: f.resources, ClientCert: c.cert,
	})
	if err != nil {
		return jwtauth.TokenSet{}, ofIssuer(err)
	}
	return set, nil
}

func within(asked, bound []string) bool {
	for _, s := range asked {
		if !slices.Contains(bound, s) {
			return false
		}
	}
	return true
}
