package memstore

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// oauthClients is store.OAuthClients. There are few, so that one lock does. What
// is answered shares slices, so that these are replaced and never changed.
type oauthClients struct {
	max  int
	mu   sync.RWMutex
	byID map[string]*store.OAuthClient
	ids  []string // sorted
}

func (o *oauthClients) init(max int) { o.max, o.byID = max, make(map[string]*store.OAuthClient) }

// change calls f with the client id, under the lock.
func (o *oauthClients) change(id string, f func(c *store.OAuthClient) error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c, ok := o.byID[id]; ok {
		return f(c)
	}
	return store.ErrNotFound
}

// OAuthClient is of store.OAuthClients, as are the methods below.
func (o *oauthClients) OAuthClient(_ context.Context, id string) (store.OAuthClient, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if c, ok := o.byID[id]; ok {
		return *c, nil
	}
	return store.OAuthClient{}, store.ErrNotFound
}

func (o *oauthClients) CreateOAuthClient(_ context.Context, c store.OAuthClient) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	i, there := slices.BinarySearch(o.ids, c.ID)
	if there {
		return store.ErrExists
	}
	if len(o.ids) >= o.max {
		return store.ErrFull
	}
	row := &store.OAuthClient{
		ID: c.ID, AuthMethod: c.AuthMethod, Secrets: slices.Clone(c.Secrets),
		CreatedAt: c.CreatedAt, DisabledAt: c.DisabledAt, Revision: 1,
	}
	describe(row, c)
	o.ids = slices.Insert(o.ids, i, c.ID)
	o.byID[c.ID] = row
	return nil
}

// describe makes of row what UpdateOAuthClient makes of it.
func describe(row *store.OAuthClient, c store.OAuthClient) {
	row.Name, row.JWKS, row.CertSubject = c.Name, bytes.Clone(c.JWKS), c.CertSubject
	row.Scopes, row.Audience, row.Serves = slices.Clone(c.Scopes), slices.Clone(c.Audience), slices.Clone(c.Serves)
}

func (o *oauthClients) UpdateOAuthClient(_ context.Context, c store.OAuthClient) error {
	return o.change(c.ID, func(row *store.OAuthClient) error {
		if c.Revision != row.Revision {
			return store.ErrConflict
		}
		describe(row, c)
		row.Revision++
		return nil
	})
}

func (o *oauthClients) RotateOAuthSecret(_ context.Context, id string, s store.ClientSecret, until, now time.Time) error {
	return o.change(id, func(row *store.OAuthClient) error {
		if !row.DisabledAt.IsZero() {
			return store.ErrConflict
		}
		secrets := []store.ClientSecret{s}
		if until.After(now) {
			for _, old := range row.Secrets {
				if old.Live(now) {
					secrets = append(secrets, old)
				}
			}
			if len(secrets) > store.MaxClientSecrets {
				return store.ErrLimit
			}
			if len(secrets) > 1 && secrets[1].Live(until) {
				secrets[1].ExpiresAt = until
			}
		}
		row.Secrets = secrets
		return nil
	})
}

func (o *oauthClients) DisableOAuthClient(_ context.Context, id string, now time.Time) error {
	return o.change(id, func(row *store.OAuthClient) error {
		if row.DisabledAt.IsZero() {
			row.DisabledAt = now
		}
		return nil
	})
}

func (o *oauthClients) ListOAuthClients(_ context.Context, p store.Page) (cs []store.OAuthClient, next string, err error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	ids := o.ids
	if p.Cursor != "" {
		last, there := slices.BinarySearch(ids, p.Cursor)
		if !there {
			return nil, "", store.ErrNotFound
		}
		ids = ids[last+1:]
	}
	if len(ids) > p.Size() {
		ids = ids[:p.Size()]
		next = ids[len(ids)-1]
	}
	for _, id := range ids {
		cs = append(cs, *o.byID[id])
	}
	return cs, next, nil
}
