package storetest_test

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenSessionReads = []brokenStore{
	{"touching nothing is an error", "Sessions/missing_session_is_not_found", sessionsWith(func(o *otherSessions) {
		o.touch = func(ref store.SessionRef, idleUntil, now time.Time) error {
			if _, err := o.session(ref, now); err != nil {
				return err
			}
			return o.edited.touch(ref, idleUntil, now)
		}
	})},
	{"no session is no error", "Sessions/missing_session_is_not_found", sessionsWith(func(o *otherSessions) {
		o.read = func(ref store.SessionRef, now time.Time) (store.Session, error) {
			n, _ := o.session(ref, now)
			return n, nil
		}
	})},
	{"sessions are read by token alone", "Sessions/session_of_another_tag_is_not_found", sessionsWith(func(o *otherSessions) {
		o.read = func(ref store.SessionRef, now time.Time) (store.Session, error) { return o.session(o.right(ref), now) }
	})},
	{"sessions are deleted by token alone", "Sessions/session_of_another_tag_is_not_found", sessionsWith(func(o *otherSessions) {
		o.drop = func(ref store.SessionRef) error { return o.edited.drop(o.right(ref)) }
	})},
	{"sessions are updated by token alone", "Sessions/session_of_another_tag_is_not_found", sessionsWith(func(o *otherSessions) {
		o.update = func(ref store.SessionRef, revision int64, data []byte, now time.Time) error {
			return o.edited.update(o.right(ref), revision, data, now)
		}
	})},
	{"sessions are touched by token alone", "Sessions/session_of_another_tag_is_not_found", sessionsWith(func(o *otherSessions) {
		o.touch = func(ref store.SessionRef, idleUntil, now time.Time) error {
			return o.edited.touch(o.right(ref), idleUntil.Add(time.Hour), now)
		}
	})},
	{"sessions live at their end", "Sessions/session_ends_at_its_end", sessionsWith(func(o *otherSessions) {
		o.read = func(ref store.SessionRef, now time.Time) (store.Session, error) {
			return o.session(ref, now.Add(-time.Microsecond))
		}
	})},
	{"sessions end by the store's clock", "Sessions/session_ends_at_its_end", sessionsWith(func(o *otherSessions) {
		o.read = func(ref store.SessionRef, _ time.Time) (store.Session, error) { return o.session(ref, o.now()) }
	})},
	{"updates dead sessions", "Sessions/expired_sessions_take_no_writes", sessionsWith(func(o *otherSessions) {
		o.update = func(ref store.SessionRef, revision int64, data []byte, _ time.Time) error {
			return o.edited.update(ref, revision, data, time.Time{})
		}
	})},
	{"rotates dead sessions", "Sessions/expired_sessions_take_no_writes", sessionsWith(func(o *otherSessions) {
		o.rotate = func(ref store.SessionRef, next store.SessionRotation, _ time.Time) error {
			return o.edited.rotate(ref, next, time.Time{})
		}
	})},
	{"touches dead sessions", "Sessions/expired_sessions_take_no_writes", sessionsWith(func(o *otherSessions) {
		o.touch = func(ref store.SessionRef, idleUntil, _ time.Time) error {
			return o.edited.touch(ref, idleUntil, time.Time{})
		}
	})},
	{"revokes dead sessions", "Sessions/expired_sessions_take_no_writes", sessionsWith(func(o *otherSessions) {
		o.revoke = func(subject, id string, _ time.Time) error { return o.edited.revoke(subject, id, time.Time{}) }
	})},
	{"cleans sessions without a margin", "Sessions/cleaning_spares_sessions", sessionsWith(func(o *otherSessions) {
		o.read = func(ref store.SessionRef, now time.Time) (store.Session, error) {
			n, err := o.session(ref, now)
			if err == nil && !n.Live(o.now()) {
				return store.Session{}, store.ErrNotFound
			}
			return n, err
		}
	})},
	{"user agents of 254 bytes", "Sessions/session_keeps_awkward_text", createdSession(func(_ *otherSessions, n *store.Session) { n.UserAgent = n.UserAgent[:min(len(n.UserAgent), 254)] })},
	{"user agents without spaces around", "Sessions/session_keeps_awkward_text", createdSession(func(_ *otherSessions, n *store.Session) { n.UserAgent = strings.TrimSpace(n.UserAgent) })},
	{"revokes subjects without case", "Sessions/session_subjects_compare_bytewise", sessionsWith(func(o *otherSessions) {
		o.revokeAll = func(subject, except string) error {
			for _, n := range o.madeSessions(func(n store.Session) bool { return sameFold(n.Identity.Subject, subject) }) {
				_ = o.edited.revokeAll(n.Identity.Subject, except)
			}
			return o.edited.revokeAll(subject, except)
		}
	})},
	{"session subjects of 254 bytes", "Sessions/session_subjects_compare_bytewise", sessionsWith(func(o *otherSessions) {
		o.revoke = func(subject, id string, now time.Time) error {
			for _, n := range o.madeSessions(func(n store.Session) bool {
				return strings.HasPrefix(n.Identity.Subject, subject[:min(len(subject), 254)])
			}) {
				_ = o.edited.revoke(n.Identity.Subject, id, now)
			}
			return store.ErrNotFound
		}
	})},
	{"session ids without case", "Sessions/session_ids_compare_bytewise", sessionsWith(func(o *otherSessions) {
		o.revoke = func(subject, id string, now time.Time) error {
			for _, n := range o.sessionsOf(subject, now) {
				if sameFold(n.ID, id) {
					_ = o.edited.drop(n.Ref)
				}
			}
			return nil
		}
	})},
	{"one subject's id at a time", "Sessions/session_ids_compare_bytewise", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			if len(o.madeSessions(func(n store.Session) bool { return n.ID == c.n.ID })) > 0 {
				return store.ErrExists
			}
			return o.edited.create(c)
		}
	})},
	{"tokens of 31 bytes", "Sessions/session_tokens_compare_bytewise", createdSession(func(_ *otherSessions, n *store.Session) { n.Ref.Token[31] = 0 })},
	{"revokes a tag", "Sessions/sessions_of_one_tag_are_apart", sessionsWith(func(o *otherSessions) {
		o.revokeAll = func(subject, except string) error {
			for _, n := range o.madeSessions(func(n store.Session) bool { return n.Ref.Tag == store.TagOf(subject) }) {
				_ = o.edited.revokeAll(n.Identity.Subject, except)
			}
			return o.edited.revokeAll(subject, except)
		}
	})},
	{"a second delete is an error", "Sessions/delete_session", sessionsWith(func(o *otherSessions) {
		o.drop = func(ref store.SessionRef) error {
			if _, err := o.session(ref, time.Time{}); err != nil {
				return err
			}
			return o.edited.drop(ref)
		}
	})},
	{"revokes nothing", "Sessions/revoke_session_by_its_id", sessionsWith(func(o *otherSessions) {
		o.revoke = func(subject, id string, now time.Time) error {
			if err := o.edited.revoke(subject, id, now); !errors.Is(err, store.ErrNotFound) {
				return err
			}
			return nil
		}
	})},
	{"one revocation stops logins", "Sessions/revoke_session_by_its_id", sessionsWith(func(o *otherSessions) {
		o.revoke = func(subject, id string, now time.Time) error {
			n := o.sessionsOf(subject, now)
			err := o.edited.revoke(subject, id, now)
			if err == nil && len(n) > 1 {
				_ = o.edited.revokeAll(subject, n[0].ID)
			}
			return err
		}
	})},
	{"revokes sessions by id alone", "Sessions/revoke_session_of_another", sessionsWith(func(o *otherSessions) {
		o.revoke = func(subject, id string, now time.Time) error {
			for _, n := range o.madeSessions(func(n store.Session) bool { return n.ID == id }) {
				subject = n.Identity.Subject
			}
			return o.edited.revoke(subject, id, now)
		}
	})},
	{"revokes sessions by tag and id", "Sessions/revoke_session_of_another", sessionsWith(func(o *otherSessions) {
		o.revoke = func(subject, id string, now time.Time) error {
			for _, n := range o.madeSessions(func(n store.Session) bool { return n.ID == id && n.Ref.Tag == store.TagOf(subject) }) {
				return o.edited.drop(n.Ref)
			}
			return store.ErrNotFound
		}
	})},
	{"what is created later is spared", "Sessions/revoke_sessions_of_ends_all", sessionsWith(func(o *otherSessions) {
		o.revokeAll = func(subject, except string) error {
			for _, n := range o.sessionsOf(subject, time.Time{}) {
				if n.ID != except && !n.CreatedAt.After(o.now()) {
					_ = o.edited.drop(n.Ref)
				}
			}
			return nil
		}
	})},
	{"revokes by the first token", "Sessions/revoke_sessions_of_ends_all", sessionsWith(func(o *otherSessions) {
		o.revokeAll = func(subject, _ string) error {
			for _, n := range o.madeSessions(func(n store.Session) bool { return n.Identity.Subject == subject }) {
				if len(o.sessionsOf(subject, time.Time{})) > 1 {
					_ = o.edited.drop(n.Ref)
				}
			}
			return nil
		}
	})},
	{"spares none", "Sessions/revoke_sessions_of_spares_one", sessionsWith(func(o *otherSessions) {
		o.revokeAll = func(subject, _ string) error { return o.edited.revokeAll(subject, "") }
	})},
	{"a login in flight is spared, too", "Sessions/revoke_sessions_of_spares_one", sessionsWith(func(o *otherSessions) {
		o.revokeAll = func(subject, except string) error {
			for _, n := range o.sessionsOf(subject, time.Time{}) {
				if n.ID != except {
					_ = o.edited.drop(n.Ref)
				}
			}
			return nil
		}
	})},
	{"must spare one", "Sessions/revoke_sessions_of_but_none", sessionsWith(func(o *otherSessions) {
		o.revokeAll = func(subject, except string) error {
			for _, n := range o.sessionsOf(subject, time.Time{}) {
				if n.ID == except || except == "" {
					return o.edited.revokeAll(subject, except)
				}
			}
			return store.ErrNotFound
		}
	})},
	{"sessions panic without a context", "Sessions/session_calls_with_an_ended_context", func(s *edited) any { return panicsOnSession{s} }},
}

// right is ref with the tag that its token was created with.
func (s *edited) right(ref store.SessionRef) store.SessionRef {
	if n := s.madeWith(ref.Token); n.ID != "" {
		return n.Ref
	}
	return ref
}

type panicsOnSession struct{ *edited }

func (s panicsOnSession) TouchSession(ctx context.Context, ref store.SessionRef, idleUntil, now time.Time) error {
	if err := ctx.Err(); err != nil {
		panic(err)
	}
	return s.edited.TouchSession(ctx, ref, idleUntil, now)
}
