package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// oauthClients is store.OAuthClients.
type oauthClients struct {
	db *database

	byID, lock, page                *statement
	insert, update, rotate, disable *statement
}

func (o *oauthClients) init(d *database) {
	o.db = d
	orNothing := " ON CONFLICT DO NOTHING"
	if d.dialect == MySQL {
		orNothing = ""
	}
	read := "SELECT id, name, auth_method, secrets, jwks, cert_subject, scopes, audience, serves, " +
		d.dialect.readTime("created_at") + ", " + d.dialect.readTime("disabled_at") + ", revision FROM {oauth_clients} WHERE "
	o.byID = d.statement(read + "id = ?")
	o.lock = d.statement(read + "id = ?" + d.dialect.forUpdate())
	o.page = d.statement(read + "id > ? ORDER BY id LIMIT ?")
	o.insert = d.statement("INSERT INTO {oauth_clients} (id, auth_method, secrets, created_at, disabled_at, name, jwks, cert_subject, scopes, audience, serves, revision) VALUES (" + marks(11) + ", 1)" + orNothing)
	o.update = d.statement("UPDATE {oauth_clients} SET name = ?, jwks = ?, cert_subject = ?, scopes = ?, audience = ?, serves = ?, revision = revision + 1 WHERE id = ? AND revision = ?")
	o.rotate = d.statement("UPDATE {oauth_clients} SET secrets = ? WHERE id = ?")
	o.disable = d.statement("UPDATE {oauth_clients} SET disabled_at = ? WHERE id = ? AND disabled_at IS NULL")
}

// OAuthClient is of store.OAuthClients, as are the methods below. It is one
// statement.
func (o *oauthClients) OAuthClient(ctx context.Context, id string) (found store.OAuthClient, err error) {
	err = o.db.run(ctx, "OAuth client", func(c conn) error {
		found, err = o.read(ctx, c, o.byID, id)
		return err
	})
	return found, err
}

// CreateOAuthClient is one statement.
func (o *oauthClients) CreateOAuthClient(ctx context.Context, created store.OAuthClient) error {
	return o.db.write(ctx, "create OAuth client", func(c conn) error {
		about, err := clientArgs(created)
		if err != nil {
			return err
		}
		what, err := o.db.newClientArgs(created)
		if err != nil {
			return err
		}
		n, err := c.changed(ctx, o.insert, append(what, about...)...)
		if o.db.dialect.exists(err) || err == nil && n == 0 {
			return store.ErrExists
		}
		return err
	})
}

// UpdateOAuthClient is one statement, and another to say why it did not.
func (o *oauthClients) UpdateOAuthClient(ctx context.Context, changed store.OAuthClient) error {
	return o.db.write(ctx, "update OAuth client", func(c conn) error {
		about, err := clientArgs(changed)
		if err != nil {
			return err
		}
		if err := checkClientID(changed.ID); err != nil {
			return err
		}
		n, err := c.changed(ctx, o.update, append(about, changed.ID, changed.Revision)...)
		if err == nil && n == 0 {
			if _, err = o.read(ctx, c, o.byID, changed.ID); err == nil {
				err = store.ErrConflict
			}
		}
		return err
	})
}

// RotateOAuthSecret reads the client, locked, and writes its secrets.
func (o *oauthClients) RotateOAuthSecret(ctx context.Context, id string, s store.ClientSecret, until, now time.Time) error {
	return o.db.transact(ctx, "rotate OAuth secret", func(c conn) error {
		if err := checkSecret(s); err != nil {
			return err
		}
		client, err := o.read(ctx, c, o.lock, id)
		if err != nil {
			return err
		}
		if !client.DisabledAt.IsZero() {
			return store.ErrConflict
		}
		secrets, err := rotated(client.Secrets, s, until, now)
		if err != nil {
			return err
		}
		text, err := secretsText(secrets)
		if err != nil {
			return err
		}
		_, err = c.exec(ctx, o.rotate, text, id)
		return err
	})
}

// rotated is what RotateOAuthSecret makes of secrets.
func rotated(secrets []store.ClientSecret, s store.ClientSecret, until, now time.Time) ([]store.ClientSecret, error) {
	next := []store.ClientSecret{s}
	if !until.After(now) {
		return next, nil
	}
	for _, old := range secrets {
		if !old.Live(now) {
			continue
		}
		if len(next) == store.MaxClientSecrets {
			return nil, store.ErrLimit
		}
		if old.ExpiresAt.IsZero() || until.Before(old.ExpiresAt) {
			old.ExpiresAt = until
		}
		next = append(next, old)
	}
	return next, nil
}

// DisableOAuthClient is one statement, and another where it was disabled before.
func (o *oauthClients) DisableOAuthClient(ctx context.Context, id string, now time.Time) error {
	return o.db.write(ctx, "disable OAuth client", func(c conn) error {
		if err := errors.Join(checkClientID(id), checkTime("now", now)); err != nil {
			return err
		}
		n, err := c.changed(ctx, o.disable, o.db.dialect.time(now), id)
		if err == nil && n == 0 {
			_, err = o.read(ctx, c, o.byID, id)
		}
		return err
	})
}

// ListOAuthClients is one statement, and another where there is a cursor.
func (o *oauthClients) ListOAuthClients(ctx context.Context, p store.Page) (found []store.OAuthClient, next string, err error) {
	err = o.db.run(ctx, "list OAuth clients", func(c conn) error {
		found, next = nil, ""
		if p.Cursor != "" {
			if _, err := o.read(ctx, c, o.byID, p.Cursor); err != nil {
				return err
			}
		}
		found, err = o.readAll(ctx, c, o.page, p.Cursor, p.Size()+1)
		if err == nil && len(found) > p.Size() {
			found = found[:p.Size()]
			next = found[len(found)-1].ID
		}
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return found, next, nil
}

// checkClientID answers that what no row can have is not there.
func checkClientID(id string) error {
	if err := checkText("the id", id, maxClientID); err != nil {
		return fmt.Errorf("authn/sqlstore: %w: %w", store.ErrNotFound, err)
	}
	return nil
}
