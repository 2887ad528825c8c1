package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// declaredOf are the keys that scripts of a tag are called with; of the second
// see [Store].
func (s *Store) declaredOf(tag string) []string {
	base := s.ofTag(tag)
	return []string{base, base + "-"}
}

// ofTag begins the names of all keys of the subjects that share a tag: they lie
// in one slot.
func (s *Store) ofTag(tag string) string { return s.cfg.KeyPrefix + "{" + tag + "}" }

func (s *Store) tokenKey(t store.TokenRef) string {
	return s.ofTag(store.TagOf(t.Subject)) + "token:" + t.Digest().String()
}

func (s *Store) versionKey(subject string) string {
	return s.ofTag(store.TagOf(subject)) + "version:" + subject
}

// clockOffset is what a script adds to the server's clock.
func (s *Store) clockOffset() time.Duration {
	if s.cfg.ClockOffset == nil {
		return 0
	}
	return s.cfg.ClockOffset()
}

// TokenRevoked is of [store.Tokens], as are the methods below and those of
// families. It is one MGET.
func (s *Store) TokenRevoked(ctx context.Context, t store.TokenRef, now time.Time) (reason string, err error) {
	if err := checkText("the subject", t.Subject, maxOwner); err != nil {
		return "", failed("read revocations", err)
	}
	if checkText("", t.Family, maxID) != nil {
		return store.TokenRevokedByFamily, nil // none has this ID
	}
	keys := []string{s.versionKey(t.Subject), s.tokenKey(t)}
	if t.Family != "" {
		keys = append(keys, s.ofTag(store.TagOf(t.Subject))+"living:"+t.Family)
	}
	values, err := s.client.MGet(ctx, keys...).Result()
	if err == nil && len(values) != len(keys) {
		err = fmt.Errorf("MGET answered %d values of %d", len(values), len(keys))
	}
	if err != nil {
		return "", failed("read revocations", err)
	}
	if until, ok := values[1].(string); ok {
		end, err := strconv.ParseInt(until, 10, 64)
		if err != nil {
			return "", failed("read the revocation of a token", err)
		}
		if now.Before(time.UnixMicro(end)) {
			return store.TokenRevokedByID, nil
		}
	}
	if t.Family != "" && values[2] != t.Subject {
		return store.TokenRevokedByFamily, nil
	}
	version, revokedAt, err := versionOf(values[0])
	switch {
	case err != nil:
		return "", err
	case t.Version != 0 && t.Version != version,
		t.Version == 0 && !revokedAt.IsZero() && !t.IssuedAt.After(revokedAt):
		return store.TokenRevokedBySubject, nil
	}
	return "", nil
}

// versionOf reads what revoke_tokens_of.lua has written, nil if it has not.
func versionOf(record any) (version int64, revokedAt time.Time, err error) {
	if record == nil {
		return 1, time.Time{}, nil
	}
	text, _ := record.(string)
	if parts := strings.Split(text, " "); len(parts) == 3 { // the third are calls
		version, err = strconv.ParseInt(parts[0], 10, 64)
		at, err2 := strconv.ParseInt(parts[1], 10, 64)
		if err == nil && err2 == nil && version > 0 {
			return version, time.UnixMicro(at), nil
		}
	}
	return 0, time.Time{}, errors.New("authn/redisstore: the version of a subject is damaged")
}

func (s *Store) RevokeToken(ctx context.Context, t store.TokenRef, until time.Time) error {
	if err := checkText("the subject", t.Subject, maxOwner); err != nil {
		return failed("revoke a token", err)
	}
	answer, err := s.deny(ctx, revokeTokenScript, []string{s.tokenKey(t)}, micros(until), s.clockOffset().Microseconds())
	if err != nil {
		return failed("revoke a token", err)
	}
	return refusal(answer)
}

func (s *Store) TokenVersion(ctx context.Context, subject string, proofAge time.Duration) (int64, error) {
	if err := checkText("the subject", subject, maxOwner); err != nil {
		return 0, failed("read the version of a subject", err)
	}
	began := time.Now()
	answer, err := tokenVersionScript.Run(ctx, s.client, []string{s.versionKey(subject)}).Slice()
	took := time.Since(began)
	if err == nil && len(answer) != 2 {
		err = fmt.Errorf("a script answered %d values", len(answer))
	}
	if err != nil {
		return 0, failed("read the version of a subject", err)
	}
	now, err := serverTime(answer[1])
	if err != nil {
		return 0, failed("read the version of a subject", err)
	}
	version, revokedAt, err := versionOf(answer[0])
	if err != nil {
		return 0, err
	}
	// proofAge is as of the call, not of the script: waiting for a connection
	// must not make the proof younger. By our clock the call began at began, on
	// the server's it was within took.
	if began.After(now) {
		began = now
	} else if earliest := now.Add(-took); began.Before(earliest) {
		began = earliest
	}
	if proved := began.Add(s.clockOffset() - max(proofAge, 0)); !revokedAt.IsZero() && !revokedAt.Before(proved) {
		return 0, store.ErrConflict
	}
	return version, nil
}

// serverTime reads what TIME answers: seconds and microseconds.
func serverTime(answer any) (time.Time, error) {
	parts, _ := answer.([]any)
	if len(parts) != 2 {
		return time.Time{}, fmt.Errorf("TIME answered %v", answer)
	}
	seconds, err := strconv.ParseInt(fmt.Sprint(parts[0]), 10, 64)
	micros, err2 := strconv.ParseInt(fmt.Sprint(parts[1]), 10, 64)
	return time.Unix(seconds, micros*1000), errors.Join(err, err2)
}

// RevokeTokensOf remembers its last eight calls. Replayed by the client after as
// many others it counts twice.
func (s *Store) RevokeTokensOf(ctx context.Context, subject string) error {
	if err := checkText("the subject", subject, maxOwner); err != nil {
		return failed("revoke the tokens of a subject", err)
	}
	answer, err := s.deny(ctx, revokeTokensOfScript, []string{s.versionKey(subject)}, s.clockOffset().Microseconds(), newCall())
	if err != nil {
		return failed("revoke the tokens of a subject", err)
	}
	return refusal(answer)
}
