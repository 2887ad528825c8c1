// Package mtls is for services inside one trust domain, which know each other
// by certificates of a common authority. Start with [New] and
// [Verifier.ServerTLS]:
//
//	certs, err := mtls.New(mtls.Config{Roots: roots, TrustDomain: "acme.internal"})
//	cfg, err := certs.ServerTLS("orders.pem", "orders.key")
//	srv := &http.Server{Handler: certs.Middleware(mux), TLSConfig: cfg}
//	err = srv.ListenAndServeTLS("", "")
//
// A [Verifier] stands beside others: authn.FirstOf(tokens, certs). Roles and
// scopes of a service are the host's to say, by [authn.Enrich].
//
// # What TLS leaves open
//
// A handshake checks a certificate once. Connections live for hours, and a
// resumed session is not checked by what a host hooks into the handshake. So
// each request's certificate is verified here, against [Config].Roots and for
// the use of clients; its times and [Config].Denied are looked at even when the
// chain is known. A denied certificate, and one of an authority that
// [Verifier.SetRoots] took away, is refused at the next request on any
// connection. Any TLS configuration that asks for a certificate will do; one that
// lets bad ones in (tls.RequestClientCert) has them refused here, request by request.
//
// Browsers send client certificates unasked, like cookies: a request that may
// change something and that another site made a browser send is 403.
//
// # Behind a proxy
//
// Where a proxy ends TLS, it hands the certificate on in a header field. Anybody
// can send that field, and certificates are public: a sender who is believed can
// be anybody. A field is believed only if [Config] names it, from a proxy
// that Config.FromProxy trusts, and then in place of the proxy's own
// certificate; and what is in it is verified as if TLS ended here.
//
// [ClientCert] is of RFC 9440. HAProxy, with "verify optional":
//
//	http-request del-header Client-Cert
//	http-request del-header Client-Cert-Chain
//	http-request set-header Client-Cert :%[ssl_c_der,base64]: if { ssl_c_used }
//
// [XForwardedClientCert] is Envoy's, with SANITIZE_SET and cert in
// set_current_client_cert_details; and nginx can write it, with
// "ssl_verify_client optional":
//
//	proxy_set_header X-Forwarded-Client-Cert 'Cert="$ssl_client_escaped_cert"';
//
// The proxy must overwrite the field in every request, also when there was no
// certificate. HAProxy and nginx pass the leaf only: put intermediate
// authorities into Roots. Each is a root then: constraints, expiry and denial of
// what stands above it do not count.
//
// # Bound tokens
//
// [Verifier.Certificate] is what jwtauth.VerifierConfig.ClientCert and the token
// endpoint read, so that a token is good over its client's certificate only
// (RFC 8705).
//
// # Compatibility
//
// Subjects and fingerprints do not change between versions. What is refused may
// become more.
package mtls
