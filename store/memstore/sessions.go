package memstore

import (
	"bytes"
	"cmp"
	"container/list"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

// sessions is store.Sessions. What has one tag lies in one shard, so that its
// lock makes atomic whatever happens to a subject, and a read takes one lock.
type sessions struct {
	max      int64
	now      func() time.Time
	n        atomic.Int64
	nRevoked atomic.Int64
	seed     maphash.Seed
	shards   [shards]sessionShard
	nobodys  anonymous
}

// sessionShard's lock comes before that of nobodys.
type sessionShard struct {
	mu       sync.RWMutex
	byToken  map[store.Digest]*sessionRow
	subjects map[string][]*sessionRow // oldest first; without anonymous ones
	byEnd    byEnd[*sessionRow]
	// revokedAt is when RevokeSessionsOf was called last. It is never forgotten.
	revokedAt map[string]time.Time
}

// sessionRow is guarded by the lock of its shard.
type sessionRow struct {
	shard   *sessionShard // for good
	session store.Session
	ending
	nobodys *list.Element // in anonymous; nil if it is somebody's
}

func (x *sessions) init(max int, now func() time.Time) {
	x.max, x.now, x.seed = int64(max), now, maphash.MakeSeed()
	for i := range x.shards {
		x.shards[i].byToken = make(map[store.Digest]*sessionRow)
		x.shards[i].subjects = make(map[string][]*sessionRow)
		x.shards[i].revokedAt = make(map[string]time.Time)
	}
}

// at is the index of tag's shard.
func (x *sessions) at(tag string) uint64 { return maphash.String(x.seed, tag) % shards }

func (x *sessions) shard(tag string) *sessionShard { return &x.shards[x.at(tag)] }

func (x *sessions) shardOf(subject string) *sessionShard { return x.shard(store.TagOf(subject)) }

// find is the row of ref, dead or not, nil if it is not there; s is locked.
func (s *sessionShard) find(ref store.SessionRef) *sessionRow {
	if row := s.byToken[ref.Token]; row != nil && row.session.Ref.Tag == ref.Tag {
		return row
	}
	return nil
}

// live is the row of ref if it is live at now, or else nil; s is locked.
func (s *sessionShard) live(ref store.SessionRef, now time.Time) *sessionRow {
	if row := s.find(ref); row != nil && row.session.Live(now) {
		return row
	}
	return nil
}

// sessionEnd is when s leaves, but for the margin.
func sessionEnd(s *store.Session) time.Time {
	if s.IdleUntil.Before(s.ExpiresAt) {
		return s.IdleUntil
	}
	return s.ExpiresAt
}

// kept is what is kept of an Identity.
func kept(id authn.Identity) authn.Identity {
	id = *id.Clone()
	id.VerifiedAt, id.Credential = time.Time{}, nil
	return id
}

// remove takes row out of its shard, which is locked; the caller counts.
func (x *sessions) remove(row *sessionRow) {
	row.shard.byEnd.remove(row)
	x.unlink(row)
}

// unlink is remove of a row that is not in byEnd any more.
func (x *sessions) unlink(row *sessionRow) {
	delete(row.shard.byToken, row.session.Ref.Token)
	if subject := row.session.Identity.Subject; subject != "" {
		row.shard.leave(subject, row)
	} else {
		x.nobodys.remove(row)
	}
}

// join adds row to subject's; s is locked.
func (s *sessionShard) join(subject string, row *sessionRow) {
	rows := s.subjects[subject]
	i, _ := slices.BinarySearchFunc(rows, row, byCreation)
	s.subjects[subject] = slices.Insert(rows, i, row)
}

// leave takes row out of subject's; s is locked. The oldest is quick, which is
// what expires.
func (s *sessionShard) leave(subject string, row *sessionRow) {
	rows := s.subjects[subject]
	switch i := slices.Index(rows, row); {
	case len(rows) == 1:
		delete(s.subjects, subject)
	case i == 0:
		rows[0] = nil
		s.subjects[subject] = rows[1:]
	default:
		s.subjects[subject] = slices.Delete(rows, i, i+1)
	}
}

// byCreation orders the oldest first.
func byCreation(a, b *sessionRow) int {
	return cmp.Or(a.session.CreatedAt.Compare(b.session.CreatedAt), cmp.Compare(a.session.ID, b.session.ID))
}

// SessionByRef is of store.Sessions, as are the methods below.
func (x *sessions) SessionByRef(_ context.Context, ref store.SessionRef, now time.Time) (store.Session, error) {
	s := x.shard(ref.Tag)
	s.mu.RLock()
	defer s.mu.RUnlock()
	row := s.live(ref, now)
	if row == nil {
		return store.Session{}, store.ErrNotFound
	}
	return row.session, nil
}

func (x *sessions) RotateSession(_ context.Context, ref store.SessionRef, next store.SessionRotation, now time.Time) error {
	next.Identity = kept(next.Identity)
	s := x.shard(ref.Tag)
	s.mu.Lock()
	defer s.mu.Unlock()
	row := s.live(ref, now)
	if row == nil {
		return store.ErrNotFound
	}
	if s.byToken[next.Token] != nil {
		return store.ErrExists
	}
	delete(s.byToken, ref.Token)
	s.byToken[next.Token] = row
	r := &row.session
	r.Ref.Token, r.Identity = next.Token, next.Identity
	r.SeenAt, r.IdleUntil, r.ExpiresAt = next.SeenAt, next.IdleUntil, next.ExpiresAt
	s.byEnd.move(row, sessionEnd(r))
	if r.Identity.Subject == "" || next.Max <= 0 {
		return nil
	}
	for _, old := range s.beyond(r, next.Max, row, now) {
		x.remove(old)
		x.n.Add(-1)
	}
	return nil
}

func (x *sessions) UpdateSessionData(_ context.Context, ref store.SessionRef, revision int64, data []byte, now time.Time) error {
	s := x.shard(ref.Tag)
	s.mu.Lock()
	defer s.mu.Unlock()
	row := s.live(ref, now)
	if row == nil {
		return store.ErrNotFound
	}
	if row.session.Revision != revision {
		return store.ErrConflict
	}
	row.session.Data = bytes.Clone(data) // what was read before keeps the old
	row.session.Revision++
	return nil
}

func (x *sessions) TouchSession(_ context.Context, ref store.SessionRef, idleUntil, now time.Time) error {
	s := x.shard(ref.Tag)
	s.mu.Lock()
	defer s.mu.Unlock()
	row := s.live(ref, now)
	if row == nil {
		return nil
	}
	r := &row.session
	if now.After(r.SeenAt) {
		r.SeenAt = now
	}
	if idleUntil.After(r.ExpiresAt) {
		idleUntil = r.ExpiresAt
	}
	if idleUntil.After(r.IdleUntil) {
		r.IdleUntil = idleUntil
		s.byEnd.move(row, sessionEnd(r))
	}
	return nil
}

// ListSessions answers cursors that say where its last one lies, since that
// one may be gone when the list goes on.
func (x *sessions) ListSessions(_ context.Context, subject string, p store.Page, now time.Time) (ss []store.Session, next string, err error) {
	s := x.shardOf(subject)
	s.mu.RLock()
	defer s.mu.RUnlock()
	rows := s.subjects[subject]
	if p.Cursor != "" {
		last, err := parseCursor(p.Cursor, subject)
		if err != nil {
			return nil, "", err
		}
		i, _ := slices.BinarySearchFunc(rows, last, byCreation)
		rows = rows[:i]
	}
	for _, row := range slices.Backward(rows) {
		if !row.session.Live(now) {
			continue
		}
		if len(ss) == p.Size() {
			return ss, cursorOf(subject, &ss[len(ss)-1]), nil
		}
		ss = append(ss, row.session)
	}
	return ss, "", nil
}

// cursorOf is the place of s in its subject's list.
func cursorOf(subject string, s *store.Session) string {
	return fmt.Sprintf("%s.%d.%s", store.TagOf(subject), s.CreatedAt.UnixMicro(), s.ID)
}

func parseCursor(cursor, subject string) (*sessionRow, error) {
	rest, ok := strings.CutPrefix(cursor, store.TagOf(subject)+".")
	created, id, found := strings.Cut(rest, ".")
	micros, err := strconv.ParseInt(created, 10, 64)
	if !ok || !found || err != nil {
		return nil, store.ErrNotFound
	}
	return &sessionRow{session: store.Session{ID: id, CreatedAt: time.UnixMicro(micros)}}, nil
}
