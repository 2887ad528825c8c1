package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// The bytes that columns of oauth_clients take.
const (
	maxClientID    = 255
	maxAuthMethod  = 64
	maxJWKS        = 64 << 10
	maxCertSubject = 1024
	maxClientLists = 64 << 10 // together
)

// clientSecret is store.ClientSecret in JSON.
type clientSecret struct {
	Digest    store.Digest `json:"digest"`
	CreatedAt time.Time    `json:"created_at"`
	ExpiresAt time.Time    `json:"expires_at,omitzero"`
}

// read answers the one row of st.
func (o *oauthClients) read(ctx context.Context, c conn, st *statement, id string) (store.OAuthClient, error) {
	if err := checkClientID(id); err != nil {
		return store.OAuthClient{}, err
	}
	found, err := o.readAll(ctx, c, st, id)
	if err == nil && len(found) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.OAuthClient{}, err
	}
	return found[0], nil
}

// readAll answers the rows of st.
func (o *oauthClients) readAll(ctx context.Context, c conn, st *statement, args ...any) (found []store.OAuthClient, err error) {
	err = c.each(ctx, st, func(rows *sql.Rows) error {
		x, err := scanClient(rows)
		found = append(found, x)
		return err
	}, args...)
	if err != nil {
		return nil, err
	}
	return found, nil
}

func scanClient(rows *sql.Rows) (c store.OAuthClient, err error) {
	var secrets []clientSecret
	err = rows.Scan(&c.ID, &c.Name, &c.AuthMethod, jsonValue{&secrets}, &c.JWKS, &c.CertSubject,
		jsonValue{&c.Scopes}, jsonValue{&c.Audience}, jsonValue{&c.Serves}, instant{&c.CreatedAt}, instant{&c.DisabledAt}, &c.Revision)
	if err != nil && rows.Err() != nil {
		return c, err // not of the row: ctx has ended, say
	}
	if err != nil {
		return c, fmt.Errorf("authn/sqlstore: OAuth client %q: %w: %w", c.ID, store.ErrDamaged, err)
	}
	if len(c.JWKS) == 0 {
		c.JWKS = nil
	}
	for _, s := range secrets {
		c.Secrets = append(c.Secrets, store.ClientSecret(s))
	}
	return c, nil
}

// clientArgs checks what UpdateOAuthClient replaces, and is it in its order.
func clientArgs(c store.OAuthClient) ([]any, error) {
	if n := len(c.JWKS); n > maxJWKS {
		return nil, fmt.Errorf("OAuthClient.JWKS has %d bytes, over %d", n, maxJWKS)
	}
	err := errors.Join(checkText("OAuthClient.Name", c.Name, maxShown), checkText("OAuthClient.CertSubject", c.CertSubject, maxCertSubject))
	if err != nil {
		return nil, err
	}
	args, size := []any{c.Name, notNull(c.JWKS), c.CertSubject}, 0
	for _, l := range []struct {
		field string
		list  []string
	}{{"Scopes", c.Scopes}, {"Audience", c.Audience}, {"Serves", c.Serves}} {
		for _, s := range l.list {
			size += len(s)
		}
		text, err := listText("OAuthClient."+l.field, l.list)
		if err != nil {
			return nil, err
		}
		args = append(args, text)
	}
	if size > maxClientLists {
		return nil, fmt.Errorf("OAuthClient.Scopes, Audience and Serves have %d bytes, over %d", size, maxClientLists)
	}
	return args, nil
}

// newClientArgs checks what only CreateOAuthClient writes, and is it in its order.
func (d *database) newClientArgs(c store.OAuthClient) ([]any, error) {
	if c.ID == "" {
		return nil, errors.New("OAuthClient.ID is empty")
	}
	err := errors.Join(
		checkText("OAuthClient.ID", c.ID, maxClientID),
		checkText("OAuthClient.AuthMethod", c.AuthMethod, maxAuthMethod),
		checkTime("OAuthClient.CreatedAt", c.CreatedAt),
	)
	if err == nil && !c.DisabledAt.IsZero() {
		err = checkTime("OAuthClient.DisabledAt", c.DisabledAt)
	}
	if err != nil {
		return nil, err
	}
	secrets, err := secretsText(c.Secrets)
	return []any{c.ID, c.AuthMethod, secrets, d.dialect.time(c.CreatedAt), d.dialect.time(c.DisabledAt)}, err
}

// secretsText is secrets in JSON.
func secretsText(secrets []store.ClientSecret) (string, error) {
	if n := len(secrets); n > store.MaxClientSecrets {
		return "", fmt.Errorf("%d client secrets, over %d", n, store.MaxClientSecrets)
	}
	list := make([]clientSecret, len(secrets))
	for i, s := range secrets {
		if err := checkSecret(s); err != nil {
			return "", err
		}
		list[i] = clientSecret{s.Digest, micros(s.CreatedAt), micros(s.ExpiresAt)}
	}
	return jsonText(list), nil
}

// micros is t as a column of times would keep it.
func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// checkSecret refuses times that JSON cannot keep.
func checkSecret(s store.ClientSecret) error {
	err := checkTime("ClientSecret.CreatedAt", s.CreatedAt)
	if err == nil && !s.ExpiresAt.IsZero() {
		err = checkTime("ClientSecret.ExpiresAt", s.ExpiresAt)
	}
	return err
}
