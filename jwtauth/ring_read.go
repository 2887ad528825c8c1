package jwtauth

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

const (
	// freshFor is how long nobody looks at the store again. From then on it is
	// read in the background, so that where there is traffic nobody waits.
	freshFor = 5 * time.Second
	// believedFor is how long what was read counts without looking again: a key
	// that another instance has retired is refused after it.
	believedFor = 10 * time.Second
	// staleFor is how long it counts while the store is down.
	staleFor = 5 * time.Minute
	// readAgainAfter spaces the readings for unknown kids, which anybody can
	// make up, and those of a store that is down.
	readAgainAfter = time.Second
	readTimeout    = 5 * time.Second
)

// reading is one look at the store, shared by all who wait for it. Its
// goroutine ends with it.
type reading struct {
	done chan struct{} // closed when set and err are there
	set  *keySet
	err  error
}

func (r *reading) wait(ctx context.Context) (*keySet, error) {
	select {
	case <-r.done:
		return r.set, r.err
	case <-ctx.Done():
		return nil, keysOutage(ctx.Err())
	}
}

// age is how long ago s was read. A clock that was set back makes it old, too.
func (s *keySet) age(now time.Time) time.Duration {
	if s == nil {
		return staleFor
	}
	return now.Sub(s.readAt).Abs()
}

// current is a set that is not too old. The error is an outage.
func (s *sharedRing) current(ctx context.Context) (*keySet, error) {
	now := s.cfg.Now()
	set, r, err := s.ready(now)
	if r == nil {
		return set, err
	}
	if set, err = r.wait(ctx); err == nil {
		return set, nil
	}
	if old := s.set.Load(); ctx.Err() == nil && old.age(s.cfg.Now()) < staleFor {
		return old, nil
	}
	return nil, err
}

// ready answers a set that may be used at once, or the reading to wait for, or
// an outage. It begins a reading when one is due.
func (s *sharedRing) ready(now time.Time) (*keySet, *reading, error) {
	if set := s.set.Load(); set.age(now) < freshFor {
		return set, nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	set := s.set.Load() // perhaps another one, by now
	age := set.age(now)
	if age < freshFor {
		return set, nil, nil
	}
	if s.reading == nil && s.mayRead(now) {
		s.begin()
	}
	down := s.err != nil && now.Sub(s.failedAt).Abs() < believedFor // as far as we know: nobody waits for it
	switch {
	case age < believedFor, down && age < staleFor:
		return set, nil, nil
	case s.reading != nil:
		return nil, s.reading, nil
	default:
		return nil, nil, s.err
	}
}

// mayRead spaces the readings of a store that is down; mu is held.
func (s *sharedRing) mayRead(now time.Time) bool {
	return s.err == nil || now.Sub(s.failedAt).Abs() >= readAgainAfter
}

// seek reads the store for a kid that is unknown, unless that was done within a
// second: that one time for all kids is the whole negative cache. While the
// store is down a kid may be a new key's, so that the answer is an outage.
func (s *sharedRing) seek(ctx context.Context) (*keySet, error) {
	now := s.cfg.Now()
	s.mu.Lock()
	if s.reading == nil && now.Sub(s.soughtAt).Abs() >= readAgainAfter && s.mayRead(now) {
		s.soughtAt = now
		s.begin()
	}
	set, r, err := s.set.Load(), s.reading, s.err
	s.mu.Unlock()
	switch {
	case r != nil:
		return r.wait(ctx)
	case err != nil:
		return nil, err
	default:
		return set, nil
	}
}

// again reads the store as it is after the call: not by a reading that has
// begun already.
func (s *sharedRing) again(ctx context.Context) (*keySet, error) {
	s.mu.Lock()
	for s.reading != nil {
		r := s.reading
		s.mu.Unlock()
		_, _ = r.wait(ctx)
		if err := ctx.Err(); err != nil {
			return nil, keysOutage(err)
		}
		s.mu.Lock()
	}
	r := s.begin()
	s.mu.Unlock()
	return r.wait(ctx)
}

// begin starts a reading; mu is held, and there is none. It is nobody's own: it
// neither ends with a request nor runs in its transaction.
func (s *sharedRing) begin() *reading {
	r := &reading{done: make(chan struct{})}
	s.reading = r
	go func() {
		defer close(r.done)
		ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
		defer cancel()
		events := s.read(ctx, r)
		defer func() { _ = recover() }() // of OnEvent: there is no request that it could fail
		for _, e := range events {
			s.send(ctx, e)
		}
	}()
	return r
}

// read does what a reading is for.
func (s *sharedRing) read(ctx context.Context, r *reading) []authn.Event {
	now := s.cfg.Now()
	recs, events, err := s.tryList(ctx)
	var changed bool
	if err == nil {
		var warnings []authn.Event
		r.set, changed, warnings = s.build(recs, s.set.Load())
		events = append(events, warnings...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading = nil
	down := s.err != nil
	if err != nil {
		r.err = keysOutage(fmt.Errorf("authn/jwtauth: signing keys: %w", err))
		s.err, s.failedAt = r.err, s.cfg.Now()
		if !down {
			events = append(events, authn.Event{Kind: authn.EventOutage, Reason: "signing keys", Err: err})
		}
		return events
	}
	s.err = nil
	r.set.readAt = now
	if changed {
		s.number(r.set)
	} else {
		r.set.generation = s.set.Load().generation
	}
	s.set.Store(r.set)
	if down {
		events = append(events, authn.Event{Kind: authn.EventRecovered, Reason: "signing keys"})
	}
	return events
}

// number gives set a generation of its own, and one for each key of it that
// will expire; mu is held.
func (s *sharedRing) number(set *keySet) {
	set.generation = s.next
	s.next += uint64(len(set.keys)) + 1
}

// tryList is list of a store that may panic: in a goroutine, that would end the
// process.
func (s *sharedRing) tryList(ctx context.Context) (recs []store.SigningKey, events []authn.Event, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("authn/jwtauth: the store panics: %v", p)
		}
	}()
	return s.list(ctx)
}
