package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// totps is store.TOTPs: one row for each subject, recovery codes included, so
// that each call writes to one row. What can be compared in SQL is one
// statement; what takes more is of totps_change.go.
type totps struct {
	db *database

	read, lock                        *statement
	begin, insert, confirm, accept    *statement
	codes, backup, taken              *statement
	replace, forget, delete, forgiven *statement
}

// maxSealed is the bytes that columns of sealed secrets take.
const maxSealed = 255

// totpKept is how long what DeleteTOTP leaves is there, and a Begin that nobody
// confirmed.
const totpKept = 366 * 24 * time.Hour

func (s *totps) init(d *database) {
	s.db = d
	orNothing := " ON CONFLICT DO NOTHING"
	if d.dialect == MySQL {
		orNothing = ""
	}
	at := d.dialect.readTime
	read := "SELECT " + at(d.dialect.now()) + ", changes, secret, unconfirmed, " + at("enrolled_at") + ", " + at("begins_until") + ", step, recovery, device_epoch," +
		" code_row, code_recent, " + at("code_recent_at") + ", " + at("code_wait_until") +
		", backup_row, backup_recent, " + at("backup_recent_at") + ", " + at("backup_wait_until") + " FROM {totps} WHERE subject = ?"
	s.read = d.statement(read)
	s.lock = d.statement(read + d.dialect.forUpdate())

	// Each write adds to changes: who decided by what it read sees that.
	const update = "UPDATE {totps} SET changes = changes + 1, "
	const right = "step = ?, code_row = 0, code_wait_until = NULL, code_recent = CASE WHEN code_recent > 0 THEN code_recent - 1 ELSE 0 END"
	const noCodes = "code_row = 0, code_recent = 0, code_recent_at = NULL, code_wait_until = NULL"
	const noBackup = "backup_row = 0, backup_recent = 0, backup_recent_at = NULL, backup_wait_until = NULL"
	s.begin = d.statement(update + "unconfirmed = ?, begins_until = ?, ends_at = ? WHERE subject = ? AND secret = ?")
	s.insert = d.statement("INSERT INTO {totps} (subject, changes, secret, unconfirmed, begins_until, step, recovery, device_epoch, code_row, code_recent, backup_row, backup_recent, ends_at) VALUES (?, 1, ?, ?, ?, 0, ?, 0, 0, 0, 0, 0, ?)" + orNothing)
	s.confirm = d.statement(update + right + ", secret = ?, enrolled_at = ?, unconfirmed = ?, begins_until = NULL, recovery = ?, device_epoch = device_epoch + 1, ends_at = NULL WHERE subject = ? AND unconfirmed = ? AND begins_until > ? AND step < ?")
	s.accept = d.statement(update + right + ", secret = ? WHERE subject = ? AND secret = ? AND step < ?")

	const unchanged = " WHERE subject = ? AND changes = ?"
	s.codes = d.statement(update + "code_row = ?, code_recent = ?, code_recent_at = ?, code_wait_until = ?" + unchanged)
	s.backup = d.statement(update + "backup_row = ?, backup_recent = ?, backup_recent_at = ?, backup_wait_until = ?" + unchanged)
	s.taken = d.statement(update + noCodes + ", " + noBackup + ", recovery = ?" + unchanged)

	s.replace = d.statement(update + "recovery = ? WHERE subject = ? AND secret = ?")
	s.forget = d.statement(update + "device_epoch = device_epoch + 1 WHERE subject = ?")
	end := update + "device_epoch = device_epoch + 1, secret = ?, enrolled_at = NULL, unconfirmed = ?, begins_until = NULL, recovery = ?, ends_at = " + d.dialect.now()
	s.delete = d.statement(end + " WHERE subject = ?")
	s.forgiven = d.statement(end + ", " + noCodes + ", " + noBackup + " WHERE subject = ?")
}

// none is an empty column: no secret, no recovery codes.
var none = []byte{}

// TOTP is of store.TOTPs, as are the methods below. It is one statement.
func (s *totps) TOTP(ctx context.Context, subject string) (t store.TOTP, err error) {
	err = s.db.run(ctx, "TOTP", func(c conn) error {
		if err := checkSubject(subject, store.ErrNotFound); err != nil {
			return err
		}
		row, err := s.row(ctx, c, s.read, subject)
		t = row.TOTP
		return err
	})
	return t, err
}

// checkSubject answers absent of a subject that no row can have.
func checkSubject(subject string, absent error) error {
	if err := checkText("the subject", subject, maxSubject); err != nil {
		return fmt.Errorf("authn/sqlstore: %w: %w", absent, err)
	}
	return nil
}

