package memstore

import (
	"cmp"
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// apiKeys is store.APIKeys. The keys of an owner lie in one shard, so that its
// lock makes atomic whatever happens to an owner.
type apiKeys struct {
	max      int64
	n        atomic.Int64
	byDigest index[store.Digest, *keyRow]
	byID     index[string, *keyRow]
	seed     maphash.Seed
	owners   [shards]ownerShard
	warnFrom atomic.Uint64 // the shard where ClaimExpiringAPIKeys goes on
}

// ownerShard's lock comes before those of the indexes.
type ownerShard struct {
	mu   sync.RWMutex
	keys map[string][]*keyRow // oldest first
	// live are those that were live when they were counted last, in no order:
	// counting does not look at keys that are dead for good again.
	live map[string][]*keyRow
}

// keyRow is guarded by the lock of its shard.
type keyRow struct {
	shard  *ownerShard
	key    store.APIKey
	warned time.Duration // the shortest d of ClaimExpiringAPIKeys; 0: none
}

func (a *apiKeys) init(max int) {
	a.max, a.seed = int64(max), maphash.MakeSeed()
	a.byDigest.init()
	a.byID.init()
	for i := range a.owners {
		a.owners[i].keys = make(map[string][]*keyRow)
		a.owners[i].live = make(map[string][]*keyRow)
	}
}

func (a *apiKeys) shard(owner string) *ownerShard {
	return &a.owners[maphash.String(a.seed, owner)%shards]
}

// row is the row id of owner; its shard is locked.
func (a *apiKeys) row(owner, id string) (*keyRow, error) {
	row, ok := a.byID.get(id)
	if !ok || row.key.Owner != owner { // Owner and ID never change
		return nil, store.ErrNotFound
	}
	return row, nil
}

// insert adds k to s, which is locked.
func (a *apiKeys) insert(s *ownerShard, k store.APIKey) error {
	if err := take(&a.n, a.max); err != nil {
		return err
	}
	k.Scopes, k.Metadata = slices.Clone(k.Scopes), maps.Clone(k.Metadata)
	row := &keyRow{shard: s, key: k}
	if !a.byID.add(k.ID, row) {
		a.n.Add(-1)
		return store.ErrExists
	}
	if !a.byDigest.add(k.Digest, row) {
		a.byID.remove(k.ID)
		a.n.Add(-1)
		return store.ErrExists
	}
	rows := s.keys[k.Owner]
	i, _ := slices.BinarySearchFunc(rows, k, func(r *keyRow, k store.APIKey) int { return byAge(r.key, k) })
	s.keys[k.Owner] = slices.Insert(rows, i, row)
	s.live[k.Owner] = append(s.live[k.Owner], row)
	return nil
}

// countLive counts the live keys of owner; s is locked.
func (s *ownerShard) countLive(owner string, maxAge time.Duration, now time.Time) (n int) {
	s.live[owner] = slices.DeleteFunc(s.live[owner], func(row *keyRow) bool {
		if row.key.Live(maxAge, now) {
			n++
		}
		return !row.key.RevokedAt.IsZero() // for good; what ended may not have, by another caller's now
	})
	return n
}

// byAge orders the oldest first.
func byAge(a, b store.APIKey) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
}

// CreateAPIKey is of store.APIKeys, as are the methods below.
func (a *apiKeys) CreateAPIKey(_ context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	s := a.shard(k.Owner)
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.MaxLive > 0 && s.countLive(k.Owner, l.MaxAge, now) >= l.MaxLive {
		return store.ErrLimit
	}
	return a.insert(s, k)
}

func (a *apiKeys) APIKeyByDigest(_ context.Context, d store.Digest) (store.APIKey, error) {
	row, ok := a.byDigest.get(d)
	if !ok {
		return store.APIKey{}, store.ErrNotFound
	}
	row.shard.mu.RLock()
	defer row.shard.mu.RUnlock()
	return row.key, nil
}

func (a *apiKeys) APIKey(_ context.Context, owner, id string) (store.APIKey, error) {
	s := a.shard(owner)
	s.mu.RLock()
	defer s.mu.RUnlock()
	row, err := a.row(owner, id)
	if err != nil {
		return store.APIKey{}, err
	}
	return row.key, nil
}

