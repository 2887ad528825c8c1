package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// totpRow is a row of totps, the server's clock when it was read, and how often
// it has been written to.
type totpRow struct {
	store.TOTP
	now     time.Time
	changes int64
}

// row answers the one row of st.
func (s *totps) row(ctx context.Context, c conn, st *statement, subject string) (row totpRow, err error) {
	there := false
	err = c.each(ctx, st, func(rows *sql.Rows) error {
		there = true
		row, err = scanTOTP(rows)
		row.Subject = subject
		return err
	}, s.db.clock(0), subject)
	if err == nil && !there {
		err = store.ErrNotFound
	}
	if err != nil {
		return totpRow{}, err
	}
	return row, nil
}

func scanTOTP(rows *sql.Rows) (r totpRow, err error) {
	var recovery []byte
	codes, backup := &r.Codes, &r.Backup
	err = rows.Scan(instant{&r.now}, &r.changes, &r.Secret, &r.Unconfirmed, instant{&r.EnrolledAt}, instant{&r.BeginsUntil}, &r.Step, &recovery, &r.DeviceEpoch,
		&codes.Row, &codes.Recent, instant{&codes.RecentAt}, instant{&codes.WaitUntil},
		&backup.Row, &backup.Recent, instant{&backup.RecentAt}, instant{&backup.WaitUntil})
	if err != nil {
		return totpRow{}, err
	}
	if len(r.Secret) == 0 {
		r.Secret = nil
	}
	if len(r.Unconfirmed) == 0 {
		r.Unconfirmed = nil
	}
	r.Recovery, err = unpack(recovery)
	return r, err
}

// pack is codes one after the other.
func pack(codes []store.Digest) []byte {
	packed := make([]byte, 0, len(codes)*len(store.Digest{}))
	for _, d := range codes {
		packed = append(packed, d[:]...)
	}
	return packed
}

func unpack(packed []byte) ([]store.Digest, error) {
	codes := make([]store.Digest, 0, len(packed)/len(store.Digest{}))
	for part := range slices.Chunk(packed, len(store.Digest{})) {
		if len(part) < len(store.Digest{}) {
			return nil, fmt.Errorf("authn/sqlstore: recovery codes of %d bytes: %w", len(packed), store.ErrDamaged)
		}
		codes = append(codes, store.Digest(part))
	}
	return codes, nil
}

// change decides by subject's row, and writes by a statement whose last two
// parameters are subject and changes. It reads without a lock and writes to the
// row as it was read, which is two statements, or one where decide refuses.
// Where others were first, it locks the row and decides again.
func (s *totps) change(ctx context.Context, op, subject string, decide func(row totpRow) (text *statement, args []any, err error)) error {
	if err := checkSubject(subject, store.ErrNotFound); err != nil {
		return s.db.explain(op, err)
	}
	var text *statement
	var args []any
	judge := func(c conn, read *statement) error {
		row, err := s.row(ctx, c, read, subject)
		if err != nil {
			return err
		}
		text, args, err = decide(row)
		args = append(args, subject, row.changes)
		return err
	}
	if _, inTx, _ := s.db.host(ctx); !inTx {
		if err := s.db.run(ctx, op, func(c conn) error { return judge(c, s.read) }); err != nil {
			return err
		}
		var n int64
		err := s.db.write(ctx, op, func(c conn) (err error) {
			n, err = c.changed(ctx, text, args...)
			return err
		})
		if err != nil || n > 0 {
			return err
		}
	}
	return s.db.transact(ctx, op, func(c conn) error {
		if err := judge(c, s.lock); err != nil {
			return err
		}
		return orConflict(c.changed(ctx, text, args...)) // it is locked: there is none
	})
}

// ReserveTOTP is of store.TOTPs. It is two statements, or one that refuses.
func (s *totps) ReserveTOTP(ctx context.Context, subject string, p store.GuessPolicy) (t store.TOTP, wait time.Duration, err error) {
	err = s.change(ctx, "reserve TOTP", subject, func(row totpRow) (*statement, []any, error) {
		t, wait = row.TOTP, 0
		if t.Secret == nil && t.Unconfirmed == nil {
			return nil, nil, store.ErrNotFound
		}
		g, text := &t.Codes, s.codes
		if p.Backup {
			g, text = &t.Backup, s.backup
		}
		next, left, err := g.Count(p, row.now)
		if err != nil {
			wait = left
			return nil, nil, err
		}
		next.WaitUntil = next.WaitUntil.Truncate(time.Microsecond)
		*g = next
		at := s.db.dialect.time
		return text, []any{g.Row, g.Recent, at(g.RecentAt), at(g.WaitUntil)}, nil
	})
	if err != nil {
		return store.TOTP{}, wait, err
	}
	return t, 0, nil
}

// TakeRecoveryCode is two statements, or one that refuses.
func (s *totps) TakeRecoveryCode(ctx context.Context, subject string, d store.Digest) (left int, err error) {
	err = s.change(ctx, "take recovery code", subject, func(row totpRow) (*statement, []any, error) {
		i := slices.Index(row.Recovery, d)
		if i < 0 {
			return nil, nil, store.ErrNotFound
		}
		codes := slices.Delete(row.Recovery, i, i+1)
		left = len(codes)
		return s.taken, []any{pack(codes)}, nil
	})
	if err != nil {
		return 0, err
	}
	return left, nil
}
