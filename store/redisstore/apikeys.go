package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/store"
)

// CreateAPIKey is of [store.APIKeys], as are the methods below.
func (s *Store) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	if err := checkKey(k); err != nil {
		return err
	}
	call := newCall()
	args := slices.Concat([]any{
		micros(now), max(l.MaxLive, 0), max(l.MaxAge, 0).Microseconds(),
		k.Digest.String(), k.ID, k.Owner, call,
	}, rowOf(k, call))
	answer, err := createAPIKeyScript.Run(ctx, s.client, s.declared, args...).Result()
	if err != nil {
		return failed("create an API key", err)
	}
	return refusal(answer)
}

// APIKeyByDigest is one HGETALL.
func (s *Store) APIKeyByDigest(ctx context.Context, d store.Digest) (store.APIKey, error) {
	row, err := s.client.HGetAll(ctx, s.apiKeys+"k:"+d.String()).Result()
	if err != nil {
		return store.APIKey{}, failed("read an API key", err)
	}
	if len(row) == 0 {
		return store.APIKey{}, store.ErrNotFound
	}
	return keyOf(d, row)
}

func (s *Store) APIKey(ctx context.Context, owner, id string) (store.APIKey, error) {
	if err := checkLookup(owner, id); err != nil {
		return store.APIKey{}, err
	}
	row, err := s.read(ctx, readAPIKeyScript, owner, id)
	if err != nil {
		return store.APIKey{}, err
	}
	keys, err := keysOf([]any{row})
	if err != nil {
		return store.APIKey{}, err
	}
	return keys[0], nil
}

func (s *Store) ListAPIKeys(ctx context.Context, owner string, p store.Page) (keys []store.APIKey, next string, err error) {
	if err := checkLookup(owner, p.Cursor); err != nil {
		return nil, "", err
	}
	answer, err := s.read(ctx, listAPIKeysScript, owner, p.Cursor, p.Size())
	if err != nil {
		return nil, "", err
	}
	if keys, err = keysOf(answer[1:]); err != nil {
		return nil, "", err
	}
	if answer[0] == int64(1) && len(keys) > 0 {
		next = keys[len(keys)-1].ID
	}
	return keys, next, nil
}

// read runs a script that answers a list, or nothing for what is not there.
func (s *Store) read(ctx context.Context, script *redis.Script, args ...any) ([]any, error) {
	answer, err := script.Run(ctx, s.client, s.declared, args...).Slice()
	if errors.Is(err, redis.Nil) {
		return nil, store.ErrNotFound
	}
	if err == nil && len(answer) == 0 {
		err = errors.New("a script answered an empty list")
	}
	return answer, failed("read API keys", err)
}

func (s *Store) RotateAPIKey(ctx context.Context, owner, id string, next store.APIKey, until, now time.Time) error {
	if err := checkLookup(owner, id); err != nil {
		return err
	}
	if err := checkKey(next); err != nil {
		return err
	}
	call := newCall()
	if until.IsZero() { // would read as: never
		until = now
	}
	args := slices.Concat([]any{
		micros(now), owner, id, micros(until), next.Digest.String(), next.ID, call,
	}, rowOf(next, call))
	answer, err := s.deny(ctx, rotateAPIKeyScript, s.declared, args...)
	if err != nil {
		return failed("rotate an API key", err)
	}
	return refusal(answer)
}

func (s *Store) RevokeAPIKey(ctx context.Context, owner, id string, now time.Time) error {
	if err := checkLookup(owner, id); err != nil {
		return err
	}
	answer, err := s.deny(ctx, revokeAPIKeyScript, s.declared, micros(now), owner, id)
	if err != nil {
		return failed("revoke an API key", err)
	}
	return refusal(answer)
}

func (s *Store) RevokeAPIKeysOf(ctx context.Context, owner string, now time.Time) error {
	if err := checkText("the owner", owner, maxOwner); err != nil {
		return failed("revoke the API keys of an owner", err)
	}
	answer, err := s.deny(ctx, revokeAPIKeysOfScript, s.declared, micros(now), owner)
	if err != nil {
		return failed("revoke the API keys of an owner", err)
	}
	return refusal(answer)
}

func (s *Store) RecordAPIKeyUses(ctx context.Context, uses []store.APIKeyUse) (first []string, err error) {
	if len(uses) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	args := make([]any, 0, 2+4*len(uses))
	args = append(args, newCall(), callMemory.Milliseconds())
	for _, use := range uses {
		if checkText("", use.ID, maxID) != nil {
			continue // no key has it
		}
		var at, addr string
		if !use.At.IsZero() {
			at = micros(use.At)
		}
		if use.Addr.IsValid() {
			addr = use.Addr.String()
		}
		args = append(args, use.ID, use.N, at, addr)
	}
	first, err = recordAPIKeyUsesScript.Run(ctx, s.client, s.declared, args...).StringSlice()
	return first, failed("record uses of API keys", err)
}

// ClaimExpiringAPIKeys asks again while a script has seen only a part. What was
// claimed before an outage, or next to a damaged row, is answered without that
// error: it would not be claimed again.
func (s *Store) ClaimExpiringAPIKeys(ctx context.Context, d time.Duration, l store.APIKeyLimits, limit int, now time.Time) (keys []store.APIKey, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	defer func() {
		if len(keys) > 0 {
			err = nil
		}
	}()
	var damaged error
	index, offset := "", int64(0)
	for len(keys) < limit {
		answer, err := s.read(ctx, claimExpiringAPIKeysScript,
			newCall(), callMemory.Milliseconds(), micros(now), d.Microseconds(), max(l.MaxAge, 0).Microseconds(),
			min(limit-len(keys), claimBatch), index, strconv.FormatInt(offset, 10))
		if err != nil {
			return keys, err
		}
		if len(answer) < 2 {
			return keys, fmt.Errorf("authn/redisstore: a script answered %d values", len(answer))
		}
		batch, err := keysOf(answer[2:])
		keys, damaged = append(keys, batch...), errors.Join(damaged, err)
		index, _ = answer[0].(string)
		offset, _ = answer[1].(int64)
		if index == "" {
			break
		}
	}
	return keys, damaged
}

// claimBatch is how many keys one script claims.
const claimBatch = 500
