package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenLimits = []brokenStore{
	{"refusals count", "Limits/window_holds_its_limit", mistaken(func(m *mistakes) { m.refusalsCount = true })},
	{"windows of the clock", "Limits/window_holds_its_limit", takenAs(func(o *otherLimits, l *store.LimitTake) {
		l.Key += fmt.Sprint((o.offset() + l.Period/2) / l.Period)
	})},
	{"windows begin with the first", "Limits/window_slides", windowsOfTheFirst},
	{"limits by the process's clock", "Limits/window_slides", func(*edited) any { return newPlainLimits(func() time.Duration { return 0 }) }},
	{"resets with the oldest", "Limits/window_states", answeredAs(func(_ store.LimitTake, s *store.LimitState) {
		if s.RetryIn > 0 {
			s.ResetIn = min(s.ResetIn, s.RetryIn)
		}
	})},
	{"retry for one", "Limits/window_states", func(s *edited) any {
		return limitsWith(func(o *otherLimits) {
			sound := o.take
			o.take = func(takes []store.LimitTake, states []store.LimitState) error {
				err := sound(takes, states)
				if l := takes[0]; states[0].RetryIn > 0 && l.Cost > 1 {
					one := make([]store.LimitState, 1)
					l.Cost = 1
					if _ = sound([]store.LimitTake{l}, one); one[0].RetryIn > 0 {
						states[0].RetryIn = one[0].RetryIn
					}
				}
				return err
			}
		})(s)
	}},
	{"keeps 32 times", "Limits/window_of_the_most", takenAs(func(_ *otherLimits, l *store.LimitTake) { l.Limit = min(l.Limit, 32) })},
	{"a log of one for a call", "Limits/window_of_the_most", takenAs(func(_ *otherLimits, l *store.LimitTake) { l.Cost = min(l.Cost, 1) })},
	{"bursts of Limit", "Limits/gcra_burst_and_refill", takenAs(func(_ *otherLimits, l *store.LimitTake) {
		if l.GCRA {
			l.Burst = l.Limit
		}
	})},
	{"saves up for ever", "Limits/gcra_burst_and_refill", mistaken(func(m *mistakes) { m.savesUp = true })},
	{"answers what was left", "Limits/gcra_states", answeredAs(func(l store.LimitTake, s *store.LimitState) {
		if s.RetryIn == 0 {
			s.Remaining += l.Cost
		}
	})},
	{"intervals rounded down", "Limits/gcra_interval_is_rounded_up", mistaken(func(m *mistakes) { m.roundsDown = true })},
	{"bursts of a window", "Limits/gcra_has_no_max_window", takenAs(func(_ *otherLimits, l *store.LimitTake) { l.Burst = min(l.Burst, store.MaxWindow) })},
	{"zero is no limit", "Limits/limit_of_zero_refuses_all", answeredAs(func(l store.LimitTake, s *store.LimitState) {
		if l.Limit == 0 {
			*s = store.LimitState{}
		}
	})},
	{"zero refuses what costs", "Limits/limit_of_zero_refuses_all", answeredAs(func(l store.LimitTake, s *store.LimitState) {
		if l.Cost == 0 {
			s.RetryIn, s.First = 0, false
		}
	})},
	{"all costs one", "Limits/cost_of_zero_takes_nothing", takenAs(func(_ *otherLimits, l *store.LimitTake) { l.Cost = max(l.Cost, 1) })},
	{"nothing left, nothing passes", "Limits/cost_of_zero_takes_nothing", answeredAs(func(_ store.LimitTake, s *store.LimitState) {
		if s.Remaining == 0 {
			s.RetryIn = max(s.RetryIn, time.Second)
		}
	})},
	{"takes what is there", "Limits/what_can_never_pass_waits_for_period", mistaken(func(m *mistakes) { m.takesWhatIsThere = true })},
	{"never is not soon", "Limits/what_can_never_pass_waits_for_period", answeredAs(func(l store.LimitTake, s *store.LimitState) {
		if l.Cost > max(l.Limit, l.Burst) {
			s.RetryIn = 1000 * l.Period
		}
	})},
	{"whole seconds, cut off", "Limits/retry_in_is_kept", answeredAs(func(_ store.LimitTake, s *store.LimitState) { s.RetryIn = s.RetryIn.Truncate(time.Second) })},
	{"each refusal is the first", "Limits/first_refusal_in_a_period", answeredAs(func(_ store.LimitTake, s *store.LimitState) { s.First = s.RetryIn > 0 })},
	{"the first since one passed", "Limits/first_refusal_in_a_period", mistaken(func(m *mistakes) { m.passesResetFirst = true })},
	{"the first since it was quiet", "Limits/first_refusal_in_a_period", mistaken(func(m *mistakes) { m.refusalsHoldFirst = true })},
	{"the future is void", "Limits/slow_clock_lets_nothing_through", mistaken(func(m *mistakes) { m.voidsTheFuture = true })},
	{"cleans what is old", "Limits/cleaning_spares_limits", cleansLimits},
	{"mends what is bad", "Limits/bad_takes_take_nothing", takenAs(func(_ *otherLimits, l *store.LimitTake) {
		l.Limit, l.Cost, l.Period = max(l.Limit, 0), max(l.Cost, 0), max(l.Period, time.Millisecond)
	})},
	{"takes as far as it is good", "Limits/bad_takes_take_nothing", limitsWith(func(o *otherLimits) {
		sound := o.take
		o.take = func(takes []store.LimitTake, states []store.LimitState) error {
			err := sound(takes, states)
			for i := range takes {
				if err != nil && sound(takes[i:i+1], make([]store.LimitState, 1)) != nil {
					break
				}
			}
			return err
		}
	})},
	{"one after another", "Limits/takes_are_all_or_none", limitsWith(func(o *otherLimits) {
		sound := o.take
		o.take = func(takes []store.LimitTake, states []store.LimitState) (err error) {
			for i := range takes {
				err = errors.Join(err, sound(takes[i:i+1], states[i:i+1]))
			}
			return err
		}
	})},
	{"stops where one refuses", "Limits/takes_are_all_or_none", answeredAfter(func(takes []store.LimitTake, states []store.LimitState) {
		if i := slices.IndexFunc(states, func(s store.LimitState) bool { return s.RetryIn > 0 }); i >= 0 {
			clear(states[i+1:])
		}
	})},
	{"answers as if it had taken", "Limits/takes_are_all_or_none", mistaken(func(m *mistakes) { m.answersAsTaken = true })},
	{"states from behind", "Limits/several_takes_pass_together", answeredAfter(func(_ []store.LimitTake, states []store.LimitState) { slices.Reverse(states) })},
	{"gives back the oldest", "Limits/refusal_leaves_the_log_as_it_was", mistaken(func(m *mistakes) { m.replacesOldest = true })},
	{"another Limit is another counter", "Limits/window_limit_may_change", takenAs(func(_ *otherLimits, l *store.LimitTake) { l.Key += fmt.Sprint(l.Limit) })},
	{"another Period is another counter", "Limits/window_limit_may_change", takenAs(func(_ *otherLimits, l *store.LimitTake) { l.Key += l.Period.String() })},
	{"what was spent stays spent", "Limits/gcra_limit_may_change", mistaken(func(m *mistakes) { m.keepsSpent = true })},
	{"forgets in the answer alone", "Limits/gcra_limit_may_change", mistaken(func(m *mistakes) { m.clampsAnswers = true })},
	{"a counter has its algorithm", "Limits/algorithm_may_change", func(s *edited) any {
		var gcra sync.Map
		return limitsWith(func(o *otherLimits) {
			sound := o.take
			o.take = func(takes []store.LimitTake, states []store.LimitState) error {
				for _, l := range takes {
					if before, _ := gcra.LoadOrStore(l.Policy+" "+l.Key, l.GCRA); before != l.GCRA {
						return errors.New("a value of the wrong kind")
					}
				}
				return sound(takes, states)
			}
		})(s)
	}},
	{"names joined by colons", "Limits/limits_are_by_policy_and_key", takenAs(func(_ *otherLimits, l *store.LimitTake) { l.Policy, l.Key = "", l.Policy+":"+l.Key })},
	{"names without case", "Limits/limits_are_by_policy_and_key", takenAs(func(_ *otherLimits, l *store.LimitTake) { l.Key = strings.ToLower(l.Key) })},
	{"names of 255 bytes", "Limits/limits_are_by_policy_and_key", takenAs(func(_ *otherLimits, l *store.LimitTake) { l.Key = l.Key[:min(len(l.Key), 255)] })},
	{"names by hash tag", "Limits/limits_are_by_policy_and_key", takenAs(func(_ *otherLimits, l *store.LimitTake) {
		if _, tag, ok := strings.Cut(l.Key, "{"); ok {
			l.Key, _, _ = strings.Cut(tag, "}")
		}
	})},
	{"limits panic without a context", "Limits/limit_calls_with_an_ended_context", func(s *edited) any { return panicsOnLimit{newPlainLimits(s.offset)} }},
}

