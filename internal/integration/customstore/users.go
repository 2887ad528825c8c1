package customstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// UsersTable is the host's, with one column for this library: hash.
const UsersTable = `CREATE TABLE users (
	id      TEXT PRIMARY KEY,
	email   TEXT NOT NULL UNIQUE, -- in lower case and NFC
	hash    TEXT NOT NULL DEFAULT '',
	changed INTEGER NOT NULL DEFAULT 0
)`

// Users is store.Passwords.
type Users struct{ DB *sql.DB }

var _ store.Passwords = Users{}

// PasswordByName finds who logs in.
func (u Users) PasswordByName(ctx context.Context, name string) (store.Password, error) {
	return u.password(u.DB.QueryRowContext(ctx, `SELECT id, email, hash FROM users WHERE email = $1`, name))
}

// PasswordBySubject finds who is signed in already.
func (u Users) PasswordBySubject(ctx context.Context, subject string) (store.Password, error) {
	return u.password(u.DB.QueryRowContext(ctx, `SELECT id, email, hash FROM users WHERE id = $1`, subject))
}

func (u Users) password(row *sql.Row) (p store.Password, err error) {
	err = row.Scan(&p.Subject, &p.Name, &p.Hash)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return store.Password{}, store.ErrNotFound
	case err != nil:
		return store.Password{}, fmt.Errorf("password: %w", err) // an outage: 503
	}
	return p, nil
}

// ReplacePasswordHash writes only over the hash that was read: a password that
// was changed meanwhile stays.
func (u Users) ReplacePasswordHash(ctx context.Context, subject, old, next string, now time.Time) error {
	res, err := u.DB.ExecContext(ctx, `UPDATE users SET hash = $1, changed = $2 WHERE id = $3 AND hash = $4`,
		next, now.UnixMicro(), subject, old)
	if err != nil {
		return fmt.Errorf("replace password hash: %w", err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return fmt.Errorf("replace password hash: %w", err)
	}
	if n == 0 {
		return store.ErrConflict
	}
	return nil
}
