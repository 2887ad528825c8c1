package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// RevokeSession is of store.Sessions, as are the methods below.
func (s *sessions) RevokeSession(ctx context.Context, subject, id string, now time.Time) error {
	return s.db.transact(ctx, "revoke session", func(c conn) error {
		if err := checkSessionOf(subject, id); err != nil {
			return err
		}
		if err := s.hold(ctx, c, subject); err != nil {
			return err
		}
		n, err := c.changed(ctx, s.revoke, subject, id, s.db.dialect.bound(now))
		if err == nil && n == 0 {
			err = store.ErrNotFound
		}
		return err
	})
}

// checkSessionOf answers that nobody's sessions, and what no column can hold,
// are not there.
func checkSessionOf(subject, id string) error {
	if subject == "" {
		return store.ErrNotFound
	}
	if err := errors.Join(checkText("the subject", subject, maxSubject), checkText("the id", id, maxID)); err != nil {
		return fmt.Errorf("authn/sqlstore: %w: %w", store.ErrNotFound, err)
	}
	return nil
}

// RevokeSessionsOf takes the time when nobody can create any more.
func (s *sessions) RevokeSessionsOf(ctx context.Context, subject, except string) error {
	if subject == "" {
		return nil
	}
	if checkText("", except, maxID) != nil {
		except = "" // such a one is not there
	}
	return s.db.transact(ctx, "revoke sessions", func(c conn) error {
		if err := checkText("the subject", subject, maxSubject); err != nil {
			return err
		}
		if err := s.hold(ctx, c, subject); err != nil {
			return err
		}
		now := s.db.clocks(0, 0)
		if _, err := c.exec(ctx, s.revoked, now[0], now[1], subject); err != nil {
			return err
		}
		_, err := c.exec(ctx, s.clear, subject, except)
		return err
	})
}
