package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/store"
)

// PasswordByName is of [store.PasswordTable], as are the methods below. It is
// one GET.
func (s *Store) PasswordByName(ctx context.Context, name string) (store.Password, error) {
	if err := checkText("the name", name, maxOwner); err != nil {
		return store.Password{}, fmt.Errorf("authn/redisstore: %w: %w", store.ErrNotFound, err)
	}
	row, err := s.client.Get(ctx, s.passwords[0]+"name:"+name).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return store.Password{}, store.ErrNotFound
	case err != nil:
		return store.Password{}, failed("read a password", err)
	}
	return passwordOf(name, row)
}

func (s *Store) PasswordBySubject(ctx context.Context, subject string) (store.Password, error) {
	if err := checkLookup(subject, ""); err != nil {
		return store.Password{}, err
	}
	answer, err := passwordBySubjectScript.Run(ctx, s.client, s.passwords, subject).StringSlice()
	switch {
	case errors.Is(err, redis.Nil):
		return store.Password{}, store.ErrNotFound
	case err == nil && len(answer) != 2:
		err = fmt.Errorf("a script answered %d values", len(answer))
	}
	if err != nil {
		return store.Password{}, failed("read a password", err)
	}
	return passwordOf(answer[0], answer[1])
}

// rowOfPassword is a string, so that one GET reads it. No subject has a NUL.
func rowOfPassword(subject, hash string) string { return subject + "\x00" + hash }

func passwordOf(name, row string) (store.Password, error) {
	subject, hash, ok := strings.Cut(row, "\x00")
	if !ok || subject == "" {
		return store.Password{}, fmt.Errorf("authn/redisstore: %w: the password of a name", store.ErrDamaged)
	}
	return store.Password{Subject: subject, Name: name, Hash: hash}, nil
}

func (s *Store) ReplacePasswordHash(ctx context.Context, subject, old, next string, _ time.Time) error {
	if err := checkText("the next hash", next, maxHash); err != nil {
		return failed("replace the hash of a password", err)
	}
	if err := errors.Join(checkText("the subject", subject, maxOwner), checkText("the old hash", old, maxHash)); err != nil {
		return fmt.Errorf("authn/redisstore: %w: %w", store.ErrConflict, err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := s.deny(ctx, replacePasswordHashScript, s.passwords,
		newCall(), callMemory.Milliseconds(), subject, rowOfPassword(subject, old), rowOfPassword(subject, next))
	if err != nil {
		return failed("replace the hash of a password", err)
	}
	return refusal(answer)
}

func (s *Store) CreatePassword(ctx context.Context, p store.Password, _ time.Time) error {
	if err := checkPassword(p); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := createPasswordScript.Run(ctx, s.client, s.passwords,
		newCall(), callMemory.Milliseconds(), p.Subject, p.Name, rowOfPassword(p.Subject, p.Hash)).Result()
	if err != nil {
		return failed("create a password", err)
	}
	return refusal(answer)
}

func (s *Store) DeletePassword(ctx context.Context, subject string) error {
	if checkText("", subject, maxOwner) != nil {
		return nil // none has this subject
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := s.deny(ctx, deletePasswordScript, s.passwords, newCall(), callMemory.Milliseconds(), subject)
	if err != nil {
		return failed("delete a password", err)
	}
	return refusal(answer)
}
