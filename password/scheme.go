package password

import (
	"errors"
	"fmt"
	"strings"
)

// Scheme is a foreign format of stored hashes, for HasherConfig.Schemes. Its
// hashes verify, and need a rehash. It is used concurrently.
type Scheme interface {
	// ID is what Verdict.Scheme has: "django-pbkdf2-sha256". It is not empty.
	ID() string
	// Match says by its beginning that encoded is of this scheme, which then has
	// to judge it: the first Scheme that matches does.
	Match(encoded string) bool
	// Memory is what Verify will need, in KiB, and allocates next to nothing. Its
	// error refuses what is malformed, or takes too long: Verify is only called
	// where Memory said nil. encoded is hostile: whoever can write to the table
	// of users must not stop the service.
	Memory(encoded string) (kib int, err error)
	// Verify says that encoded was made of password. It compares in constant
	// time. An error is of a hash that is malformed.
	Verify(encoded string, password []byte) (bool, error)
}

// work is what verifying one hash takes, and does.
type work struct {
	kib, threads int
	cost         int // what else its time grows with
	check        func(password []byte) (bool, error)
}

// format is a Scheme of this package.
type format struct {
	id, prefix string
	parse      func(encoded string) (work, error)
}

func (f format) ID() string { return f.id }

func (f format) Match(encoded string) bool { return strings.HasPrefix(encoded, f.prefix) }

func (f format) Memory(encoded string) (int, error) {
	w, err := f.parse(encoded)
	return w.kib, err
}

func (f format) Verify(encoded string, password []byte) (bool, error) {
	w, err := f.parse(encoded)
	if err != nil {
		return false, err
	}
	return w.check(password)
}

// workOf is what s, one of the host's or ours, makes of encoded.
func workOf(s Scheme, encoded string) (work, error) {
	if f, ok := s.(format); ok {
		return f.parse(encoded)
	}
	kib, err := s.Memory(encoded)
	if err == nil && kib < 0 {
		err = errors.New("its Memory is negative")
	}
	if err != nil {
		return work{}, foreign(s, err)
	}
	return work{kib: kib, threads: 1, check: func(password []byte) (bool, error) {
		ok, err := s.Verify(encoded, password)
		if err != nil {
			return false, foreign(s, err)
		}
		return ok, nil
	}}, nil
}

func foreign(s Scheme, err error) error { return fmt.Errorf("%w: %s: %w", errStored, s.ID(), err) }
