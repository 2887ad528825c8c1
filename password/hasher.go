package password

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/gatehouse-go/authn"
)

const (
	// maxEncoded is what store.Password.Hash may have.
	maxEncoded = 1024
	// defaultMemoryMiB is eight hashes at 64 MiB.
	defaultMemoryMiB = 512
	minNewBcryptCost = 10
)

// HasherConfig of NewHasher. The zero HasherConfig is safe.
type HasherConfig struct {
	// Argon2 is of new hashes, at least what OWASP recommends. Defaults to
	// [Argon2Default].
	Argon2 Params
	// BcryptCost is 10 to 15: new hashes are bcrypt, of passwords up to 72
	// bytes, for tables that other software reads as well. 0: they are argon2id.
	BcryptCost int
	// Schemes are accepted beside argon2id and bcrypt, where a table has hashes
	// of other software: [Django], [Passlib], [Scrypt], [Htpasswd], one's own.
	// nil: none.
	Schemes []Scheme
	// Pepper keys new hashes, so that a stolen table alone cannot be guessed.
	// Its newest key is used; the older ones verify, and must be kept until no
	// hash names them. All instances share it. nil: there is none, and hashes
	// that have one do not verify.
	Pepper *authn.Keychain
	// MemoryMiB is how much all that is hashed at a time may need, and no stored
	// hash may need more. Defaults to 512.
	MemoryMiB int
	// InsecureParams allows Argon2 below OWASP's least, and BcryptCost from 4,
	// for tests that must be fast: whoever steals the table guesses most
	// passwords.
	InsecureParams bool
}

func (c HasherConfig) argon2() Params {
	if c.Argon2 == (Params{}) {
		return Argon2Default()
	}
	return c.Argon2
}

func (c HasherConfig) memoryMiB() int {
	if c.MemoryMiB == 0 {
		return defaultMemoryMiB
	}
	return c.MemoryMiB
}

func (c HasherConfig) check() error {
	p, lowest := c.argon2(), minNewBcryptCost
	if c.InsecureParams {
		lowest = minBcryptCost
	}
	if err := p.check(); err != nil {
		return fmt.Errorf("HasherConfig.Argon2: %w", err)
	}
	switch {
	case !c.InsecureParams && p.weak():
		return fmt.Errorf("HasherConfig.Argon2: %d KiB and time %d are below all that OWASP recommends: use Argon2Small or more", p.MemoryKiB, p.Time)
	case c.memoryMiB() < 1 || c.memoryMiB() > 1<<20:
		return errors.New("HasherConfig.MemoryMiB: 1 MiB to 1 TiB is allowed")
	case int(p.MemoryKiB) > c.memoryMiB()<<10:
		return fmt.Errorf("HasherConfig.MemoryMiB: %d MiB do not suffice for one hash of Argon2", c.memoryMiB())
	case c.BcryptCost != 0 && (c.BcryptCost < lowest || c.BcryptCost > maxBcryptCost):
		return fmt.Errorf("HasherConfig.BcryptCost: %d to %d is allowed, 0 is argon2id", lowest, maxBcryptCost)
	case c.Pepper != nil && c.Pepper.KeyID() == "":
		return errors.New("HasherConfig.Pepper: an empty Keychain: make one by authn.ParseKeychain")
	case slices.ContainsFunc(c.Schemes, func(s Scheme) bool { return s == nil || s.ID() == "" || s.ID() == idArgon2id || s.ID() == idBcrypt }):
		return errors.New(`HasherConfig.Schemes: one is nil, or its ID is "", "argon2id" or "bcrypt"`)
	}
	return nil
}

// Hasher hashes passwords and verifies them, a few at a time: as many as the
// memory of HasherConfig and the processors allow, the others wait. So a flood
// of logins is slow, and not the end of the service. It is safe for concurrent
// use, and a service has one.
type Hasher struct {
	cfg   HasherConfig
	slots *slots
	dead  string // of dummy
}