// answeredAfter are limits that change the states of a call.
func answeredAfter(change func(takes []store.LimitTake, states []store.LimitState)) func(*edited) any {
	return limitsWith(func(o *otherLimits) {
		sound := o.take
		o.take = func(takes []store.LimitTake, states []store.LimitState) error {
			err := sound(takes, states)
			change(takes, states)
			return err
		}
	})
}

// windowsOfTheFirst begin when one is taken and none is there.
func windowsOfTheFirst(s *edited) any {
	type begun struct {
		at time.Duration
		n  int
	}
	windows := make(map[string]begun)
	return takenAs(func(o *otherLimits, l *store.LimitTake) {
		w, ok := windows[l.Key]
		if now := o.now(); !ok || now-w.at >= l.Period {
			w = begun{now, w.n + 1}
			windows[l.Key] = w
		}
		l.Key += fmt.Sprint(w.n)
	})(s)
}

// cleaningLimits deletes what nobody has used for a day.
type cleaningLimits struct {
	*otherLimits
	used sync.Map // of time.Duration, by policy and key
}

func cleansLimits(s *edited) any {
	c := new(cleaningLimits)
	c.otherLimits = takenAs(func(o *otherLimits, l *store.LimitTake) { c.used.Store([2]string{l.Policy, l.Key}, o.now()) })(s).(*otherLimits)
	return c
}

func (c *cleaningLimits) Run(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.counters {
		if at, _ := c.used.Load(id); c.now()-at.(time.Duration) > 24*time.Hour {
			delete(c.counters, id)
		}
	}
	return nil
}

type panicsOnLimit struct{ *plainLimits }

func (p panicsOnLimit) TakeLimits(ctx context.Context, takes []store.LimitTake, states []store.LimitState) error {
	if err := ctx.Err(); err != nil {
		panic(err)
	}
	return p.plainLimits.TakeLimits(ctx, takes, states)
}
