package main

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/password"
)

const (
	oursHasher = "password.Hasher.Verify"
	rawArgon2  = "x/crypto: argon2.IDKey, compared"
	rawBcrypt  = "x/crypto: bcrypt.CompareHashAndPassword"
	typed      = "correct horse battery staple"
)

// passwords are verified at the least that OWASP has, at which what is ours
// weighs most. What is promised of argon2id is judged by [logins].
func passwords() []row {
	p := password.Argon2Small()
	slow := authn.Must(password.NewHasher(password.HasherConfig{Argon2: p}))
	old := authn.Must(password.NewHasher(password.HasherConfig{BcryptCost: 10}))
	argon2id, bcrypted := storedBy(slow), storedBy(old)
	return []row{
		{
			name:       "password, argon2id 19 MiB",
			contenders: []contender{good(rawArgon2, rawVerify(p, argon2id)), good(oursHasher, hasherVerify(slow, argon2id))},
		},
		{
			name: "password, bcrypt cost 10",
			contenders: []contender{
				good(rawBcrypt, func() error { return bcrypt.CompareHashAndPassword([]byte(bcrypted), []byte(typed)) }),
				good(oursHasher, hasherVerify(old, bcrypted)),
			},
			promises: faster("P15", oursHasher, 1.02, rawBcrypt),
		},
	}
}

var errMismatch = errors.New("not the password")

func storedBy(h *password.Hasher) string { return authn.Must(h.Hash(context.Background(), typed)) }

func hasherVerify(h *password.Hasher, encoded string) func() error {
	return func() error {
		v, err := h.Verify(context.Background(), encoded, typed)
		if err == nil && !v.OK {
			err = errMismatch
		}
		return err
	}
}

// rawVerify has read the hash before.
func rawVerify(p password.Params, encoded string) func() error {
	part := strings.Split(encoded, "$")
	salt := authn.Must(base64.RawStdEncoding.DecodeString(part[4]))
	key := authn.Must(base64.RawStdEncoding.DecodeString(part[5]))
	return func() error {
		if subtle.ConstantTimeCompare(argon2.IDKey([]byte(typed), salt, p.Time, p.MemoryKiB, p.Threads, uint32(len(key))), key) != 1 {
			return errMismatch
		}
		return nil
	}
}
