package password

import (
	"crypto/subtle"
	"fmt"
	"strings"

	"golang.org/x/crypto/scrypt"
)

const (
	idScrypt = "scrypt"
	// What stored hashes may ask for. 2^20 × 8 × 128 bytes are 1 GiB already.
	maxScryptLogN, maxScryptR, maxScryptP = 20, 32, 16
	// maxScryptWork is bytes that are written, and read again.
	maxScryptWork = 4 << 30
)

// Scrypt reads PHC strings of scrypt, as passlib writes them:
// "$scrypt$ln=16,r=8,p=1$salt$key".
func Scrypt() []Scheme {
	return []Scheme{format{idScrypt, "$scrypt$", parseScrypt}}
}

func parseScrypt(encoded string) (work, error) {
	part := strings.SplitN(encoded, "$", 6)
	if len(part) != 5 || part[0] != "" {
		return work{}, malformed(idScrypt, "it has not the four parts of a PHC string")
	}
	var ln, r, p uint64
	if err := parameters(part[2], map[string]*uint64{"ln": &ln, "r": &r, "p": &p}, nil); err != nil {
		return work{}, malformed(idScrypt, err.Error())
	}
	if ln > maxScryptLogN || r > maxScryptR || p > maxScryptP || 128*r*p<<ln > maxScryptWork {
		return work{}, malformed(idScrypt, fmt.Sprintf("ln is at most %d, r %d, p %d, and 128×2^ln×r×p 4 GiB", maxScryptLogN, maxScryptR, maxScryptP))
	}
	salt, err := decode(b64, part[3], minSalt, maxSalt)
	if err != nil {
		return work{}, malformed(idScrypt, "salt: "+err.Error())
	}
	key, err := decode(b64, part[4], minKey, maxKey)
	if err != nil {
		return work{}, malformed(idScrypt, "key: "+err.Error())
	}
	// V of N blocks, B of p blocks, and two blocks to mix (RFC 7914 §5, §6).
	kib := 128 * r * (1<<ln + p + 2) / 1024
	return work{kib: int(kib) + 1, threads: 1, cost: int(p), check: func(password []byte) (bool, error) {
		derived, err := scrypt.Key(password, salt, 1<<ln, int(r), int(p), len(key))
		if err != nil {
			return false, malformed(idScrypt, err.Error())
		}
		return subtle.ConstantTimeCompare(derived, key) == 1, nil
	}}, nil
}
