package jwtauth

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
)

// ParsePEM reads one private key in PKCS #8 ("PRIVATE KEY"), which signs, or
// one public key in PKIX ("PUBLIC KEY", RFC 7468 §13), which verifies only.
// Errors of other formats say how to convert them. data is at most 16 KiB.
func ParsePEM(kid string, alg Algorithm, data []byte) (Key, error) {
	k, err := parsePEM(kid, alg, data)
	return named(kid, k, err)
}

func parsePEM(kid string, alg Algorithm, data []byte) (*key, error) {
	begin := []byte("-----BEGIN ")
	if len(data) > maxKeyBytes {
		return nil, fmt.Errorf("PEM of %d bytes, and %d are allowed", len(data), maxKeyBytes)
	}
	// pem.Decode would pass over text and damaged blocks in front.
	if data = bytes.TrimSpace(data); !bytes.HasPrefix(data, begin) {
		return nil, errors.New(`not PEM: it begins with "-----BEGIN PRIVATE KEY-----"`)
	}
	block, rest := pem.Decode(data)
	switch {
	case bytes.Count(data, begin) > 1:
		return nil, errors.New("more than one PEM block: keep that of the key")
	case block == nil:
		return nil, errors.New("the PEM block is damaged")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("something follows the PEM block")
	case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["Proc-Type"] != "":
		return nil, errors.New("the private key is encrypted: decrypt it by `openssl pkcs8 -topk8 -nocrypt -in key.pem`")
	}
	switch block.Type {
	case "PRIVATE KEY":
		s, err := parsePKCS8(block.Bytes)
		if err != nil {
			return nil, err
		}
		return signingKey(kid, alg, s)
	case "PUBLIC KEY":
		pub, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("the public key is damaged, or of an unknown kind: %.200w", err)
		}
		return publicKey(kid, alg, pub)
	case "RSA PRIVATE KEY", "EC PRIVATE KEY":
		return nil, fmt.Errorf("%s: convert it by `openssl pkcs8 -topk8 -nocrypt -in key.pem`", block.Type)
	case "EC PARAMETERS":
		return nil, errors.New("this block has no key: make one by `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`")
	case "RSA PUBLIC KEY":
		return nil, errors.New("RSA PUBLIC KEY: convert it by `openssl rsa -RSAPublicKey_in -pubout -in key.pem`")
	case "CERTIFICATE":
		return nil, errors.New("CERTIFICATE: take its key by `openssl x509 -pubkey -noout -in cert.pem`")
	}
	return nil, fmt.Errorf("PEM of the type %.32q: PRIVATE KEY (PKCS #8) and PUBLIC KEY are read", block.Type)
}

func parsePKCS8(der []byte) (crypto.Signer, error) {
	// crypto/x509 passes over what follows.
	if rest, err := asn1.Unmarshal(der, new(asn1.RawValue)); err != nil || len(rest) > 0 {
		return nil, errors.New("the private key is damaged: it is not one ASN.1 value")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("the private key is damaged, or of an unknown kind: %.200w", err) // it names any OID
	}
	s, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T cannot sign", parsed)
	}
	return s, nil
}
