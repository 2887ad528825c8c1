package jwtauth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

// refreshPurpose is of the Keychain's subkeys.
const refreshPurpose = "refresh"

// refreshToken is tag.family.generation.kid.MAC. It says where the family is
// and which generation of it this is; the MAC, by the key kid of the Keychain,
// of it and of the issuer's name, is what makes it one of ours. So one that was not made here costs no call of
// the store, and the next one is derived, not kept.
type refreshToken struct {
	tag        string // store.TagOf the subject
	family     string // 128 random bits, which are nowhere else
	generation int64  // from 1
	keyID      string
}

const (
	tagLen       = 8
	familyLen    = 22 // 16 bytes
	maxDigits    = 15
	keyIDLen     = 8
	macLen       = 43 // 32 bytes
	maxRefreshLn = tagLen + familyLen + maxDigits + keyIDLen + macLen + 4
)

func newRefreshToken(subject, keyID string) refreshToken {
	return refreshToken{tag: store.TagOf(subject), family: randomID(), generation: 1, keyID: keyID}
}

// randomID is 128 random bits in 22 characters.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// ref is how the store knows the family: by a digest, so that who reads the
// store or an access token does not learn what a refresh token says.
func (t refreshToken) ref() store.FamilyRef {
	sum := sha256.Sum256([]byte(t.family))
	return store.FamilyRef{Tag: t.tag, ID: base64.RawURLEncoding.EncodeToString(sum[:16])}
}

// of is the token of a family's current generation.
func (t refreshToken) of(f store.RefreshFamily) refreshToken {
	t.generation, t.keyID = f.Generation, f.KeyID
	return t
}

// signed is what the MAC is of.
func (t refreshToken) signed() string {
	return t.tag + "." + t.family + "." + strconv.FormatInt(t.generation, 10) + "." + t.keyID
}

func (t refreshToken) encode(kc *authn.Keychain, issuer string) (string, error) {
	signed := t.signed()
	mac, err := kc.MAC(refreshPurpose, t.keyID, []byte(issuer+" "+signed))
	if err != nil {
		return "", err
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac), nil
}

var errNotRefresh = errors.New("authn/jwtauth: not a refresh token of this issuer")

// parseRefreshToken answers what kc made for issuer.
func parseRefreshToken(s string, kc *authn.Keychain, issuer string) (t refreshToken, err error) {
	if len(s) > maxRefreshLn {
		return t, errNotRefresh
	}
	parts := strings.Split(s, ".")
	if len(parts) != 5 || len(parts[0]) != tagLen || len(parts[1]) != familyLen || len(parts[2]) > maxDigits ||
		len(parts[3]) != keyIDLen || len(parts[4]) != macLen {
		return t, errNotRefresh
	}
	t = refreshToken{tag: parts[0], family: parts[1], keyID: parts[3]}
	t.generation, err = strconv.ParseInt(parts[2], 10, 64)
	mac, macErr := b64.DecodeString(parts[4])
	// The number is one that encode writes, so that a token has one spelling.
	if err != nil || macErr != nil || t.generation < 1 || strconv.FormatInt(t.generation, 10) != parts[2] {
		return t, errNotRefresh
	}
	signed := s[:len(s)-macLen-1]
	if !kc.CheckMAC(refreshPurpose, t.keyID, []byte(issuer+" "+signed), mac) {
		return t, errNotRefresh
	}
	return t, nil
}
