// Package customstore is a host's own adapter for one concern: store.Once over
// a table that the host has anyway.
package customstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// Table is what the host's migrations make.
const Table = `CREATE TABLE claims (
	purpose TEXT NOT NULL,
	digest  BLOB NOT NULL,
	until   INTEGER NOT NULL, -- microseconds since 1970
	PRIMARY KEY (purpose, digest)
)`

// Claims is store.Once.
type Claims struct{ DB *sql.DB }

var _ store.Once = Claims{}

// ClaimOnce takes over a row whose time has passed; otherwise the first insert
// wins. It is one statement, so that nobody comes between looking and writing.
func (c Claims) ClaimOnce(ctx context.Context, purpose string, d store.Digest, until, now time.Time) error {
	res, err := c.DB.ExecContext(ctx, `
		INSERT INTO claims (purpose, digest, until) VALUES ($1, $2, $3)
		ON CONFLICT (purpose, digest) DO UPDATE SET until = $3 WHERE claims.until <= $4`,
		purpose, d[:], until.UnixMicro(), now.UnixMicro())
	if err != nil {
		return fmt.Errorf("claim once: %w", err) // an outage: 503
	}
	n, err := res.RowsAffected()
	if err != nil {
		return fmt.Errorf("claim once: %w", err)
	}
	if n == 0 {
		return store.ErrExists // somebody has it: not an outage
	}
	return nil
}
