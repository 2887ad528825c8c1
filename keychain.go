package authn

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"strings"
	"sync"
)

// ErrUnknownKey says that the key which sealed or signed a value is not in the
// [Keychain] any more.
var ErrUnknownKey = errors.New("authn: the key that made this value is not in the keychain")

var (
	errNoKeys    = errors.New("authn: empty Keychain: make one by ParseKeychain")
	errNoPurpose = errors.New("authn: a Keychain needs a purpose, a constant such as \"totp\"")
	errSealed    = errors.New("authn: sealed value is damaged, or was sealed for another purpose or record")
)

// Keychain is the service's symmetric keys, newest first: the first seals and
// signs, all open and check. So a key is rotated without downtime: put the new
// one last on all instances, then first on all, and drop the old one when
// nothing needs it any more.
//
// Each purpose has subkeys of its own, by HKDF-SHA-256 (RFC 5869), so that
// what one purpose signed means nothing to another. A purpose is a constant of
// the calling code. The zero Keychain is refused. A Keychain prints as
// "[redacted]" and is safe for concurrent use.
type Keychain struct {
	// A closure is opaque to reflection, and so to every printer of structs.
	ring func() *keyring
}

type keyring struct {
	keys    []masterKey
	subkeys sync.Map // subkeyName → *subkey
}

type masterKey struct {
	id     string
	secret []byte
}

type subkeyName struct {
	purpose string
	key     int
}

type subkey struct {
	aead cipher.AEAD
	macs sync.Pool // of hash.Hash: a new HMAC is garbage of each request
}

const (
	minKeyBytes = 32
	keyIDLen    = 8
	sealVersion = 1
	sealHeader  = 1 + keyIDLen
)

// ParseKeychain reads keys of 32 bytes or more, each in base64 (either
// alphabet, padded or not), comma-separated, newest first: the value of an
// environment variable. Its errors say how to make one, and no key.
func ParseKeychain(s string) (*Keychain, error) {
	if strings.TrimSpace(s) == "" {
		return nil, errors.New("authn: no key for the keychain: make one by `openssl rand -base64 32` and set it in the environment")
	}
	var secrets [][]byte
	for part := range strings.SplitSeq(s, ",") {
		secret, err := decodeBase64(part)
		if err != nil {
			return nil, fmt.Errorf("authn: key %d of the keychain is not base64: make one by `openssl rand -base64 32`", len(secrets)+1)
		}
		secrets = append(secrets, secret)
	}
	return newKeychain(secrets)
}

// GenerateKeychain has one random key, for development: a restart voids all
// that it sealed and signed.
func GenerateKeychain() *Keychain {
	secret := make([]byte, minKeyBytes)
	_, _ = rand.Read(secret) // never fails (crypto/rand)
	return Must(newKeychain([][]byte{secret}))
}

func decodeBase64(s string) ([]byte, error) {
	s = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimSpace(s))
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
}

func newKeychain(secrets [][]byte) (*Keychain, error) {
	ring := &keyring{}
	for i, secret := range secrets {
		if len(secret) < minKeyBytes {
			return nil, fmt.Errorf("authn: key %d of the keychain has %d bytes, and needs %d: make one by `openssl rand -base64 32`",
				i+1, len(secret), minKeyBytes)
		}
		if bytes.Count(secret, secret[:1]) == len(secret) {
			return nil, fmt.Errorf("authn: key %d of the keychain is one byte repeated: make one by `openssl rand -base64 32`", i+1)
		}
		id, err := hkdf.Key(sha256.New, secret, nil, "authn/v1/id", 5)
		if err != nil {
			return nil, fmt.Errorf("authn: keychain: %w", err)
		}
		key := masterKey{strings.ToLower(base32.StdEncoding.EncodeToString(id)), secret}
		if ring.find(key.id) >= 0 {
			return nil, fmt.Errorf("authn: key %d of the keychain is there twice, or shares its id with another: make a new one", i+1)
		}
		ring.keys = append(ring.keys, key)
	}
	return &Keychain{func() *keyring { return ring }}, nil
}

// find is the place of the key named id, "" for the newest; -1 for none.
func (r *keyring) find(id string) int {
	for i, k := range r.keys {
		if k.id == id || id == "" {
			return i
		}
	}
	return -1
}

