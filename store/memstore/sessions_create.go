package memstore

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// CreateSession is of store.Sessions. When there is no room, sessions that
// have expired go first, and then the anonymous one that was created first.
func (x *sessions) CreateSession(_ context.Context, s store.Session, replaces store.SessionRef, most int, proofAge time.Duration, now time.Time) error {
	s.Identity, s.Data = kept(s.Identity), bytes.Clone(s.Data)
	// Before waiting for a lock, which makes the proof no younger.
	proved := x.now().Add(-max(proofAge, 0))
	err := x.create(s, replaces, most, proved, now)
	if errors.Is(err, store.ErrFull) { // what may go may lie in other shards
		x.sweepAll(0)
		err = x.create(s, replaces, most, proved, now)
	}
	for errors.Is(err, store.ErrFull) && x.evict() {
		err = x.create(s, replaces, most, proved, now)
	}
	return err
}

func (x *sessions) create(s store.Session, replaces store.SessionRef, most int, proved, now time.Time) error {
	at := x.at(s.Ref.Tag)
	from := at
	if replaces != (store.SessionRef{}) {
		from = x.at(replaces.Tag)
	}
	// In one order, or two logins would wait for each other.
	first, second := &x.shards[min(at, from)], &x.shards[max(at, from)]
	first.mu.Lock()
	defer first.mu.Unlock()
	if second != first {
		second.mu.Lock()
		defer second.mu.Unlock()
	}
	shard, subject := &x.shards[at], s.Identity.Subject
	if subject != "" && shard.revokedSince(subject, proved) {
		return store.ErrConflict
	}
	if shard.byToken[s.Ref.Token] != nil {
		return store.ErrExists
	}
	x.sweep(shard, margin)
	var gone []*sessionRow
	replaced := x.shards[from].find(replaces)
	if replaced != nil {
		gone = append(gone, replaced)
	}
	if subject != "" && most > 0 {
		gone = append(gone, shard.beyond(&s, most, replaced, now)...)
	}
	if len(gone) > 0 { // s takes the place of one
		x.n.Add(int64(1 - len(gone)))
	} else if err := take(&x.n, x.max); err != nil {
		return err
	}
	for _, row := range gone {
		x.remove(row)
	}
	x.insert(shard, s)
	return nil
}

// insert adds s to shard, which is locked; the caller counts.
func (x *sessions) insert(shard *sessionShard, s store.Session) {
	row := &sessionRow{shard: shard, session: s, ending: ending{end: sessionEnd(&s)}}
	shard.byToken[s.Ref.Token] = row
	shard.byEnd.insert(row)
	if subject := s.Identity.Subject; subject != "" {
		shard.join(subject, row)
	} else {
		x.nobodys.add(row)
	}
}

// revokedSince reports whether RevokeSessionsOf was called at proved or later;
// s is locked.
func (s *sessionShard) revokedSince(subject string, proved time.Time) bool {
	at, ok := s.revokedAt[subject]
	return ok && !at.Before(proved)
}

// beyond are the oldest sessions of n's subject that must go so that most are
// left with n: of those that are live at now and owe a factor or not, as n does.
// except is n's own row, or leaves anyway; s is locked.
func (s *sessionShard) beyond(n *store.Session, most int, except *sessionRow, now time.Time) []*sessionRow {
	var live []*sessionRow
	for _, row := range s.subjects[n.Identity.Subject] {
		if row != except && row.session.Live(now) && row.session.Owes() == n.Owes() {
			live = append(live, row)
		}
	}
	return live[:max(len(live)-(most-1), 0)]
}
