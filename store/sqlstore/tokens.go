package sqlstore

import (
	"context"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// tokens is store.Tokens. A row of token_subjects is there for each subject
// that has, or had, a refresh family or was revoked. What lives only while its
// subject has the same version holds that row when it is written: it is there
// before the version moves on, or not at all. The row is locked first and a
// family after it, everywhere, or two calls might deadlock.
type tokens struct {
	db *database

	revoked, revokeToken         *statement
	version, subject, moveOn     *statement
	subjectVersion               *statement // nil: subject answers it
	insertFamily, family, revoke *statement
	advance                      *statement // nil: MySQL
	lockVersion, lockFamily      *statement
	rotate, spent                *statement
}

// maxSubject is the bytes that the columns take.
const maxSubject = 255

func (t *tokens) init(d *database) {
	t.db = d
	t.revoked = d.statement(`
		SELECT EXISTS (SELECT 1 FROM {revoked_tokens} WHERE digest = ? AND expires_at > ?),
			EXISTS (SELECT 1 FROM {refresh_families} WHERE id = ? AND subject = ? AND revoked_at IS NULL),
			COALESCE((SELECT version FROM {token_subjects} WHERE subject = ?), 1),
			(SELECT ` + d.dialect.readTime("revoked_at") + ` FROM {token_subjects} WHERE subject = ?)`)
	revoke := `
		INSERT INTO {revoked_tokens} AS t (digest, subject, expires_at) VALUES (?, ?, ?)
		ON CONFLICT (digest) DO UPDATE SET expires_at = ? WHERE t.expires_at < ?`
	// What an upsert reads it has locked, even if it changes nothing.
	subject := `
		INSERT INTO {token_subjects} AS s (subject, version) VALUES (?, 1)
		ON CONFLICT (subject) DO UPDATE SET version = s.version RETURNING version`
	if d.dialect == MySQL {
		revoke = `
		INSERT INTO {revoked_tokens} (digest, subject, expires_at) VALUES (?, ?, ?)
		ON DUPLICATE KEY UPDATE expires_at = IF(expires_at < ?, ?, expires_at)`
		subject = `
		INSERT INTO {token_subjects} (subject, version) VALUES (?, 1)
		ON DUPLICATE KEY UPDATE version = version`
		// FOR UPDATE reads what is there, and not what a host's transaction saw.
		t.subjectVersion = d.statement("SELECT version FROM {token_subjects} WHERE subject = ? FOR UPDATE")
	}
	t.revokeToken = d.statement(revoke)
	t.subject = d.statement(subject)
	now := d.dialect.now()
	t.version = d.statement("SELECT version, " + d.dialect.readTime("revoked_at") + ", " + d.dialect.readTime(now) + " FROM {token_subjects} WHERE subject = ?")
	// A clock that was set back must not make tokens good again.
	t.moveOn = d.statement(`
		UPDATE {token_subjects} SET version = version + 1,
			revoked_at = CASE WHEN revoked_at > ` + now + ` THEN revoked_at ELSE ` + now + ` END
		WHERE subject = ?`)
	t.initFamilies()
	t.initAdvance()
}

// TokenRevoked is of store.Tokens, as are the methods below. It is one
// statement and, once prepared, one round trip.
func (t *tokens) TokenRevoked(ctx context.Context, ref store.TokenRef, now time.Time) (reason string, err error) {
	err = t.db.run(ctx, "token revoked", func(c conn) error {
		if err := checkText("TokenRef.Subject", ref.Subject, maxSubject); err != nil {
			return err
		}
		family := ref.Family
		if checkText("", family, maxID) != nil {
			family = "" // such a one is not there
		}
		digest := ref.Digest()
		var byID, alive bool
		var version int64
		var revokedAt time.Time
		err := c.one(ctx, t.revoked, []any{&byID, &alive, &version, instant{&revokedAt}},
			digest[:], t.db.dialect.bound(now), family, ref.Subject, ref.Subject, ref.Subject)
		if err != nil {
			return err
		}
		dead := ref.Version != version
		if ref.Version == 0 {
			dead = !revokedAt.IsZero() && !revokedAt.Before(ref.IssuedAt)
		}
		switch {
		case byID:
			reason = store.TokenRevokedByID
		case ref.Family != "" && !alive:
			reason = store.TokenRevokedByFamily
		case dead:
			reason = store.TokenRevokedBySubject
		default:
			reason = ""
		}
		return nil
	})
	return reason, err
}

// RevokeToken is one statement.
func (t *tokens) RevokeToken(ctx context.Context, ref store.TokenRef, until time.Time) error {
	return t.db.write(ctx, "revoke token", func(c conn) error {
		if err := checkText("TokenRef.Subject", ref.Subject, maxSubject); err != nil {
			return err
		}
		if err := checkTime("until", until); err != nil {
			return err
		}
		digest, end := ref.Digest(), t.db.dialect.bound(until)
		_, err := c.exec(ctx, t.revokeToken, digest[:], ref.Subject, end, end, end)
		return err
	})
}

// TokenVersion is one statement.
func (t *tokens) TokenVersion(ctx context.Context, subject string, proofAge time.Duration) (version int64, err error) {
	called := time.Now()
	err = t.db.run(ctx, "token version", func(c conn) error {
		if err := checkText("the subject", subject, maxSubject); err != nil {
			return err
		}
		var revokedAt, now time.Time
		version = 1 // where there is no row
		err := c.one(ctx, t.version, []any{&version, instant{&revokedAt}, instant{&now}}, t.db.clock(0), subject)
		// proofAge is as of the call: waiting for a connection must not make the
		// proof younger. By our clock that was at called, and by the server's at
		// most as long ago as this took.
		began := now.Add(-time.Since(called))
		if at := called.Add(t.db.clockOffset()); at.After(began) {
			began = at
		}
		if began.After(now) {
			began = now
		}
		if err == nil && !revokedAt.IsZero() && !revokedAt.Before(began.Add(-max(proofAge, 0))) {
			err = store.ErrConflict
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return version, nil
}

// RevokeTokensOf takes the time when nobody can create or advance any more.
func (t *tokens) RevokeTokensOf(ctx context.Context, subject string) error {
	return t.db.transact(ctx, "revoke tokens", func(c conn) error {
		if err := checkText("the subject", subject, maxSubject); err != nil {
			return err
		}
		if _, err := t.hold(ctx, c, subject); err != nil {
			return err
		}
		now := t.db.clocks(0, 0)
		_, err := c.exec(ctx, t.moveOn, now[0], now[1], subject)
		return err
	})
}

// hold locks the row of subject, which it makes if there is none, until the
// transaction ends.
func (t *tokens) hold(ctx context.Context, c conn, subject string) (version int64, err error) {
	read := t.subject
	if t.subjectVersion != nil {
		if _, err := c.exec(ctx, t.subject, subject); err != nil {
			return 0, err
		}
		read = t.subjectVersion
	}
	err = c.one(ctx, read, []any{&version}, subject)
	return version, err
}
