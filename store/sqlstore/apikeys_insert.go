package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// The bytes that columns take.
const (
	maxID    = 64
	maxOwner = 255
	maxShown = 255
	maxJSON  = 15 << 20 // MEDIUMTEXT takes 16 MiB
)

// checkLookup answers that what no column can hold is not there.
func checkLookup(owner, id string) error {
	err := errors.Join(checkText("the owner", owner, maxOwner), checkText("the id", id, maxID))
	if err != nil {
		return fmt.Errorf("authn/sqlstore: %w: %w", store.ErrNotFound, err)
	}
	return nil
}

// keyArgs checks k and is its row, in the order of keyColumns.
func (d *database) keyArgs(k store.APIKey) ([]any, error) {
	for _, f := range []struct {
		field, s string
		most     int
	}{
		{"ID", k.ID, maxID},
		{"Owner", k.Owner, maxOwner},
		{"Name", k.Name, maxShown},
		{"Prefix", k.Prefix, maxShown},
		{"LastFour", k.LastFour, maxShown},
		{"ReplacedBy", k.ReplacedBy, maxID},
	} {
		if err := checkText("APIKey."+f.field, f.s, f.most); err != nil {
			return nil, err
		}
	}
	if k.ID == "" {
		return nil, errors.New("APIKey.ID is empty")
	}
	for _, t := range []time.Time{k.CreatedAt, k.ExpiresAt, k.RevokedAt, k.LastUsedAt} {
		if !t.IsZero() {
			if err := checkTime("a time of APIKey", t); err != nil {
				return nil, err
			}
		}
	}
	if k.CreatedAt.IsZero() {
		return nil, errors.New("APIKey.CreatedAt is zero")
	}
	scopes, metadata, err := jsonOfKey(k)
	if err != nil {
		return nil, err
	}
	t := d.dialect.time
	return []any{
		k.ID, k.Owner, k.Name, k.Prefix, k.LastFour, k.Digest[:], scopes, metadata,
		t(k.CreatedAt), t(k.ExpiresAt), t(k.RevokedAt), k.ReplacedBy, t(k.LastUsedAt), addrText(k.LastAddr), k.Uses,
	}, nil
}

// jsonOfKey is k.Scopes and k.Metadata.
func jsonOfKey(k store.APIKey) (scopes, metadata string, err error) {
	scopes, err = listText("APIKey.Scopes", k.Scopes)
	for name, s := range k.Metadata {
		err = errors.Join(err, checkText("a name in APIKey.Metadata", name, maxJSON), checkText("APIKey.Metadata["+name+"]", s, maxJSON))
	}
	metadata = "{}"
	if len(k.Metadata) > 0 {
		metadata = jsonText(k.Metadata)
	}
	return scopes, metadata, errors.Join(err, checkText("APIKey.Metadata", metadata, maxJSON))
}

// insertRow answers ErrExists for an ID or a Digest that is there.
func (a *apiKeys) insertRow(ctx context.Context, c conn, row []any) error {
	n, err := c.changed(ctx, a.insert, row...)
	if a.db.dialect.exists(err) || err == nil && n == 0 {
		return store.ErrExists
	}
	return err
}

// CreateAPIKey is of store.APIKeys, as is RotateAPIKey.
func (a *apiKeys) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	return a.db.transact(ctx, "create API key", func(c conn) error {
		row, err := a.db.keyArgs(k)
		if err != nil {
			return err
		}
		if _, err := c.exec(ctx, a.owner, k.Owner); err != nil {
			return err
		}
		if l.MaxLive > 0 {
			var live int
			if err := c.one(ctx, a.countLive, []any{&live}, k.Owner, a.db.dialect.bound(now), a.db.dialect.bound(youngest(l, now))); err != nil {
				return err
			}
			if live >= l.MaxLive {
				return store.ErrLimit
			}
		}
		return a.insertRow(ctx, c, row)
	})
}

// youngest is when the last key was made that l.MaxAge has ended at now.
func youngest(l store.APIKeyLimits, now time.Time) time.Time {
	if l.MaxAge <= 0 {
		return firstTime.Add(-1) // clamped: no key is as old
	}
	return now.Add(-l.MaxAge)
}

func (a *apiKeys) RotateAPIKey(ctx context.Context, owner, id string, next store.APIKey, until, now time.Time) error {
	return a.db.transact(ctx, "rotate API key", func(c conn) error {
		if err := checkLookup(owner, id); err != nil {
			return err
		}
		row, err := a.db.keyArgs(next)
		if err != nil {
			return err
		}
		if err := checkTime("until", until); err != nil {
			return err
		}
		if _, err := c.exec(ctx, a.owner, owner); err != nil {
			return err
		}
		// The row is locked, so that what is decided here holds below. In a
		// host's transaction nothing was written to the keys if this refuses.
		k, err := a.read(ctx, c, a.lockID, id, owner)
		if err != nil {
			return err
		}
		if k.ReplacedBy != "" || !k.Live(0, now) {
			return store.ErrConflict
		}
		if err := a.insertRow(ctx, c, row); err != nil {
			return err
		}
		if k.ExpiresAt.IsZero() || until.Before(k.ExpiresAt) {
			k.ExpiresAt = until
		}
		_, err = c.exec(ctx, a.replace, next.ID, a.db.dialect.time(k.ExpiresAt), id)
		return err
	})
}
