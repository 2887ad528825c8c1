package storetest_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/gatehouse-go/authn/store"
)

var brokenAttempts = []brokenStore{
	{"locks after one more", "Limits/nth_attempt_locks", attemptedAs(eachTier(func(tier *store.AttemptTier) { tier.N = min(tier.N+1, store.MaxWindow) }))},
	{"refuses the N-th", "Limits/nth_attempt_locks", answeredAttempt(func(takes []store.AttemptTake, s *store.AttemptState) {
		if s.First {
			s.First, s.RetryIn = false, takes[0].Tiers[0].Locks[0]
		}
	})},
	{"a lock clears the log", "Limits/nth_attempt_locks", mistaken(func(m *mistakes) { m.lockClearsLog = true })},
	{"no lock is told", "Limits/nth_attempt_locks", answeredAttempt(func(_ []store.AttemptTake, s *store.AttemptState) { s.First = false })},
	{"counts from the first", "Limits/attempts_count_for_a_period", mistaken(func(m *mistakes) { m.countsFromFirst = true })},
	{"counts what is locked", "Limits/locked_attempts_count_nothing", mistaken(func(m *mistakes) { m.lockedCount = true })},
	{"attempts extend their lock", "Limits/locked_attempts_count_nothing", mistaken(func(m *mistakes) { m.lockedExtend = true })},
	{"one lock for all", "Limits/locks_grow", attemptedAs(eachTier(func(tier *store.AttemptTier) { tier.Locks = tier.Locks[:1] }))},
	{"locks in turn", "Limits/locks_grow", mistaken(func(m *mistakes) { m.locksInTurn = true })},
	{"never begins anew", "Limits/locks_begin_anew_after_a_day", mistaken(func(m *mistakes) { m.neverAnew = true })},
	{"begins anew a day after the begin", "Limits/locks_begin_anew_after_a_day", mistaken(func(m *mistakes) { m.anewSinceBegin = true })},
	{"mends bad attempts", "Limits/bad_attempts_count_nothing", attemptedAs(func(a *store.AttemptTake) {
		a.DisableAfter, a.Tiers = max(a.DisableAfter, 0), slices.Clone(a.Tiers[:min(len(a.Tiers), store.MaxTiers)])
		for i := range a.Tiers {
			a.Tiers[i].N = max(1, a.Tiers[i].N)
		}
	})},
	{"counts as far as it is good", "Limits/bad_attempts_count_nothing", limitsWith(func(o *otherLimits) {
		sound := o.reserve
		o.reserve = func(takes []store.AttemptTake) (store.AttemptState, error) {
			s, err := sound(takes)
			for i := range takes {
				if err != nil {
					if _, bad := sound(takes[i : i+1]); bad != nil {
						break
					}
				}
			}
			return s, err
		}
	})},
	{"the shortest lock", "Limits/tiers_lock_for_themselves", mistaken(func(m *mistakes) { m.shortestLock = true })},
	{"one tier", "Limits/tiers_lock_for_themselves", attemptedAs(func(a *store.AttemptTake) { a.Tiers = a.Tiers[:1] })},
	{"counts one after another", "Limits/attempts_are_all_or_none", limitsWith(func(o *otherLimits) {
		sound := o.reserve
		o.reserve = func(takes []store.AttemptTake) (all store.AttemptState, err error) {
			for i := range takes {
				s, failed := sound(takes[i : i+1])
				err = errors.Join(err, failed)
				all.RetryIn, all.Disabled, all.First = max(all.RetryIn, s.RetryIn), all.Disabled || s.Disabled, all.First || s.First
			}
			return all, err
		}
	})},
	{"the lock that was found first", "Limits/attempts_are_all_or_none", limitsWith(func(o *otherLimits) {
		sound := o.reserve
		o.reserve = func(takes []store.AttemptTake) (store.AttemptState, error) {
			s, err := sound(takes)
			for _, a := range takes {
				if one, _ := sound([]store.AttemptTake{a}); s.RetryIn > 0 {
					s.RetryIn = one.RetryIn
					break
				}
			}
			return s, err
		}
	})},
	{"other tiers are another counter", "Limits/tiers_may_change", attemptedAs(func(a *store.AttemptTake) { a.Key += fmt.Sprint(a.Tiers) })},
	{"attempts joined by colons", "Limits/attempts_are_by_policy_key_and_sub", attemptedAs(func(a *store.AttemptTake) { a.Key, a.Sub = a.Key+":"+a.Sub, "" })},
	{"attempts without case", "Limits/attempts_are_by_policy_key_and_sub", attemptedAs(func(a *store.AttemptTake) { a.Sub = strings.ToLower(a.Sub) })},
	{"attempts of 255 bytes", "Limits/attempts_are_by_policy_key_and_sub", attemptedAs(func(a *store.AttemptTake) { a.Key = a.Key[:min(len(a.Key), 255)] })},
	{"unlocks by a pattern", "Limits/attempts_are_by_policy_key_and_sub", unlocksLike(func(id [3]string, policy, key string) bool {
		return id[0] == policy && strings.HasPrefix(id[1]+":"+id[2], key)
	})},
	{"unlocks takes, too", "Limits/takes_and_attempts_are_apart", mistaken(func(m *mistakes) { m.unlocksTakes = true })},
	{"success gives an account back one", "Limits/success_clears_an_account", attemptedAs(func(a *store.AttemptTake) { a.Account = false })},
	{"success unlocks", "Limits/success_clears_an_account", limitsWith(func(o *otherLimits) {
		o.settle = func(takes []store.AttemptTake, _ bool) (err error) {
			for _, a := range takes {
				err = errors.Join(err, o.unlock(a.Policy, a.Key))
			}
			return err
		}
	})},
	{"success needs a failure", "Limits/success_clears_an_account", limitsWith(func(o *otherLimits) {
		sound := o.settle
		o.settle = func(takes []store.AttemptTake, succeeded bool) error {
			if _, ok := o.guesses[[3]string{takes[0].Policy, takes[0].Key, takes[0].Sub}]; !ok {
				return store.ErrNotFound
			}
			return sound(takes, succeeded)
		}
	})},
	{"success gives back the oldest", "Limits/success_gives_back_one", mistaken(func(m *mistakes) { m.keepsOldest = true })},
	{"success clears a client", "Limits/success_gives_back_one", attemptedAs(func(a *store.AttemptTake) { a.Account = true })},
	{"success leaves the second tier", "Limits/success_gives_back_one", limitsWith(func(o *otherLimits) {
		sound := o.settle
		o.settle = func(takes []store.AttemptTake, succeeded bool) error {
			for _, a := range takes {
				id := [3]string{a.Policy, a.Key, a.Sub}
				g := o.guesses[id]
				defer func(second plainTier) {
					g := o.guesses[id]
					g.tiers[1] = second
					o.guesses[id] = g
				}(g.tiers[1])
			}
			return sound(takes, succeeded)
		}
	})},
	{"success leaves the lock", "Limits/success_lifts_the_lock_it_began", mistaken(func(m *mistakes) { m.keepsLock = true })},
	{"a lock that was lifted counts", "Limits/success_lifts_the_lock_it_began", mistaken(func(m *mistakes) { m.keepsLevel = true })},
	{"success of the first", "Limits/success_of_several", limitsWith(func(o *otherLimits) {
		sound := o.settle
		o.settle = func(takes []store.AttemptTake, succeeded bool) error { return sound(takes[:1], succeeded) }
	})},
	{"whatever is settled succeeded", "Limits/attempt_that_did_not_succeed_is_given_back", limitsWith(func(o *otherLimits) {
		sound := o.settle
		o.settle = func(takes []store.AttemptTake, _ bool) error { return sound(takes, true) }
	})},
	{"what did not succeed stays", "Limits/attempt_that_did_not_succeed_is_given_back", limitsWith(func(o *otherLimits) {
		sound := o.settle
		o.settle = func(takes []store.AttemptTake, succeeded bool) error {
			if !succeeded {
				return nil
			}
			return sound(takes, true)
		}
	})},
	{"what did not succeed stays in the row", "Limits/attempt_that_did_not_succeed_is_given_back", limitsWith(func(o *otherLimits) {
		sound := o.settle
		o.settle = func(takes []store.AttemptTake, succeeded bool) error {
			id := [3]string{takes[0].Policy, takes[0].Key, takes[0].Sub}
			row := o.guesses[id].row
			err := sound(takes, succeeded)
			if g, ok := o.guesses[id]; ok && !succeeded {
				g.row = row
				o.guesses[id] = g
			}
			return err
		}
	})},
	{"disables after one more", "Limits/many_in_a_row_disable", attemptedAs(func(a *store.AttemptTake) {
		if a.DisableAfter > 0 {
			a.DisableAfter++
		}
	})},
	{"a row ends in a day", "Limits/many_in_a_row_disable", mistaken(func(m *mistakes) { m.rowsEndInADay = true })},
	{"zero disables", "Limits/many_in_a_row_disable", attemptedAs(func(a *store.AttemptTake) {
		if a.DisableAfter == 0 {
			a.DisableAfter = 100
		}
	})},
	{"disables what is locked", "Limits/refused_attempts_disable_nothing", mistaken(func(m *mistakes) { m.lockedDisable = true })},
	{"success leaves the row", "Limits/success_ends_a_row", mistaken(func(m *mistakes) { m.keepsRow = true })},
	{"unlock leaves the disabled", "Limits/unlock_clears_all_of_a_key", mistaken(func(m *mistakes) { m.unlockKeepsDisabled = true })},
	{"unlock leaves the counting of locks", "Limits/unlock_clears_all_of_a_key", mistaken(func(m *mistakes) { m.unlockKeepsLevels = true })},
	{"unlocks no Sub", "Limits/unlock_clears_all_of_a_key", unlocksLike(func(id [3]string, policy, key string) bool { return id == [3]string{policy, key, ""} })},
	{"unlocks of all policies", "Limits/unlock_clears_nothing_else", unlocksLike(func(id [3]string, _, key string) bool { return id[1] == key })},
	{"unlocks what is locked", "Limits/unlock_clears_nothing_else", limitsWith(func(o *otherLimits) {
		sound := o.unlock
		o.unlock = func(policy, key string) error {
			for id := range o.guesses {
				if id[0] == policy && id[1] == key {
					return sound(policy, key)
				}
			}
			return store.ErrNotFound
		}
	})},
}

