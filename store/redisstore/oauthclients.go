package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/store"
)

// OAuthClient is of [store.OAuthClients], as are the methods below. It is one
// HGETALL.
func (s *Store) OAuthClient(ctx context.Context, id string) (store.OAuthClient, error) {
	if err := checkClientID(id); err != nil {
		return store.OAuthClient{}, err
	}
	row, err := s.client.HGetAll(ctx, s.oauthClients[0]+"client:"+id).Result()
	if err != nil {
		return store.OAuthClient{}, failed("read an OAuth client", err)
	}
	if len(row) == 0 {
		return store.OAuthClient{}, store.ErrNotFound
	}
	return clientOf(row)
}

func (s *Store) CreateOAuthClient(ctx context.Context, c store.OAuthClient) error {
	if err := checkClient(c); err != nil {
		return err
	}
	var secrets strings.Builder
	for _, secret := range c.Secrets {
		secrets.WriteString(lineOf(secret))
	}
	row := fields{"id", c.ID, "revision", "1", "created", micros(c.CreatedAt), "secrets", secrets.String()}
	row.set("method", c.AuthMethod)
	row.at("disabled", c.DisabledAt)
	answer, err := remembered(ctx, s.run, createOAuthClientScript, s.oauthClients, slices.Concat([]any{c.ID}, row, changingOf(c))...)
	if err != nil {
		return failed("create an OAuth client", err)
	}
	return refusal(answer)
}

func (s *Store) UpdateOAuthClient(ctx context.Context, c store.OAuthClient) error {
	if err := checkClientID(c.ID); err != nil {
		return err
	}
	if err := checkChanging(c); err != nil {
		return fmt.Errorf("authn/redisstore: %w", err)
	}
	answer, err := remembered(ctx, s.deny, updateOAuthClientScript, s.oauthClients, append([]any{c.ID, c.Revision}, changingOf(c)...)...)
	if err != nil {
		return failed("update an OAuth client", err)
	}
	return refusal(answer)
}

func (s *Store) RotateOAuthSecret(ctx context.Context, id string, secret store.ClientSecret, until, now time.Time) error {
	if err := checkClientID(id); err != nil {
		return err
	}
	answer, err := remembered(ctx, s.deny, rotateOAuthSecretScript, s.oauthClients, id, lineOf(secret), micros(until), micros(now))
	if err != nil {
		return failed("rotate the secret of an OAuth client", err)
	}
	return refusal(answer)
}

func (s *Store) DisableOAuthClient(ctx context.Context, id string, now time.Time) error {
	if err := checkClientID(id); err != nil {
		return err
	}
	answer, err := s.deny(ctx, disableOAuthClientScript, s.oauthClients, id, micros(now))
	if err != nil {
		return failed("disable an OAuth client", err)
	}
	return refusal(answer)
}

// ListOAuthClients answers the last ID as the cursor.
func (s *Store) ListOAuthClients(ctx context.Context, p store.Page) (cs []store.OAuthClient, next string, err error) {
	if err := checkClientID(p.Cursor); err != nil {
		return nil, "", err
	}
	answer, err := listOAuthClientsScript.Run(ctx, s.client, s.oauthClients, p.Cursor, p.Size()).Slice()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, "", store.ErrNotFound
	case err == nil && len(answer) == 0:
		err = errors.New("a script answered an empty list")
	}
	if err != nil {
		return nil, "", failed("list OAuth clients", err)
	}
	for _, row := range answer[1:] {
		c, err := clientOf(fieldsOf(row))
		if err != nil {
			return nil, "", err
		}
		cs = append(cs, c)
	}
	if answer[0] == int64(1) && len(cs) > 0 {
		next = cs[len(cs)-1].ID
	}
	return cs, next, nil
}

// changingOf are the fields that UpdateOAuthClient replaces, those that are zero,
// too.
func changingOf(c store.OAuthClient) []any {
	return []any{
		"name", c.Name, "jwks", c.JWKS, "cert", c.CertSubject,
		"scopes", join(c.Scopes...), "audience", join(c.Audience...), "serves", join(c.Serves...),
	}
}

// lineOf is how scripts/create_oauth_client.lua says that a secret is kept.
func lineOf(s store.ClientSecret) string {
	return s.Digest.String() + " " + at(s.CreatedAt) + " " + at(s.ExpiresAt) + "\n"
}

func clientOf(row map[string]string) (store.OAuthClient, error) {
	r := reader{row: row}
	c := store.OAuthClient{
		ID: row["id"], Name: row["name"], AuthMethod: row["method"], Secrets: r.secrets("secrets"),
		JWKS: optional(row["jwks"]), CertSubject: row["cert"],
		Scopes: r.list("scopes"), Audience: r.list("audience"), Serves: r.list("serves"),
		CreatedAt: r.at("created"), DisabledAt: r.at("disabled"), Revision: r.int("revision"),
	}
	if r.err == nil && (c.ID == "" || c.CreatedAt.IsZero() || c.Revision < 1) {
		r.err = errors.New("a part of it is gone")
	}
	if r.err != nil {
		return store.OAuthClient{}, fmt.Errorf("authn/redisstore: %w: OAuth client %q: %w", store.ErrDamaged, c.ID, r.err)
	}
	return c, nil
}

func (r *reader) secrets(field string) (secrets []store.ClientSecret) {
	for line := range strings.Lines(r.row[field]) {
		parts := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(parts) != 3 {
			r.err = errors.Join(r.err, errors.New("a secret is cut off"))
			return nil
		}
		digest, err := store.ParseDigest(parts[0])
		created, expires := textReader{rest: parts[1]}, textReader{rest: parts[2]}
		secrets = append(secrets, store.ClientSecret{Digest: digest, CreatedAt: created.micros(), ExpiresAt: expires.micros()})
		r.err = errors.Join(r.err, err, created.err, expires.err)
	}
	return secrets
}
