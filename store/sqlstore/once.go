package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// once is store.Once.
type once struct {
	db           *database
	claim, sweep *statement
}

// maxPurpose is the bytes that the column takes.
const maxPurpose = 64

// sweepBatch bounds what one statement deletes, and so for how long it locks.
const sweepBatch = 1000

func (o *once) init(d *database) {
	o.db = d
	claim, sweep := `
		INSERT INTO {once} AS claim (purpose, digest, ends_at) VALUES (?, ?, ?)
		ON CONFLICT (purpose, digest) DO UPDATE SET ends_at = excluded.ends_at WHERE claim.ends_at <= ?`, ""
	switch d.dialect {
	case PostgreSQL:
		sweep = `
		DELETE FROM {once} WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM {once} WHERE ends_at < ` + d.dialect.now() + ` ORDER BY ends_at LIMIT ? FOR UPDATE SKIP LOCKED))`
	case MySQL:
		// How many rows an upsert says it changed depends on the driver's
		// clientFoundRows, so a refusal says so by the insert id, which is 0 else.
		claim = `
		INSERT INTO {once} (purpose, digest, ends_at) VALUES (?, ?, ?)
		ON DUPLICATE KEY UPDATE ends_at = IF(ends_at <= ?, ?, IF(LAST_INSERT_ID(1) = 1, ends_at, ends_at))`
		sweep = `
		DELETE FROM {once} WHERE ends_at < ` + d.dialect.now() + ` ORDER BY ends_at LIMIT ?`
	case SQLite:
		sweep = `
		DELETE FROM {once} WHERE (purpose, digest) IN (
			SELECT purpose, digest FROM {once} WHERE ends_at < ` + d.dialect.now() + ` ORDER BY ends_at LIMIT ?)`
	}
	o.claim, o.sweep = d.statement(claim), d.statement(sweep)
}

// ClaimOnce is of store.Once. It is one statement.
func (o *once) ClaimOnce(ctx context.Context, purpose string, digest store.Digest, until, now time.Time) error {
	d := o.db.dialect
	return o.db.write(ctx, "claim once", func(c conn) error {
		if purpose == "" {
			return errors.New("the purpose is empty")
		}
		if err := checkText("the purpose", purpose, maxPurpose); err != nil {
			return err
		}
		if err := checkTime("until", until); err != nil {
			return err
		}
		end := d.bound(until)
		if d == MySQL {
			res, err := c.exec(ctx, o.claim, purpose, digest[:], end, d.bound(now), end)
			if err != nil {
				return err
			}
			if refused, err := res.LastInsertId(); err != nil || refused == 0 {
				return err
			}
			return store.ErrExists
		}
		n, err := c.changed(ctx, o.claim, purpose, digest[:], end, d.bound(now))
		if err == nil && n == 0 {
			return store.ErrExists
		}
		return err
	})
}

// sweepAll deletes the claims that ended over a day ago.
func (o *once) sweepAll(ctx context.Context) error {
	ctx = o.db.withoutHost(ctx)
	for {
		var n int64
		err := o.db.write(ctx, "delete old claims", func(c conn) (err error) {
			n, err = c.changed(ctx, o.sweep, o.db.clock(-margin), sweepBatch)
			return err
		})
		if err != nil || n < sweepBatch {
			return err
		}
	}
}