func (a *apiKeys) ListAPIKeys(_ context.Context, owner string, p store.Page) (keys []store.APIKey, next string, err error) {
	s := a.shard(owner)
	s.mu.RLock()
	defer s.mu.RUnlock()
	rows := s.keys[owner]
	if p.Cursor != "" {
		last, err := a.row(owner, p.Cursor)
		if err != nil {
			return nil, "", err
		}
		rows = rows[:slices.Index(rows, last)]
	}
	for _, row := range slices.Backward(rows) {
		if len(keys) == p.Size() {
			return keys, keys[len(keys)-1].ID, nil
		}
		keys = append(keys, row.key)
	}
	return keys, "", nil
}

func (a *apiKeys) RotateAPIKey(_ context.Context, owner, id string, next store.APIKey, until, now time.Time) error {
	s := a.shard(owner)
	s.mu.Lock()
	defer s.mu.Unlock()
	row, err := a.row(owner, id)
	if err != nil {
		return err
	}
	if row.key.ReplacedBy != "" || !row.key.Live(0, now) {
		return store.ErrConflict
	}
	if err := a.insert(s, next); err != nil {
		return err
	}
	row.key.ReplacedBy = next.ID
	if row.key.ExpiresAt.IsZero() || until.Before(row.key.ExpiresAt) {
		row.key.ExpiresAt = until
	}
	return nil
}

func (a *apiKeys) RevokeAPIKey(_ context.Context, owner, id string, now time.Time) error {
	s := a.shard(owner)
	s.mu.Lock()
	defer s.mu.Unlock()
	row, err := a.row(owner, id)
	if err != nil {
		return err
	}
	if row.key.RevokedAt.IsZero() {
		row.key.RevokedAt = now
	}
	return nil
}

func (a *apiKeys) RevokeAPIKeysOf(_ context.Context, owner string, now time.Time) error {
	s := a.shard(owner)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range s.keys[owner] {
		if row.key.RevokedAt.IsZero() {
			row.key.RevokedAt = now
		}
	}
	return nil
}

func (a *apiKeys) RecordAPIKeyUses(_ context.Context, uses []store.APIKeyUse) (first []string, err error) {
	rows := make([]*keyRow, len(uses)) // nil: unknown
	touched := make(map[*ownerShard]bool)
	for i, use := range uses {
		if row, ok := a.byID.get(use.ID); ok {
			rows[i], touched[row.shard] = row, true
		}
	}
	// All of the batch is one write. Shards are locked in one order, or two
	// batches would wait for each other.
	for i := range a.owners {
		if s := &a.owners[i]; touched[s] {
			s.mu.Lock()
			defer s.mu.Unlock()
		}
	}
	for i, use := range uses {
		row := rows[i]
		if row == nil {
			continue
		}
		if row.key.Uses == 0 {
			first = append(first, use.ID)
		}
		row.key.Uses += use.N
		if use.At.After(row.key.LastUsedAt) {
			row.key.LastUsedAt, row.key.LastAddr = use.At, use.Addr
		}
	}
	return first, nil
}

// ClaimExpiringAPIKeys goes on at the shard where the last call had enough, so
// that calls in a row look at each key a few times and not once a call.
func (a *apiKeys) ClaimExpiringAPIKeys(_ context.Context, d time.Duration, l store.APIKeyLimits, limit int, now time.Time) ([]store.APIKey, error) {
	var due []store.APIKey
	from := a.warnFrom.Load()
	for i := range uint64(shards) {
		at := (from + i) % shards
		s := &a.owners[at]
		s.mu.Lock()
		for _, rows := range s.keys {
			for _, row := range rows {
				if len(due) < limit && row.endsWithin(d, l, now) {
					row.warned = d
					due = append(due, row.key)
				}
			}
		}
		s.mu.Unlock()
		if len(due) >= limit {
			a.warnFrom.Store(at)
			break
		}
	}
	return due, nil
}

func (row *keyRow) endsWithin(d time.Duration, l store.APIKeyLimits, now time.Time) bool {
	end := row.key.EndsAt(l.MaxAge)
	warned := row.warned != 0 && row.warned <= d
	return !warned && row.key.ReplacedBy == "" && row.key.Live(l.MaxAge, now) &&
		!end.IsZero() && !end.After(now.Add(d))
}
