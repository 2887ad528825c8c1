package tokenserver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

// metadata is RFC 8414 §2, RFC 8705 §3.3.
type metadata struct {
	Issuer               string              `json:"issuer"`
	Token                string              `json:"token_endpoint"`
	JWKS                 string              `json:"jwks_uri"`
	ResponseTypes        []string            `json:"response_types_supported"` // required, and there are none
	Grants               []string            `json:"grant_types_supported"`
	Methods              []AuthMethod        `json:"token_endpoint_auth_methods_supported"`
	Algorithms           []jwtauth.Algorithm `json:"token_endpoint_auth_signing_alg_values_supported,omitempty"`
	Introspect           string              `json:"introspection_endpoint"`
	IntrospectMethods    []AuthMethod        `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectAlgorithms []jwtauth.Algorithm `json:"introspection_endpoint_auth_signing_alg_values_supported,omitempty"`
	Revoke               string              `json:"revocation_endpoint"`
	RevokeMethods        []AuthMethod        `json:"revocation_endpoint_auth_methods_supported"`
	RevokeAlgorithms     []jwtauth.Algorithm `json:"revocation_endpoint_auth_signing_alg_values_supported,omitempty"`
	BoundTokens          bool                `json:"tls_client_certificate_bound_access_tokens,omitempty"`
}

// metadata is public and the same for ever, so that it may be cached.
func (s *Server) metadata(base string) (http.Handler, error) {
	methods := []AuthMethod{SecretBasic, SecretPost}
	var algorithms []jwtauth.Algorithm
	if s.cfg.Once != nil {
		methods = append(methods, PrivateKeyJWT)
		algorithms = []jwtauth.Algorithm{jwtauth.RS256, jwtauth.PS256, jwtauth.ES256, jwtauth.ES384, jwtauth.EdDSA}
	}
	if s.cfg.ClientCert != nil {
		methods = append(methods, TLSClientAuth)
	}
	body, err := json.Marshal(metadata{
		Issuer: s.issuer.URL(), Token: base + pathToken, JWKS: base + pathJWKS,
		ResponseTypes: []string{}, Grants: []string{"client_credentials", "refresh_token"},
		Methods: methods, Algorithms: algorithms,
		Introspect: base + pathIntrospect, IntrospectMethods: methods, IntrospectAlgorithms: algorithms,
		Revoke: base + pathRevoke, RevokeMethods: methods, RevokeAlgorithms: algorithms,
		BoundTokens: s.cfg.BindTokens,
	})
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			authn.WriteError(w, r, &authn.Error{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed"})
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "public, max-age=3600")
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body)) // HEAD
	}), nil
}
