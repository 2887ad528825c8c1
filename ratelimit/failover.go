package ratelimit

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/internal/limits"
	"github.com/gatehouse-go/authn/store"
)

const (
	// patience is how long the store may take for an answer.
	patience = 250 * time.Millisecond
	// probeEvery is how often a store that is down is asked again, by one
	// request at a time: the others do not wait for it.
	probeEvery = time.Second
	// localKeys bounds what stands in.
	localKeys = 100_000
)

// failover asks the store, and counts in memory beside it, so that an outage
// gives nobody a fresh budget.
type failover struct {
	st        store.Limits
	local     *limits.Table
	instances int
	log       audit.Log
	start     time.Time
	down      atomic.Bool
	probe     atomic.Int64 // since start: when the store is asked again
}

func newFailover(st store.Limits, instances int, log audit.Log) *failover {
	start := time.Now()
	return &failover{st: st, local: limits.New(localKeys, nil), instances: max(1, instances), log: log, start: start}
}

// share is this instance's part of n.
func (f *failover) share(n int) int {
	if n == 0 {
		return 0
	}
	return max(1, n/f.instances)
}

// ask calls the store unless it is down, and answers whether that could be
// done. It goes on when the client has gone, which else could guess uncounted,
// and tell nothing of the store.
func (f *failover) ask(ctx context.Context, call func(ctx context.Context) error) (asked bool) {
	if f.down.Load() {
		now, next := int64(time.Since(f.start)), f.probe.Load()
		if now < next || !f.probe.CompareAndSwap(next, now+int64(probeEvery)) {
			return false
		}
	}
	own := &deadline{values: ctx, at: time.Now().Add(patience)}
	defer own.end()
	err := call(own)
	if err == nil {
		if f.down.CompareAndSwap(true, false) {
			f.log.Send(ctx, authn.Event{Kind: authn.EventRecovered})
		}
		return true
	}
	f.probe.Store(int64(time.Since(f.start) + probeEvery))
	if f.down.CompareAndSwap(false, true) {
		f.log.Send(ctx, authn.Event{Kind: authn.EventOutage, Reason: "store", Err: err})
	}
	return false
}

var errDown = &authn.Error{Status: http.StatusServiceUnavailable, Code: "unavailable", Reason: "limits", Reported: true}

// errTx is of a call in a host's transaction.
var errTx = &authn.Error{
	Status: http.StatusInternalServerError, Code: "internal",
	Err: errors.New("authn/ratelimit: a call in a transaction, which may be rolled back: make it without"),
}

// batch is what one request takes.
type batch struct {
	policies []*Policy
	takes    []store.LimitTake
	states   []store.LimitState

	// Room for few of each and for one that is counted here, too, so that all is
	// one allocation.
	few struct {
		policies [fewTakes]*Policy
		takes    [fewTakes]store.LimitTake
		states   [fewTakes]store.LimitState
	}
	local   [1]store.LimitTake
	ignored [1]store.LimitState
}

const fewTakes = 2

func newBatch() *batch {
	b := new(batch)
	b.policies, b.takes, b.states = b.few.policies[:0], b.few.takes[:0], b.few.states[:0]
	return b
}

func (b *batch) add(p *Policy, t store.LimitTake) {
	b.policies, b.takes, b.states = append(b.policies, p), append(b.takes, t), append(b.states, store.LimitState{})
}

func (b *batch) refused() bool {
	return slices.ContainsFunc(b.states, func(s store.LimitState) bool { return s.RetryIn > 0 })
}

// localTake is t for what counts in this process, with its share of the limit.
func (f *failover) localTake(t store.LimitTake) store.LimitTake {
	most := t.Limit
	if t.GCRA {
		most = t.Burst
	}
	fits := t.Cost <= most
	t.Limit, t.Burst = f.share(t.Limit), f.share(t.Burst)
	if fits { // what could pass still can, if all of the share is there
		t.Cost = min(t.Cost, f.share(most))
	}
	return t
}

// take fills b.states.
func (f *failover) take(ctx context.Context, b *batch) error {
	if f.ask(ctx, func(ctx context.Context) error { return f.st.TakeLimits(ctx, b.takes, b.states) }) {
		if b.refused() {
			return nil // nothing was taken
		}
		for i, p := range b.policies {
			if p.OnOutage == FailLocal { // each for itself: the store has let it pass
				b.local[0] = f.localTake(b.takes[i])
				_ = f.local.TakeLimits(ctx, b.local[:], b.ignored[:])
			}
		}
		return nil
	}
	local := newBatch()
	var places []int
	for i, p := range b.policies {
		switch {
		case p.OnOutage == FailLocal:
			local.add(p, f.localTake(b.takes[i]))
			places = append(places, i)
		case p.OnOutage == FailClosed && !p.DryRun:
			return errDown
		default: // everything passes, and nothing is known
			b.states[i] = store.LimitState{Remaining: b.takes[i].Limit}
		}
	}
	if len(local.takes) == 0 {
		return nil
	}
	if err := f.local.TakeLimits(ctx, local.takes, local.states); err != nil {
		return audit.Outage("limits", err)
	}
	for i, place := range places {
		b.states[place] = local.states[i]
	}
	return nil
}

// deadline is a context that ends then, or with the call. It makes a timer only for
// who waits for it: a store in memory does not.
type deadline struct {
	values context.Context
	at     time.Time

	mu    sync.Mutex
	timed context.Context // nil: nobody has asked
	stop  context.CancelFunc
	over  bool
}

func (d *deadline) begin() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timed == nil {
		d.timed, d.stop = context.WithDeadline(context.WithoutCancel(d.values), d.at)
		if d.over {
			d.stop()
		}
	}
	return d.timed
}

// end is for when the call is over: who still waits, or will, need not any longer.
func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over = true; d.stop != nil {
		d.stop()
	}
}

// Deadline is of context.Context, as are the methods below.
func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }
func (d *deadline) Done() <-chan struct{}       { return d.begin().Done() }
func (d *deadline) Err() error                  { return d.begin().Err() }

// Value, once Done was asked as package context does first, also finds what that
// keeps in timed, so that it needs no goroutine for a context that is made of
// this one.
func (d *deadline) Value(key any) any {
	d.mu.Lock()
	timed := d.timed
	d.mu.Unlock()
	if timed != nil {
		return timed.Value(key)
	}
	return d.values.Value(key)
}
