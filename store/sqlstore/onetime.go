package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// oneTime is store.OneTime. What is capped first writes to the subject's row of
// one_time_subjects, which makes creations wait for each other. That row is no
// more than a lock, and goes a day after the last token of its subject.
type oneTime struct {
	db *database

	subject, countLive, insert *statement
	byDigest, claim, delete    *statement
	revokeAll                  *statement
}

// maxBound is the bytes that the column takes.
const maxBound = 512

func (o *oneTime) init(d *database) {
	o.db = d
	orNothing := " ON CONFLICT DO NOTHING"
	subject := `
		INSERT INTO {one_time_subjects} AS s (subject, ends_at) VALUES (?, ?)
		ON CONFLICT (subject) DO UPDATE SET ends_at = CASE WHEN s.ends_at < ? THEN ? ELSE s.ends_at END`
	count := "SELECT COUNT(*) FROM {one_time_tokens} WHERE subject = ? AND purpose = ? AND expires_at > ?"
	read := "SELECT digest, purpose, subject, bound, " + d.dialect.readTime("created_at") + ", " + d.dialect.readTime("expires_at") + " FROM {one_time_tokens} WHERE digest = ? AND expires_at > ?"
	o.byDigest = d.statement(read)
	o.claim = d.statement("DELETE FROM {one_time_tokens} WHERE digest = ? AND expires_at > ? RETURNING digest, purpose, subject, bound, created_at, expires_at")
	if d.dialect == MySQL {
		orNothing = ""
		subject = `
		INSERT INTO {one_time_subjects} (subject, ends_at) VALUES (?, ?)
		ON DUPLICATE KEY UPDATE ends_at = IF(ends_at < ?, ?, ends_at)`
		// In a host's transaction it would count what it saw before, but for FOR UPDATE.
		count += " FOR UPDATE"
		// Its DELETE answers no rows, so the row is locked first.
		o.claim = d.statement(read + " FOR UPDATE")
		o.delete = d.statement("DELETE FROM {one_time_tokens} WHERE digest = ?")
	}
	o.subject = d.statement(subject)
	o.countLive = d.statement(count)
	o.insert = d.statement("INSERT INTO {one_time_tokens} (digest, purpose, subject, bound, created_at, expires_at) VALUES (" + marks(6) + ")" + orNothing)
	o.revokeAll = d.statement("DELETE FROM {one_time_tokens} WHERE subject = ?")
}

// CreateOneTime is of store.OneTime, as are the methods below.
func (o *oneTime) CreateOneTime(ctx context.Context, t store.OneTimeToken, most int, now time.Time) error {
	call := o.db.transact
	if most <= 0 {
		call = o.db.write
	}
	return call(ctx, "create one-time token", func(c conn) error {
		if err := checkOneTime(t); err != nil {
			return err
		}
		at := o.db.dialect.time
		if most > 0 {
			end := at(t.ExpiresAt)
			if _, err := c.exec(ctx, o.subject, t.Subject, end, end, end); err != nil {
				return err
			}
			var live int
			if err := c.one(ctx, o.countLive, []any{&live}, t.Subject, t.Purpose, o.db.dialect.bound(now)); err != nil {
				return err
			}
			if live >= most {
				return store.ErrLimit
			}
		}
		n, err := c.changed(ctx, o.insert, t.Digest[:], t.Purpose, t.Subject, t.Bound, at(t.CreatedAt), at(t.ExpiresAt))
		if o.db.dialect.exists(err) || err == nil && n == 0 {
			return store.ErrExists
		}
		return err
	})
}

// checkOneTime refuses what the columns cannot keep.
func checkOneTime(t store.OneTimeToken) error {
	if t.Purpose == "" {
		return errors.New("OneTimeToken.Purpose is empty")
	}
	return errors.Join(
		checkText("OneTimeToken.Purpose", t.Purpose, maxPurpose),
		checkText("OneTimeToken.Subject", t.Subject, maxSubject),
		checkText("OneTimeToken.Bound", t.Bound, maxBound),
		checkTime("OneTimeToken.CreatedAt", t.CreatedAt),
		checkTime("OneTimeToken.ExpiresAt", t.ExpiresAt),
	)
}

// OneTimeByDigest is one statement.
func (o *oneTime) OneTimeByDigest(ctx context.Context, digest store.Digest, now time.Time) (t store.OneTimeToken, err error) {
	err = o.db.run(ctx, "one-time token", func(c conn) error {
		t, err = o.read(ctx, c, o.byDigest, digest, now)
		return err
	})
	return t, err
}

// read answers the one row of s.
func (o *oneTime) read(ctx context.Context, c conn, s *statement, digest store.Digest, now time.Time) (t store.OneTimeToken, err error) {
	found := false
	err = c.each(ctx, s, func(rows *sql.Rows) error {
		found = true
		var d []byte
		err := rows.Scan(&d, &t.Purpose, &t.Subject, &t.Bound, instant{&t.CreatedAt}, instant{&t.ExpiresAt})
		copy(t.Digest[:], d)
		return err
	}, digest[:], o.db.dialect.bound(now))
	if err == nil && !found {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.OneTimeToken{}, err
	}
	return t, nil
}

// ClaimOneTime is one statement, and two in a transaction on MySQL.
func (o *oneTime) ClaimOneTime(ctx context.Context, digest store.Digest, now time.Time) (t store.OneTimeToken, err error) {
	call := o.db.write
	if o.delete != nil {
		call = o.db.transact
	}
	err = call(ctx, "claim one-time token", func(c conn) error {
		t, err = o.read(ctx, c, o.claim, digest, now)
		if err != nil || o.delete == nil {
			return err
		}
		_, err = c.exec(ctx, o.delete, digest[:])
		return err
	})
	if err != nil {
		return store.OneTimeToken{}, err
	}
	return t, nil
}

// RevokeOneTimeOf is one statement.
func (o *oneTime) RevokeOneTimeOf(ctx context.Context, subject string) error {
	return o.db.write(ctx, "revoke one-time tokens", func(c conn) error {
		if err := checkText("the subject", subject, maxSubject); err != nil {
			return err
		}
		_, err := c.exec(ctx, o.revokeAll, subject)
		return err
	})
}