// subkey is derived once for each purpose and key.
func (r *keyring) subkey(purpose string, key int) (*subkey, error) {
	name := subkeyName{purpose, key}
	if s, ok := r.subkeys.Load(name); ok {
		return s.(*subkey), nil
	}
	derive := func(use string) ([]byte, error) {
		return hkdf.Key(sha256.New, r.keys[key].secret, nil, "authn/v1/"+use+"/"+purpose, 32)
	}
	seal, err := derive("seal")
	if err != nil {
		return nil, fmt.Errorf("authn: keychain: %w", err)
	}
	mac, err := derive("mac")
	if err != nil {
		return nil, fmt.Errorf("authn: keychain: %w", err)
	}
	block, err := aes.NewCipher(seal)
	if err != nil {
		return nil, fmt.Errorf("authn: keychain: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("authn: keychain: %w", err)
	}
	s, _ := r.subkeys.LoadOrStore(name, &subkey{
		aead: aead,
		macs: sync.Pool{New: func() any { return hmac.New(sha256.New, mac) }},
	})
	return s.(*subkey), nil
}

// use is the subkey of purpose and of the key named id.
func (k *Keychain) use(purpose, id string) (*subkey, int, error) {
	if k == nil || k.ring == nil {
		return nil, 0, errNoKeys
	}
	if purpose == "" {
		return nil, 0, errNoPurpose
	}
	ring := k.ring()
	i := ring.find(id)
	if i < 0 {
		return nil, 0, ErrUnknownKey
	}
	s, err := ring.subkey(purpose, i)
	return s, i, err
}

// KeyID names the newest key, in 8 characters of [a-z2-7]. "" of the zero Keychain.
func (k *Keychain) KeyID() string {
	if k == nil || k.ring == nil {
		return ""
	}
	return k.ring().keys[0].id
}

// Seal encrypts plain under the newest key, by AES-256-GCM with a random
// nonce: 37 bytes longer than plain, naming its key. Open needs the same aad,
// which is not stored: the id of the record that it belongs to. One key may
// seal 2^32 values for a purpose.
func (k *Keychain) Seal(purpose string, plain, aad []byte) ([]byte, error) {
	s, _, err := k.use(purpose, "")
	if err != nil {
		return nil, err
	}
	sealed := make([]byte, sealHeader, sealHeader+len(plain)+s.aead.Overhead())
	sealed[0] = sealVersion
	copy(sealed[1:], k.KeyID())
	//nolint:gosec // G407: the nonce is nil because this AEAD makes a random one
	return s.aead.Seal(sealed, nil, plain, sealedAAD(sealed, aad)), nil
}

// Open decrypts what Seal made for the same purpose and aad. stale says that
// an older key sealed it: seal it again. The error is [ErrUnknownKey] if that
// key is gone, and another one if the value is not what Seal made. Neither is
// an *[Error]: where a request brought the value, answer by [Refused] or
// [NoCredential].
func (k *Keychain) Open(purpose string, sealed, aad []byte) (plain []byte, stale bool, err error) {
	if len(sealed) < sealHeader || sealed[0] != sealVersion {
		return nil, false, errSealed
	}
	s, i, err := k.use(purpose, string(sealed[1:sealHeader]))
	if err != nil {
		return nil, false, err
	}
	plain, err = s.aead.Open(nil, nil, sealed[sealHeader:], sealedAAD(sealed[:sealHeader], aad))
	if err != nil {
		return nil, false, errSealed
	}
	return plain, i > 0, nil
}

// sealedAAD is the header, whose length is fixed, and the caller's aad.
func sealedAAD(header, aad []byte) []byte {
	return append(bytes.Clone(header), aad...)
}

// MAC is HMAC-SHA-256 under the key named keyID, "" for the newest. The error
// may be [ErrUnknownKey].
func (k *Keychain) MAC(purpose, keyID string, msg []byte) ([]byte, error) {
	s, _, err := k.use(purpose, keyID)
	if err != nil {
		return nil, err
	}
	h := s.macs.Get().(hash.Hash)
	defer s.macs.Put(h)
	h.Reset()
	h.Write(msg)
	return h.Sum(nil), nil
}

// CheckMAC compares in constant time. An unknown key is false.
func (k *Keychain) CheckMAC(purpose, keyID string, msg, mac []byte) bool {
	if keyID == "" {
		return false // "the newest" would change its meaning with a rotation
	}
	want, err := k.MAC(purpose, keyID, msg)
	return err == nil && hmac.Equal(want, mac)
}

// Format is a [fmt.Formatter] that prints "[redacted]" for every verb.
func (k Keychain) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue is a [slog.LogValuer].
func (k Keychain) LogValue() slog.Value { return slog.StringValue(redacted) }
