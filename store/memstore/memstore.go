// Package memstore is the embedded default: everything in this process's
// memory, standard library only.
//
// A restart loses all of it, denials included, and nothing is shared with
// another process. It is for tests, for trying things out, and for one-process
// services whose credentials may end with the process. Since says since when
// it remembers.
//
// It is bounded: when a concern has Config.MaxRecords, what inserts answers
// [store.ErrFull]. Only anonymous sessions are evicted, the oldest first, when
// a session needs the room; sessions that have expired go before them, and
// one-time tokens that have expired when another one needs the room. Limits are
// counted by Config.MaxKeys counters: one that is refusing is never evicted, nor,
// of an account, one that is half spent, locked or disabled. Where none can go,
// the new ones of a policy share a counter.
package memstore

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn/internal/limits"
	"github.com/gatehouse-go/authn/store"
)

// Config of New. The zero Config is good.
type Config struct {
	// MaxRecords bounds each concern; of tokens, those that are revoked, the
	// families and the subjects whose version has moved on; of sessions, these
	// and the subjects whose sessions were revoked. Defaults to 1 000 000.
	MaxRecords int
	// MaxKeys bounds the counters of limits, of each of four kinds: takes and
	// attempts, of clients and of accounts. Defaults to 100 000.
	MaxKeys int
	// ClockOffset is added to the store's own clock, for tests. nil adds
	// nothing.
	ClockOffset func() time.Duration
}

const (
	defaultMaxRecords = 1_000_000
	defaultMaxKeys    = 100_000
	// margin is how long the expired is kept, for callers whose clocks differ.
	margin = 24 * time.Hour
	// sweepEvery is how often Run deletes.
	sweepEvery = time.Minute
)

// Store implements [store.Store] and [store.Forgetful]. It is safe for
// concurrent use.
type Store struct {
	apiKeys
	sessions
	tokens
	signingKeys
	passwords
	oneTime
	totps
	oauthClients
	providerTokens
	once
	*counters
	start time.Time
	cfg   Config
}

var (
	_ store.Store     = (*Store)(nil)
	_ store.Forgetful = (*Store)(nil)
)

// New is an empty store.
func New(cfg Config) *Store {
	if cfg.MaxRecords <= 0 {
		cfg.MaxRecords = defaultMaxRecords
	}
	if cfg.MaxKeys <= 0 {
		cfg.MaxKeys = defaultMaxKeys
	}
	s := &Store{cfg: cfg, counters: limits.New(cfg.MaxKeys, cfg.ClockOffset)}
	s.start = s.now()
	s.apiKeys.init(cfg.MaxRecords)
	s.sessions.init(cfg.MaxRecords, s.now)
	s.tokens.init(cfg.MaxRecords, s.now)
	s.signingKeys.init(cfg.MaxRecords, s.now)
	s.passwords.init(cfg.MaxRecords)
	s.oneTime.init(cfg.MaxRecords, s.now)
	s.totps.init(cfg.MaxRecords, s.now)
	s.oauthClients.init(cfg.MaxRecords)
	s.providerTokens.init(cfg.MaxRecords)
	s.once.init(cfg.MaxRecords, s.now)
	return s
}

// now is the store's clock.
func (s *Store) now() time.Time {
	now := time.Now()
	if s.cfg.ClockOffset != nil {
		now = now.Add(s.cfg.ClockOffset())
	}
	return now
}

// take counts one more in n, if there is room.
func take(n *atomic.Int64, max int64) error {
	if n.Add(1) > max {
		n.Add(-1)
		return store.ErrFull
	}
	return nil
}

// Since is when New was called.
func (s *Store) Since() time.Time { return s.start }

// Open has nothing to do.
func (s *Store) Open(context.Context) error { return nil }

// Check is always nil.
func (s *Store) Check(context.Context) error { return nil }

// Run deletes what expired over a day ago, until ctx ends; then it answers
// nil. Without it that happens when somebody needs the room.
func (s *Store) Run(ctx context.Context) error {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		s.sessions.sweepAll(margin)
		s.tokens.sweepAll()
		s.signingKeys.sweep()
		s.oneTime.sweepAll(margin)
		s.once.sweepAll()
		limits.Sweep(s.counters)
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}
