package limits

import (
	"sync/atomic"

	"github.com/gatehouse-go/authn/store"
)

// plan is what follows from a take whatever its Key and Cost are.
type plan struct {
	policy uint64 // hash of its name
	gcra   gcra
}

// maxPlans is how many policies have theirs remembered.
const maxPlans = 16

// plans remembers the plan that each policy had first: nearly always a policy
// asks for the same again, and there are few.
type plans struct{ all atomic.Pointer[[]planned] }

type planned struct {
	take store.LimitTake
	plan plan
}

// of is the plan of take, or why it is a bad one.
func (p *plans) of(take *store.LimitTake, h *hasher) (plan, error) {
	if take.Cost < 0 {
		return plan{}, errTake(take, "Cost is %d", take.Cost)
	}
	var all []planned
	before := p.all.Load()
	if before != nil {
		all = *before
	}
	isKnown := false
	for i := range all {
		known := &all[i].take
		if known.Policy != take.Policy {
			continue
		}
		if known.Limit == take.Limit && known.Period == take.Period && known.Burst == take.Burst && known.GCRA == take.GCRA {
			return all[i].plan, nil
		}
		isKnown = true
	}
	if err := checkTake(take); err != nil {
		return plan{}, err
	}
	made := plan{policy: h.ofPolicy(take.Policy)}
	if take.GCRA && take.Limit > 0 {
		made.gcra = gcraOf(take)
	}
	if len(all) < maxPlans && !isKnown {
		more := append(all[:len(all):len(all)], planned{*take, made})
		more[len(all)].take.Key = ""
		p.all.CompareAndSwap(before, &more) // or another time
	}
	return made, nil
}
