package password

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"math"
	"strings"

	"golang.org/x/crypto/argon2"
)

const (
	idArgon2id = "argon2id"
	idArgon2i  = "argon2i"

	saltBytes = 16
	keyBytes  = 32

	// What stored hashes may ask for. maxArgon2Work is memory times passes:
	// 4 GiB take some seconds.
	minSalt, maxSalt = 8, 64
	minKey, maxKey   = 16, 64
	maxThreads       = 64
	maxArgon2Work    = 4 << 20 // KiB
)

// Params of argon2id (RFC 9106). More memory is what costs an attacker most.
type Params struct {
	// MemoryKiB is at least 8 × Threads, Time is passes over it.
	MemoryKiB, Time uint32
	// Threads is 1 to 64. They are goroutines.
	Threads uint8
}

// Argon2Default is 64 MiB, 3 passes, 4 threads: the second choice of RFC 9106
// §4, where 2 GiB are too much.
func Argon2Default() Params { return Params{64 << 10, 3, 4} }

// Argon2Medium is 46 MiB, 1 pass, 1 thread: the first of OWASP's equal choices.
func Argon2Medium() Params { return Params{46 << 10, 1, 1} }

// Argon2Small is 19 MiB, 2 passes, 1 thread: OWASP's minimum.
func Argon2Small() Params { return Params{19 << 10, 2, 1} }

// owasp are the least that the Password Storage Cheat Sheet has, equal in
// strength.
var owasp = []Params{Argon2Medium(), Argon2Small(), {12 << 10, 3, 1}, {9 << 10, 4, 1}, {7 << 10, 5, 1}}

// weak says that p is below all of OWASP's.
func (p Params) weak() bool {
	for _, o := range owasp {
		if p.MemoryKiB >= o.MemoryKiB && p.Time >= o.Time {
			return false
		}
	}
	return true
}

// check says what argon2 can not do, or nobody should have to.
func (p Params) check() error {
	m, t := uint64(p.MemoryKiB), uint64(p.Time)
	switch {
	case p.Threads < 1 || p.Threads > maxThreads:
		return fmt.Errorf("threads: 1 to %d are allowed", maxThreads)
	case t < 1:
		return errors.New("time: it is at least 1")
	case m < 8*uint64(p.Threads):
		return errors.New("memory: it is at least 8 KiB a thread")
	case m*t > maxArgon2Work:
		return fmt.Errorf("memory times time: at most %d KiB are allowed", maxArgon2Work)
	}
	return nil
}

// argon2Hash is a PHC string of argon2.
type argon2Hash struct {
	Params

	id        string
	keyID     string // of the pepper; "": none
	salt, key []byte
}

// parseArgon2 reads "$argon2id$v=19$m=65536,t=3,p=4$salt$key", keyid= among the
// parameters if there is a pepper.
func parseArgon2(id, encoded string) (a argon2Hash, err error) {
	a.id = id
	// A leading, empty part, and one more than there may be.
	part := strings.SplitN(encoded, "$", 7)
	if len(part) != 6 || part[0] != "" || part[1] != id {
		return a, malformed(id, "it has not the five parts of a PHC string")
	}
	if part[2] != "v=19" {
		return a, malformed(id, "only version 19 is known")
	}
	var m, t, p uint64
	err = parameters(part[3], map[string]*uint64{"m": &m, "t": &t, "p": &p}, map[string]*string{"keyid": &a.keyID})
	if err != nil {
		return a, malformed(id, err.Error())
	}
	if strings.Contains(part[3], "keyid=") && !isKeyID(a.keyID) {
		return a, malformed(id, "parameter keyid is none of ours")
	}
	a.Params = Params{uint32(m), uint32(t), uint8(min(p, math.MaxUint8))}
	if err := a.check(); err != nil {
		return a, malformed(id, err.Error())
	}
	if a.salt, err = decode(b64, part[4], minSalt, maxSalt); err != nil {
		return a, malformed(id, "salt: "+err.Error())
	}
	if a.key, err = decode(b64, part[5], minKey, maxKey); err != nil {
		return a, malformed(id, "key: "+err.Error())
	}
	return a, nil
}

func (a argon2Hash) String() string {
	keyID := ""
	if a.keyID != "" {
		keyID = ",keyid=" + a.keyID
	}
	return fmt.Sprintf("$%s$v=19$m=%d,t=%d,p=%d%s$%s$%s",
		a.id, a.MemoryKiB, a.Time, a.Threads, keyID, b64.EncodeToString(a.salt), b64.EncodeToString(a.key))
}

func (a argon2Hash) derive(password []byte, size int) []byte {
	if a.id == idArgon2i {
		return argon2.Key(password, a.salt, a.Time, a.MemoryKiB, a.Threads, uint32(size))
	}
	return argon2.IDKey(password, a.salt, a.Time, a.MemoryKiB, a.Threads, uint32(size))
}

func (a argon2Hash) work() work {
	return work{kib: int(a.MemoryKiB), threads: int(a.Threads), cost: int(a.Time), check: func(password []byte) (bool, error) {
		return subtle.ConstantTimeCompare(a.derive(password, len(a.key)), a.key) == 1, nil
	}}
}
