package storetest_test

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// edited is a memstore whose records can be made to read otherwise than it
// keeps them: what broken stores are made from.
type edited struct {
	*memstore.Store
	offset   func() time.Duration
	reads    atomic.Int64 // calls that read
	keys     edits[store.APIKey]
	families edits[store.RefreshFamily]
	ring     edits[store.SigningKey]
	sessions edits[store.Session]

	mu      sync.Mutex
	owners  map[string]string              // by the ID of an API key
	refs    map[string]store.FamilyRef     // by the ID of a family
	revoked map[string]int64               // calls of RevokeTokensOf, by subject
	tokens  map[store.Digest]store.Session // all that were created, as they were, by each token
}

// edits say how records are read, by ID.
type edits[R any] struct {
	mu sync.Mutex
	of map[string][]func(r *R)
}

func (e *edits[R]) add(id string, f func(r *R)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.of == nil {
		e.of = make(map[string][]func(r *R))
	}
	e.of[id] = append(e.of[id], f)
}

func (e *edits[R]) remove(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.of, id)
}

func (e *edits[R]) view(id string, r R) R {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range e.of[id] {
		f(&r)
	}
	return r
}

func newEdited(offset func() time.Duration) *edited {
	return &edited{
		Store:  memstore.New(memstore.Config{ClockOffset: offset}),
		offset: offset,
		owners: make(map[string]string), refs: make(map[string]store.FamilyRef), revoked: make(map[string]int64),
		tokens: make(map[store.Digest]store.Session),
	}
}

// edit changes what is read of id from now on. f sets fields; what they share
// with the store it leaves alone.
func (s *edited) edit(id string, f func(k *store.APIKey)) { s.keys.add(id, f) }

// unedit makes id read as it is kept.
func (s *edited) unedit(id string) { s.keys.remove(id) }

func (s *edited) view(k store.APIKey) store.APIKey { return s.keys.view(k.ID, k) }

// ownerOf is whose key id is, "" if it is unknown.
func (s *edited) ownerOf(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owners[id]
}

// all answers all keys, in the order of their IDs.
func (s *edited) all(ctx context.Context) (keys []store.APIKey) {
	s.mu.Lock()
	owners := maps.Clone(s.owners)
	s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(owners)) {
		if k, err := s.APIKey(ctx, owners[id], id); err == nil {
			keys = append(keys, k)
		}
	}
	return keys
}

// keysOf answers all keys of owner, newest first.
func (s *edited) keysOf(ctx context.Context, owner string) []store.APIKey {
	keys, _, _ := s.ListAPIKeys(ctx, owner, store.Page{Limit: 1000})
	return keys
}

func (s *edited) created(id, owner string, err error) error {
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.owners[id] = owner
	}
	return err
}

func (s *edited) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	return s.created(k.ID, k.Owner, s.Store.CreateAPIKey(ctx, k, l, now))
}

func (s *edited) RotateAPIKey(ctx context.Context, owner, id string, next store.APIKey, until, now time.Time) error {
	return s.created(next.ID, owner, s.Store.RotateAPIKey(ctx, owner, id, next, until, now))
}

func (s *edited) APIKeyByDigest(ctx context.Context, d store.Digest) (store.APIKey, error) {
	s.reads.Add(1)
	k, err := s.Store.APIKeyByDigest(ctx, d)
	return s.view(k), err
}

func (s *edited) APIKey(ctx context.Context, owner, id string) (store.APIKey, error) {
	s.reads.Add(1)
	k, err := s.Store.APIKey(ctx, owner, id)
	return s.view(k), err
}

func (s *edited) ListAPIKeys(ctx context.Context, owner string, p store.Page) ([]store.APIKey, string, error) {
	s.reads.Add(1)
	keys, next, err := s.Store.ListAPIKeys(ctx, owner, p)
	for i := range keys {
		keys[i] = s.view(keys[i])
	}
	return keys, next, err
}

// waitForReaders lets others read between two writes that should be one.
func (s *edited) waitForReaders() {
	before := s.reads.Load()
	yieldUntil(func() bool { return s.reads.Load() > before+6 })
}

// meeting makes calls that race meet between their reading and their writing:
// each waits for another, but not for long, since it may be alone.
type meeting struct{ here atomic.Int32 }

func (m *meeting) wait() {
	m.here.Add(1)
	yieldUntil(func() bool { return m.here.Load() > 1 })
	m.here.Add(-1)
}

// yieldUntil gives way to other goroutines until ok, or some 2000 times.
func yieldUntil(ok func() bool) {
	for range 2000 {
		if ok() {
			return
		}
		runtime.Gosched()
	}
}
