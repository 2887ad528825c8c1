package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/gatehouse-go/authn/store"
)

// providerTokens is store.ProviderTokens. Each call is one statement.
type providerTokens struct {
	db *database

	read, put, replace, delete, deleteAll *statement
}

// The bytes that columns of provider_tokens take.
const (
	maxProvider      = 64
	maxProviderToken = 32 << 10
)

func (p *providerTokens) init(d *database) {
	p.db = d
	const of = " WHERE subject = ? AND provider = ?"
	p.read = d.statement("SELECT sealed FROM {provider_tokens}" + of)
	put := `
		INSERT INTO {provider_tokens} AS t (subject, provider, sealed, changes) VALUES (?, ?, ?, 0)
		ON CONFLICT (subject, provider) DO UPDATE SET sealed = ?, changes = t.changes + 1`
	if d.dialect == MySQL {
		put = `
		INSERT INTO {provider_tokens} (subject, provider, sealed, changes) VALUES (?, ?, ?, 0)
		ON DUPLICATE KEY UPDATE sealed = ?, changes = changes + 1`
	}
	p.put = d.statement(put)
	// It always changes a column: a driver of MySQL may count only such rows.
	p.replace = d.statement("UPDATE {provider_tokens} SET sealed = ?, changes = changes + 1" + of + " AND sealed = ?")
	p.delete = d.statement("DELETE FROM {provider_tokens}" + of)
	p.deleteAll = d.statement("DELETE FROM {provider_tokens} WHERE subject = ?")
}

// checkProvider refuses what no row can have.
func checkProvider(subject, provider string) error {
	return errors.Join(checkText("the subject", subject, maxSubject), checkText("the provider", provider, maxProvider))
}

// checkProviderToken refuses what the column cannot keep.
func checkProviderToken(sealed []byte) error {
	if n := len(sealed); n == 0 || n > maxProviderToken {
		return fmt.Errorf("sealed has %d bytes, not 1 to %d", n, maxProviderToken)
	}
	return nil
}

// ProviderToken is of store.ProviderTokens, as are the methods below.
func (p *providerTokens) ProviderToken(ctx context.Context, subject, provider string) (sealed []byte, err error) {
	err = p.db.run(ctx, "provider token", func(c conn) error {
		if err := checkProvider(subject, provider); err != nil {
			return fmt.Errorf("authn/sqlstore: %w: %w", store.ErrNotFound, err)
		}
		there := false
		err := c.each(ctx, p.read, func(rows *sql.Rows) error {
			there = true
			return rows.Scan(&sealed)
		}, subject, provider)
		if err == nil && !there {
			err = store.ErrNotFound
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return sealed, nil
}

func (p *providerTokens) PutProviderToken(ctx context.Context, subject, provider string, sealed []byte) error {
	return p.db.write(ctx, "put provider token", func(c conn) error {
		if err := errors.Join(checkProvider(subject, provider), checkProviderToken(sealed)); err != nil {
			return err
		}
		_, err := c.exec(ctx, p.put, subject, provider, sealed, sealed)
		return err
	})
}

func (p *providerTokens) ReplaceProviderToken(ctx context.Context, subject, provider string, old, sealed []byte) error {
	return p.db.write(ctx, "replace provider token", func(c conn) error {
		if err := checkProviderToken(sealed); err != nil {
			return err
		}
		if err := checkProvider(subject, provider); err != nil {
			return fmt.Errorf("authn/sqlstore: %w: %w", store.ErrConflict, err)
		}
		return orConflict(c.changed(ctx, p.replace, sealed, subject, provider, notNull(old)))
	})
}

func (p *providerTokens) DeleteProviderToken(ctx context.Context, subject, provider string) error {
	return p.db.write(ctx, "delete provider token", func(c conn) error {
		if checkProvider(subject, provider) != nil {
			return nil // such a one is not there
		}
		_, err := c.exec(ctx, p.delete, subject, provider)
		return err
	})
}

func (p *providerTokens) DeleteProviderTokensOf(ctx context.Context, subject string) error {
	return p.db.write(ctx, "delete provider tokens", func(c conn) error {
		if checkProvider(subject, "") != nil {
			return nil
		}
		_, err := c.exec(ctx, p.deleteAll, subject)
		return err
	})
}
