package memstore

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// tokens is store.Tokens. What is a subject's lies in one shard, so that its
// lock makes atomic whatever happens to a subject.
type tokens struct {
	max        int64
	now        func() time.Time
	nRevoked   atomic.Int64
	nFamilies  atomic.Int64
	nVersions  atomic.Int64
	seed       maphash.Seed
	subjects   [shards]subjectShard
	familyByID index[string, *familyRow]
}

// subjectShard's lock comes before those of the index.
type subjectShard struct {
	mu           sync.RWMutex
	revoked      map[store.Digest]*revokedToken
	revokedByEnd byEnd[*revokedToken]
	families     byEnd[*familyRow]
	versions     map[string]subjectVersion // of whom RevokeTokensOf was called for
}

type revokedToken struct {
	digest store.Digest
	ending
}

type subjectVersion struct {
	n         int64
	revokedAt time.Time // by RevokeTokensOf, the latest
}

func (k *tokens) init(max int, now func() time.Time) {
	k.max, k.now, k.seed = int64(max), now, maphash.MakeSeed()
	k.familyByID.init()
	for i := range k.subjects {
		k.subjects[i].revoked = make(map[store.Digest]*revokedToken)
		k.subjects[i].versions = make(map[string]subjectVersion)
	}
}

func (k *tokens) shard(subject string) *subjectShard {
	return &k.subjects[maphash.String(k.seed, subject)%shards]
}

// version is subject's; s is locked.
func (s *subjectShard) version(subject string) subjectVersion {
	if v, ok := s.versions[subject]; ok {
		return v
	}
	return subjectVersion{n: 1}
}

// TokenRevoked is of store.Tokens, as are the methods below.
func (k *tokens) TokenRevoked(_ context.Context, t store.TokenRef, now time.Time) (string, error) {
	digest := t.Digest()
	s := k.shard(t.Subject)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r, ok := s.revoked[digest]; ok && now.Before(r.end) {
		return store.TokenRevokedByID, nil
	}
	if t.Family != "" {
		row, ok := k.familyByID.get(t.Family)
		// A family of Subject is of this shard, so that RevokedAt may be read.
		if !ok || row.family.Subject != t.Subject || !row.family.RevokedAt.IsZero() {
			return store.TokenRevokedByFamily, nil
		}
	}
	v := s.version(t.Subject)
	if t.Version != 0 && t.Version != v.n || t.Version == 0 && !v.revokedAt.IsZero() && !t.IssuedAt.After(v.revokedAt) {
		return store.TokenRevokedBySubject, nil
	}
	return "", nil
}

func (k *tokens) RevokeToken(_ context.Context, t store.TokenRef, until time.Time) error {
	err := k.revoke(t, until)
	if errors.Is(err, store.ErrFull) { // what may go may lie in other shards
		k.sweepAll()
		err = k.revoke(t, until)
	}
	return err
}

func (k *tokens) revoke(t store.TokenRef, until time.Time) error {
	digest := t.Digest()
	s := k.shard(t.Subject)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.revoked[digest]; ok {
		if until.After(r.end) {
			s.revokedByEnd.move(r, until)
		}
		return nil
	}
	k.sweep(s)
	if err := take(&k.nRevoked, k.max); err != nil {
		return err
	}
	r := &revokedToken{digest: digest, ending: ending{end: until}}
	s.revoked[digest] = r
	s.revokedByEnd.insert(r)
	return nil
}

func (k *tokens) TokenVersion(_ context.Context, subject string, proofAge time.Duration) (int64, error) {
	now := k.now() // before waiting for the lock, which makes the proof no younger
	s := k.shard(subject)
	s.mu.RLock()
	defer s.mu.RUnlock()
	v := s.version(subject)
	if !v.revokedAt.IsZero() && now.Sub(v.revokedAt) <= max(proofAge, 0) {
		return 0, store.ErrConflict
	}
	return v.n, nil
}

func (k *tokens) RevokeTokensOf(_ context.Context, subject string) error {
	s := k.shard(subject)
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.versions[subject]
	if !ok {
		if err := take(&k.nVersions, k.max); err != nil {
			return err
		}
		v.n = 1
	}
	v.n++
	if now := k.now(); now.After(v.revokedAt) { // it may have been set back
		v.revokedAt = now
	}
	s.versions[subject] = v
	return nil
}

// sweep deletes a few of s's tokens and families that ended over a day ago, by
// the store's clock, and reports whether there may be more.
func (k *tokens) sweep(s *subjectShard) (more bool) {
	before := k.now().Add(-margin)
	moreTokens := s.revokedByEnd.sweep(before, func(r *revokedToken) {
		delete(s.revoked, r.digest)
		k.nRevoked.Add(-1)
	})
	moreFamilies := s.families.sweep(before, func(row *familyRow) {
		row.gone = true
		k.familyByID.remove(row.family.Ref.ID)
		k.nFamilies.Add(-1)
	})
	return moreTokens || moreFamilies
}

func (k *tokens) sweepAll() {
	for i := range k.subjects {
		s := &k.subjects[i]
		for more := true; more; {
			s.mu.Lock()
			more = k.sweep(s)
			s.mu.Unlock()
		}
	}
}
