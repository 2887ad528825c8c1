package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// initClaim makes claim for keys that end by ExpiresAt alone, and claimAged
// for those that MaxAge ends, too.
func (a *apiKeys) initClaim() {
	const live = "revoked_at IS NULL AND replaced_by = '' AND (warned_within IS NULL OR warned_within > ?) AND "
	a.claim = a.db.statement(a.claimText(live + "expires_at > ? AND expires_at <= ?"))
	a.claimAged = a.db.statement(a.claimText(live + "(expires_at IS NULL OR expires_at > ?) AND created_at > ? AND (expires_at <= ? OR created_at <= ?)"))
}

// claimText says the claim in one statement. MySQL's UPDATE answers no rows,
// so there it only finds and locks them.
func (a *apiKeys) claimText(due string) string {
	switch a.db.dialect {
	case PostgreSQL:
		return `
		WITH due AS (
			SELECT id FROM {api_keys} WHERE ` + due + ` ORDER BY id LIMIT ? FOR UPDATE
		)
		UPDATE {api_keys} SET warned_within = ? WHERE id = ANY (ARRAY(SELECT id FROM due))
		RETURNING ` + a.columns()
	case SQLite:
		return `
		UPDATE {api_keys} SET warned_within = ? WHERE id IN (
			SELECT id FROM {api_keys} WHERE ` + due + ` LIMIT ?
		) RETURNING ` + a.columns()
	}
	return "SELECT " + a.columns() + " FROM {api_keys} WHERE " + due + " LIMIT ? FOR UPDATE"
}

// ClaimExpiringAPIKeys is of store.APIKeys. It is one statement, but on MySQL
// a SELECT and an UPDATE in a transaction.
func (a *apiKeys) ClaimExpiringAPIKeys(ctx context.Context, d time.Duration, l store.APIKeyLimits, limit int, now time.Time) (keys []store.APIKey, err error) {
	if limit <= 0 {
		return nil, nil
	}
	bound := a.db.dialect.bound
	from, to, warned := bound(now), bound(now.Add(d)), d.Microseconds()
	claim, args := a.claim, []any{warned, from, to}
	if l.MaxAge > 0 {
		claim, args = a.claimAged, []any{warned, from, bound(youngest(l, now)), to, bound(youngest(l, now.Add(d)))}
	}
	args = append(args, limit)
	call := a.db.run
	switch a.db.dialect {
	case PostgreSQL:
		args = append(args, warned)
	case SQLite:
		args = slices.Insert(args, 0, any(warned))
	case MySQL:
		call = a.db.transact
	}
	err = call(ctx, "claim expiring API keys", func(c conn) error {
		keys = nil
		err := c.each(ctx, claim, func(rows *sql.Rows) error {
			k, err := scanKey(rows)
			keys = append(keys, k)
			return err
		}, args...)
		if err != nil || a.db.dialect != MySQL {
			return err
		}
		return a.warn(ctx, c, keys, warned)
	})
	if err != nil {
		return nil, err
	}
	return keys, nil
}

// warn writes the claim on keys that are locked.
func (a *apiKeys) warn(ctx context.Context, c conn, keys []store.APIKey, warned int64) error {
	for batch := range slices.Chunk(keys, idsBatch) {
		args := []any{warned}
		for _, k := range batch {
			args = append(args, k.ID)
		}
		s := c.d.statement("UPDATE {api_keys} SET warned_within = ? WHERE id IN (" + marks(len(batch)) + ")")
		if _, err := c.exec(ctx, s, args...); err != nil {
			return err
		}
	}
	return nil
}
