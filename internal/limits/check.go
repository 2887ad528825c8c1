package limits

import (
	"fmt"
	"time"

	"github.com/gatehouse-go/authn/store"
)

const (
	minPeriod = time.Millisecond
	minEvery  = 100 * time.Microsecond
)

func errTake(take *store.LimitTake, what string, args ...any) error {
	return fmt.Errorf("authn/store: a take of policy %q: %s", take.Policy, fmt.Sprintf(what, args...))
}

// checkTake refuses what store.LimitTake does not allow, but for its Cost.
func checkTake(take *store.LimitTake) error {
	switch {
	case take.Limit < 0:
		return errTake(take, "Limit is %d", take.Limit)
	case take.Period < minPeriod:
		return errTake(take, "Period is %v, less than %v", take.Period, minPeriod)
	case !take.GCRA && take.Limit > store.MaxWindow:
		return errTake(take, "Limit is %d, over %d: that needs GCRA", take.Limit, store.MaxWindow)
	case !take.GCRA && take.Burst != 0:
		return errTake(take, "Burst is %d without GCRA", take.Burst)
	case take.GCRA && take.Burst < 1:
		return errTake(take, "Burst is %d, less than 1", take.Burst)
	case take.GCRA && int64(take.Limit) > int64(take.Period/minEvery):
		return errTake(take, "Limit is %d in %v: more than one in %v", take.Limit, take.Period, minEvery)
	}
	return nil
}

// checkAttempts refuses what store.AttemptTake does not allow.
func checkAttempts(takes []store.AttemptTake) error {
	for i := range takes {
		take := &takes[i]
		wrong := func(what string, args ...any) error {
			return fmt.Errorf("authn/store: attempts of policy %q: %s", take.Policy, fmt.Sprintf(what, args...))
		}
		if len(take.Tiers) > store.MaxTiers {
			return wrong("%d tiers, over %d", len(take.Tiers), store.MaxTiers)
		}
		if take.DisableAfter < 0 {
			return wrong("DisableAfter is %d", take.DisableAfter)
		}
		for _, tier := range take.Tiers {
			switch {
			case tier.N < 1 || tier.N > store.MaxWindow:
				return wrong("N is %d, not 1 to %d", tier.N, store.MaxWindow)
			case tier.Period < minPeriod:
				return wrong("Period is %v, less than %v", tier.Period, minPeriod)
			case len(tier.Locks) == 0:
				return wrong("a tier without Locks")
			}
			for _, lock := range tier.Locks {
				if lock < minPeriod {
					return wrong("a lock of %v, less than %v", lock, minPeriod)
				}
			}
		}
	}
	return nil
}
