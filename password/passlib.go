package password

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // G505: in HMAC it is not broken, and only read
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
)

const idPasslibBcrypt = "passlib-bcrypt-sha256"

// ab64 is passlib's "adapted base64".
var ab64 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./").WithPadding(base64.NoPadding).Strict()

// Passlib reads what Python's passlib writes beside argon2id and bcrypt: pbkdf2
// with SHA-1, SHA-256 and SHA-512, scrypt, bcrypt_sha256 in both versions, and
// argon2i from before passlib 1.7.3.
func Passlib() []Scheme {
	return append([]Scheme{
		passlibPBKDF2("pbkdf2", sha1.New),
		passlibPBKDF2("pbkdf2-sha256", sha256.New),
		passlibPBKDF2("pbkdf2-sha512", sha512.New),
		format{idPasslibBcrypt, "$bcrypt-sha256$", parsePasslibBcrypt},
		format{idArgon2i, "$argon2i$", parsePasslibArgon2i},
	}, Scrypt()...)
}

// passlibPBKDF2 reads "$pbkdf2-sha256$29000$salt$key".
func passlibPBKDF2(name string, hash func() hash.Hash) format {
	id, size := "passlib-"+name, hash().Size()
	return format{id, "$" + name + "$", func(encoded string) (work, error) {
		part := strings.SplitN(encoded, "$", 6)
		if len(part) != 5 || part[0] != "" {
			return work{}, malformed(id, "it has not four parts")
		}
		rounds, err := number(part[2], 1, maxRounds)
		if err != nil {
			return work{}, malformed(id, "rounds: "+err.Error())
		}
		salt, err := decode(ab64, part[3], minSalt, maxSalt)
		if err != nil {
			return work{}, malformed(id, "salt: "+err.Error())
		}
		key, err := decode(ab64, part[4], size, size)
		if err != nil {
			return work{}, malformed(id, "key: "+err.Error())
		}
		return pbkdf2Work(hash, int(rounds), salt, key), nil
	}}
}

// parsePasslibBcrypt reads "$bcrypt-sha256$v=2,t=2b,r=12$salt$digest", and
// "$bcrypt-sha256$2a,12$salt$digest" from before passlib 1.7.3: bcrypt of the
// base64 of a SHA-256, which the newer version keys with the salt as it stands.
func parsePasslibBcrypt(encoded string) (work, error) {
	part := strings.SplitN(encoded, "$", 6)
	if len(part) != 5 || part[0] != "" || len(part[3]) != bcryptSaltLen {
		return work{}, malformed(idPasslibBcrypt, "it does not look so")
	}
	var rounds uint64
	var err error
	keyed := strings.Contains(part[2], "=")
	if keyed {
		var version uint64
		var minor string
		err = parameters(part[2], map[string]*uint64{"v": &version, "r": &rounds}, map[string]*string{"t": &minor})
		if err == nil && (version != 2 || minor != "2b") {
			err = errors.New("v is 2 and t is 2b")
		}
	} else {
		minor, cost, _ := strings.Cut(part[2], ",")
		rounds, err = number(cost, minBcryptCost, maxBcryptCost)
		if err == nil && minor != "2a" && minor != "2b" {
			err = errors.New("2a or 2b is expected")
		}
	}
	if err != nil {
		return work{}, malformed(idPasslibBcrypt, err.Error())
	}
	b, err := parseBcrypt("b", fmt.Sprintf("$2b$%02d$%s%s", rounds, part[3], part[4]))
	if err != nil {
		return work{}, err
	}
	w := b.work()
	w.check = func(password []byte) (bool, error) {
		return compareBcrypt(b.encoded, passlibKey(keyed, part[3], password))
	}
	return w, nil
}

func parsePasslibArgon2i(encoded string) (work, error) {
	a, err := parseArgon2(idArgon2i, encoded)
	if err == nil && a.keyID != "" {
		err = malformed(idArgon2i, "a keyid")
	}
	return a.work(), err
}

// passlibKey is what bcrypt hashes instead of password.
func passlibKey(keyed bool, salt string, password []byte) []byte {
	sum := sha256.New()
	if keyed {
		sum = hmac.New(sha256.New, []byte(salt))
	}
	sum.Write(password)
	return []byte(base64.StdEncoding.EncodeToString(sum.Sum(nil)))
}