var brokenLimitRaces = []brokenStore{
	{"looks, then takes", "Limits/limit_holds_in_a_race", mistaken(func(m *mistakes) { m.looksThenWrites = true })},
	{"takes or fails", "Limits/limit_holds_in_a_race", oneAtATime},
	{"looks, then is first", "Limits/first_refusal_in_a_race", limitsWith(func(o *otherLimits) {
		sound := o.take
		var refused sync.Map
		o.take = func(takes []store.LimitTake, states []store.LimitState) error {
			err := sound(takes, states)
			if id := takes[0].Policy + takes[0].Key; states[0].RetryIn > 0 {
				_, before := refused.Load(id)
				o.wait()
				states[0].First = !before
				refused.Store(id, true)
			}
			return err
		}
	})},
	{"looks, then takes several", "Limits/several_takes_in_a_race", mistaken(func(m *mistakes) { m.looksThenWrites = true })},
	{"takes deadlock", "Limits/takes_in_opposite_orders", limitsWith(func(o *otherLimits) {
		sound := o.take
		o.take = func(takes []store.LimitTake, states []store.LimitState) error {
			var names []string
			for _, l := range takes {
				names = append(names, l.Key)
			}
			unlock, err := o.lockInOrder(names)
			if err != nil {
				return err
			}
			defer unlock()
			return sound(takes, states)
		}
	})},
	{"looks, then counts", "Limits/attempts_lock_in_a_race", mistaken(func(m *mistakes) { m.looksThenWrites = true })},
	{"attempts deadlock", "Limits/attempts_in_opposite_orders", limitsWith(func(o *otherLimits) {
		sound := o.reserve
		o.reserve = func(takes []store.AttemptTake) (store.AttemptState, error) {
			var names []string
			for _, a := range takes {
				names = append(names, a.Key)
			}
			unlock, err := o.lockInOrder(names)
			if err != nil {
				return store.AttemptState{}, err
			}
			defer unlock()
			return sound(takes)
		}
	})},
	{"looks, then gives back", "Limits/successes_race_with_attempts", mistaken(func(m *mistakes) { m.looksThenWrites = true })},
}

