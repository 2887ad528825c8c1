package password

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

const (
	idBcrypt = "bcrypt"
	// What stored hashes may ask for: 15 takes some seconds.
	minBcryptCost, maxBcryptCost = 4, 15
	// bcryptKiB is a Blowfish state and then some.
	bcryptKiB = 8
	// bcryptAlphabet is of its own base64.
	bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	bcryptLen      = 60
	bcryptSaltLen  = 22
	bcryptTailLen  = bcryptSaltLen + 31 // with the digest
)

// bcryptHash is "$2b$12$" with 22 characters of salt and 31 of digest. If there
// is a pepper, "keyid=" and its key id stand before it.
type bcryptHash struct {
	keyID   string
	encoded string
	cost    int
}

// parseBcrypt wants one of the minors, such as "ab". 2a, 2b and 2y are the same
// thing here; 2x is of a broken implementation.
func parseBcrypt(minors, encoded string) (b bcryptHash, err error) {
	if rest, ok := strings.CutPrefix(encoded, pepperPrefix); ok {
		n := max(0, strings.IndexByte(rest, '$'))
		if b.keyID, encoded = rest[:n], rest[n:]; !isKeyID(b.keyID) {
			return b, malformed(idBcrypt, "the keyid before it is none of ours")
		}
	}
	b.encoded = encoded
	if len(encoded) != bcryptLen || encoded[:2] != "$2" || !strings.Contains(minors, encoded[2:3]) || encoded[3] != '$' || encoded[6] != '$' {
		return b, malformed(idBcrypt, "it does not look so")
	}
	cost, err := number(strings.TrimPrefix(encoded[4:6], "0"), minBcryptCost, maxBcryptCost)
	if err != nil {
		return b, malformed(idBcrypt, "cost: "+err.Error())
	}
	b.cost = int(cost)
	if strings.ContainsFunc(encoded[7:], notBcrypt) {
		return b, malformed(idBcrypt, "not bcrypt's base64")
	}
	return b, nil
}

func notBcrypt(c rune) bool { return !strings.ContainsRune(bcryptAlphabet, c) }

func (b bcryptHash) work() work {
	return work{kib: bcryptKiB, threads: 1, cost: b.cost, check: func(password []byte) (bool, error) {
		return compareBcrypt(b.encoded, password)
	}}
}

// compareBcrypt reads at most 72 bytes of password, as all of bcrypt do.
func compareBcrypt(encoded string, password []byte) (bool, error) {
	err := bcrypt.CompareHashAndPassword([]byte(encoded), password)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, bcrypt.ErrMismatchedHashAndPassword):
		return false, nil
	}
	return false, malformed(idBcrypt, "refused")
}

// deadBcrypt looks like a hash, and is none of any password.
func deadBcrypt(cost int) string {
	tail := make([]byte, bcryptTailLen)
	_, _ = rand.Read(tail) // never fails (crypto/rand)
	for i, c := range tail {
		tail[i] = bcryptAlphabet[c%64]
	}
	return fmt.Sprintf("$2a$%02d$%s", cost, tail)
}
