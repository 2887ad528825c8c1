package totp

import (
	"crypto/rand"
	"encoding/base32"
	"errors"

	"github.com/gatehouse-go/authn"
)

// key is what an enrolment is made of.
type key struct {
	secret   []byte
	sha256   bool
	digits   int
	recovery []byte // makes digests of recovery codes
}

const (
	secretPurpose = "authn/totp secret"
	keyVersion    = 1
	recoveryBytes = 32
	// keyHeader is the version, 1 for SHA-256, and the digits.
	keyHeader = 3
	// minSecret is of RFC 4226 §4, R6.
	minSecret    = 16
	secretBytes  = 20 // as long as the MAC (RFC 6238 §5.1)
	secretBytes2 = 32 // of SHA-256
)

func newKey(digits int, sha256 bool) *key {
	n := secretBytes
	if sha256 {
		n = secretBytes2
	}
	random := make([]byte, recoveryBytes+n)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	return &key{secret: random[recoveryBytes:], sha256: sha256, digits: digits, recovery: random[:recoveryBytes]}
}

// base32 is the secret as apps read it.
func (k *key) base32() string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(k.secret)
}

// seal is k for the store; it opens for subject only.
func (k *key) seal(kc *authn.Keychain, subject string) ([]byte, error) {
	algorithm := byte(0)
	if k.sha256 {
		algorithm = 1
	}
	plain := append([]byte{keyVersion, algorithm, byte(k.digits)}, k.recovery...)
	return kc.Seal(secretPurpose, append(plain, k.secret...), []byte(subject))
}

var errKey = errors.New("authn/totp: a sealed secret is not what this package made")

// openKey opens what seal made. stale says that an older key sealed it.
func openKey(kc *authn.Keychain, sealed []byte, subject string) (k *key, stale bool, err error) {
	plain, stale, err := kc.Open(secretPurpose, sealed, []byte(subject))
	if err != nil {
		return nil, false, err
	}
	if len(plain) < keyHeader+recoveryBytes+minSecret || plain[0] != keyVersion || plain[1] > 1 || plain[2] != 6 && plain[2] != 8 {
		return nil, false, errKey
	}
	return &key{
		sha256: plain[1] == 1, digits: int(plain[2]),
		recovery: plain[keyHeader : keyHeader+recoveryBytes], secret: plain[keyHeader+recoveryBytes:],
	}, stale, nil
}
