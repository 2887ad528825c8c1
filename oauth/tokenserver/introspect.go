package tokenserver

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

// introspection is RFC 7662 §2.2, with cnf (RFC 8705 §3.2) and roles (RFC 9068
// §2.2.3.1).
type introspection struct {
	Active    bool     `json:"active"`
	Scope     string   `json:"scope,omitempty"`
	ClientID  string   `json:"client_id,omitempty"`
	TokenType string   `json:"token_type,omitempty"`
	Expires   int64    `json:"exp,omitempty"`
	IssuedAt  int64    `json:"iat,omitempty"`
	Subject   string   `json:"sub,omitempty"`
	Audience  []string `json:"aud,omitempty"`
	Issuer    string   `json:"iss,omitempty"`
	ID        string   `json:"jti,omitempty"`
	Roles     []string `json:"roles,omitempty"`
	Confirm   *confirm `json:"cnf,omitempty"`
}

type confirm struct {
	Thumbprint string `json:"x5t#S256"`
}

// introspect is RFC 7662. Why a token is not active is not told, nor that it is
// another's (§2.2, §4). A hint is not needed: access tokens say what they are.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request, f form, c *caller) *refusal {
	token := f.get("token")
	if token == "" {
		return malformed("no token", nil)
	}
	info, err := s.issuer.Introspect(eventContext(r), token)
	var answer introspection
	switch {
	case err != nil && authn.AsError(err).Status >= http.StatusInternalServerError:
		return outage("issuer", err)
	case err == nil && (info.ClientID == c.ID || slices.ContainsFunc(info.Audience, func(a string) bool { return slices.Contains(c.Serves, a) })):
		answer = s.active(info)
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

func (s *Server) active(info jwtauth.TokenInfo) introspection {
	id := info.Identity
	a := introspection{
		Active: true, Scope: strings.Join(id.Scopes, " "), ClientID: info.ClientID, TokenType: "Bearer",
		Expires: id.ExpiresAt.Unix(), IssuedAt: info.IssuedAt.Unix(), Subject: id.Subject, Audience: info.Audience,
		Issuer: s.issuer.URL(), ID: id.CredentialID, Roles: id.Roles,
	}
	if info.Confirm != "" {
		a.Confirm = &confirm{info.Confirm}
	}
	return a
}

// revoke is RFC 7009, of access and refresh tokens. What is not good any more, or
// another client's, is answered like what was revoked, and nothing happens to it: who
// tries learns nothing. A hint is not needed (§2.1).
func (s *Server) revoke(w http.ResponseWriter, r *http.Request, f form, c *caller) *refusal {
	token := f.get("token")
	if token == "" {
		return malformed("no token", nil)
	}
	if err := s.issuer.RevokeToken(eventContext(r), token, c.ID); err != nil {
		e := outage("issuer", err)
		e.reported = true
		return e
	}
	noStore(w)
	return nil // 200 without a body (§2.2)
}
