package storetest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenClients = []brokenStore{
	{"JWK Sets are JSON to the database", "OAuthClients/oauth_client_keeps_every_field", clientsWith(func(s *plainClients) {
		s.read = func(c *store.OAuthClient) {
			var b bytes.Buffer
			if json.Compact(&b, c.JWKS) == nil {
				c.JWKS = b.Bytes()
			}
		}
	})},
	{"JWK Sets of 4096 bytes", "OAuthClients/oauth_client_keeps_every_field", clientsWith(func(s *plainClients) {
		s.read = func(c *store.OAuthClient) { c.JWKS = c.JWKS[:min(len(c.JWKS), 4096)] }
	})},
	{"subjects of 255 bytes", "OAuthClients/oauth_client_keeps_every_field", clientsWith(func(s *plainClients) {
		s.read = func(c *store.OAuthClient) { c.CertSubject = c.CertSubject[:min(len(c.CertSubject), 255)] }
	})},
	{"audiences are sorted", "OAuthClients/oauth_client_keeps_every_field", clientsWith(func(s *plainClients) {
		s.read = func(c *store.OAuthClient) { slices.Sort(c.Serves) }
	})},
	{"scopes of a client are one text", "OAuthClients/oauth_client_keeps_every_field", clientsWith(func(s *plainClients) {
		s.read = func(c *store.OAuthClient) { c.Scopes = strings.Fields(strings.Join(c.Scopes, " ")) }
	})},
	{"secrets end in whole seconds", "OAuthClients/oauth_client_keeps_every_field", clientsWith(func(s *plainClients) {
		s.read = func(c *store.OAuthClient) {
			for i := range c.Secrets {
				c.Secrets[i].ExpiresAt = c.Secrets[i].ExpiresAt.Truncate(time.Second)
			}
		}
	})},
	{"reads live secrets alone", "OAuthClients/oauth_client_keeps_every_field", clientsWith(func(s *plainClients) {
		s.read = func(c *store.OAuthClient) {
			c.Secrets = slices.DeleteFunc(c.Secrets, func(x store.ClientSecret) bool { return !x.Live(s.now()) })
		}
	})},
	{"updating makes a client", "OAuthClients/missing_oauth_clients", func(e *edited) any { return upsertsClients{newPlainClients(e.offset)} }},
	{"disabling no client is no error", "OAuthClients/missing_oauth_clients", clientsWith(func(s *plainClients) {
		s.says["disable"] = func(_, _ store.OAuthClient, err error) error { return nil }
	})},
	{"client ids in any case", "OAuthClients/oauth_client_ids_compare_bytewise", clientsWith(func(s *plainClients) { s.key = strings.ToLower })},
	{"client ids without spaces at the end", "OAuthClients/oauth_client_ids_compare_bytewise", clientsWith(func(s *plainClients) {
		s.key = func(id string) string { return strings.TrimRight(id, " ") }
	})},
	{"a client is disabled anew", "OAuthClients/disable_oauth_client", func(e *edited) any { return disablesAnew{newPlainClients(e.offset)} }},
	{"disabling drops the secrets", "OAuthClients/disable_oauth_client", clientsAfter("disable", func(_ store.OAuthClient, is *store.OAuthClient) { is.Secrets = nil })},
	{"disabling again is a conflict", "OAuthClients/disable_oauth_client", clientsWith(func(s *plainClients) {
		s.says["disable"] = func(was, _ store.OAuthClient, err error) error {
			if !was.DisabledAt.IsZero() {
				return store.ErrConflict
			}
			return err
		}
	})},
	{"cleans disabled clients", "OAuthClients/cleaning_spares_oauth_clients", cleansClients(func(c *store.OAuthClient, now time.Time) bool {
		return !c.DisabledAt.IsZero() && now.Sub(c.DisabledAt) > 365*24*time.Hour
	})},
	{"cleans secrets without a margin", "OAuthClients/cleaning_spares_oauth_clients", cleansClients(func(c *store.OAuthClient, now time.Time) bool {
		c.Secrets = slices.DeleteFunc(slices.Clone(c.Secrets), func(x store.ClientSecret) bool { return !x.Live(now) })
		return false
	})},
	{"client calls panic without a context", "OAuthClients/oauth_client_calls_with_an_ended_context", func(e *edited) any { return panicsOnClients{newPlainClients(e.offset)} }},

	{"a client begins at the caller's revision", "OAuthClients/create_oauth_client_begins_at_revision_1", func(e *edited) any { return keepsRevision{newPlainClients(e.offset)} }},
	{"the id of a disabled client is free", "OAuthClients/create_oauth_client_refuses_a_known_id", clientsWith(func(s *plainClients) {
		s.key = func(id string) string { // another row, once it is disabled
			if c := s.rows[id]; !c.DisabledAt.IsZero() {
				return id + " again"
			}
			return id
		}
	})},
	{"a refused client replaces", "OAuthClients/create_oauth_client_refuses_a_known_id", func(e *edited) any { return createsOver{newPlainClients(e.offset)} }},
	{"secrets of clients are unique", "OAuthClients/create_oauth_client_refuses_a_known_id", func(e *edited) any { return uniqueSecrets{newPlainClients(e.offset)} }},
	{"a client keeps the caller's slices", "OAuthClients/oauth_client_keeps_copies", clientsWith(func(s *plainClients) { s.shared = true })},
	{"rotates in place", "OAuthClients/oauth_client_answers_do_not_change", clientsWith(func(s *plainClients) {
		s.shared = true
		s.rotate = func(was []store.ClientSecret, next store.ClientSecret, until, now time.Time) ([]store.ClientSecret, error) {
			secrets, err := rotatedSecrets(was, next, until, now)
			if err != nil {
				return was, err
			}
			return append(was[:0], secrets...), nil
		}
	})},

	{"updating leaves the subject", "OAuthClients/update_oauth_client", clientsAfter("update", func(was store.OAuthClient, is *store.OAuthClient) { is.CertSubject = was.CertSubject })},
	{"updating adds to the scopes", "OAuthClients/update_oauth_client", clientsAfter("update", func(was store.OAuthClient, is *store.OAuthClient) {
		is.Scopes = slices.Concat(was.Scopes, is.Scopes)
	})},
	{"updating spares what is empty", "OAuthClients/update_oauth_client", clientsAfter("update", func(was store.OAuthClient, is *store.OAuthClient) {
		if is.JWKS == nil {
			is.JWKS = was.JWKS
		}
	})},
	{"updates all fields", "OAuthClients/update_oauth_client", func(e *edited) any { return updatesAll{newPlainClients(e.offset)} }},
	{"an update to the same is a conflict", "OAuthClients/update_oauth_client", clientsWith(func(s *plainClients) {
		s.says["update"] = func(was, is store.OAuthClient, err error) error {
			if err == nil && was.Name == is.Name && bytes.Equal(was.JWKS, is.JWKS) && slices.Equal(was.Scopes, is.Scopes) {
				return store.ErrConflict
			}
			return err
		}
	})},
	{"the last update of a client wins", "OAuthClients/update_oauth_client_compares_the_revision", clientsWith(func(s *plainClients) {
		s.then["update"] = func(store.OAuthClient, *store.OAuthClient, error) {}
		s.says["update"] = func(_, _ store.OAuthClient, _ error) error { return nil }
	})},
	{"a refused update counts", "OAuthClients/update_oauth_client_compares_the_revision", clientsWith(func(s *plainClients) {
		s.then["update"] = func(was store.OAuthClient, is *store.OAuthClient, err error) {
			if revision := is.Revision; err != nil {
				*is = was
				is.Revision = revision
			}
		}
	})},
	{"rotating counts", "OAuthClients/revision_counts_updates", clientsAfter("rotate", func(_ store.OAuthClient, is *store.OAuthClient) { is.Revision++ })},
	{"disabling counts", "OAuthClients/revision_counts_updates", clientsAfter("disable", func(_ store.OAuthClient, is *store.OAuthClient) { is.Revision++ })},
	{"updating enables", "OAuthClients/update_of_a_disabled_oauth_client", clientsAfter("update", func(_ store.OAuthClient, is *store.OAuthClient) { is.DisabledAt = time.Time{} })},
	{"disabled clients are not updated", "OAuthClients/update_of_a_disabled_oauth_client", clientsWith(func(s *plainClients) {
		s.says["update"] = func(was, _ store.OAuthClient, err error) error {
			if !was.DisabledAt.IsZero() {
				return store.ErrConflict
			}
			return err
		}
	})},
}

