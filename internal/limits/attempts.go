package limits

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// attempt is one take while its shard is locked.
type attempt struct {
	*store.AttemptTake
	policy   uint64
	key, sub key
	shard    *shard[*guesses]
	of       *guesses
	s        *sub // in of; nil if there is none
}

// ReserveAttempts is of store.Limits, as are the methods below.
func (t *Table) ReserveAttempts(_ context.Context, takes []store.AttemptTake) (state store.AttemptState, err error) {
	all, mask, err := t.named(takes)
	if err != nil {
		return state, err
	}
	t.attempts.lock(mask)
	defer func() { t.attempts.unlock(mask) }()
	now := t.now()
	for i := range all {
		all[i].find()
	}
	if state, refused := refusal(all, now); refused {
		return state, nil
	}
	t.seatAttempts(all, now, &mask)
	if state, refused := refusal(all, now); refused { // by one that is shared
		return state, nil
	}
	for i := range all {
		state.First = all[i].s.count(all[i].AttemptTake, now) || state.First
	}
	return state, nil
}

func (t *Table) SettleAttempts(_ context.Context, takes []store.AttemptTake, succeeded bool) error {
	all, mask, err := t.named(takes)
	if err != nil {
		return err
	}
	t.attempts.lock(mask)
	defer func() { t.attempts.unlock(mask) }()
	now := t.now()
	for i := range all {
		a := &all[i]
		a.find()
		if succeeded && a.s != nil && a.Account {
			t.clear(a)
			continue
		}
		if a.s == nil && a.of != nil {
			a.s = a.of.find(key{})
		}
		if a.s == nil {
			a.s = t.share(a, &mask, nil)
		}
		if a.s != nil {
			a.s.giveBack(now)
		}
	}
	return nil
}

func (t *Table) UnlockAttempts(_ context.Context, policy, key string) error {
	p := &t.attempts
	k := p.names.attempts(p.names.ofPolicy(policy), key)
	s, bit := p.shardOf(k)
	p.lock(bit)
	defer p.unlock(bit)
	for kind := range kinds {
		if g := s.of[kind][k]; g != nil {
			p.n[kind].Add(-g.size())
			delete(s.of[kind], k)
		}
	}
	return nil
}

// named are takes with the hashes of their names, and the mask of their shards.
func (t *Table) named(takes []store.AttemptTake) (all []attempt, mask uint64, err error) {
	if err := checkAttempts(takes); err != nil {
		return nil, 0, err
	}
	all = make([]attempt, len(takes))
	for i := range takes {
		a := &all[i]
		a.AttemptTake = &takes[i]
		a.policy = t.attempts.names.ofPolicy(a.Policy)
		a.key = t.attempts.names.attempts(a.policy, a.Key)
		a.sub = t.attempts.names.attempts(0, a.Sub)
		var bit uint64
		a.shard, bit = t.attempts.shardOf(a.key)
		mask |= bit
		for _, b := range all[:i] {
			if a.key == b.key && a.sub == b.sub && a.Account == b.Account {
				return nil, 0, fmt.Errorf("authn/store: attempts of policy %q: the counter is that of another take", a.Policy)
			}
		}
	}
	return all, mask, nil
}

// find looks for the counter of a.
func (a *attempt) find() {
	a.of = a.shard.of[kindOf(a.Account)][a.key]
	a.s = a.of.find(a.sub)
}

// refusal is the state of what one of all refuses.
func refusal(all []attempt, now int64) (state store.AttemptState, refused bool) {
	for _, a := range all {
		if a.s == nil {
			continue
		}
		state.RetryIn = max(state.RetryIn, time.Duration(a.s.locked(a.AttemptTake, now)))
		state.Disabled = state.Disabled || a.s.disabled(a.AttemptTake)
	}
	return state, state.RetryIn > 0 || state.Disabled
}

// seatAttempts gives those of all a counter that have none.
func (t *Table) seatAttempts(all []attempt, now int64, mask *uint64) {
	p := &t.attempts
	inUse := func(s *sub) bool {
		return slices.ContainsFunc(all, func(a attempt) bool { return a.s == s })
	}
	keep := func(g *guesses) bool {
		return slices.ContainsFunc(all, func(a attempt) bool { return a.of == g })
	}
	for i := range all {
		a := &all[i]
		if a.s != nil {
			continue
		}
		kind := kindOf(a.Account)
		if a.of = a.shard.of[kind][a.key]; a.of != nil && len(a.of.subs) >= maxSubs {
			p.n[kind].Add(-a.of.prune(now, inUse))
			if len(a.of.subs) >= maxSubs {
				a.sub = key{}
			}
			if a.s = a.of.find(a.sub); a.s != nil {
				continue
			}
		}
		a.s = &sub{id: a.sub}
		switch {
		case !p.room(a.shard, kind, now, keep):
			a.s = t.share(a, mask, a.s)
		case a.of == nil:
			a.of = &guesses{[]*sub{a.s}}
			a.shard.of[kind][a.key] = a.of
		default:
			a.of.subs = append(a.of.subs, a.s)
		}
	}
}

// share is the counter that keys of a's policy share that have no room, or else
// next, which becomes it unless it is nil. It is locked, and in mask.
func (t *Table) share(a *attempt, mask *uint64, next *sub) *sub {
	if *mask&(1<<shared) == 0 {
		t.attempts.lock(1 << shared)
		*mask |= 1 << shared
	}
	of, k := t.attempts.sharedBy(kindOf(a.Account), a.policy)
	if g := of[k]; g != nil {
		return g.subs[0]
	}
	if next != nil {
		next.id = ofAll
		of[k] = &guesses{[]*sub{next}}
	}
	return next
}

// clear deletes the counter of a.
func (t *Table) clear(a *attempt) {
	a.of.subs = slices.DeleteFunc(a.of.subs, func(s *sub) bool { return s == a.s })
	if len(a.of.subs) == 0 {
		delete(a.shard.of[kindOf(a.Account)], a.key)
	}
	t.attempts.n[kindOf(a.Account)].Add(-1)
}
