package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// initClaim makes claimEnding for keys that end by ExpiresAt, and claimAging
// for those that MaxAge ends. They are two because each then walks a range of
// one index; what is claimed already in the range costs a look each.
func (a *apiKeys) initClaim() {
	const live = "revoked_at IS NULL AND replaced_by = '' AND (warned_within IS NULL OR warned_within > ?) AND "
	a.claimEnding = a.db.statement(a.claimText(live+"expires_at > ? AND expires_at <= ? AND created_at > ?", "expires_at"))
	a.claimAging = a.db.statement(a.claimText(live+"created_at > ? AND created_at <= ? AND (expires_at IS NULL OR expires_at > ?)", "created_at"))
}

// claimText says the claim in one statement. MySQL's UPDATE answers no rows,
// so there it only finds and locks them.
func (a *apiKeys) claimText(due, order string) string {
	find := " FROM {api_keys} WHERE " + due + " ORDER BY " + order + " LIMIT ?"
	switch a.db.dialect {
	case PostgreSQL:
		// What is locked is another's claim, or is claimed the next time. Who
		// does not wait cannot deadlock.
		return `
		WITH due AS (
			SELECT id` + find + ` FOR UPDATE SKIP LOCKED
		)
		UPDATE {api_keys} SET warned_within = ? WHERE id = ANY (ARRAY(SELECT id FROM due))
		RETURNING ` + a.columns()
	case SQLite:
		return `
		UPDATE {api_keys} SET warned_within = ? WHERE id IN (
			SELECT id` + find + `
		) RETURNING ` + a.columns()
	}
	return "SELECT " + a.columns() + find + " FOR UPDATE"
}

// ClaimExpiringAPIKeys is of store.APIKeys. It is one statement without MaxAge
// and two in a transaction with it; on MySQL a SELECT and an UPDATE each. A row
// that cannot be read, since somebody edited it, is claimed with the others and
// left out; alone it is the error.
func (a *apiKeys) ClaimExpiringAPIKeys(ctx context.Context, d time.Duration, l store.APIKeyLimits, limit int, now time.Time) (keys []store.APIKey, err error) {
	if limit <= 0 {
		return nil, nil
	}
	bound := a.db.dialect.bound
	from, to, young := bound(now), bound(now.Add(d)), bound(youngest(l, now))
	call := a.db.write
	if l.MaxAge > 0 || a.db.dialect == MySQL {
		call = a.db.transact
	}
	var damaged error
	err = call(ctx, "claim expiring API keys", func(c conn) (err error) {
		damaged = nil
		keys, err = a.claim(ctx, c, a.claimEnding, &damaged, d, limit, from, to, young)
		if err != nil || l.MaxAge <= 0 || len(keys) == limit {
			return err
		}
		aging, err := a.claim(ctx, c, a.claimAging, &damaged, d, limit-len(keys), young, bound(youngest(l, now.Add(d))), from)
		keys = append(keys, aging...)
		return err
	})
	if err == nil && len(keys) == 0 {
		err = a.db.explain("claim expiring API keys", damaged)
	}
	if err != nil {
		return nil, err
	}
	return keys, nil
}

// claim claims by s, of which args are the range.
func (a *apiKeys) claim(ctx context.Context, c conn, s *statement, damaged *error, d time.Duration, limit int, args ...any) (keys []store.APIKey, err error) {
	warned := d.Microseconds()
	args = append(slices.Insert(args, 0, any(warned)), limit)
	switch a.db.dialect {
	case PostgreSQL:
		args = append(args, warned)
	case SQLite:
		args = slices.Insert(args, 0, any(warned))
	}
	var ids []any
	err = c.each(ctx, s, func(rows *sql.Rows) error {
		k, err := scanKey(rows)
		if err != nil {
			*damaged = fmt.Errorf("API key %q: %w", k.ID, err)
		} else {
			keys = append(keys, k)
		}
		ids = append(ids, k.ID)
		return nil
	}, args...)
	if err == nil && a.db.dialect == MySQL {
		err = a.warn(ctx, c, ids, warned)
	}
	return keys, err
}

// warn writes the claim on keys that are locked.
func (a *apiKeys) warn(ctx context.Context, c conn, ids []any, warned int64) error {
	for batch := range slices.Chunk(ids, idsBatch) {
		s := c.d.statement("UPDATE {api_keys} SET warned_within = ? WHERE id IN (" + marks(len(batch)) + ")")
		if _, err := c.exec(ctx, s, append([]any{warned}, batch...)...); err != nil {
			return err
		}
	}
	return nil
}