// NewHasher returns an error for a configuration that is weak without saying so
// or that cannot work.
func NewHasher(cfg HasherConfig) (*Hasher, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("authn/password: %w", err)
	}
	cfg.Argon2 = cfg.argon2()
	cfg.Schemes = slices.Clone(cfg.Schemes)
	h := &Hasher{cfg: cfg}
	unit := weight{int(cfg.Argon2.MemoryKiB), int(cfg.Argon2.Threads)}
	if cfg.BcryptCost != 0 {
		unit = weight{bcryptKiB, 1}
	}
	h.slots = &slots{kib: cfg.memoryMiB() << 10, unit: unit}
	h.dead = h.newDead()
	return h, nil
}

// Hash is what to store of a new password: at most 256 bytes. It is of up to
// 1024 bytes of UTF-8 without NUL, or the error is an *authn.Error (422); how
// good it is, Policy says. Equal passwords have different hashes. Other errors
// are ErrBusy and ctx's.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	password, err := normal(password)
	if err != nil {
		return "", err
	}
	if h.cfg.BcryptCost != 0 && len(password) > maxBcrypt {
		return "", errForBcrypt
	}
	return h.hash(ctx, password)
}

// rehash is Hash for a password that has just been verified: one that is too
// long for bcrypt, of which an old hash knows the beginning, gets argon2id.
func (h *Hasher) rehash(ctx context.Context, password string) (string, error) {
	password, err := normal(password)
	if err != nil {
		return "", err
	}
	return h.hash(ctx, password)
}

// scheme is of new hashes of password, which is normal.
func (h *Hasher) scheme(password string) string {
	if h.cfg.BcryptCost != 0 && len(password) <= maxBcrypt {
		return idBcrypt
	}
	return idArgon2id
}

func (h *Hasher) hash(ctx context.Context, password string) (string, error) {
	scheme, keyID := h.scheme(password), h.keyID()
	input, err := h.pepper(scheme, keyID, password)
	if err != nil {
		return "", err
	}
	a := h.newArgon2(keyID)
	w := weight{int(a.MemoryKiB), int(a.Threads)}
	if scheme == idBcrypt {
		w = weight{bcryptKiB, 1}
	}
	if err := h.slots.take(ctx, w); err != nil {
		return "", err
	}
	defer h.slots.give(w)
	if scheme == idBcrypt {
		hash, err := bcrypt.GenerateFromPassword(input, h.cfg.BcryptCost)
		if err != nil { // cannot be: its length and the cost are checked
			return "", fmt.Errorf("authn/password: %w", err)
		}
		return withKeyID(keyID, string(hash)), nil
	}
	a.key = a.derive(input, keyBytes)
	return a.String(), nil
}

// newArgon2 has a fresh salt and no key.
func (h *Hasher) newArgon2(keyID string) argon2Hash {
	a := argon2Hash{Params: h.cfg.Argon2, id: idArgon2id, keyID: keyID, salt: make([]byte, saltBytes)}
	_, _ = rand.Read(a.salt) // never fails (crypto/rand)
	return a
}

// Verdict of Hasher.Verify.
type Verdict struct {
	OK bool
	// NeedsRehash says that Hash would make another one now: of another scheme,
	// with other parameters, under a newer pepper or of the normalised password.
	// It is only said of a password that is OK.
	NeedsRehash bool
	// Scheme is "argon2id", "bcrypt" or the ID of a Scheme.
	Scheme string
}

// comparison is a Verdict, and what it says of the hash.
type comparison struct {
	Verdict

	current bool          // it is as new ones are, whether or not it is of this password
	took    time.Duration // to hash, without the wait for it: 0 says that there was none
	tries   int           // so many were hashed
	kind    kindOfHash
}

// Verify says whether encoded is a hash of password. Passwords that no hash can
// match, since Hash refuses them, are not OK before anything is hashed. The
// error is ErrBusy, ctx's, or one that says why encoded cannot be verified at
// all: it is malformed, of no scheme that is accepted, out of bounds, or its
// pepper is gone ([authn.ErrUnknownKey]).
func (h *Hasher) Verify(ctx context.Context, encoded, password string) (Verdict, error) {
	c, err := h.compare(ctx, encoded, password)
	return c.Verdict, err
}

