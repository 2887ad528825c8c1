package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func (t *tokens) initAdvance() {
	d := t.db
	now, least := d.dialect.now(), "LEAST"
	if d.dialect == SQLite {
		least = "MIN"
	}
	// Of a family without its subject's row it finds nothing: CreateFamily made
	// one, and who deleted it forgot what was revoked. Subjects of families do
	// not change.
	version := "SELECT version FROM {token_subjects} WHERE subject = (SELECT subject FROM {refresh_families} WHERE id = ?)" + d.dialect.forShare()
	if d.dialect != MySQL {
		// The subject's row is locked before the family's is written to. While
		// that waits for another the version cannot move on; what else is asked
		// for is compared again with what the other left.
		t.advance = d.statement(`
		UPDATE {refresh_families} SET
			generation = generation + 1, key_id = ?, rotated_at = ` + now + `, idle_until = ` + least + `(` + now + `, expires_at)
		WHERE id = ? AND tag = ? AND generation = ? AND client_id = ? AND confirm = ?
			AND revoked_at IS NULL AND idle_until > ` + now + ` AND expires_at > ` + now + ` AND version = (` + version + `)
		RETURNING ` + t.familyColumns())
	}
	t.lockVersion = d.statement(version)
	t.lockFamily = d.statement("SELECT " + t.familyColumns() + ", " + d.dialect.readTime(now) + " FROM {refresh_families} WHERE id = ? AND tag = ?" + d.dialect.forUpdate())
	t.rotate = d.statement("UPDATE {refresh_families} SET generation = ?, key_id = ?, rotated_at = ?, idle_until = ? WHERE id = ?")
	t.spent = d.statement("UPDATE {refresh_families} SET revoked_at = ? WHERE id = ?")
}

// AdvanceFamily is of store.Tokens. With the current generation it is one
// statement; else, and on MySQL, whose UPDATE answers no rows, it is up to
// three in a transaction. In a host's transaction the revocation that comes
// with ErrConflict takes effect with it.
func (t *tokens) AdvanceFamily(ctx context.Context, ref store.FamilyRef, a store.FamilyAdvance) (f store.RefreshFamily, err error) {
	if err := checkAdvance(ref, a); err != nil {
		return f, t.db.explain("advance refresh family", err)
	}
	if t.advance != nil {
		err = t.db.write(ctx, "advance refresh family", func(c conn) error {
			now := t.db.clocks(0, max(a.Idle, 0))
			f, err = t.readFamily(ctx, c, t.advance, nil, a.KeyID, now[0], now[1],
				ref.ID, ref.Tag, a.Generation, a.ClientID, a.Confirm, now[0], now[0], ref.ID)
			return err
		})
		if !errors.Is(err, store.ErrNotFound) {
			return f, err
		}
	}
	reused := false
	err = t.db.transact(ctx, "advance refresh family", func(c conn) error {
		f, reused, err = t.judge(ctx, c, ref, a)
		return err
	})
	switch {
	case err != nil:
		return store.RefreshFamily{}, err
	case reused:
		return f, store.ErrConflict // only now: the revocation was committed
	}
	return f, nil
}

// checkAdvance answers that what no family can have is not the family's.
func checkAdvance(ref store.FamilyRef, a store.FamilyAdvance) error {
	if a.Generation < 1 {
		return fmt.Errorf("FamilyAdvance.Generation is %d, and counts from 1", a.Generation)
	}
	if err := checkText("FamilyAdvance.KeyID", a.KeyID, maxKeyID); err != nil {
		return err
	}
	if err := checkRef(ref); err != nil {
		return err
	}
	err := errors.Join(checkText("FamilyAdvance.ClientID", a.ClientID, maxSubject), checkText("FamilyAdvance.Confirm", a.Confirm, maxConfirm))
	if err != nil {
		return fmt.Errorf("authn/sqlstore: %w: %w", store.ErrNotFound, err)
	}
	return nil
}

// judge is AdvanceFamily's rules on rows that are locked.
func (t *tokens) judge(ctx context.Context, c conn, ref store.FamilyRef, a store.FamilyAdvance) (f store.RefreshFamily, reused bool, err error) {
	var version int64 // stays 0 if there is no row, and no family has that
	if err := c.one(ctx, t.lockVersion, []any{&version}, ref.ID); err != nil {
		return f, false, err
	}
	var now time.Time
	f, err = t.readFamily(ctx, c, t.lockFamily, &now, t.db.clock(0), ref.ID, ref.Tag)
	if err != nil {
		return f, false, err
	}
	live := f.RevokedAt.IsZero() && now.Before(f.IdleUntil) && now.Before(f.ExpiresAt) && f.Version == version
	at := t.db.dialect.time
	switch {
	case !live || a.ClientID != f.ClientID || a.Confirm != f.Confirm || a.Generation > f.Generation:
		return store.RefreshFamily{}, false, store.ErrNotFound
	case a.Generation == f.Generation:
		f.Generation++
		f.KeyID, f.RotatedAt, f.IdleUntil = a.KeyID, now, now.Add(max(a.Idle, 0).Truncate(time.Microsecond))
		if f.IdleUntil.After(f.ExpiresAt) {
			f.IdleUntil = f.ExpiresAt
		}
		_, err = c.exec(ctx, t.rotate, f.Generation, f.KeyID, at(f.RotatedAt), at(f.IdleUntil), ref.ID)
		return f, false, err
	case a.Generation == f.Generation-1 && a.Grace > 0 && now.Before(f.RotatedAt.Add(a.Grace)):
		// Without a.Grace > 0 now could be before RotatedAt: it is of when this
		// began to wait for who rotated.
		return f, false, nil
	}
	f.RevokedAt = now
	_, err = c.exec(ctx, t.spent, at(now), ref.ID)
	return f, true, err
}
