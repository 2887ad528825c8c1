package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// once is store.Once.
type once struct {
	db    *database
	claim *statement
}

// maxPurpose is the bytes that the column takes.
const maxPurpose = 64

func (o *once) init(d *database) {
	o.db = d
	claim := `
		INSERT INTO {once} AS claim (purpose, digest, ends_at) VALUES (?, ?, ?)
		ON CONFLICT (purpose, digest) DO UPDATE SET ends_at = excluded.ends_at WHERE claim.ends_at <= ?`
	if d.dialect == MySQL {
		// How many rows an upsert says it changed depends on the driver's
		// clientFoundRows, so a refusal says so by the insert id, which is 0 else.
		claim = `
		INSERT INTO {once} (purpose, digest, ends_at) VALUES (?, ?, ?)
		ON DUPLICATE KEY UPDATE ends_at = IF(ends_at <= ?, ?, IF(LAST_INSERT_ID(1) = 1, ends_at, ends_at))`
	}
	o.claim = d.statement(claim)
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
