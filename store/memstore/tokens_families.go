package memstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// familyRow is guarded by the lock of its shard. Ref, Subject and what else
// CreateFamily sets for good may be read without it.
type familyRow struct {
	shard  *subjectShard
	family store.RefreshFamily
	gone   bool // swept
	ending
}

// endOf is when f leaves, but for the margin: at once when it has ended, and
// when it is revoked not before its last access token.
func endOf(f *store.RefreshFamily) time.Time {
	if f.RevokedAt.IsZero() && f.IdleUntil.Before(f.ExpiresAt) {
		return f.IdleUntil
	}
	return f.ExpiresAt
}

// CreateFamily is of store.Tokens, as are the methods below.
func (k *tokens) CreateFamily(_ context.Context, f store.RefreshFamily) error {
	f.Identity = kept(f.Identity)
	f.Scopes, f.Audience = slices.Clone(f.Scopes), slices.Clone(f.Audience)
	err := k.insert(f)
	if errors.Is(err, store.ErrFull) { // what may go may lie in other shards
		k.sweepAll()
		err = k.insert(f)
	}
	return err
}

func (k *tokens) insert(f store.RefreshFamily) error {
	s := k.shard(f.Subject)
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Version != s.version(f.Subject).n {
		return store.ErrConflict
	}
	k.sweep(s)
	if err := take(&k.nFamilies, k.max); err != nil {
		return err
	}
	row := &familyRow{shard: s, family: f, ending: ending{end: endOf(&f)}}
	if !k.familyByID.add(f.Ref.ID, row) {
		k.nFamilies.Add(-1)
		return store.ErrExists
	}
	s.families.insert(row)
	return nil
}

// familyRow is the row of ref; the caller locks its shard.
func (k *tokens) familyRow(ref store.FamilyRef) (*familyRow, error) {
	row, ok := k.familyByID.get(ref.ID)
	if !ok || row.family.Ref != ref {
		return nil, store.ErrNotFound
	}
	return row, nil
}

func (k *tokens) Family(_ context.Context, ref store.FamilyRef) (store.RefreshFamily, error) {
	row, err := k.familyRow(ref)
	if err != nil {
		return store.RefreshFamily{}, err
	}
	row.shard.mu.RLock()
	defer row.shard.mu.RUnlock()
	return row.family, nil
}

func (k *tokens) AdvanceFamily(_ context.Context, ref store.FamilyRef, a store.FamilyAdvance) (store.RefreshFamily, error) {
	row, err := k.familyRow(ref)
	if err != nil {
		return store.RefreshFamily{}, err
	}
	row.shard.mu.Lock()
	defer row.shard.mu.Unlock()
	f, now := &row.family, k.now().Truncate(time.Microsecond)
	switch {
	case row.gone || !row.live(now) || a.ClientID != f.ClientID || a.Confirm != f.Confirm || a.Generation > f.Generation:
		return store.RefreshFamily{}, store.ErrNotFound
	case a.Generation == f.Generation:
		f.Generation++
		f.RotatedAt, f.KeyID = now, a.KeyID
		f.IdleUntil = now.Add(a.Idle)
		if f.IdleUntil.After(f.ExpiresAt) {
			f.IdleUntil = f.ExpiresAt
		}
		row.moved()
		return *f, nil
	case a.Generation == f.Generation-1 && a.Grace > 0 && now.Before(f.RotatedAt.Add(a.Grace)):
		return *f, nil
	default:
		f.RevokedAt = now
		row.moved()
		return *f, store.ErrConflict
	}
}

func (k *tokens) RevokeFamily(_ context.Context, ref store.FamilyRef, now time.Time) error {
	row, err := k.familyRow(ref)
	if err != nil {
		return err
	}
	row.shard.mu.Lock()
	defer row.shard.mu.Unlock()
	if row.gone {
		return store.ErrNotFound
	}
	if row.family.RevokedAt.IsZero() {
		row.family.RevokedAt = now
		row.moved()
	}
	return nil
}

// live reports whether the family may be used at now.
func (row *familyRow) live(now time.Time) bool {
	f := &row.family
	return f.RevokedAt.IsZero() && now.Before(f.IdleUntil) && now.Before(f.ExpiresAt) &&
		f.Version == row.shard.version(f.Subject).n
}

// moved says that the row's end may be another.
func (row *familyRow) moved() { row.shard.families.move(row, endOf(&row.family)) }
