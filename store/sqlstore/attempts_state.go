package sqlstore

import (
	"slices"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// attemptState is what a row of attempts keeps, in microseconds as limitState.
type attemptState struct {
	row   int64 // attempts in a row, without a success
	seen  int64 // the newest clock that counted
	tiers []tierState
}

// tierState is of one tier, by its place.
type tierState struct {
	until int64   // the end of the last lock
	locks int64   // so many without a day between them
	times []int64 // of the attempts of the last Period, at most N
}

const (
	dayMicros = int64(24 * time.Hour / time.Microsecond)
	// rowKept is how long attempts in a row are remembered that did not disable
	// an account: names that nobody has are guessed at, too.
	rowKept = 365 * dayMicros
)

// settle is as of limitState: no lock ends later than the longest one that
// begins now.
func (s *attemptState) settle(a *store.AttemptTake, now int64) int64 {
	if now < s.seen && s.seen-now <= waited {
		now = s.seen
	}
	s.seen = min(s.seen, now)
	for len(s.tiers) < len(a.Tiers) {
		s.tiers = append(s.tiers, tierState{})
	}
	for i, tier := range a.Tiers {
		s.tiers[i].until = min(s.tiers[i].until, now+period(slices.Max(tier.Locks)))
		for j := range s.tiers[i].times {
			s.tiers[i].times[j] = min(s.tiers[i].times[j], now)
		}
	}
	return now
}

// refusal is when the last lock ends, from now, 0 if none does; and whether it
// is disabled.
func (s *attemptState) refusal(a *store.AttemptTake, now int64) (retry time.Duration, disabled bool) {
	for i := range a.Tiers {
		retry = max(retry, span(s.tiers[i].until-now))
	}
	return retry, a.DisableAfter > 0 && s.row >= int64(a.DisableAfter)
}

// take counts an attempt that passes, and reports whether it began a lock or
// disabled the account.
func (s *attemptState) take(a *store.AttemptTake, now int64) (first bool) {
	s.row++
	s.seen = now
	for i, tier := range a.Tiers {
		t := &s.tiers[i]
		t.times = slices.DeleteFunc(t.times, func(at int64) bool { return at <= now-period(tier.Period) })
		t.times = append(t.times, now)
		t.times = t.times[max(0, len(t.times)-tier.N):]
		if len(t.times) < tier.N {
			continue
		}
		if now >= t.until+dayMicros {
			t.locks = 0
		}
		t.until = now + period(tier.Locks[min(int(t.locks), len(tier.Locks)-1)])
		t.locks++
		first = true
	}
	return first || s.row == int64(a.DisableAfter)
}

// giveBack takes the newest attempt away, which succeeded, and ends the locks
// that last.
func (s *attemptState) giveBack(now int64) {
	s.row = max(0, s.row-1)
	for i := range s.tiers {
		t := &s.tiers[i]
		t.times = t.times[:max(0, len(t.times)-1)]
		if t.until > now {
			t.until, t.locks = now, max(0, t.locks-1)
		}
	}
}

// end is when s is as a new one for a.
func (s *attemptState) end(a *store.AttemptTake) time.Time {
	end := s.seen
	switch {
	case a.DisableAfter > 0 && s.row >= int64(a.DisableAfter):
		return lastTime
	case a.DisableAfter > 0 && s.row > 0:
		end += rowKept
	}
	for i, t := range s.tiers[:min(len(s.tiers), len(a.Tiers))] {
		if n := len(t.times); n > 0 {
			end = max(end, t.times[n-1]+period(a.Tiers[i].Period))
		}
		if t.locks > 0 {
			end = max(end, t.until+dayMicros)
		}
	}
	return time.UnixMicro(end)
}

// encode writes row, seen and, of each tier, until, locks, how many times there
// are and these; nothing of a new counter.
func (s *attemptState) encode(a *store.AttemptTake) []byte {
	if s.seen == 0 {
		return []byte{}
	}
	all := []int64{s.row, s.seen}
	for i, t := range s.tiers {
		n := len(t.times)
		if i < len(a.Tiers) {
			n = max(n, a.Tiers[i].N)
		}
		all = appendTimes(append(all, t.until, t.locks, int64(n)), t.times, n)
	}
	return numbers(all)
}

func decodeAttempt(state []byte) (s attemptState, err error) {
	all, err := readNumbers(state)
	if err != nil || len(all) == 0 {
		return s, err
	}
	if len(all) < 2 {
		return s, errState(state)
	}
	s.row, s.seen = all[0], all[1]
	for all = all[2:]; len(all) > 0; {
		if len(all) < 3 || all[2] > store.MaxWindow || int(all[2]) > len(all)-3 || len(s.tiers) == store.MaxTiers {
			return s, errState(state)
		}
		t := tierState{until: all[0], locks: all[1], times: slices.Clone(readTimes(all[3 : 3+all[2]]))}
		s.tiers, all = append(s.tiers, t), all[3+all[2]:]
	}
	return s, nil
}
