package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// users is the application's own tables. It implements store.Passwords, so that
// passwords lie beside their users.
type users struct{ db *sql.DB }

var _ store.Passwords = (*users)(nil)

// user is one. Email is "" of who only comes by another provider.
type user struct {
	ID, Email, Name string
	Verified        bool
	HasPassword     bool
}

// schema is of PostgreSQL and SQLite. Times are microseconds.
const schema = `
CREATE TABLE IF NOT EXISTS users (
	id       TEXT PRIMARY KEY,
	email    TEXT UNIQUE, -- in lower case and NFC
	name     TEXT NOT NULL,
	hash     TEXT NOT NULL DEFAULT '',
	verified BOOLEAN NOT NULL, -- the address; it blocks nobody, whose link would unblock
	changed  BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS links ( -- to accounts elsewhere
	issuer   TEXT NOT NULL,
	subject  TEXT NOT NULL,
	user_id  TEXT NOT NULL,
	provider TEXT NOT NULL,
	PRIMARY KEY (issuer, subject)
);
CREATE INDEX IF NOT EXISTS links_of ON links (user_id);
CREATE TABLE IF NOT EXISTS notes (
	id      TEXT PRIMARY KEY,
	user_id TEXT NOT NULL,
	text    TEXT NOT NULL,
	at      BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS notes_of ON notes (user_id, at);
CREATE TABLE IF NOT EXISTS events (
	user_id TEXT NOT NULL,
	at      BIGINT NOT NULL,
	kind    TEXT NOT NULL,
	method  TEXT NOT NULL,
	reason  TEXT NOT NULL,
	addr    TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_of ON events (user_id, at);`

func (u *users) open(ctx context.Context) error {
	_, err := u.db.ExecContext(ctx, schema)
	return err
}

// PasswordByName is of store.Passwords.
func (u *users) PasswordByName(ctx context.Context, name string) (store.Password, error) {
	return u.password(u.db.QueryRowContext(ctx, `SELECT id, email, hash FROM users WHERE email = $1`, name))
}

// PasswordBySubject is of store.Passwords.
func (u *users) PasswordBySubject(ctx context.Context, id string) (store.Password, error) {
	return u.password(u.db.QueryRowContext(ctx, `SELECT id, COALESCE(email, ''), hash FROM users WHERE id = $1`, id))
}

func (u *users) password(row *sql.Row) (p store.Password, err error) {
	err = found(row.Scan(&p.Subject, &p.Name, &p.Hash))
	return p, err
}

// ReplacePasswordHash is of store.Passwords.
func (u *users) ReplacePasswordHash(ctx context.Context, id, old, next string, now time.Time) error {
	return one(store.ErrConflict)(u.db.ExecContext(ctx,
		`UPDATE users SET hash = $1, changed = $2 WHERE id = $3 AND hash = $4`, next, now.UnixMicro(), id, old))
}

func (u *users) byID(ctx context.Context, id string) (x user, err error) {
	err = found(u.db.QueryRowContext(ctx, `SELECT id, COALESCE(email, ''), name, verified, hash <> '' FROM users WHERE id = $1`, id).
		Scan(&x.ID, &x.Email, &x.Name, &x.Verified, &x.HasPassword))
	return x, err
}

// create is a user who has yet to prove the address. store.ErrExists.
func (u *users) create(ctx context.Context, email, hash string) (id string, err error) {
	id = rand.Text()
	return id, one(store.ErrExists)(u.db.ExecContext(ctx,
		`INSERT INTO users (id, email, name, hash, verified) VALUES ($1, $2, $3, $4, FALSE) ON CONFLICT DO NOTHING`, id, email, email, hash))
}

// verify is for who has proven this very address.
func (u *users) verify(ctx context.Context, id, email string) error {
	return one(store.ErrNotFound)(u.db.ExecContext(ctx, `UPDATE users SET verified = TRUE WHERE id = $1 AND email = $2`, id, email))
}

// delete takes everything of the user away.
func (u *users) delete(ctx context.Context, id string) error {
	tx, err := u.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	for _, q := range []string{
		`DELETE FROM links WHERE user_id = $1`, `DELETE FROM notes WHERE user_id = $1`,
		`DELETE FROM events WHERE user_id = $1`, `DELETE FROM users WHERE id = $1`,
	} {
		if _, err := tx.ExecContext(ctx, q, id); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// found makes store.ErrNotFound of no row.
func found(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}

// one makes none of a statement that changed no row.
func one(none error) func(sql.Result, error) error {
	return func(res sql.Result, err error) error {
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return none
	}
}
