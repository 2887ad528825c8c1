package memstore

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// oneTime is store.OneTime. The tokens of a subject lie in one shard, so that
// its lock makes atomic whatever happens to a subject. A token leaves a day
// after its end by the store's own clock; for want of room at its end.
type oneTime struct {
	max      int64
	now      func() time.Time
	n        atomic.Int64
	byDigest index[store.Digest, *oneTimeRow]
	seed     maphash.Seed
	shards   [shards]oneTimeShard
}

// oneTimeShard's lock comes before that of the index.
type oneTimeShard struct {
	mu       sync.RWMutex
	subjects map[string][]*oneTimeRow
	byEnd    byEnd[*oneTimeRow]
}

// oneTimeRow is guarded by the lock of its shard; its token never changes.
type oneTimeRow struct {
	shard *oneTimeShard
	token store.OneTimeToken
	gone  bool // claimed, revoked or swept
	ending
}

func (o *oneTime) init(max int, now func() time.Time) {
	o.max, o.now, o.seed = int64(max), now, maphash.MakeSeed()
	o.byDigest.init()
	for i := range o.shards {
		o.shards[i].subjects = make(map[string][]*oneTimeRow)
	}
}

func (o *oneTime) shard(subject string) *oneTimeShard {
	return &o.shards[maphash.String(o.seed, subject)%shards]
}

// CreateOneTime is of store.OneTime, as are the methods below.
func (o *oneTime) CreateOneTime(_ context.Context, t store.OneTimeToken, most int, now time.Time) error {
	err := o.insert(t, most, now)
	if errors.Is(err, store.ErrFull) { // what may go may lie in other shards
		o.sweepAll(0)
		err = o.insert(t, most, now)
	}
	return err
}

func (o *oneTime) insert(t store.OneTimeToken, most int, now time.Time) error {
	s := o.shard(t.Subject)
	s.mu.Lock()
	defer s.mu.Unlock()
	o.sweep(s, margin)
	if most > 0 && s.live(t.Subject, t.Purpose, now) >= most {
		return store.ErrLimit
	}
	if err := take(&o.n, o.max); err != nil {
		return err
	}
	row := &oneTimeRow{shard: s, token: t, ending: ending{end: t.ExpiresAt}}
	if !o.byDigest.add(t.Digest, row) {
		o.n.Add(-1)
		return store.ErrExists
	}
	s.subjects[t.Subject] = append(s.subjects[t.Subject], row)
	s.byEnd.insert(row)
	return nil
}

// live counts the subject's tokens of purpose that are at now; s is locked.
func (s *oneTimeShard) live(subject, purpose string, now time.Time) (n int) {
	for _, row := range s.subjects[subject] {
		if row.token.Purpose == purpose && now.Before(row.token.ExpiresAt) {
			n++
		}
	}
	return n
}

func (o *oneTime) OneTimeByDigest(_ context.Context, d store.Digest, now time.Time) (store.OneTimeToken, error) {
	row, ok := o.byDigest.get(d)
	if !ok {
		return store.OneTimeToken{}, store.ErrNotFound
	}
	row.shard.mu.RLock()
	defer row.shard.mu.RUnlock()
	return row.liveAt(now)
}

func (o *oneTime) ClaimOneTime(_ context.Context, d store.Digest, now time.Time) (store.OneTimeToken, error) {
	row, ok := o.byDigest.get(d)
	if !ok {
		return store.OneTimeToken{}, store.ErrNotFound
	}
	row.shard.mu.Lock()
	defer row.shard.mu.Unlock()
	t, err := row.liveAt(now)
	if err == nil {
		row.shard.byEnd.remove(row)
		o.unlink(row)
	}
	return t, err
}

func (o *oneTime) RevokeOneTimeOf(_ context.Context, subject string) error {
	s := o.shard(subject)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range s.subjects[subject] {
		s.byEnd.remove(row)
		o.forget(row)
	}
	delete(s.subjects, subject)
	return nil
}

// liveAt answers the row's token if it is live; its shard is locked.
func (row *oneTimeRow) liveAt(now time.Time) (store.OneTimeToken, error) {
	if row.gone || !now.Before(row.token.ExpiresAt) {
		return store.OneTimeToken{}, store.ErrNotFound
	}
	return row.token, nil
}

// forget makes row unknown but for its subject and byEnd; its shard is locked.
func (o *oneTime) forget(row *oneTimeRow) {
	row.gone = true
	o.byDigest.remove(row.token.Digest)
	o.n.Add(-1)
}

// unlink takes row out of all but byEnd; its shard is locked.
func (o *oneTime) unlink(row *oneTimeRow) {
	o.forget(row)
	s, subject := row.shard, row.token.Subject
	rows := s.subjects[subject]
	i := slices.Index(rows, row)
	if rows = slices.Delete(rows, i, i+1); len(rows) == 0 {
		delete(s.subjects, subject)
	} else {
		s.subjects[subject] = rows
	}
}

// sweep deletes a few of s's tokens whose end is over after ago, by the
// store's clock, and reports whether there may be more; s is locked.
func (o *oneTime) sweep(s *oneTimeShard, after time.Duration) (more bool) {
	return s.byEnd.sweep(o.now().Add(-after), o.unlink)
}

func (o *oneTime) sweepAll(after time.Duration) {
	for i := range o.shards {
		s := &o.shards[i]
		for more := true; more; {
			s.mu.Lock()
			more = o.sweep(s, after)
			s.mu.Unlock()
		}
	}
}
