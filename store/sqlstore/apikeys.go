package sqlstore

import (
	"context"
	"database/sql"
	"net/netip"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// apiKeys is store.APIKeys. What counts, rotates or revokes keys of an owner
// first writes to the owner's row of api_key_owners, which makes them wait for
// each other. It writes and does not just lock: then a host's transaction of a
// stricter isolation fails rather than decide by what it saw before.
type apiKeys struct {
	db *database

	owner, countLive, insert           *statement
	byDigest, byID, page               *statement
	lockID, replace, revoke, revokeAll *statement
	addUses                            *statement
	claimEnding, claimAging            *statement
}

const keyColumns = "id, owner, name, prefix, last_four, digest, scopes, metadata, created_at, expires_at, revoked_at, replaced_by, last_used_at, last_addr, uses"

func (a *apiKeys) init(d *database) {
	a.db = d
	// Where the dialect can say so, a key that is there is no error: on
	// PostgreSQL an error would end the host's transaction.
	bump, orNothing := "ON CONFLICT (owner) DO UPDATE SET changes = o.changes + 1", "ON CONFLICT DO NOTHING"
	alias := "AS o "
	if d.dialect == MySQL {
		bump, orNothing, alias = "ON DUPLICATE KEY UPDATE changes = changes + 1", "", ""
	}
	a.owner = d.statement("INSERT INTO {api_key_owners} " + alias + "(owner, changes) VALUES (?, 1) " + bump)
	// In a host's transaction MySQL would count what it saw before, but for
	// FOR UPDATE. The others must not say it of an aggregate.
	count := "SELECT COUNT(*) FROM {api_keys} WHERE owner = ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?) AND created_at > ?"
	if d.dialect == MySQL {
		count += " FOR UPDATE"
	}
	a.countLive = d.statement(count)
	a.insert = d.statement("INSERT INTO {api_keys} (" + keyColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) " + orNothing)

	read := "SELECT " + a.columns() + " FROM {api_keys} WHERE "
	a.byDigest = d.statement(read + "digest = ?")
	a.byID = d.statement(read + "id = ? AND owner = ?")
	a.page = d.statement(read + "owner = ? AND created_at <= ? AND (created_at < ? OR id < ?) ORDER BY created_at DESC, id DESC LIMIT ?")

	a.lockID = d.statement(read + "id = ? AND owner = ?" + d.dialect.forUpdate())
	a.replace = d.statement("UPDATE {api_keys} SET replaced_by = ?, expires_at = ? WHERE id = ?")
	a.revoke = d.statement("UPDATE {api_keys} SET revoked_at = ? WHERE id = ? AND owner = ? AND revoked_at IS NULL")
	revokeAll := "UPDATE {api_keys} SET revoked_at = ? WHERE owner = ? AND revoked_at IS NULL"
	if d.dialect == PostgreSQL {
		// Locked in the order of RecordAPIKeyUses, or the two might deadlock.
		revokeAll = "UPDATE {api_keys} SET revoked_at = ? WHERE id IN (SELECT id FROM {api_keys} WHERE owner = ? AND revoked_at IS NULL ORDER BY id FOR UPDATE)"
	}
	a.revokeAll = d.statement(revokeAll)
	a.initUses()
	a.initClaim()
}

// columns is keyColumns for a SELECT.
func (a *apiKeys) columns() string {
	t := a.db.dialect.readTime
	return "id, owner, name, prefix, last_four, digest, scopes, metadata, " +
		t("created_at") + ", " + t("expires_at") + ", " + t("revoked_at") + ", replaced_by, " + t("last_used_at") + ", last_addr, uses"
}

// scanKey reads columns. With an error it answers the ID, if it got so far.
func scanKey(rows *sql.Rows) (k store.APIKey, err error) {
	var digest []byte
	var addr string
	err = rows.Scan(&k.ID, &k.Owner, &k.Name, &k.Prefix, &k.LastFour, &digest, jsonValue{&k.Scopes}, jsonValue{&k.Metadata},
		instant{&k.CreatedAt}, instant{&k.ExpiresAt}, instant{&k.RevokedAt}, &k.ReplacedBy, instant{&k.LastUsedAt}, &addr, &k.Uses)
	if err != nil {
		return store.APIKey{ID: k.ID}, err
	}
	copy(k.Digest[:], digest)
	// A DBA's edit of what is only shown must not make a key unreadable.
	k.LastAddr, _ = netip.ParseAddr(addr)
	return k, nil
}

// read answers the one row of s.
func (a *apiKeys) read(ctx context.Context, c conn, s *statement, args ...any) (k store.APIKey, err error) {
	found := false
	err = c.each(ctx, s, func(rows *sql.Rows) (err error) {
		found = true
		k, err = scanKey(rows)
		return err
	}, args...)
	if err == nil && !found {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.APIKey{}, err
	}
	return k, nil
}

// APIKeyByDigest is of store.APIKeys, as are the methods below. It is one
// statement and, once prepared, one round trip.
func (a *apiKeys) APIKeyByDigest(ctx context.Context, digest store.Digest) (k store.APIKey, err error) {
	err = a.db.run(ctx, "API key by digest", func(c conn) error {
		k, err = a.read(ctx, c, a.byDigest, digest[:])
		return err
	})
	return k, err
}

func (a *apiKeys) APIKey(ctx context.Context, owner, id string) (k store.APIKey, err error) {
	err = a.db.run(ctx, "API key", func(c conn) error {
		if err := checkLookup(owner, id); err != nil {
			return err
		}
		k, err = a.read(ctx, c, a.byID, id, owner)
		return err
	})
	return k, err
}

func (a *apiKeys) ListAPIKeys(ctx context.Context, owner string, p store.Page) (keys []store.APIKey, next string, err error) {
	err = a.db.run(ctx, "list API keys", func(c conn) error {
		keys, next = nil, ""
		if err := checkLookup(owner, p.Cursor); err != nil {
			return err
		}
		before := lastTime
		if p.Cursor != "" {
			// Owner and CreatedAt never change, so that two statements do.
			last, err := a.read(ctx, c, a.byID, p.Cursor, owner)
			if err != nil {
				return err
			}
			before = last.CreatedAt
		}
		at := a.db.dialect.bound(before)
		err := c.each(ctx, a.page, func(rows *sql.Rows) error {
			k, err := scanKey(rows)
			keys = append(keys, k)
			return err
		}, owner, at, at, p.Cursor, p.Size()+1)
		if err == nil && len(keys) > p.Size() {
			keys = keys[:p.Size()]
			next = keys[len(keys)-1].ID
		}
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return keys, next, nil
}

func (a *apiKeys) RevokeAPIKey(ctx context.Context, owner, id string, now time.Time) error {
	return a.db.write(ctx, "revoke API key", func(c conn) error {
		if err := checkLookup(owner, id); err != nil {
			return err
		}
		if err := checkTime("now", now); err != nil {
			return err
		}
		n, err := c.changed(ctx, a.revoke, a.db.dialect.time(now), id, owner)
		if err == nil && n == 0 {
			_, err = a.read(ctx, c, a.byID, id, owner) // revoked before, or not there
		}
		return err
	})
}

func (a *apiKeys) RevokeAPIKeysOf(ctx context.Context, owner string, now time.Time) error {
	return a.db.transact(ctx, "revoke API keys", func(c conn) error {
		if err := checkText("the owner", owner, maxOwner); err != nil {
			return err
		}
		if err := checkTime("now", now); err != nil {
			return err
		}
		if _, err := c.exec(ctx, a.owner, owner); err != nil {
			return err
		}
		_, err := c.exec(ctx, a.revokeAll, a.db.dialect.time(now), owner)
		return err
	})
}
