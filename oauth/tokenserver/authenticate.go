package tokenserver

import (
	"crypto/x509"
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
)

// caller is a client that has authenticated.
type caller struct {
	store.OAuthClient
	at   time.Time // before anything of it was read
	cert *x509.Certificate
}

// credentials are what a request says of its client.
type credentials struct {
	method    AuthMethod
	id        string
	secret    string
	assertion *jwtauth.Assertion
}

// assertionType is the only one (RFC 7523 §2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// authenticate is RFC 6749 §2.3. Whatever is wrong, the answer is the same.
func (s *Server) authenticate(r *http.Request, f form) (*caller, *refusal) {
	got, e := s.credentials(r, f)
	if e != nil {
		return nil, e
	}
	c := &caller{at: s.now()}
	if s.cfg.ClientCert != nil {
		c.cert = s.cfg.ClientCert(r)
	}
	rec, err := s.client(r, got.id)
	known := err == nil
	if !known && !errors.Is(err, store.ErrNotFound) {
		return nil, outage("store", err)
	}
	good := false // compared before anything else is looked at, and of unknown clients, too
	if got.method == SecretBasic || got.method == SecretPost {
		good = matches(rec, got.secret, c.at)
	}
	if !known {
		return nil, invalidClient("unknown client", nil)
	}
	c.OAuthClient = rec
	e = s.judge(r, got, c, good)
	if e != nil {
		e.client = rec.ID
		return nil, e
	}
	return c, nil
}

// judge says whether c may come in with what it sent.
func (s *Server) judge(r *http.Request, got credentials, c *caller, goodSecret bool) *refusal {
	switch {
	case !c.DisabledAt.IsZero():
		return invalidClient("disabled", nil)
	case c.AuthMethod != string(got.method):
		return invalidClient("another method", nil)
	case got.method == PrivateKeyJWT:
		return s.checkAssertion(r, got.assertion, c)
	case got.method == TLSClientAuth && (c.cert == nil || c.CertSubject == "" || CertSubject(c.cert) != c.CertSubject):
		return invalidClient("wrong certificate", nil)
	case got.method != TLSClientAuth && !goodSecret:
		return invalidClient("wrong secret", nil)
	}
	return nil
}

// client is the record of id. What no id can be is not looked for.
func (s *Server) client(r *http.Request, id string) (store.OAuthClient, error) {
	if !isID(id) {
		return store.OAuthClient{}, store.ErrNotFound
	}
	return s.clients.OAuthClient(r.Context(), id)
}

// credentials are by exactly one method (RFC 6749 §2.3). A client_id beside those
// that name the client must be the same.
func (s *Server) credentials(r *http.Request, f form) (got credentials, e *refusal) {
	fields := r.Header["Authorization"]
	secret, assertion, kind := f.get("client_secret"), f.get("client_assertion"), f.get("client_assertion_type")
	methods := len(fields)
	for _, there := range []bool{secret != "", assertion != "" || kind != ""} {
		if there {
			methods++
		}
	}
	id := f.get("client_id")
	switch {
	case methods > 1:
		return got, malformed("two methods of authentication", nil)
	case len(fields) == 1:
		got, e = basicCredentials(fields[0])
	case assertion != "" || kind != "":
		got, e = s.assertionCredentials(assertion, kind)
	case id == "":
		return got, invalidClient("no client", nil)
	case secret != "":
		got = credentials{method: SecretPost, id: id, secret: secret}
	case s.cfg.ClientCert == nil:
		return got, invalidClient("no authentication", nil)
	default:
		return credentials{method: TLSClientAuth, id: id}, nil
	}
	switch {
	case e != nil:
		return got, e
	case id != "" && id != got.id:
		return got, malformed("two clients", nil)
	case got.assertion == nil && !isSecret(got.secret): // whoever the client is
		return got, invalidClient("malformed secret", nil)
	}
	return got, nil
}

func basicCredentials(field string) (credentials, *refusal) {
	id, secret, err := parseBasic(field)
	switch {
	case errors.Is(err, errScheme):
		return credentials{}, invalidClient("unknown scheme", nil)
	case err != nil:
		return credentials{}, malformed("Authorization", err)
	}
	return credentials{method: SecretBasic, id: id, secret: secret}, nil
}
