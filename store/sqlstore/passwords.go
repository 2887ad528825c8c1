package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// passwords is store.PasswordTable. Each call is one statement.
type passwords struct {
	db *database

	byName, bySubject       *statement
	replace, insert, delete *statement
}

// The bytes that columns of passwords take.
const (
	maxName = 255
	maxHash = 1024
)

func (p *passwords) init(d *database) {
	p.db = d
	orNothing := " ON CONFLICT DO NOTHING"
	if d.dialect == MySQL {
		orNothing = ""
	}
	const read = "SELECT subject, name, hash FROM {passwords} WHERE "
	p.byName = d.statement(read + "name = ?")
	p.bySubject = d.statement(read + "subject = ?")
	// It always changes a column: a driver of MySQL may count only such rows.
	p.replace = d.statement("UPDATE {passwords} SET hash = ?, changes = changes + 1, changed_at = ? WHERE subject = ? AND hash = ?")
	p.insert = d.statement("INSERT INTO {passwords} (subject, name, hash, changes, created_at, changed_at) VALUES (?, ?, ?, 0, ?, ?)" + orNothing)
	p.delete = d.statement("DELETE FROM {passwords} WHERE subject = ?")
}

// PasswordByName is of store.PasswordTable, as are the methods below.
func (p *passwords) PasswordByName(ctx context.Context, name string) (store.Password, error) {
	return p.read(ctx, p.byName, "password by name", "the name", name, maxName)
}

func (p *passwords) PasswordBySubject(ctx context.Context, subject string) (store.Password, error) {
	return p.read(ctx, p.bySubject, "password by subject", "the subject", subject, maxSubject)
}

// read answers the one row of s. What no column can hold is not there.
func (p *passwords) read(ctx context.Context, s *statement, op, field, key string, most int) (found store.Password, err error) {
	err = p.db.run(ctx, op, func(c conn) error {
		if err := checkText(field, key, most); err != nil {
			return fmt.Errorf("authn/sqlstore: %w: %w", store.ErrNotFound, err)
		}
		there := false
		err := c.each(ctx, s, func(rows *sql.Rows) error {
			there = true
			return rows.Scan(&found.Subject, &found.Name, &found.Hash)
		}, key)
		if err == nil && !there {
			err = store.ErrNotFound
		}
		return err
	})
	if err != nil {
		return store.Password{}, err
	}
	return found, nil
}

func (p *passwords) ReplacePasswordHash(ctx context.Context, subject, old, next string, now time.Time) error {
	return p.db.write(ctx, "replace password hash", func(c conn) error {
		if err := errors.Join(checkText("the new hash", next, maxHash), checkTime("now", now)); err != nil {
			return err
		}
		if err := errors.Join(checkText("the subject", subject, maxSubject), checkText("the old hash", old, maxHash)); err != nil {
			return fmt.Errorf("authn/sqlstore: %w: %w", store.ErrConflict, err)
		}
		n, err := c.changed(ctx, p.replace, next, p.db.dialect.time(now), subject, old)
		if err == nil && n == 0 {
			err = store.ErrConflict
		}
		return err
	})
}

func (p *passwords) CreatePassword(ctx context.Context, created store.Password, now time.Time) error {
	return p.db.write(ctx, "create password", func(c conn) error {
		if created.Subject == "" || created.Name == "" {
			return errors.New("Password.Subject or Name is empty")
		}
		err := errors.Join(
			checkText("Password.Subject", created.Subject, maxSubject),
			checkText("Password.Name", created.Name, maxName),
			checkText("Password.Hash", created.Hash, maxHash),
			checkTime("now", now),
		)
		if err != nil {
			return err
		}
		at := p.db.dialect.time(now)
		n, err := c.changed(ctx, p.insert, created.Subject, created.Name, created.Hash, at, at)
		if p.db.dialect.exists(err) || err == nil && n == 0 {
			return store.ErrExists
		}
		return err
	})
}

func (p *passwords) DeletePassword(ctx context.Context, subject string) error {
	return p.db.write(ctx, "delete password", func(c conn) error {
		if checkText("", subject, maxSubject) != nil {
			return nil // such a one is not there
		}
		_, err := c.exec(ctx, p.delete, subject)
		return err
	})
}
