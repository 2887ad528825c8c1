package tokenserver

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
)

// AuthMethod is how a client authenticates, by its name in the registry of RFC 7591
// §4.2.
type AuthMethod string

// The methods.
const (
	// SecretBasic is a secret in Authorization: Basic (RFC 6749 §2.3.1).
	SecretBasic AuthMethod = "client_secret_basic"
	// SecretPost is a secret in the body, where logs are likelier to have it.
	SecretPost AuthMethod = "client_secret_post"
	// PrivateKeyJWT is an assertion that the client signs (RFC 7523 §2.2).
	PrivateKeyJWT AuthMethod = "private_key_jwt"
	// TLSClientAuth is a certificate of a CA that the host trusts (RFC 8705 §2.1).
	TLSClientAuth AuthMethod = "tls_client_auth"
)

// Client is one service account.
type Client struct {
	// ID is the client_id, and the Subject of its tokens: 1 to 255 characters of
	// [A-Za-z0-9._~-], which no encoding changes. No other client ever gets it, and no
	// user's Subject may be it. "" is made up.
	ID string
	// Name is for people; at most 255 bytes.
	Name string
	// AuthMethod stays as it was created. "" is SecretBasic.
	AuthMethod AuthMethod
	// JWKS are the public keys of PrivateKeyJWT, as jwtauth.ParseJWKS reads them; at
	// most 64 KiB. To change a key, have both in it meanwhile.
	JWKS []byte
	// CertSubject is the one of TLSClientAuth, as the function CertSubject writes it;
	// at most 1024 bytes.
	CertSubject string
	// Scopes are what it may have, each of the characters of RFC 6749 §3.3. A token has
	// 8192 bytes: a client with more scopes than fit must name those that it wants. A
	// refresh has the login's scopes, whatever these are.
	Scopes []string
	// Audience is whom its tokens may be for, of the issuer's Audience. nil: it gets
	// no tokens of its own.
	Audience []string
	// Serves are the audiences whose tokens it may introspect, of the issuer's
	// Audience, beside the tokens that were issued to it: what it is as a resource
	// server.
	// Scopes, Audience and Serves are at most 64 KiB together.
	Serves []string
	// CreatedAt and DisabledAt, which is zero if it is not, are the Server's to set,
	// and so is Revision, which counts updates.
	CreatedAt, DisabledAt time.Time
	Revision              int64
}

const (
	maxText    = 255
	maxSubject = 1024
	maxJWKS    = 64 << 10
	maxLists   = 64 << 10
	idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-"
)

// hasSecret reports whether m is by a secret.
func (m AuthMethod) hasSecret() bool { return m == SecretBasic || m == SecretPost }

func clientOf(rec store.OAuthClient) Client {
	return Client{
		ID: rec.ID, Name: rec.Name, AuthMethod: AuthMethod(rec.AuthMethod),
		JWKS: bytes.Clone(rec.JWKS), CertSubject: rec.CertSubject,
		Scopes: slices.Clone(rec.Scopes), Audience: slices.Clone(rec.Audience), Serves: slices.Clone(rec.Serves),
		CreatedAt: rec.CreatedAt, DisabledAt: rec.DisabledAt, Revision: rec.Revision,
	}
}

func (c Client) record() store.OAuthClient {
	return store.OAuthClient{
		ID: c.ID, Name: c.Name, AuthMethod: string(c.AuthMethod), JWKS: c.JWKS, CertSubject: c.CertSubject,
		Scopes: c.Scopes, Audience: c.Audience, Serves: c.Serves,
		CreatedAt: c.CreatedAt, DisabledAt: c.DisabledAt, Revision: c.Revision,
	}
}

// invalid is 400 for what a Client or a call may not be.
func invalid(format string, args ...any) error {
	return authn.Malformed("", fmt.Errorf("authn/tokenserver: "+format, args...))
}

// check says what is wrong with c, naming the field.
func (s *Server) check(c Client) error {
	switch {
	case !isID(c.ID):
		return invalid("Client.ID is 1 to %d characters of [A-Za-z0-9._~-], not %.64q", maxText, c.ID)
	case !isText(c.Name, maxText):
		return invalid("Client.Name is at most %d bytes without control characters", maxText)
	}
	if err := s.checkMethod(c); err != nil {
		return err
	}
	size := 0
	for _, scope := range c.Scopes {
		if size += len(scope); !isScope(scope) {
			return invalid("Client.Scopes has %.64q: printable ASCII without space, quote and backslash (RFC 6749 §3.3)", scope)
		}
	}
	for _, a := range slices.Concat(c.Audience, c.Serves) {
		if size += len(a); !slices.Contains(s.audience, a) {
			return invalid("Client.Audience or Serves has %.64q, which is not in IssuerConfig.Audience", a)
		}
	}
	for _, list := range [][]string{c.Scopes, c.Audience, c.Serves} {
		if sorted := slices.Sorted(slices.Values(list)); len(slices.Compact(sorted)) < len(list) {
			return invalid("Client.Scopes, Audience or Serves says something twice")
		}
	}
	if size > maxLists {
		return invalid("Client.Scopes, Audience and Serves are at most %d bytes together", maxLists)
	}
	return nil
}

// checkMethod wants what the method needs, and nothing of another.
func (s *Server) checkMethod(c Client) error {
	switch m := c.AuthMethod; {
	case !m.hasSecret() && m != PrivateKeyJWT && m != TLSClientAuth:
		return invalid("Client.AuthMethod is one of this package's, not %.64q", m)
	case m == PrivateKeyJWT && s.cfg.Once == nil:
		return invalid("Client.AuthMethod %s needs Config.Once", m)
	case m == TLSClientAuth && s.cfg.ClientCert == nil:
		return invalid("Client.AuthMethod %s needs Config.ClientCert", m)
	case (m == PrivateKeyJWT) != (len(c.JWKS) > 0):
		return invalid("Client.JWKS is for %s, which needs it", PrivateKeyJWT)
	case len(c.JWKS) > maxJWKS:
		return invalid("Client.JWKS is at most %d bytes", maxJWKS)
	case (m == TLSClientAuth) != (c.CertSubject != ""):
		return invalid("Client.CertSubject is for %s, which needs it", TLSClientAuth)
	case !isText(c.CertSubject, maxSubject):
		return invalid("Client.CertSubject is at most %d bytes without control characters", maxSubject)
	}
	if len(c.JWKS) == 0 {
		return nil
	}
	if _, err := jwtauth.ParseJWKS(c.JWKS); err != nil {
		return invalid("Client.JWKS: %w", errors.Unwrap(err))
	}
	return nil
}

// isID reports whether s can be a client's.
func isID(s string) bool {
	for _, c := range []byte(s) {
		if strings.IndexByte(idAlphabet, c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= maxText
}

// isText reports whether s may be stored and shown.
func isText(s string, most int) bool {
	return len(s) <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
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