type upsertsClients struct{ *plainClients }

func (s upsertsClients) UpdateOAuthClient(ctx context.Context, c store.OAuthClient) error {
	if _, err := s.OAuthClient(ctx, c.ID); err != nil {
		return s.CreateOAuthClient(ctx, c)
	}
	return s.plainClients.UpdateOAuthClient(ctx, c)
}

type disablesAnew struct{ *plainClients }

func (s disablesAnew) DisableOAuthClient(_ context.Context, id string, now time.Time) error {
	return s.change("disable", id, store.ErrNotFound, nil, func(c *store.OAuthClient) error {
		c.DisabledAt = now
		return nil
	})
}

// cleansClients has a Run that changes each client, and deletes it when f says
// so.
func cleansClients(f func(c *store.OAuthClient, now time.Time) (gone bool)) func(*edited) any {
	return func(e *edited) any { return cleaner{newPlainClients(e.offset), f} }
}

type cleaner struct {
	*plainClients
	f func(c *store.OAuthClient, now time.Time) bool
}

func (s cleaner) Run(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, c := range s.rows {
		if s.f(&c, s.now()) {
			delete(s.rows, id)
		} else {
			s.rows[id] = c
		}
	}
	return nil
}

type panicsOnClients struct{ *plainClients }

func (s panicsOnClients) ListOAuthClients(ctx context.Context, p store.Page) ([]store.OAuthClient, string, error) {
	if err := ctx.Err(); err != nil {
		panic(err)
	}
	return s.plainClients.ListOAuthClients(ctx, p)
}