// checkSealed refuses what a column of sealed secrets cannot keep.
func checkSealed(field string, sealed []byte) error {
	if n := len(sealed); n == 0 || n > maxSealed {
		return fmt.Errorf("%s has %d bytes, not 1 to %d", field, n, maxSealed)
	}
	return nil
}

// BeginTOTP is one statement where there is a row, and else up to three, of which
// one takes effect.
func (s *totps) BeginTOTP(ctx context.Context, subject string, secret, sealed []byte, until time.Time) error {
	return s.db.write(ctx, "begin TOTP", func(c conn) error {
		if err := errors.Join(checkText("the subject", subject, maxSubject), checkSealed("sealed", sealed), checkTime("until", until)); err != nil {
			return err
		}
		at := s.db.dialect.time
		var ends any // of an enrolment: none
		if len(secret) == 0 {
			ends = at(until.Add(totpKept))
		}
		begin := []any{sealed, at(until), ends, subject, notNull(secret)}
		n, err := c.changed(ctx, s.begin, begin...)
		if err != nil || n > 0 {
			return err
		}
		if len(secret) > 0 {
			return store.ErrConflict
		}
		n, err = c.changed(ctx, s.insert, subject, none, sealed, at(until), none, ends)
		if err == nil && n > 0 || err != nil && !s.db.dialect.exists(err) {
			return err
		}
		// There is a row, of an enrolment or of another who begins right now.
		return orConflict(c.changed(ctx, s.begin, begin...))
	})
}

// orConflict answers ErrConflict where no row was written.
func orConflict(n int64, err error) error {
	if err == nil && n == 0 {
		return store.ErrConflict
	}
	return err
}

// ConfirmTOTP is one statement.
func (s *totps) ConfirmTOTP(ctx context.Context, subject string, sealed []byte, step int64, codes []store.Digest, now time.Time) error {
	return s.compare(ctx, "confirm TOTP", subject, sealed, codes, func(c conn) (int64, error) {
		if err := checkTime("now", now); err != nil {
			return 0, err
		}
		at := s.db.dialect.time(now)
		return c.changed(ctx, s.confirm, step, sealed, at, none, pack(codes), subject, sealed, at, step)
	})
}

// AcceptTOTP is one statement.
func (s *totps) AcceptTOTP(ctx context.Context, subject string, secret []byte, step int64, reseal []byte) error {
	return s.compare(ctx, "accept TOTP", subject, secret, nil, func(c conn) (int64, error) {
		next := secret
		if reseal != nil {
			if err := checkSealed("reseal", reseal); err != nil {
				return 0, err
			}
			next = reseal
		}
		return c.changed(ctx, s.accept, step, next, subject, secret, step)
	})
}

// ReplaceRecoveryCodes is one statement.
func (s *totps) ReplaceRecoveryCodes(ctx context.Context, subject string, secret []byte, codes []store.Digest) error {
	return s.compare(ctx, "replace recovery codes", subject, secret, codes, func(c conn) (int64, error) {
		return c.changed(ctx, s.replace, pack(codes), subject, secret)
	})
}

// compare writes by f, which finds the row by subject and a secret. A secret that
// is empty is no row's.
func (s *totps) compare(ctx context.Context, op, subject string, secret []byte, codes []store.Digest, f func(c conn) (int64, error)) error {
	return s.db.write(ctx, op, func(c conn) error {
		if len(codes) > store.MaxRecoveryCodes {
			return fmt.Errorf("%d recovery codes, over %d", len(codes), store.MaxRecoveryCodes)
		}
		if err := checkSubject(subject, store.ErrConflict); err != nil {
			return err
		}
		if len(secret) == 0 {
			return store.ErrConflict
		}
		return orConflict(f(c))
	})
}

// ForgetTOTPDevices is one statement.
func (s *totps) ForgetTOTPDevices(ctx context.Context, subject string) error {
	return s.all(ctx, "forget TOTP devices", s.forget, subject)
}

// DeleteTOTP is one statement.
func (s *totps) DeleteTOTP(ctx context.Context, subject string, forgive bool) error {
	text := s.delete
	if forgive {
		text = s.forgiven
	}
	return s.all(ctx, "delete TOTP", text, none, none, none, s.db.clock(totpKept), subject)
}

// all says text, whose last parameter is the subject, there or not.
func (s *totps) all(ctx context.Context, op string, text *statement, args ...any) error {
	return s.db.write(ctx, op, func(c conn) error {
		if subject, _ := args[len(args)-1].(string); checkText("", subject, maxSubject) != nil {
			return nil // such a one is not there
		}
		_, err := c.exec(ctx, text, args...)
		return err
	})
}
