package memstore

import (
	"container/list"
	"sync"
	"time"
)

// anonymous are the sessions of nobody: those that may be evicted.
type anonymous struct {
	mu   sync.Mutex
	rows list.List // of *sessionRow, as they came
}

func (a *anonymous) add(row *sessionRow) {
	a.mu.Lock()
	defer a.mu.Unlock()
	row.nobodys = a.rows.PushBack(row)
}

func (a *anonymous) remove(row *sessionRow) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rows.Remove(row.nobodys)
}

// oldest is nil when there is none.
func (a *anonymous) oldest() *sessionRow {
	a.mu.Lock()
	defer a.mu.Unlock()
	if first := a.rows.Front(); first != nil {
		return first.Value.(*sessionRow)
	}
	return nil
}

// evict deletes the oldest anonymous session, and is false when there is none.
func (x *sessions) evict() bool {
	row := x.nobodys.oldest()
	if row == nil {
		return false
	}
	s := row.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byToken[row.session.Ref.Token] == row { // it may have gone by itself
		x.remove(row)
		x.n.Add(-1)
	}
	return true
}

// sweep deletes a few of s's sessions whose end is over after ago, by the
// store's clock, and reports whether there may be more; s is locked.
func (x *sessions) sweep(s *sessionShard, after time.Duration) (more bool) {
	return s.byEnd.sweep(x.now().Add(-after), func(row *sessionRow) {
		x.unlink(row)
		x.n.Add(-1)
	})
}

func (x *sessions) sweepAll(after time.Duration) {
	for i := range x.shards {
		s := &x.shards[i]
		for more := true; more; {
			s.mu.Lock()
			more = x.sweep(s, after)
			s.mu.Unlock()
		}
	}
}
