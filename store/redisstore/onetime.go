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

// CreateOneTime is of [store.OneTime], as are the methods below.
func (s *Store) CreateOneTime(ctx context.Context, t store.OneTimeToken, most int, now time.Time) error {
	if err := checkOneTime(t); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	keep := min(max(t.ExpiresAt.Sub(now), 0), maxKeep) + margin
	answer, err := createOneTimeScript.Run(ctx, s.client, s.oneTime,
		newCall(), callMemory.Milliseconds(), t.Digest.String(), t.Purpose, t.Subject, fixed(t.ExpiresAt), keep.Milliseconds(),
		max(most, 0), fixed(now), s.clockOffset().Microseconds(), rowOfOneTime(t)).Result()
	if err != nil {
		return failed("create a one-time token", err)
	}
	return refusal(answer)
}

// OneTimeByDigest is one GET.
func (s *Store) OneTimeByDigest(ctx context.Context, d store.Digest, now time.Time) (store.OneTimeToken, error) {
	row, err := s.client.Get(ctx, s.oneTime[0]+"token:"+d.String()).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return store.OneTimeToken{}, store.ErrNotFound
	case err != nil:
		return store.OneTimeToken{}, failed("read a one-time token", err)
	}
	t, err := oneTimeOf(d, row)
	if err == nil && !now.Before(t.ExpiresAt) {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.OneTimeToken{}, err
	}
	return t, nil
}

// rowOfOneTime is a string, of which scripts/create_one_time.lua has the format.
func rowOfOneTime(t store.OneTimeToken) string {
	return fixed(t.ExpiresAt) + fixed(t.CreatedAt) + t.Purpose + "\x00" + t.Subject + "\x00" + t.Bound
}

func oneTimeOf(d store.Digest, row string) (store.OneTimeToken, error) {
	r := textReader{rest: row}
	t := store.OneTimeToken{Digest: d, ExpiresAt: r.fixedTime(), CreatedAt: r.fixedTime()}
	parts := strings.Split(r.rest, "\x00")
	if r.err != nil || len(parts) != 3 {
		return store.OneTimeToken{}, fmt.Errorf("authn/redisstore: %w: one-time token %s", store.ErrDamaged, d)
	}
	t.Purpose, t.Subject, t.Bound = parts[0], parts[1], parts[2]
	return t, nil
}

func (s *Store) ClaimOneTime(ctx context.Context, d store.Digest, now time.Time) (store.OneTimeToken, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := s.deny(ctx, claimOneTimeScript, s.oneTime, newCall(), callMemory.Milliseconds(), d.String(), fixed(now))
	if err != nil {
		return store.OneTimeToken{}, failed("claim a one-time token", err)
	}
	if list, ok := answer.([]any); ok && len(list) == 1 {
		row, _ := list[0].(string)
		return oneTimeOf(d, row)
	}
	return store.OneTimeToken{}, refusal(answer)
}

func (s *Store) RevokeOneTimeOf(ctx context.Context, subject string) error {
	if err := checkText("the subject", subject, maxOwner); err != nil {
		return failed("revoke the one-time tokens of a subject", err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := s.deny(ctx, revokeOneTimeOfScript, s.oneTime, newCall(), callMemory.Milliseconds(), subject)
	if err != nil {
		return failed("revoke the one-time tokens of a subject", err)
	}
	return refusal(answer)
}
