package tokenserver

import (
	"bytes"
	"errors"
	"net/http"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
)

// onceAssertion is the purpose of store.Once.
const onceAssertion = "client assertion"

// assertionCredentials are of private_key_jwt: RFC 7521 §4.2, RFC 7523 §2.2. A bad
// assertion is invalid_client (RFC 7521 §4.2.1).
func (s *Server) assertionCredentials(raw, kind string) (credentials, *refusal) {
	switch {
	case raw == "" || kind == "":
		return credentials{}, malformed("half an assertion", nil)
	case kind != assertionType:
		return credentials{}, invalidClient("unknown type of assertion", nil)
	case s.cfg.Once == nil:
		return credentials{}, invalidClient("no Config.Once", nil)
	}
	a, err := jwtauth.ParseAssertion(raw)
	if err != nil {
		return credentials{}, invalidClient("malformed assertion", err)
	}
	return credentials{method: PrivateKeyJWT, id: a.ClientID, assertion: a}, nil
}

// knownKeys is a client's JWKS that was read before.
type knownKeys struct {
	jwks []byte
	keys jwtauth.KeySource
}

// keysOf reads a JWKS once and not for each assertion, which anybody can send: one of
// 64 KiB takes a hundred times as long as a signature. There are as many as clients.
func (s *Server) keysOf(c *caller) (jwtauth.KeySource, error) {
	if v, ok := s.known.Load(c.ID); ok {
		if known := v.(knownKeys); bytes.Equal(known.jwks, c.JWKS) {
			return known.keys, nil
		}
	}
	keys, err := jwtauth.ParseJWKS(c.JWKS)
	if err == nil {
		s.known.Store(c.ID, knownKeys{bytes.Clone(c.JWKS), keys})
	}
	return keys, err
}

// checkAssertion verifies it and spends it.
func (s *Server) checkAssertion(r *http.Request, a *jwtauth.Assertion, c *caller) *refusal {
	keys, err := s.keysOf(c)
	if err != nil { // CreateClient lets none in
		return outage("client's JWKS", err)
	}
	if err := a.Verify(r.Context(), keys, s.audiences, c.at); err != nil {
		return invalidClient(authn.AsError(err).Reason, err)
	}
	spent := store.TokenRef{Issuer: c.ID, ID: a.ID}.Digest()
	switch err := s.cfg.Once.ClaimOnce(r.Context(), onceAssertion, spent, a.ExpiresAt, c.at); {
	case errors.Is(err, store.ErrExists):
		return invalidClient("replayed assertion", nil)
	case err != nil:
		return outage("store", err)
	}
	return nil
}
