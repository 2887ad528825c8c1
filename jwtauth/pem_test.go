package jwtauth_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

func pemOf(blockType string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: der})
}

// J4, J14: PKCS #8 and PKIX are read; every other thing that a newcomer may
// have is refused with what to do.
func TestParsePEM(t *testing.T) {
	pkcs8 := func(key any) []byte { return authn.Must(x509.MarshalPKCS8PrivateKey(key)) }
	pkix := func(key any) []byte { return authn.Must(x509.MarshalPKIXPublicKey(key)) }
	rsaKey := authn.Must(rsa.GenerateKey(rand.Reader, 2048))
	ecKey := authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	xKey := authn.Must(ecdh.X25519().GenerateKey(rand.Reader))
	small := append(bytes.Clone(pkix(edKey.Public())[:12]), make([]byte, 32)...)
	ec := pemOf("PRIVATE KEY", pkcs8(ecKey))
	legacy := pem.EncodeToMemory(&pem.Block{
		Type: "RSA PRIVATE KEY", Bytes: []byte("x"),
		Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"},
	})
	tests := []struct {
		name string
		alg  jwtauth.Algorithm
		data []byte
		want string // in the error; "" is good
	}{
		{"RSA private", jwtauth.RS256, pemOf("PRIVATE KEY", pkcs8(rsaKey)), ""},
		{"RSA public", jwtauth.PS256, pemOf("PUBLIC KEY", pkix(&rsaKey.PublicKey)), ""},
		{"EC private", jwtauth.ES256, ec, ""},
		{"EC public", jwtauth.ES256, pemOf("PUBLIC KEY", pkix(&ecKey.PublicKey)), ""},
		{"Ed25519 private", jwtauth.EdDSA, pemOf("PRIVATE KEY", pkcs8(edKey)), ""},
		{"Ed25519 public", jwtauth.EdDSA, pemOf("PUBLIC KEY", pkix(edKey.Public())), ""},
		{"space around", jwtauth.ES256, around("\n ", ec, "\r\n\n"), ""},
		{"line ends of Windows", jwtauth.ES256, bytes.ReplaceAll(ec, []byte("\n"), []byte("\r\n")), ""},

		{"nothing", jwtauth.ES256, nil, "not PEM"},
		{"a file name", jwtauth.ES256, []byte("key.pem"), "not PEM"},
		{"DER", jwtauth.ES256, pkcs8(ecKey), "not PEM"},
		{"text in front", jwtauth.ES256, around("key\n", ec), "not PEM"},
		{"cut", jwtauth.ES256, ec[:len(ec)-10], "damaged"},
		{"cut in front of a good one", jwtauth.ES256, around(string(ec[:60])+"\n", ec), "more than one"},
		{"two keys", jwtauth.ES256, around("", ec, string(ec)), "more than one"},
		{"trailing text", jwtauth.ES256, around("", ec, "x"), "something follows"},
		{"16 KiB", jwtauth.ES256, around("", ec, strings.Repeat("\n", 16<<10-len(ec))), ""},
		{"too long", jwtauth.ES256, around("", ec, strings.Repeat("\n", 16<<10+1-len(ec))), "16384 are allowed"},
		{"encrypted PKCS #8", jwtauth.ES256, pemOf("ENCRYPTED PRIVATE KEY", []byte("x")), "encrypted: decrypt it by `openssl pkcs8 -topk8 -nocrypt"},
		{"encrypted PKCS #1", jwtauth.RS256, legacy, "encrypted: decrypt it by `openssl pkcs8 -topk8 -nocrypt"},
		{"PKCS #1", jwtauth.RS256, pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), "convert it by `openssl pkcs8 -topk8 -nocrypt"},
		{"SEC 1", jwtauth.ES256, pemOf("EC PRIVATE KEY", authn.Must(x509.MarshalECPrivateKey(ecKey))), "convert it by `openssl pkcs8 -topk8 -nocrypt"},
		{"SEC 1 parameters", jwtauth.ES256, pemOf("EC PARAMETERS", []byte("x")), "has no key"},
		{"PKCS #1 public", jwtauth.RS256, pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)), "`openssl rsa -RSAPublicKey_in -pubout"},
		{"a certificate", jwtauth.ES256, pemOf("CERTIFICATE", []byte("x")), "`openssl x509 -pubkey -noout"},
		{"OpenSSH", jwtauth.EdDSA, pemOf("OPENSSH PRIVATE KEY", []byte("x")), `"OPENSSH PRIVATE KEY": PRIVATE KEY (PKCS #8) and`},
		{"PKCS #1 under the wrong name", jwtauth.RS256, pemOf("PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), "damaged, or of an unknown kind"},
		{"public under the wrong name", jwtauth.RS256, pemOf("PRIVATE KEY", pkix(&rsaKey.PublicKey)), "damaged, or of an unknown kind"},
		{"private under the wrong name", jwtauth.RS256, pemOf("PUBLIC KEY", pkcs8(rsaKey)), "damaged, or of an unknown kind"},
		{"trailing bytes of a private key", jwtauth.ES256, pemOf("PRIVATE KEY", append(pkcs8(ecKey), 0)), "not one ASN.1 value"},
		{"trailing bytes of a public key", jwtauth.ES256, pemOf("PUBLIC KEY", append(pkix(&ecKey.PublicKey), 0)), "damaged"},
		{"no bytes", jwtauth.ES256, pemOf("PRIVATE KEY", nil), "damaged"},
		{"X25519", jwtauth.EdDSA, pemOf("PRIVATE KEY", pkcs8(xKey)), "*ecdh.PrivateKey cannot sign"},
		{"X25519 public", jwtauth.EdDSA, pemOf("PUBLIC KEY", pkix(xKey.PublicKey())), "EdDSA does not go with"},
		{"other algorithm", jwtauth.RS256, ec, "RS256 does not go with"},
		{"HMAC by a public key", jwtauth.HS256, pemOf("PUBLIC KEY", pkix(&rsaKey.PublicKey)), "use HMACKey"},
		{"other curve", jwtauth.ES384, ec, "P-384"},
		{"small order", jwtauth.EdDSA, pemOf("PUBLIC KEY", small), "small order"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := jwtauth.ParsePEM("k", tt.alg, tt.data)
			if tt.want != "" {
				refused(t, k, err, tt.want)
			} else if err != nil || k.ID() != "k" || k.Algorithm() != tt.alg || k.Public() == nil {
				t.Errorf("%v, %v", k, err)
			}
		})
	}
	k, err := jwtauth.ParsePEM("", jwtauth.ES256, ec)
	refused(t, k, err, "an id is required")
}

// around puts texts before and after data.
func around(before string, data []byte, after ...string) []byte {
	return []byte(before + string(data) + strings.Join(after, ""))
}

// J4: no PEM panics, or makes a key of another algorithm.
func FuzzParsePEM(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, alg := range []jwtauth.Algorithm{jwtauth.RS256, jwtauth.ES256, jwtauth.EdDSA} {
			k, err := jwtauth.ParsePEM("k", alg, data)
			if err != nil {
				if k != (jwtauth.Key{}) || len(err.Error()) > 1000 || !strings.HasPrefix(err.Error(), `authn/jwtauth: key "k": `) {
					t.Errorf("%v, %v", k, err)
				}
				continue
			}
			if k.Algorithm() != alg || k.Public() == nil {
				t.Errorf("%v as %s", k, alg)
			}
		}
	})
}
