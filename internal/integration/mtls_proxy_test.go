package integration_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/clientip"
	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/mtls"
)

// mtlsProxies are from 127.0.0.2; the tests themselves are from 127.0.0.1. Both
// ask for certificates and pass on whatever comes, which a careful host would not
// have them do: the verifier must not depend on it.
var mtlsProxies = []struct {
	program, version string
	field            mtls.ProxyHeader
	write            func(der []byte) string
	// args are the program's, for a configuration made of these: dir, addr, app.
	file, config string
	args         []string
	// outdated is the answer to a certificate out of its time.
	outdated string
}{
	{
		"nginx", "-v", mtls.XForwardedClientCert, func(der []byte) string { return `Cert="` + url.PathEscape(string(mtlsPEM(der))) + `"` },
		"nginx.conf", `
daemon off; master_process off; pid DIR/nginx.pid; error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi; uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
	server {
		listen ADDR ssl;
		ssl_protocols TLSv1.3;
		ssl_certificate DIR/server.pem;
		ssl_certificate_key DIR/server.key;
		ssl_verify_client optional_no_ca;
		location / {
			proxy_pass http://APP;
			proxy_bind 127.0.0.2;
			proxy_set_header X-Forwarded-Client-Cert 'Cert="$ssl_client_escaped_cert"';
		}
	}
}
`,
		[]string{"-c", "DIR/nginx.conf", "-e", "stderr"},
		"400 Bad Request", // by nginx itself
	},
	{
		"haproxy", "-v", mtls.ClientCert, rfc9440,
		"haproxy.cfg", `
defaults
	mode http
	timeout connect 10s
	timeout client 30s
	timeout server 30s
frontend tls
	bind ADDR ssl crt DIR/server.both ssl-min-ver TLSv1.3 ca-file DIR/clients.pem verify optional ca-ignore-err all crt-ignore-err all
	http-request del-header Client-Cert
	http-request del-header Client-Cert-Chain
	http-request set-header Client-Cert :%[ssl_c_der,base64]: if { ssl_c_used }
	default_backend app
backend app
	source 127.0.0.2
	server app APP
`,
		[]string{"-db", "-f", "DIR/haproxy.cfg"},
		"401 Unauthorized",
	},
}

func rfc9440(der []byte) string { return ":" + base64.StdEncoding.EncodeToString(der) + ":" }

// M3: nginx with X-Forwarded-Client-Cert and HAProxy with Client-Cert hand
// certificates on. They are verified again; what a client makes up is
// overwritten, and believed from nobody else; and without trust in the proxy its
// field is nothing.
func TestMTLSBehindProxies(t *testing.T) {
	for _, p := range mtlsProxies {
		t.Run(p.program, func(t *testing.T) {
			if path, ok := servers.Binary(p.program, "/usr/sbin"); ok {
				out, _ := exec.CommandContext(t.Context(), path, p.version).CombinedOutput()
				servers.Case(t, strings.Trim(strings.Join(strings.Fields(strings.Split(string(out), "\n")[0])[:3], " "), " "))
			}
			app := func(trusted string) *mtlsApp {
				proxies := authn.Must(clientip.New(clientip.Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix(trusted)}, Header: clientip.XForwardedFor}))
				return newMTLSApp(t, func(cfg *mtls.Config) { cfg.ProxyHeader, cfg.FromProxy = p.field, proxies.FromProxy })
			}
			trusting, wary := app("127.0.0.2/32"), app("127.0.0.3/32")
			if err := wary.SetRoots(trusting.clients.pool()); err != nil {
				t.Fatal(err)
			}
			mux := http.NewServeMux()
			mux.Handle("/", trusting.handler())
			mux.Handle("/wary", wary.handler())
			backend := serveMTLS(t, mux, nil)

			auth := newMTLSAuthority()
			addr := servers.OwnProxy(t, p.program, func(dir string, port int) (args []string) {
				writePEM(t, dir, "server", auth.server())
				writeText(t, dir+"/clients.pem", string(mtlsPEM(trusting.clients.cert.Raw)))
				fill := strings.NewReplacer("DIR", dir, "ADDR", net.JoinHostPort("127.0.0.1", fmt.Sprint(port)), "APP", backend)
				writeText(t, dir+"/"+p.file, fill.Replace(p.config))
				for _, arg := range p.args {
					args = append(args, fill.Replace(arg))
				}
				return args
			})

			get := func(target string, cert *tls.Certificate, fields ...string) string {
				t.Helper()
				tr := &http.Transport{TLSClientConfig: &tls.Config{
					RootCAs: auth.pool(), ServerName: mtlsServer, MinVersion: tls.VersionTLS13,
					GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
						if cert == nil {
							return new(tls.Certificate), nil
						}
						return cert, nil
					},
				}}
				defer tr.CloseIdleConnections()
				r := authn.Must(http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
				for i := 0; i+1 < len(fields); i += 2 {
					r.Header.Add(fields[i], fields[i+1])
				}
				resp, err := (&http.Client{Transport: tr, Timeout: patience}).Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				body := authn.Must(io.ReadAll(resp.Body))
				if resp.StatusCode != http.StatusOK {
					return resp.Status
				}
				return string(body)
			}
			want := func(what, got, want string) {
				t.Helper()
				if got != want {
					t.Errorf("%s: %s, want %s", what, got, want)
				}
			}
			const refused = "401 Unauthorized"
			front, behind := "https://"+addr, "http://"+backend
			mine, victims := trusting.clients.issue("mine"), trusting.clients.issue("admin")
			forged := []string{string(p.field), p.write(victims.Certificate[0]), "Client-Cert-Chain", rfc9440(victims.Certificate[0])}

			want("good", get(front, &mine), "spiffe://acme.internal/mine")
			want("another good one", get(front, &victims), "spiffe://acme.internal/admin")
			want("none", get(front, nil), refused)
			want("forged over another", get(front, &mine, forged...), "spiffe://acme.internal/mine")
			want("forged over none", get(front, nil, forged...), refused)
			low := []string{strings.ReplaceAll(string(p.field), "-", "_"), p.write(victims.Certificate[0]), strings.ToLower(string(p.field)), p.write(victims.Certificate[0])}
			hop := []string{"Connection", string(p.field) + ", Client-Cert-Chain"}
			for _, more := range [][]string{low, hop, append(hop, forged...), append(low, forged...)} {
				want(fmt.Sprint("attack over another ", more[0]), get(front, &mine, more...), "spiffe://acme.internal/mine")
				want(fmt.Sprint("attack over none ", more[0]), get(front, nil, more...), refused)
			}
			want("forged past the proxy", get(behind, nil, forged...), refused)
			want("proxy without trust", get(front+"/wary", &mine), refused)
			for what, cert := range map[string]tls.Certificate{
				"another root": newMTLSAuthority().issue("mine"),
				"a server's":   trusting.clients.issue("mine", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }),
				"two ids":      trusting.clients.issue("mine", func(c *x509.Certificate) { c.URIs = append(c.URIs, victims.Leaf.URIs[0]) }),
			} {
				want(what, get(front, &cert), refused)
			}
			expired := trusting.clients.issue("mine", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
			early := trusting.clients.issue("mine", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })
			want("expired", get(front, &expired), p.outdated)
			want("not yet valid", get(front, &early), p.outdated)
			trusting.denied.Store(mine.Leaf)
			want("denied", get(front, &mine), refused)
		})
	}
}
