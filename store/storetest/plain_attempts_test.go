package storetest_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// plainGuesses is what attempts are counted by.
type plainGuesses struct {
	tiers [store.MaxTiers]plainTier
	row   int
}

type plainTier struct {
	log          []time.Duration
	begin, until time.Duration // of the last lock
	locks        int
}

// locked is how g refuses a at now, if it does.
func (p *plainLimits) locked(g plainGuesses, a store.AttemptTake, now time.Duration) (s store.AttemptState) {
	s.Disabled = a.DisableAfter > 0 && g.row >= a.DisableAfter
	for _, t := range g.tiers[:len(a.Tiers)] {
		left := max(0, t.until-now)
		if p.shortestLock && s.RetryIn > 0 && left > 0 {
			left = min(left, s.RetryIn)
			s.RetryIn = left
		}
		s.RetryIn = max(s.RetryIn, left)
	}
	return s
}

// counted is g after an attempt at now.
func (p *plainLimits) counted(g plainGuesses, a store.AttemptTake, now time.Duration) (after plainGuesses, first bool) {
	g.row++
	first = a.DisableAfter > 0 && g.row >= a.DisableAfter
	for i, tier := range a.Tiers {
		t := &g.tiers[i]
		if p.countsFromFirst && len(t.log) > 0 && now-t.log[0] >= tier.Period {
			t.log = nil
		}
		t.log = append(live(t.log, tier.Period, now), now)
		if len(t.log) < tier.N {
			continue
		}
		end := t.until
		if p.anewSinceBegin {
			end = t.begin
		}
		if now-end >= 24*time.Hour && !p.neverAnew {
			t.locks = 0
		}
		n := min(t.locks, len(tier.Locks)-1)
		if p.locksInTurn {
			n = t.locks % len(tier.Locks)
		}
		t.begin, t.until = now, now+tier.Locks[n]
		t.locks++
		first = true
		if p.lockClearsLog {
			t.log = nil
		}
	}
	return g, first
}

func badAttempt(a store.AttemptTake) bool {
	return len(a.Tiers) > store.MaxTiers || a.DisableAfter < 0 || slices.ContainsFunc(a.Tiers, func(t store.AttemptTier) bool {
		return t.N < 1 || t.N > store.MaxWindow || t.Period <= 0 || len(t.Locks) == 0
	})
}

func (p *plainLimits) ReserveAttempts(_ context.Context, takes []store.AttemptTake) (s store.AttemptState, err error) {
	if slices.ContainsFunc(takes, badAttempt) {
		return s, errors.New("bad attempts")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	all := make([]plainGuesses, len(takes))
	for i, a := range takes {
		g := p.guesses[[3]string{a.Policy, a.Key, a.Sub}]
		if p.rowsEndInADay && g.row > 0 && now-g.tiers[0].log[len(g.tiers[0].log)-1] > 24*time.Hour {
			g.row = 0
		}
		all[i] = g
		refused := p.locked(g, a, now)
		s.RetryIn, s.Disabled = max(s.RetryIn, refused.RetryIn), s.Disabled || refused.Disabled
	}
	p.letOthersIn()
	for i, a := range takes {
		g, first := p.counted(all[i], a, now)
		if s.RetryIn > 0 || s.Disabled {
			g, first = p.refusedAttempt(all[i], g, now), false
		}
		s.First = s.First || first
		p.guesses[[3]string{a.Policy, a.Key, a.Sub}] = g
	}
	return s, nil
}

// refusedAttempt is what becomes of before when an attempt is refused, which
// would have made it after.
func (p *plainLimits) refusedAttempt(before, after plainGuesses, now time.Duration) plainGuesses {
	for i := range before.tiers {
		t := &before.tiers[i]
		if p.lockedCount {
			t.log = after.tiers[i].log
		}
		if p.lockedExtend && t.until > now {
			t.until = now + t.until - t.begin
			t.begin = now
		}
	}
	if p.lockedDisable {
		before.row++
	}
	return before
}

func (p *plainLimits) SettleAttempts(_ context.Context, takes []store.AttemptTake, succeeded bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	for _, a := range takes {
		id := [3]string{a.Policy, a.Key, a.Sub}
		g := p.guesses[id]
		p.letOthersIn()
		if a.Account && succeeded {
			row := g.row
			g = plainGuesses{}
			if p.keepsRow {
				g.row = row
			}
		} else {
			g = p.givenBack(g, now)
		}
		p.guesses[id] = g
	}
	return nil
}

func (p *plainLimits) givenBack(g plainGuesses, now time.Duration) plainGuesses {
	g.row = max(0, g.row-1)
	for i := range g.tiers {
		t := &g.tiers[i]
		switch n := len(t.log); {
		case n == 0:
		case p.keepsOldest:
			t.log = slices.Clone(t.log[1:])
		default:
			t.log = slices.Clone(t.log[:n-1])
		}
		if t.until > now && !p.keepsLock {
			t.until = now
			if !p.keepsLevel {
				t.locks--
			}
		}
	}
	return g
}

func (p *plainLimits) UnlockAttempts(_ context.Context, policy, key string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, g := range p.guesses {
		if id[0] != policy || id[1] != key {
			continue
		}
		after := plainGuesses{}
		if p.unlockKeepsDisabled {
			after.row = g.row
		}
		for i := range after.tiers {
			if p.unlockKeepsLevels {
				after.tiers[i].locks, after.tiers[i].until = g.tiers[i].locks, min(g.tiers[i].until, p.now())
			}
		}
		p.guesses[id] = after
	}
	if p.unlocksTakes {
		delete(p.counters, [2]string{policy, key})
	}
	return nil
}
