package redisstore

import (
	"context"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// DeleteSession also deletes a row that is damaged.
func (s *Store) DeleteSession(ctx context.Context, ref store.SessionRef) error {
	if checkSessionRef(ref) != nil {
		return nil // none has this tag
	}
	answer, err := s.deny(ctx, deleteSessionScript, s.declaredOf(ref.Tag), ref.Token.String())
	if err != nil {
		return failed("delete a session", err)
	}
	return refusal(answer)
}

func (s *Store) RevokeSession(ctx context.Context, subject, id string, now time.Time) error {
	if err := checkLookup(subject, id); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := s.deny(ctx, revokeSessionScript, s.declaredOf(store.TagOf(subject)),
		newCall(), callMemory.Milliseconds(), subject, id, micros(now))
	if err != nil {
		return failed("revoke a session", err)
	}
	if list, ok := answer.([]any); ok && len(list) == 1 {
		answer = list[0]
	}
	return refusal(answer)
}

// RevokeSessionsOf is one script, whose work grows with the sessions that the
// subject has. It remembers its last eight calls: replayed by the client after as
// many others it ends newer sessions, too.
func (s *Store) RevokeSessionsOf(ctx context.Context, subject, except string) error {
	if subject == "" {
		return nil // nobody's sessions are not one subject's
	}
	if err := checkText("the subject", subject, maxOwner); err != nil {
		return failed("revoke the sessions of a subject", err)
	}
	answer, err := s.deny(ctx, revokeSessionsOfScript, s.declaredOf(store.TagOf(subject)),
		newCall(), subject, except, s.clockOffset().Microseconds())
	if err != nil {
		return failed("revoke the sessions of a subject", err)
	}
	return refusal(answer)
}