// eachTier changes each tier of an attempt.
func eachTier(change func(tier *store.AttemptTier)) func(a *store.AttemptTake) {
	return func(a *store.AttemptTake) {
		a.Tiers = slices.Clone(a.Tiers)
		for i := range a.Tiers {
			change(&a.Tiers[i])
		}
	}
}

// answeredAttempt are limits that change what became of an attempt.
func answeredAttempt(change func(takes []store.AttemptTake, s *store.AttemptState)) func(*edited) any {
	return limitsWith(func(o *otherLimits) {
		sound := o.reserve
		o.reserve = func(takes []store.AttemptTake) (store.AttemptState, error) {
			s, err := sound(takes)
			change(takes, &s)
			return s, err
		}
	})
}

// unlocksLike unlocks what like says yes to.
func unlocksLike(like func(id [3]string, policy, key string) bool) func(*edited) any {
	return limitsWith(func(o *otherLimits) {
		o.unlock = func(policy, key string) error {
			o.mu.Lock()
			defer o.mu.Unlock()
			for id := range o.guesses {
				if like(id, policy, key) {
					delete(o.guesses, id)
				}
			}
			return nil
		}
	})
}

// oneAtATime is what a database may do that calls races errors.
func oneAtATime(s *edited) any {
	return limitsWith(func(o *otherLimits) {
		sound := o.take
		o.take = func(takes []store.LimitTake, states []store.LimitState) error {
			unlock, err := o.lockInOrder([]string{"all"})
			if err != nil {
				return errors.New("could not serialize access")
			}
			defer unlock()
			yieldUntil(func() bool { return o.here.Load() > 5 })
			return sound(takes, states)
		}
	})(s)
}
