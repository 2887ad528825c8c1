package memstore_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// held is a store whose clock can be stopped: the next call that asks it, which
// is under a lock, waits for release.
type held struct {
	*memstore.Store
	ahead            atomic.Int64
	stop             atomic.Bool
	stopped, release chan struct{}
}

func newHeld() *held {
	h := &held{stopped: make(chan struct{}), release: make(chan struct{})}
	h.Store = memstore.New(memstore.Config{ClockOffset: func() time.Duration {
		if h.stop.CompareAndSwap(true, false) {
			close(h.stopped)
			<-h.release
		}
		return time.Duration(h.ahead.Load())
	}})
	return h
}

// during calls f(0) to f(7) while holds has its lock, and lets them wait for it.
func (h *held) during(holds func(), f func(i int)) {
	h.stop.Store(true)
	var calls, started sync.WaitGroup
	calls.Go(holds)
	<-h.stopped
	for i := range 8 {
		started.Add(1)
		calls.Go(func() {
			started.Done()
			f(i)
		})
	}
	started.Wait()
	for range 100 { // now they run into the lock
		runtime.Gosched()
	}
	close(h.release)
	calls.Wait()
}

// D1: a token that several have found already is claimed by one of them.
func TestATokenIsClaimedOnceByThoseWhoHaveFoundIt(t *testing.T) {
	for range 10 {
		h, now := newHeld(), time.Now()
		want(t, issue(t, h.Store, 0, now), nil, "token")
		var errs [8]error
		h.during(
			func() { want(t, issue(t, h.Store, 7, now), nil, "another token of its subject") },
			func(i int) { _, errs[i] = h.ClaimOneTime(t.Context(), numbered(0), now) },
		)
		claimed := 0
		for _, err := range errs {
			if err == nil {
				claimed++
				continue
			}
			want(t, err, store.ErrNotFound, "ClaimOneTime by those who lose")
		}
		if claimed != 1 {
			t.Fatalf("%d have claimed it", claimed)
		}
		_, err := h.OneTimeByDigest(t.Context(), numbered(7), now)
		want(t, err, nil, "the other token")
	}
}

// D1: a family that was found before it left is not revoked after it has.
func TestAFamilyThatHasLeftIsNotRevoked(t *testing.T) {
	for range 10 {
		h, now := newHeld(), time.Now()
		old, next := family(0, now), family(0, now.Add(48*time.Hour))
		next.Ref.ID = "next"
		want(t, h.CreateFamily(t.Context(), old), nil, "family")
		h.ahead.Store(int64(48 * time.Hour))
		h.during(
			func() { want(t, h.CreateFamily(t.Context(), next), nil, "the family that makes it leave") },
			func(int) { want(t, h.RevokeFamily(t.Context(), old.Ref, now), store.ErrNotFound, "RevokeFamily") },
		)
		f, err := h.Family(t.Context(), next.Ref)
		if err != nil || !f.RevokedAt.IsZero() {
			t.Errorf("the next family has RevokedAt %v and error %v", f.RevokedAt, err)
		}
	}
}