type keepsRevision struct{ *plainClients }

func (s keepsRevision) CreateOAuthClient(_ context.Context, c store.OAuthClient) error {
	return s.change("create", c.ID, nil, store.ErrExists, func(row *store.OAuthClient) error {
		*row = c
		return nil
	})
}

type createsOver struct{ *plainClients }

func (s createsOver) CreateOAuthClient(ctx context.Context, c store.OAuthClient) error {
	err := s.plainClients.CreateOAuthClient(ctx, c)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		row := s.rows[c.ID]
		row.Name = c.Name
		s.rows[c.ID] = row
	}
	return err
}

type uniqueSecrets struct{ *plainClients }

func (s uniqueSecrets) CreateOAuthClient(ctx context.Context, c store.OAuthClient) error {
	all, _, _ := s.ListOAuthClients(ctx, store.Page{Limit: 1000})
	for _, other := range all {
		for _, secret := range c.Secrets {
			if slices.ContainsFunc(other.Secrets, func(x store.ClientSecret) bool { return x.Digest == secret.Digest }) {
				return store.ErrExists
			}
		}
	}
	return s.plainClients.CreateOAuthClient(ctx, c)
}

type updatesAll struct{ *plainClients }

func (s updatesAll) UpdateOAuthClient(_ context.Context, c store.OAuthClient) error {
	return s.change("update", c.ID, store.ErrNotFound, nil, func(row *store.OAuthClient) error {
		if c.Revision != row.Revision {
			return store.ErrConflict
		}
		*row = s.own(c)
		row.Revision++
		return nil
	})
}
