package limits

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// counter is what takes are counted by. It has 32 bytes, as many as the
// allocator has a size for.
type counter struct {
	arrival int64 // of GCRA: when nothing of it is spent
	fits    int64 // of GCRA: how far off arrival may be for one to pass
	quiet   int64 // until when no refusal is the first
	window  *window
}

// blank stands for counters that are not there.
var blank = new(counter)

func (c *counter) size() int64 { return 1 }

func (c *counter) spent(now int64) float64 {
	return max(gcraSpent(c.arrival-now, c.fits), c.window.spent(now))
}

// taking is one take while its shard is locked.
type taking struct {
	*store.LimitTake
	plan
	key   key
	shard *shard[*counter]
	c     *counter
	also  int // what others of the call take from c, where they have to share it
}

// fewTakes is how many a call has without an allocation.
const fewTakes = 4

// TakeLimits is of store.Limits.
func (t *Table) TakeLimits(_ context.Context, takes []store.LimitTake, states []store.LimitState) error {
	if len(states) != len(takes) {
		return fmt.Errorf("authn/store: %d states for %d takes", len(states), len(takes))
	}
	if len(takes) == 1 {
		if done, err := t.takeOne(&takes[0], &states[0]); done {
			return err
		}
	}
	var few [fewTakes]taking
	all := few[:]
	if len(takes) > len(few) {
		all = make([]taking, len(takes))
	}
	all = all[:len(takes)]
	var mask uint64
	for i := range all {
		a := &all[i]
		bit, err := t.name(a, &takes[i])
		if err != nil {
			return err
		}
		for j := range i {
			if b := &all[j]; a.key == b.key && a.Account == b.Account {
				return errTake(a.LimitTake, "its counter is that of another take")
			}
		}
		mask |= bit
	}
	t.takes.lock(mask)
	now := t.now()

	refused, missing := false, false
	for i := range all {
		a := &all[i]
		if a.c = a.shard.of[kindOf(a.Account)][a.key]; a.c == nil {
			a.c, missing = blank, true
		}
		refused = refused || a.refusal(now) > 0
	}
	if missing && t.seat(all, refused, now, &mask) {
		for i := range all {
			refused = refused || all[i].refusal(now) > 0
		}
	}
	for i := range all {
		a := &all[i]
		if !refused {
			a.take(now)
		}
		states[i] = a.state(now)
		if refused {
			states[i].RetryIn = time.Duration(a.refusal(now))
			states[i].First = states[i].RetryIn > 0 && a.c.first(now, a.Period)
		}
	}
	t.takes.unlock(mask)
	return nil
}

// takeOne is the usual case: one take, whose counter is there. It reports whether
// it was that, or a bad one.
func (t *Table) takeOne(take *store.LimitTake, state *store.LimitState) (done bool, err error) {
	plan, err := t.plans.of(take, &t.takes.names)
	if err != nil {
		return true, err
	}
	k := t.takes.names.take(plan.policy, take.Key)
	shard, _ := t.takes.shardOf(k)
	shard.mu.Lock()
	c := shard.of[kindOf(take.Account)][k]
	if c == nil {
		shard.mu.Unlock()
		return false, nil
	}
	now := t.now()
	if take.GCRA && take.Cost > 0 && take.Cost <= take.Burst && take.Limit > 0 {
		spent := plan.gcra.spent(c, now)
		wait := plan.gcra.refusal(spent, take.Cost)
		if wait == 0 {
			spent = plan.gcra.take(c, spent, take.Cost, now)
		}
		*state = store.LimitState{Remaining: plan.gcra.remaining(spent), ResetIn: time.Duration(spent), RetryIn: time.Duration(wait)}
	} else {
		a := taking{LimitTake: take, plan: plan, c: c}
		wait := a.refusal(now)
		if wait == 0 {
			a.take(now)
		}
		*state = a.state(now)
		state.RetryIn = time.Duration(wait)
	}
	state.First = state.RetryIn > 0 && c.first(now, take.Period)
	shard.mu.Unlock()
	return true, nil
}

// name fills a in for take, and answers the bit of its shard.
func (t *Table) name(a *taking, take *store.LimitTake) (bit uint64, err error) {
	a.LimitTake = take
	a.plan, err = t.plans.of(take, &t.takes.names)
	if err != nil {
		return 0, err
	}
	a.key = t.takes.names.take(a.policy, a.Key)
	a.shard, bit = t.takes.shardOf(a.key)
	return bit, nil
}

// seat gives those of all a counter that have none and need one: where one of
// all is refused only that has to remember it. It reports whether some have to
// share; then these are locked, too, and are in mask.
func (t *Table) seat(all []taking, refused bool, now int64, mask *uint64) (shares bool) {
	keep := func(c *counter) bool {
		return slices.ContainsFunc(all, func(a taking) bool { return a.c == c })
	}
	for i := range all {
		a := &all[i]
		if a.c != blank || (refused && a.refusal(now) == 0) || (!refused && a.Cost == 0) {
			continue
		}
		kind := kindOf(a.Account)
		counters, k := a.shard.of[kind], a.key
		if !t.takes.room(a.shard, kind, now, keep) {
			if !shares {
				shares = true
				t.takes.lock(1 << shared)
				*mask |= 1 << shared
			}
			counters, k = t.takes.sharedBy(kind, a.policy)
			if a.c = counters[k]; a.c != nil {
				for _, b := range all[:i] {
					if a.c == b.c {
						a.also += b.Cost
					}
				}
				continue
			}
		}
		a.c = new(counter)
		counters[k] = a.c
	}
	return shares
}

// refusal is how long from now a would be refused, 0 if it passes.
func (a *taking) refusal(now int64) int64 {
	most := a.Limit
	if a.GCRA {
		most = a.Burst
	}
	switch {
	case a.Limit == 0 || a.Cost > most-a.also: // as ever
		return int64(a.Period)
	case a.Cost == 0:
		return 0
	case a.GCRA:
		return a.gcra.refusal(a.gcra.spent(a.c, now), a.Cost+a.also)
	default:
		return a.c.window.refusal(a.Cost+a.also, a.Limit, int64(a.Period), now)
	}
}

// take spends a.Cost, which passes.
func (a *taking) take(now int64) {
	switch {
	case a.Cost == 0:
	case a.GCRA:
		a.gcra.take(a.c, a.gcra.spent(a.c, now), a.Cost, now)
	default:
		if a.c.window == nil {
			a.c.window = new(window)
		}
		a.c.window.take(a.LimitTake, now)
	}
}

// state is how a.c stands.
func (a *taking) state(now int64) (s store.LimitState) {
	if a.Limit == 0 {
		return s
	}
	if a.GCRA {
		left := a.gcra.spent(a.c, now)
		s.Remaining = a.gcra.remaining(left)
		s.ResetIn = time.Duration(left)
		return s
	}
	log := a.c.window.live(int64(a.Period), now)
	s.Remaining = max(a.Limit-len(log), 0)
	if n := len(log); n > 0 {
		s.ResetIn = time.Duration(log[n-1] - now + int64(a.Period))
	}
	return s
}

// first reports whether this is c's first refusal in period.
func (c *counter) first(now int64, period time.Duration) bool {
	if now < c.quiet {
		return false
	}
	c.quiet = now + span(period)
	return true
}
