package storetest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// plainLimits is store.Limits alone, slow, and right but for its mistakes.
type plainLimits struct {
	meeting
	mu       sync.Mutex
	start    time.Time
	offset   func() time.Duration
	counters map[[2]string]plainCounter
	guesses  map[[3]string]plainGuesses
	mistakes
}

// mistakes are what plainLimits may do wrong inside.
type mistakes struct {
	refusalsCount, savesUp, roundsDown, takesWhatIsThere                  bool // of takes
	passesResetFirst, refusalsHoldFirst, voidsTheFuture, replacesOldest   bool
	keepsSpent, clampsAnswers, answersAsTaken                             bool
	lockClearsLog, countsFromFirst, lockedCount, lockedExtend             bool // of attempts
	locksInTurn, neverAnew, anewSinceBegin, lockedDisable, rowsEndInADay  bool
	keepsOldest, keepsLock, keepsLevel, keepsRow, unlocksTakes            bool
	unlockKeepsDisabled, unlockKeepsLevels, shortestLock, looksThenWrites bool
}

// plainCounter is what takes are counted by. Times are since long before start.
type plainCounter struct {
	log     []time.Duration // oldest first
	arrival time.Duration   // of GCRA
	quiet   time.Duration   // until when no refusal is the first
}

func newPlainLimits(offset func() time.Duration) *plainLimits {
	return &plainLimits{
		start: time.Now().Add(-10_000 * time.Hour), offset: offset,
		counters: make(map[[2]string]plainCounter), guesses: make(map[[3]string]plainGuesses),
	}
}

func (p *plainLimits) now() time.Duration { return time.Since(p.start) + p.offset() }

// live is what of log lies less than period before now.
func live(log []time.Duration, period, now time.Duration) []time.Duration {
	for i, at := range log {
		if now-at < period {
			return slices.Clone(log[i:])
		}
	}
	return nil
}

// every is how often one of GCRA passes.
func (p *plainLimits) every(l store.LimitTake) time.Duration {
	every := l.Period / time.Duration(l.Limit)
	if every%time.Microsecond > 0 || every*time.Duration(l.Limit) < l.Period {
		every += time.Microsecond
	}
	if p.roundsDown {
		every = l.Period / time.Duration(l.Limit)
	}
	return every.Truncate(time.Microsecond)
}

func (p *plainLimits) spent(c plainCounter, l store.LimitTake, now time.Duration) time.Duration {
	spent := c.arrival - now
	if !p.savesUp {
		spent = max(spent, 0)
	}
	if !p.keepsSpent {
		spent = min(spent, p.every(l)*time.Duration(l.Burst))
	}
	return spent
}

// refusal is how long from now l is refused, 0 if it passes.
func (p *plainLimits) refusal(c plainCounter, l store.LimitTake, now time.Duration) time.Duration {
	switch log := live(c.log, l.Period, now); {
	case l.Limit == 0:
		return l.Period
	case l.Cost == 0:
		return 0
	case l.GCRA && l.Cost > l.Burst || !l.GCRA && l.Cost > l.Limit:
		return l.Period
	case l.GCRA:
		return max(0, p.spent(c, l, now)+p.every(l)*time.Duration(l.Cost-l.Burst))
	case len(log)+l.Cost > l.Limit:
		return log[len(log)+l.Cost-l.Limit-1] + l.Period - now
	default:
		return 0
	}
}

// taken is c after l.
func (p *plainLimits) taken(c plainCounter, l store.LimitTake, now time.Duration) plainCounter {
	switch {
	case l.Cost == 0:
	case l.GCRA:
		c.arrival = now + p.spent(c, l, now) + p.every(l)*time.Duration(l.Cost)
	default:
		c.log = live(c.log, l.Period, now)
		for range l.Cost {
			c.log = append(c.log, now)
		}
	}
	if p.passesResetFirst {
		c.quiet = 0
	}
	return c
}

func (p *plainLimits) state(c plainCounter, l store.LimitTake, now time.Duration) (s store.LimitState) {
	log := live(c.log, l.Period, now)
	switch {
	case l.Limit == 0:
	case l.GCRA:
		s.ResetIn = p.spent(c, l, now)
		s.Remaining = max(0, l.Burst-int((s.ResetIn+p.every(l)-1)/p.every(l)))
	default:
		s.Remaining = max(0, l.Limit-len(log))
		if len(log) > 0 {
			s.ResetIn = log[len(log)-1] + l.Period - now
		}
	}
	return s
}

func badTake(l store.LimitTake) bool {
	return l.Limit < 0 || l.Cost < 0 || l.Period < time.Millisecond || l.GCRA != (l.Burst > 0) || l.Burst < 0 ||
		!l.GCRA && l.Limit > store.MaxWindow || l.GCRA && l.Period < time.Duration(l.Limit)*100*time.Microsecond
}

func (p *plainLimits) TakeLimits(_ context.Context, takes []store.LimitTake, states []store.LimitState) error {
	if len(takes) != len(states) || slices.ContainsFunc(takes, badTake) {
		return errors.New("bad takes")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	all := make([]plainCounter, len(takes))
	refused := false
	for i, l := range takes {
		all[i] = p.counters[[2]string{l.Policy, l.Key}]
		if p.voidsTheFuture {
			all[i].log = slices.DeleteFunc(slices.Clone(all[i].log), func(at time.Duration) bool { return at > now })
		}
		refused = refused || p.refusal(all[i], l, now) > 0
	}
	p.letOthersIn()
	for i, l := range takes {
		c := all[i]
		if l.GCRA && l.Limit > 0 && !p.savesUp && !p.clampsAnswers {
			c.arrival = now + p.spent(c, l, now)
		}
		retry := p.refusal(c, l, now)
		switch {
		case !refused:
			c = p.taken(c, l, now)
			states[i] = p.state(c, l, now)
		default:
			states[i] = p.state(c, l, now)
			states[i].RetryIn = retry
			states[i].First = retry > 0 && now >= c.quiet
			c = p.refused(c, l, now, states[i])
			if p.answersAsTaken && retry == 0 {
				states[i].Remaining -= l.Cost
			}
		}
		p.counters[[2]string{l.Policy, l.Key}] = c
	}
	return nil
}

// refused is c after l was refused, by c or by another.
func (p *plainLimits) refused(c plainCounter, l store.LimitTake, now time.Duration, s store.LimitState) plainCounter {
	if s.First || s.RetryIn > 0 && p.refusalsHoldFirst {
		c.quiet = now + l.Period
	}
	switch {
	case p.refusalsCount && !l.GCRA, p.replacesOldest && len(c.log) > 0 && s.RetryIn == 0 && !l.GCRA:
		c.log = append(slices.Clone(c.log[1:]), now)
	case p.takesWhatIsThere:
		l.Cost = s.Remaining
		c = p.taken(c, l, now)
	}
	return c
}

// letOthersIn makes two writes of what should be one.
func (p *plainLimits) letOthersIn() {
	if p.looksThenWrites {
		p.mu.Unlock()
		p.wait()
		p.mu.Lock()
	}
}
