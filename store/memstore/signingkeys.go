package memstore

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// signingKeys is store.SigningKeys. There are few, so that one lock does.
type signingKeys struct {
	max  int
	now  func() time.Time
	mu   sync.RWMutex
	keys []store.SigningKey // oldest first
}

func (r *signingKeys) init(max int, now func() time.Time) { r.max, r.now = max, now }

// expired reports whether k has at now.
func expired(k store.SigningKey, now time.Time) bool {
	return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}

// find is the key id, nil if it is not there; r is locked.
func (r *signingKeys) find(id string) *store.SigningKey {
	for i := range r.keys {
		if r.keys[i].ID == id {
			return &r.keys[i]
		}
	}
	return nil
}

// newest is the newest key that has not expired at now, nil if there is none;
// r is locked.
func (r *signingKeys) newest(now time.Time) *store.SigningKey {
	for i := range slices.Backward(r.keys) {
		if !expired(r.keys[i], now) {
			return &r.keys[i]
		}
	}
	return nil
}

// ListSigningKeys is of store.SigningKeys, as are the methods below.
func (r *signingKeys) ListSigningKeys(_ context.Context, now time.Time) ([]store.SigningKey, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var keys []store.SigningKey
	for _, k := range slices.Backward(r.keys) {
		if !expired(k, now) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func (r *signingKeys) AddSigningKey(_ context.Context, k store.SigningKey, newest string, expires time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweepLocked()
	if r.find(k.ID) != nil {
		return store.ErrExists
	}
	last := r.newest(k.CreatedAt)
	if last == nil && newest != "" || last != nil && last.ID != newest {
		return store.ErrConflict
	}
	if len(r.keys) >= r.max {
		return store.ErrFull
	}
	if last != nil {
		last.SignUntil = k.SignFrom
		if last.ExpiresAt.IsZero() || expires.Before(last.ExpiresAt) {
			last.ExpiresAt = expires
		}
	}
	k.Public, k.Sealed = bytes.Clone(k.Public), bytes.Clone(k.Sealed)
	r.keys = append(r.keys, k)
	return nil
}

func (r *signingKeys) ExpireSigningKey(_ context.Context, id string, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.find(id)
	if k == nil {
		return store.ErrNotFound
	}
	if !expired(*k, now) {
		k.ExpiresAt = now
	}
	return nil
}

// sweep deletes what expired over a day ago, by the store's clock.
func (r *signingKeys) sweep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweepLocked()
}

func (r *signingKeys) sweepLocked() {
	gone := r.now().Add(-margin)
	r.keys = slices.DeleteFunc(r.keys, func(k store.SigningKey) bool {
		return !k.ExpiresAt.IsZero() && k.ExpiresAt.Before(gone)
	})
}
