package password

import (
	"crypto/pbkdf2"
	"crypto/subtle"
	"hash"
)

// maxRounds of PBKDF2 take some seconds.
const maxRounds = 10_000_000

// pbkdf2KiB is next to nothing.
const pbkdf2KiB = 1

// pbkdf2Work derives one block: key has the size of the hash function.
func pbkdf2Work(hash func() hash.Hash, rounds int, salt, key []byte) work {
	return work{kib: pbkdf2KiB, threads: 1, cost: rounds, check: func(password []byte) (bool, error) {
		derived, err := pbkdf2.Key(hash, string(password), salt, rounds, len(key))
		if err != nil { // FIPS 140-only mode refuses short salts
			return false, malformed("pbkdf2", err.Error())
		}
		return subtle.ConstantTimeCompare(derived, key) == 1, nil
	}}
}
