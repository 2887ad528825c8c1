package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// sessions is store.Sessions. A revocation deletes rows, so that the read of
// each request looks at one of them only.
//
// A row of session_subjects is there for each subject that ever logged in or
// was revoked. What makes a session of a subject, moves it to another token, or
// finds it by anything but its token, holds that row first: a session is there
// before the others look, or not at all. What only writes to a session by its
// token locks that one row, and needs no more.
type sessions struct {
	db *database

	byRef, revision        *statement
	insert, rotate         *statement
	update, touch, drop    *statement
	subject, since         *statement
	subjectOf              *statement // nil: all dialects but MySQL
	oldest, dropOld        *statement
	revoke, revoked, clear *statement
	page                   *statement
}

const (
	// maxData is the bytes of Session.Data.
	maxData = 64 << 10
	// longestProof is what counts as a proof of any age.
	longestProof = 100 * 365 * 24 * time.Hour
)

func (s *sessions) init(d *database) {
	s.db = d
	orNothing := " ON CONFLICT DO NOTHING"
	if d.dialect == MySQL {
		orNothing = ""
	}
	least := "LEAST"
	if d.dialect == SQLite {
		least = "MIN"
	}
	// Said so that it cannot lead into the index of idle_until: what MySQL locks
	// there before the row, others lock after it.
	live := least + "(idle_until, expires_at) > ?"
	const byRef = "digest = ? AND tag = ?"
	read := "SELECT " + s.columns() + " FROM {sessions} WHERE "
	s.byRef = d.statement(read + byRef + " AND " + live)
	// In a host's transaction MySQL would read what it saw before, but for the lock.
	s.revision = d.statement("SELECT revision FROM {sessions} WHERE " + byRef + " AND " + live + d.dialect.forShare())
	s.insert = d.statement("INSERT INTO {sessions} (" + sessionColumns + ", pending) VALUES (" + marks(15) + ")" + orNothing)
	s.rotate = d.statement("UPDATE {sessions} SET digest = ?, identity = ?, pending = ?, seen_at = ?, idle_until = ?, expires_at = ? WHERE " + byRef + " AND subject = ? AND " + live)
	s.update = d.statement("UPDATE {sessions} SET data = ?, revision = revision + 1 WHERE " + byRef + " AND revision = ? AND " + live)
	s.touch = d.statement(`
		UPDATE {sessions} SET
			seen_at = CASE WHEN seen_at < ? THEN ? ELSE seen_at END,
			idle_until = CASE WHEN idle_until >= ? THEN idle_until WHEN expires_at < ? THEN expires_at ELSE ? END
		WHERE ` + byRef + " AND " + live)
	s.drop = d.statement("DELETE FROM {sessions} WHERE " + byRef)

	const alike = "subject = ? AND digest <> ? AND pending = ?"
	s.oldest = d.statement("SELECT " + d.dialect.readTime("created_at") + ", id FROM {sessions} WHERE " + alike + " AND " + live + " ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET ?")
	s.dropOld = d.statement("DELETE FROM {sessions} WHERE " + alike + " AND created_at <= ? AND (created_at < ? OR id <= ?)")
	s.revoke = d.statement("DELETE FROM {sessions} WHERE subject = ? AND id = ? AND " + live)
	s.clear = d.statement("DELETE FROM {sessions} WHERE subject = ? AND id <> ?")
	s.page = d.statement(read + "subject = ? AND " + live + " AND created_at <= ? AND (created_at < ? OR id < ?) ORDER BY created_at DESC, id DESC LIMIT ?")
	s.initSubjects()
}

func (s *sessions) initSubjects() {
	d := s.db
	now := d.dialect.now()
	since := "COALESCE(revoked_at >= " + now + ", FALSE)"
	subject := `
		INSERT INTO {session_subjects} AS s (subject) VALUES (?)
		ON CONFLICT (subject) DO UPDATE SET revoked_at = s.revoked_at`
	if d.dialect == MySQL {
		subject = `
		INSERT INTO {session_subjects} (subject) VALUES (?)
		ON DUPLICATE KEY UPDATE revoked_at = revoked_at`
		// FOR UPDATE reads what is there, and not what a host's transaction saw.
		s.since = d.statement("SELECT " + since + " FROM {session_subjects} WHERE subject = ? FOR UPDATE")
		s.subjectOf = d.statement("SELECT subject FROM {sessions} WHERE digest = ? AND tag = ?")
	} else {
		s.since = d.statement(subject + " RETURNING " + since)
	}
	s.subject = d.statement(subject)
	// A clock that was set back must not make an old proof good again.
	s.revoked = d.statement(`
		UPDATE {session_subjects} SET revoked_at = CASE WHEN revoked_at > ` + now + ` THEN revoked_at ELSE ` + now + ` END
		WHERE subject = ?`)
}

