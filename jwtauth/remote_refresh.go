package jwtauth

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gatehouse-go/authn"
)

const (
	fetchTimeout = 10 * time.Second
	// unknownEvery is how often unknown kids may cause a fetch. That one time
	// for all kids is the whole negative cache: nothing is kept of a kid that
	// somebody made up.
	unknownEvery = 30 * time.Second
	// staleRetry is how often a source that is down is asked while old keys
	// serve. Where none do, it is after firstRetry, doubled up to maxRetry.
	staleRetry = 30 * time.Second
	firstRetry = time.Second
	maxRetry   = 30 * time.Second
)

// flight is one fetch, shared by all who wait for it. It has a goroutine, which
// is the only one that RemoteKeys ever have.
type flight struct {
	kid     string        // that it was started for, "" if for none
	unknown bool          // an unknown kid waits for it; under RemoteKeys.mu
	done    chan struct{} // closed by the goroutine's last act, when the rest is set
	set     *remoteSet    // from then on: the old one if err is set
	err     error
}

// ask is a lookup that could not be answered from the set that it read: it
// answers the flight to wait for, or if that is nil, the lookup's result.
func (k *RemoteKeys) ask(kid string, now time.Time) (*flight, Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	set := k.set.Load() // perhaps another one, by now
	key, known := set.key(kid)
	fresh := now.Before(set.fresh)
	switch {
	case k.closed:
		return nil, Key{}, errClosed
	case fresh && known:
		return nil, key, nil
	case fresh && kid == "": // of several keys
		return nil, Key{}, ErrUnknownKey
	case fresh && k.failure != nil && (k.flight != nil || now.Before(k.askAgain)):
		// It may be a new key of the source's: who sent it must not be told
		// that it is bad. Only one waits for a source that is down.
		return nil, Key{}, k.failure
	case fresh && now.Before(k.askAgain):
		return nil, Key{}, ErrUnknownKey
	case !fresh && k.flight == nil && now.Before(k.retryAt):
		return nil, Key{}, k.failure
	}
	if k.flight == nil {
		k.start(kid)
	}
	k.flight.unknown = k.flight.unknown || fresh
	return k.flight, Key{}, nil
}

// refresh starts a fetch in the background of a lookup, unless another one has.
func (k *RemoteKeys) refresh(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.flight == nil && !k.closed && !now.Before(k.set.Load().due) {
		k.start("")
	}
}

// start makes a flight; mu is held, and there is none.
func (k *RemoteKeys) start(kid string) {
	f := &flight{kid: kid, done: make(chan struct{})}
	k.flight = f
	set := *k.set.Load()
	set.due = set.fresh // lookups go on without looking at mu
	k.set.Store(&set)
	ctx, cancel := context.WithTimeout(k.ctx, fetchTimeout)
	go func() {
		defer close(f.done)
		defer cancel()
		got, err := k.fetch(ctx)
		for _, e := range k.land(f, got, err) {
			k.send(ctx, e)
		}
	}()
}

// land ends f with what was fetched, and answers the events of it.
func (k *RemoteKeys) land(f *flight, got fetched, err error) []authn.Event {
	now := k.cfg.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.flight = nil
	f.set = k.set.Load()
	switch {
	case k.closed:
		f.err = errClosed
		return nil
	case err != nil:
		return k.fail(f, err, now)
	}
	set := k.renewed(got, now)
	f.set = set
	k.set.Store(set)
	if _, ok := set.key(f.kid); f.unknown || f.kid != "" && !ok {
		k.askAgain = now.Add(unknownEvery)
	}
	var events []authn.Event
	if k.failure != nil {
		events = append(events, authn.Event{Kind: authn.EventRecovered})
	}
	k.failure, k.failures = nil, 0
	if got.skipped != k.skipped {
		k.skipped = got.skipped
		if got.skipped != "" {
			events = append(events, authn.Event{
				Kind: authn.EventWarning, Err: fmt.Errorf("authn/jwtauth: keys of %s that cannot be used: %s", k.host, got.skipped),
			})
		}
	}
	return events
}

// renewed is the set of what was fetched. Some of its lifetime is left when it
// is due again, and not as much in every instance of a service.
func (k *RemoteKeys) renewed(got fetched, now time.Time) *remoteSet {
	set := &remoteSet{
		keys:  got.keys,
		due:   now.Add(time.Duration((0.8 + 0.15*rand.Float64()) * float64(got.lifetime))),
		fresh: now.Add(got.lifetime),
	}
	set.until = set.fresh.Add(k.cfg.MaxStale)
	return set
}

// fail ends f with err. The old keys serve on, if there are any: at once, since
// the source is known to be down.
func (k *RemoteKeys) fail(f *flight, err error, now time.Time) []authn.Event {
	set := *f.set
	wait := staleRetry
	if !now.Before(set.until) {
		wait = min(firstRetry<<min(k.failures, 5), maxRetry)
	}
	k.failures++
	k.retryAt, k.askAgain = now.Add(wait), now.Add(wait)
	set.due, set.fresh = k.retryAt, set.until
	f.set = &set
	k.set.Store(&set)
	first := k.failure == nil
	f.err = fmt.Errorf("authn/jwtauth: keys of %s: %w", k.host, err)
	k.failure = f.err
	if !first {
		return nil
	}
	return []authn.Event{{Kind: authn.EventOutage, Err: f.err}}
}

// send completes an event. There is no request that a panic of OnEvent could
// fail instead of the process.
func (k *RemoteKeys) send(ctx context.Context, e authn.Event) {
	if k.cfg.OnEvent == nil {
		return
	}
	defer func() { _ = recover() }()
	e.At, e.Method, e.Reason = k.cfg.Now(), method, "remote keys"
	k.cfg.OnEvent(ctx, e)
}
