package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// signingKeys is store.SigningKeys. A key is added at the position after the
// last, which is unique: of those that saw the same last one, one adds. No row
// is deleted, so that no position comes again.
type signingKeys struct {
	db *database

	list, lock, byID     *statement
	last, insert, follow *statement
	expire               *statement
}

// The bytes that columns of signing_keys take.
const (
	maxAlgorithm = 255
	maxKey       = 16 << 10
)

func (s *signingKeys) init(d *database) {
	s.db = d
	orNothing := " ON CONFLICT DO NOTHING"
	if d.dialect == MySQL {
		orNothing = ""
	}
	at := d.dialect.readTime
	read := "SELECT id, algorithm, public_key, sealed_key, " + at("created_at") + ", " + at("sign_from") + ", " + at("sign_until") + ", " + at("expires_at") +
		" FROM {signing_keys} WHERE "
	// The + keeps SQLite from walking all keys that ever were by position.
	list := read + "expires_at IS NULL OR expires_at > ? ORDER BY +position DESC"
	s.list = d.statement(list)
	s.lock = d.statement(list + d.dialect.forUpdate())
	s.byID = d.statement(read + "id = ?")
	s.last = d.statement("SELECT COALESCE(MAX(position), 0) FROM {signing_keys}")
	s.insert = d.statement("INSERT INTO {signing_keys} (id, position, algorithm, public_key, sealed_key, created_at, sign_from, sign_until, expires_at) VALUES (" + marks(9) + ")" + orNothing)
	s.follow = d.statement("UPDATE {signing_keys} SET sign_until = ?, expires_at = ? WHERE id = ?")
	s.expire = d.statement("UPDATE {signing_keys} SET expires_at = ? WHERE id = ? AND (expires_at IS NULL OR expires_at > ?)")
}

// read answers the rows of st.
func (s *signingKeys) read(ctx context.Context, c conn, st *statement, args ...any) (keys []store.SigningKey, err error) {
	err = c.each(ctx, st, func(rows *sql.Rows) error {
		var k store.SigningKey
		err := rows.Scan(&k.ID, &k.Algorithm, &k.Public, &k.Sealed, instant{&k.CreatedAt}, instant{&k.SignFrom}, instant{&k.SignUntil}, instant{&k.ExpiresAt})
		if err != nil {
			return fmt.Errorf("signing key %q: %w", k.ID, err)
		}
		keys = append(keys, k)
		return nil
	}, args...)
	if err != nil {
		return nil, err
	}
	return keys, nil
}

// ListSigningKeys is of store.SigningKeys, as are the methods below. It is one
// statement.
func (s *signingKeys) ListSigningKeys(ctx context.Context, now time.Time) (keys []store.SigningKey, err error) {
	err = s.db.run(ctx, "list signing keys", func(c conn) error {
		keys, err = s.read(ctx, c, s.list, s.db.dialect.bound(now))
		return err
	})
	return keys, err
}

// checkKey refuses what the columns cannot keep.
func checkKey(k store.SigningKey) error {
	if k.ID == "" {
		return errors.New("SigningKey.ID is empty")
	}
	if err := errors.Join(checkText("SigningKey.ID", k.ID, maxID), checkText("SigningKey.Algorithm", k.Algorithm, maxAlgorithm)); err != nil {
		return err
	}
	if n := max(len(k.Public), len(k.Sealed)); n > maxKey {
		return fmt.Errorf("SigningKey.Public or Sealed has %d bytes, over %d", n, maxKey)
	}
	if err := errors.Join(checkTime("SigningKey.CreatedAt", k.CreatedAt), checkTime("SigningKey.SignFrom", k.SignFrom)); err != nil {
		return err
	}
	for _, at := range []time.Time{k.SignUntil, k.ExpiresAt} {
		if !at.IsZero() {
			if err := checkTime("a time of SigningKey", at); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *signingKeys) AddSigningKey(ctx context.Context, k store.SigningKey, newest string, expires time.Time) error {
	return s.db.transact(ctx, "add signing key", func(c conn) error {
		if err := checkKey(k); err != nil {
			return err
		}
		if newest != "" {
			if err := checkTime("expires", expires); err != nil {
				return err
			}
		}
		// The last position is read first: who adds one between these two
		// statements has taken the next.
		var last int64
		if err := c.one(ctx, s.last, []any{&last}); err != nil {
			return err
		}
		at := s.db.dialect.time
		live, err := s.read(ctx, c, s.lock, at(k.CreatedAt))
		if err != nil {
			return err
		}
		if len(live) == 0 && newest != "" || len(live) > 0 && live[0].ID != newest {
			return store.ErrConflict
		}
		n, err := c.changed(ctx, s.insert, k.ID, last+1, k.Algorithm, notNull(k.Public), notNull(k.Sealed),
			at(k.CreatedAt), at(k.SignFrom), at(k.SignUntil), at(k.ExpiresAt))
		if s.db.dialect.exists(err) || err == nil && n == 0 {
			return s.taken(ctx, c, k.ID)
		}
		if err != nil || len(live) == 0 {
			return err
		}
		if end := live[0].ExpiresAt; !end.IsZero() && end.Before(expires) {
			expires = end
		}
		_, err = c.exec(ctx, s.follow, at(k.SignFrom), at(expires), newest)
		return err
	})
}

// notNull is b for a column that is never NULL.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// taken says whether the ID was there or the position.
func (s *signingKeys) taken(ctx context.Context, c conn, id string) error {
	same, err := s.read(ctx, c, s.byID, id)
	if err == nil && len(same) > 0 {
		return store.ErrExists
	}
	if err == nil {
		err = store.ErrConflict
	}
	return err
}

func (s *signingKeys) ExpireSigningKey(ctx context.Context, id string, now time.Time) error {
	return s.db.write(ctx, "expire signing key", func(c conn) error {
		if err := checkText("the id", id, maxID); err != nil {
			return fmt.Errorf("authn/sqlstore: %w: %w", store.ErrNotFound, err)
		}
		if err := checkTime("now", now); err != nil {
			return err
		}
		at := s.db.dialect.time(now)
		n, err := c.changed(ctx, s.expire, at, id, at)
		if err != nil || n > 0 {
			return err
		}
		same, err := s.read(ctx, c, s.byID, id) // expired before, or not there
		if err == nil && len(same) == 0 {
			err = store.ErrNotFound
		}
		return err
	})
}