// hold locks the row of subject, which it makes if there is none, until the
// transaction ends. What an upsert finds it locks, even if it changes nothing.
func (s *sessions) hold(ctx context.Context, c conn, subject string) error {
	_, err := c.exec(ctx, s.subject, subject)
	return err
}

// holdSince is hold, and whether RevokeSessionsOf was called at proven or later.
// That is a time of this process, so that what a call has waited for until a
// statement is sent does not make the proof younger.
func (s *sessions) holdSince(ctx context.Context, c conn, subject string, proven time.Time) (revoked bool, err error) {
	clock := func() any { return s.db.clock(-time.Since(proven)) }
	if s.db.dialect != MySQL {
		err = c.one(ctx, s.since, []any{&revoked}, subject, clock())
		return revoked, err
	}
	if err := s.hold(ctx, c, subject); err != nil {
		return false, err
	}
	err = c.one(ctx, s.since, []any{&revoked}, clock(), subject)
	return revoked, err
}

// checkSessionRef answers that what no column can hold is not there.
func checkSessionRef(ref store.SessionRef) error {
	if err := checkText("SessionRef.Tag", ref.Tag, maxTag); err != nil {
		return fmt.Errorf("authn/sqlstore: %w: %w", store.ErrNotFound, err)
	}
	return nil
}

// SessionByRef is of store.Sessions, as are the methods below. It is one
// statement and, once prepared, one round trip.
func (s *sessions) SessionByRef(ctx context.Context, ref store.SessionRef, now time.Time) (found store.Session, err error) {
	err = s.db.run(ctx, "session", func(c conn) error {
		if err := checkSessionRef(ref); err != nil {
			return err
		}
		there := false
		err := c.each(ctx, s.byRef, func(rows *sql.Rows) (err error) {
			there = true
			found, err = scanSession(rows)
			return err
		}, ref.Token[:], ref.Tag, s.db.dialect.bound(now))
		if err == nil && !there {
			err = store.ErrNotFound
		}
		return err
	})
	if err != nil {
		return store.Session{}, err
	}
	return found, nil
}

// UpdateSessionData is one statement, and one more where it refuses.
func (s *sessions) UpdateSessionData(ctx context.Context, ref store.SessionRef, revision int64, data []byte, now time.Time) error {
	return s.db.write(ctx, "update session", func(c conn) error {
		if err := checkSessionRef(ref); err != nil {
			return err
		}
		if err := checkData(data); err != nil {
			return err
		}
		at := s.db.dialect.bound(now)
		n, err := c.changed(ctx, s.update, notNull(data), ref.Token[:], ref.Tag, revision, at)
		if err != nil || n > 0 {
			return err
		}
		there := false
		err = c.each(ctx, s.revision, func(*sql.Rows) error {
			there = true
			return nil
		}, ref.Token[:], ref.Tag, at)
		switch {
		case err != nil:
			return err
		case there:
			return store.ErrConflict
		}
		return store.ErrNotFound
	})
}

// TouchSession is one statement.
func (s *sessions) TouchSession(ctx context.Context, ref store.SessionRef, idleUntil, now time.Time) error {
	return s.db.write(ctx, "touch session", func(c conn) error {
		if checkSessionRef(ref) != nil {
			return nil
		}
		if err := checkTime("now", now); err != nil {
			return err
		}
		// An end that no column can keep is before or after all that are there.
		at, end := s.db.dialect.bound(now), s.db.dialect.bound(idleUntil)
		_, err := c.exec(ctx, s.touch, at, at, end, end, end, ref.Token[:], ref.Tag, at)
		return err
	})
}

// DeleteSession is one statement. On MySQL it holds the subject first, since
// that locks the row before the entries of its indexes, and who looks for the
// subject's sessions does it the other way round.
func (s *sessions) DeleteSession(ctx context.Context, ref store.SessionRef) error {
	if s.subjectOf == nil {
		return s.db.write(ctx, "delete session", func(c conn) error { return s.delete(ctx, c, ref) })
	}
	return s.db.transact(ctx, "delete session", func(c conn) error {
		if checkSessionRef(ref) != nil {
			return nil
		}
		subject := ""
		if err := c.one(ctx, s.subjectOf, []any{&subject}, ref.Token[:], ref.Tag); err != nil {
			return err
		}
		if subject != "" {
			if err := s.hold(ctx, c, subject); err != nil {
				return err
			}
		}
		return s.delete(ctx, c, ref)
	})
}

func (s *sessions) delete(ctx context.Context, c conn, ref store.SessionRef) error {
	if checkSessionRef(ref) != nil {
		return nil
	}
	_, err := c.exec(ctx, s.drop, ref.Token[:], ref.Tag)
	return err
}
