package ratelimit

import (
	"context"
	"errors"
	"net/http"
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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	err := call(ctx)
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
}

// take fills b.states.
func (f *failover) take(ctx context.Context, b *batch) error {
	asked := f.ask(ctx, func(ctx context.Context) error { return f.st.TakeLimits(ctx, b.takes, b.states) })
	if asked {
		for i := range b.states {
			if b.states[i].RetryIn > 0 {
				return nil // nothing was taken
			}
		}
	}
	var local batch
	var places []int
	for i, p := range b.policies {
		switch {
		case p.OnOutage == FailLocal:
			t := b.takes[i]
			most := t.Limit
			if t.GCRA {
				most = t.Burst
			}
			fits := t.Cost <= most
			t.Limit, t.Burst = f.share(t.Limit), f.share(t.Burst)
			if fits { // what could pass still can, if all of the share is there
				t.Cost = min(t.Cost, f.share(most))
			}
			local.takes, places = append(local.takes, t), append(places, i)
		case asked:
		case p.OnOutage == FailClosed && !p.DryRun:
			return errDown
		default: // everything passes, and nothing is known
			b.states[i] = store.LimitState{Remaining: b.takes[i].Limit}
		}
	}
	if asked {
		var none [1]store.LimitState
		for i := range local.takes { // each for itself: the store has let it pass
			_ = f.local.TakeLimits(ctx, local.takes[i:i+1], none[:])
		}
		return nil
	}
	if len(local.takes) == 0 {
		return nil
	}
	local.states = make([]store.LimitState, len(local.takes))
	if err := f.local.TakeLimits(ctx, local.takes, local.states); err != nil {
		return audit.Outage("limits", err)
	}
	for i, place := range places {
		b.states[place] = local.states[i]
	}
	return nil
}
