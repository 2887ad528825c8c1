package password

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

const idDjangoPBKDF2, idDjangoBcrypt, idDjangoArgon2 = "django-pbkdf2-sha256", "django-bcrypt-sha256", "django-argon2"

// Django reads what django.contrib.auth.hashers write: pbkdf2_sha256,
// bcrypt_sha256 and argon2, which is argon2i from before Django 3.2.
func Django() []Scheme {
	return []Scheme{
		format{idDjangoPBKDF2, "pbkdf2_sha256$", parseDjangoPBKDF2},
		format{idDjangoBcrypt, "bcrypt_sha256$", parseDjangoBcrypt},
		format{idDjangoArgon2, "argon2$", parseDjangoArgon2},
	}
}

// parseDjangoPBKDF2 reads "pbkdf2_sha256$260000$salt$key", of which the salt is
// text and the key padded.
func parseDjangoPBKDF2(encoded string) (work, error) {
	part := strings.SplitN(encoded, "$", 5)
	if len(part) != 4 {
		return work{}, malformed(idDjangoPBKDF2, "it has not four parts")
	}
	rounds, err := number(part[1], 1, maxRounds)
	if err != nil {
		return work{}, malformed(idDjangoPBKDF2, "rounds: "+err.Error())
	}
	salt := part[2]
	if len(salt) < minSalt || len(salt) > maxSalt || strings.ContainsFunc(salt, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return work{}, malformed(idDjangoPBKDF2, fmt.Sprintf("salt: %d to %d printable characters are allowed", minSalt, maxSalt))
	}
	key, err := decode(base64.StdEncoding.Strict(), part[3], sha256.Size, sha256.Size)
	if err != nil {
		return work{}, malformed(idDjangoPBKDF2, "key: "+err.Error())
	}
	return pbkdf2Work(sha256.New, int(rounds), []byte(salt), key), nil
}

// parseDjangoBcrypt reads "bcrypt_sha256$" before a bcrypt hash, which is of
// the SHA-256 in hex.
func parseDjangoBcrypt(encoded string) (work, error) {
	_, hash, _ := strings.Cut(encoded, "$")
	b, err := parseBcrypt("ab", hash)
	if err != nil || b.keyID != "" {
		return work{}, malformed(idDjangoBcrypt, "no bcrypt hash stands after the prefix")
	}
	w := b.work()
	w.check = func(password []byte) (bool, error) {
		sum := sha256.Sum256(password)
		return compareBcrypt(b.encoded, []byte(hex.EncodeToString(sum[:])))
	}
	return w, nil
}

// parseDjangoArgon2 reads "argon2" before a PHC string.
func parseDjangoArgon2(encoded string) (work, error) {
	hash := strings.TrimPrefix(encoded, "argon2")
	id := idArgon2id
	if strings.HasPrefix(hash, "$"+idArgon2i+"$") {
		id = idArgon2i
	}
	a, err := parseArgon2(id, hash)
	if err == nil && a.keyID != "" {
		err = malformed(idDjangoArgon2, "a keyid")
	}
	return a.work(), err
}
