package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// CreateSession is of store.Sessions, as is RotateSession.
func (s *sessions) CreateSession(ctx context.Context, created store.Session, replaces store.SessionRef, most int, proofAge time.Duration, now time.Time) error {
	proven := time.Now().Add(-min(max(proofAge, 0), longestProof))
	subject := created.Identity.Subject
	call := s.db.transact
	if subject == "" && replaces == (store.SessionRef{}) {
		call = s.db.write
	}
	return call(ctx, "create session", func(c conn) error {
		row, err := s.db.sessionArgs(created)
		if err != nil {
			return err
		}
		if subject != "" {
			revoked, err := s.holdSince(ctx, c, subject, proven)
			if err != nil {
				return err
			}
			if revoked {
				return store.ErrConflict
			}
		}
		n, err := c.changed(ctx, s.insert, row...)
		if s.db.dialect.exists(err) || err == nil && n == 0 {
			return store.ErrExists
		}
		if err != nil {
			return err
		}
		// Only now: in a host's transaction a refusal must not have deleted it.
		if replaces != (store.SessionRef{}) {
			if err := s.delete(ctx, c, replaces); err != nil {
				return err
			}
		}
		if subject == "" || most <= 0 {
			return nil
		}
		return s.evict(ctx, c, &created, most, now)
	})
}

// evict deletes the oldest live sessions of n's subject so that most are left
// with n, of those that owe a factor or not, as n does, and with them the dead
// ones that are as old. The subject is held.
func (s *sessions) evict(ctx context.Context, c conn, n *store.Session, most int, now time.Time) error {
	subject, token, bound := n.Identity.Subject, n.Ref.Token[:], s.db.dialect.bound
	var last time.Time
	var id string
	err := c.each(ctx, s.oldest, func(rows *sql.Rows) error { return rows.Scan(instant{&last}, &id) },
		subject, token, n.Owes(), bound(now), most-1)
	if err != nil || id == "" {
		return err
	}
	_, err = c.exec(ctx, s.dropOld, subject, token, n.Owes(), bound(last), bound(last), id)
	return err
}

func (s *sessions) RotateSession(ctx context.Context, ref store.SessionRef, next store.SessionRotation, now time.Time) error {
	return s.db.transact(ctx, "rotate session", func(c conn) error {
		subject := next.Identity.Subject
		if err := errors.Join(checkSessionRef(ref), checkText("SessionRotation.Identity.Subject", subject, maxSubject)); err != nil {
			return err
		}
		if next.Token == ref.Token {
			return errors.New("SessionRotation.Token is the old one")
		}
		if err := checkLife(next.SeenAt, next.IdleUntil, next.ExpiresAt); err != nil {
			return err
		}
		identity, err := identityText(next.Identity)
		if err != nil {
			return err
		}
		if subject != "" {
			if err := s.hold(ctx, c, subject); err != nil {
				return err
			}
		}
		at := s.db.dialect.time
		rotated := store.Session{Ref: store.SessionRef{Token: next.Token}, Identity: next.Identity}
		n, err := c.changed(ctx, s.rotate, next.Token[:], identity, rotated.Owes(), at(next.SeenAt), at(next.IdleUntil), at(next.ExpiresAt),
			ref.Token[:], ref.Tag, subject, s.db.dialect.bound(now))
		switch {
		case s.db.dialect.exists(err):
			return store.ErrExists
		case err == nil && n == 0:
			return store.ErrNotFound
		case err != nil || subject == "" || next.Max <= 0:
			return err
		}
		return s.evict(ctx, c, &rotated, next.Max, now)
	})
}
