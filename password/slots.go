package password

import (
	"container/list"
	"context"
	"errors"
	"net/http"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/gatehouse-go/authn"
)

// ErrBusy says that all slots are taken, and the queue before them, too: 503,
// to be tried again after a second. It says nothing of the password.
var ErrBusy error = &authn.Error{
	Status: http.StatusServiceUnavailable, Code: "unavailable", RetryAfter: time.Second,
	Err: errors.New("authn/password: more passwords are waiting to be hashed than may"),
}

// queued is how many may wait for each slot: at 64 MiB and 3 passes the last of
// them for some seconds.
const queued = 64

// minGarbage is what no collection is worth, in KiB.
const minGarbage = 8 << 10

// weight is what hashing takes while it runs.
type weight struct{ kib, threads int }

// slots let so much run at a time that memory and processors suffice, and the
// others wait in order of arrival: who needs much is not overtaken by those who
// need little. What runs alone may use more threads than there are processors.
type slots struct {
	kib  int    // of all that run
	unit weight // of a new hash, by which the queue is measured

	mu         sync.Mutex
	running    int
	used       weight
	waiting    list.List // of *ticket
	garbage    int       // KiB, since the last collection or when nobody waited
	collecting bool
}

type ticket struct {
	weight weight
	turn   chan struct{} // closed when it runs
}

// take waits for a slot, which give must give back. The error is ErrBusy, or
// ctx's. w.kib is at most s.kib.
func (s *slots) take(ctx context.Context, w weight) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.waiting.Len() == 0 && s.fits(w) {
		s.start(w)
		s.mu.Unlock()
		return nil
	}
	if s.waiting.Len() >= queued*s.count() {
		s.mu.Unlock()
		return ErrBusy
	}
	t := &ticket{w, make(chan struct{})}
	place := s.waiting.PushBack(t)
	s.mu.Unlock()

	select {
	case <-t.turn:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-t.turn: // meanwhile
		s.stop(w)
	default:
		s.waiting.Remove(place)
	}
	s.next()
	return ctx.Err()
}

// give ends what take began.
func (s *slots) give(w weight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.garbage += w.kib
	switch {
	case s.waiting.Len() == 0:
		s.garbage = 0 // the program's own collections are soon enough
	case !s.collecting && s.full():
		s.collecting, s.garbage = true, 0
		s.mu.Unlock()
		runtime.GC()
		s.mu.Lock()
		s.collecting = false
	}
	s.stop(w)
	s.next()
}

// full says that what ended has left so much garbage that it should go before
// the next one starts that waits. Each hash leaves all of its memory, and a
// collection that runs beside the next ones takes theirs for live and lets the
// heap grow by as much again: several times of what is in use. Where the rest of
// the program is large, twice as many collections as without us are enough.
func (s *slots) full() bool {
	if s.garbage < max(minGarbage, s.count()*s.unit.kib) {
		return false
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return live[0].Value.Kind() != metrics.KindUint64 || s.garbage >= int(live[0].Value.Uint64()>>11)
}

// next starts those at the front that fit.
func (s *slots) next() {
	for e := s.waiting.Front(); e != nil; e = s.waiting.Front() {
		t := e.Value.(*ticket)
		if !s.fits(t.weight) {
			return
		}
		s.waiting.Remove(e)
		s.start(t.weight)
		close(t.turn)
	}
}

func (s *slots) fits(w weight) bool {
	if s.collecting {
		return false
	}
	return s.running == 0 ||
		s.used.kib+w.kib <= s.kib && s.used.threads+w.threads <= runtime.GOMAXPROCS(0)
}

func (s *slots) start(w weight) {
	s.running++
	s.used.kib += w.kib
	s.used.threads += w.threads
}

func (s *slots) stop(w weight) {
	s.running--
	s.used.kib -= w.kib
	s.used.threads -= w.threads
}

// count is how many new hashes may be made at a time.
func (s *slots) count() int {
	return max(1, min(runtime.GOMAXPROCS(0)/s.unit.threads, s.kib/s.unit.kib))
}