func (h *Hasher) compare(ctx context.Context, encoded, password string) (c comparison, err error) {
	s, err := h.read(encoded)
	if err != nil {
		return comparison{}, err
	}
	c.Scheme, c.kind = s.scheme, kindOfHash{s.scheme, s.kib, s.threads, s.cost}
	if hopeless(password) {
		return c, nil
	}
	tries := guesses(password)
	c.current = s.current(tries[0])
	inputs := make([][]byte, len(tries))
	for i, try := range tries {
		if inputs[i], err = h.pepper(s.scheme, s.keyID, try); err != nil {
			return comparison{}, err
		}
	}
	w := weight{s.kib, s.threads}
	if err := h.slots.take(ctx, w); err != nil {
		return comparison{}, err
	}
	defer h.slots.give(w)
	began := time.Now()
	for i, input := range inputs {
		c.tries++
		if c.OK, err = s.check(input); err != nil {
			return comparison{}, err
		}
		if c.OK {
			c.NeedsRehash = i > 0 || !c.current
			break
		}
	}
	if _, err := normal(password); err != nil {
		c.NeedsRehash = false // Hash would refuse it
	}
	c.took = time.Since(began)
	return c, nil
}

// dummy takes as long as verifying password does for a user whose hash is
// current, where there is none.
func (h *Hasher) dummy(ctx context.Context, password string) (comparison, error) {
	return h.compare(ctx, h.dead, password)
}

// newDead is a hash as Hash makes them, of no password.
func (h *Hasher) newDead() string {
	if h.cfg.BcryptCost != 0 {
		return withKeyID(h.keyID(), deadBcrypt(h.cfg.BcryptCost))
	}
	a := h.newArgon2(h.keyID())
	a.key = make([]byte, keyBytes)
	_, _ = rand.Read(a.key) // never fails (crypto/rand)
	return a.String()
}

// stored is a hash that is well-formed and within bounds.
type stored struct {
	work

	scheme string
	keyID  string // of its pepper
	// current says that password, which it was made of, would be hashed so now.
	current func(password string) bool
}

// read looks at encoded and allocates next to nothing.
func (h *Hasher) read(encoded string) (s stored, err error) {
	if len(encoded) > maxEncoded {
		return s, malformed("any", "it is too long")
	}
	switch {
	case strings.HasPrefix(encoded, "$"+idArgon2id+"$"):
		s, err = h.readArgon2(encoded)
	case strings.HasPrefix(encoded, "$2a$"), strings.HasPrefix(encoded, "$2b$"), strings.HasPrefix(encoded, pepperPrefix):
		s, err = h.readBcrypt(encoded)
	default:
		s, err = h.readForeign(encoded)
	}
	if err == nil && s.kib > h.slots.kib {
		err = malformed(s.scheme, "it needs more than HasherConfig.MemoryMiB")
	}
	return s, err
}

func (h *Hasher) readArgon2(encoded string) (stored, error) {
	a, err := parseArgon2(idArgon2id, encoded)
	return stored{a.work(), idArgon2id, a.keyID, func(password string) bool {
		return h.scheme(password) == idArgon2id && a.Params == h.cfg.Argon2 && a.keyID == h.keyID() &&
			len(a.salt) >= saltBytes && len(a.key) >= keyBytes
	}}, err
}

func (h *Hasher) readBcrypt(encoded string) (stored, error) {
	b, err := parseBcrypt("ab", encoded)
	return stored{b.work(), idBcrypt, b.keyID, func(password string) bool {
		return h.scheme(password) == idBcrypt && b.cost == h.cfg.BcryptCost && b.keyID == h.keyID()
	}}, err
}

func (h *Hasher) readForeign(encoded string) (stored, error) {
	i := slices.IndexFunc(h.cfg.Schemes, func(s Scheme) bool { return s.Match(encoded) })
	if i < 0 {
		return stored{}, malformed("any", "no scheme that is accepted has it: see HasherConfig.Schemes")
	}
	s := h.cfg.Schemes[i]
	w, err := workOf(s, encoded)
	return stored{w, s.ID(), "", func(string) bool { return false }}, err
}

// withKeyID is a bcrypt hash with the id of its pepper, if there is one.
func withKeyID(keyID, hash string) string {
	if keyID == "" {
		return hash
	}
	return pepperPrefix + keyID + hash
}
