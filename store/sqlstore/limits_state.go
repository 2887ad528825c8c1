package sqlstore

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// limitState is what a row of limits keeps. All its times are microseconds since
// 1970, by the server's clock. A counter that is used with GCRA and without has
// two parts, neither of which knows of the other.
type limitState struct {
	arrival int64   // of GCRA: when nothing of it is spent any more
	seen    int64   // the newest clock that took from it
	quiet   int64   // until then no refusal is the first
	times   []int64 // of a window: of what was taken, the oldest first
}

// waited is how far a clock may lie behind the newest one without having been
// set back: it was read before the call waited for a lock.
const waited = int64(time.Minute / time.Microsecond)

// longest is a span that no clock sees the end of. Sums of few of them do not
// overflow.
const longest = int64(1) << 60

// period is in microseconds, rounded up: a window is never shorter.
func period(d time.Duration) int64 {
	return int64(d/time.Microsecond) + min(1, int64(d%time.Microsecond))
}

// span is the Duration of so many microseconds.
func span(us int64) time.Duration {
	return time.Duration(min(us, math.MaxInt64/int64(time.Microsecond))) * time.Microsecond
}

// every is how long GCRA waits for one more.
func every(l *store.LimitTake) int64 {
	unit := int64(time.Microsecond) * int64(l.Limit)
	return int64(l.Period)/unit + min(1, int64(l.Period)%unit)
}

// product is n times each, at most longest.
func product(n int, each int64) int64 {
	if int64(n) > longest/each {
		return longest
	}
	return int64(n) * each
}

// settle puts s right for l, whose limit may have changed, and answers the time
// to count with. Where the clock was set back, what was taken later than now was
// taken now: it counts, and no longer than it may.
func (s *limitState) settle(l *store.LimitTake, now int64) int64 {
	if now < s.seen && s.seen-now <= waited {
		now = s.seen
	}
	s.seen = min(s.seen, now)
	for i := range s.times {
		s.times[i] = min(s.times[i], now)
	}
	s.quiet = min(s.quiet, now+period(l.Period))
	if l.GCRA && l.Limit > 0 {
		s.arrival = min(s.arrival, now+product(l.Burst, every(l)))
	}
	return now
}

// live is the times that a window of l ending at now holds. What was taken just
// a Period ago is not in it.
func (s *limitState) live(l *store.LimitTake, now int64) []int64 {
	first := 0
	for first < len(s.times) && s.times[first] <= now-period(l.Period) {
		first++
	}
	return s.times[first:]
}

// refusal is when l would pass after takes of also, from now; 0: it does.
func (s *limitState) refusal(l *store.LimitTake, also int, now int64) time.Duration {
	room := l.Limit
	if l.GCRA {
		room = l.Burst
	}
	switch {
	case l.Limit == 0:
		return l.Period
	case l.Cost == 0:
		return 0
	case also > room || l.Cost > room-also:
		return l.Period
	case l.GCRA:
		spent := max(0, s.arrival-now) + product(also+l.Cost, every(l))
		return span(max(0, spent-product(l.Burst, every(l))))
	}
	live := s.live(l, now)
	over := len(live) + also + l.Cost - l.Limit
	if over <= 0 {
		return 0
	}
	return span(live[over-1] + period(l.Period) - now)
}

// take spends what passes.
func (s *limitState) take(l *store.LimitTake, now int64) {
	s.seen = now
	if l.GCRA {
		s.arrival = max(s.arrival, now) + product(l.Cost, every(l))
		return
	}
	s.times = s.live(l, now)
	for range l.Cost {
		s.times = append(s.times, now)
	}
}

// refuse reports whether it is the first time in a Period.
func (s *limitState) refuse(l *store.LimitTake, now int64) (first bool) {
	if now < s.quiet {
		return false
	}
	s.seen, s.quiet = now, now+period(l.Period)
	return true
}

// standing is what s has left, and when it has all.
func (s *limitState) standing(l *store.LimitTake, now int64) (left int, reset time.Duration) {
	if l.GCRA {
		spent := max(0, s.arrival-now)
		if l.Limit > 0 {
			left = int((product(l.Burst, every(l)) - spent) / every(l))
		}
		return left, span(spent)
	}
	live := s.live(l, now)
	if len(live) > 0 {
		reset = span(live[len(live)-1] + period(l.Period) - now)
	}
	return max(0, l.Limit-len(live)), reset
}

// end is when s is as a new one for l.
func (s *limitState) end(l *store.LimitTake) time.Time {
	end := max(s.seen, s.arrival, s.quiet)
	if n := len(s.times); n > 0 {
		end = max(end, s.times[n-1]+period(l.Period))
	}
	return time.UnixMicro(end)
}

func (s *limitState) encode(l *store.LimitTake) []byte {
	all := []int64{s.arrival, s.seen, s.quiet}
	if l.GCRA {
		return numbers(append(all, s.times...))
	}
	return numbers(appendTimes(all, s.times, l.Limit))
}

// appendTimes fills up to n with zeros: a row that keeps its length stays where
// it is, and so do MySQL's locks of those who wait for it.
func appendTimes(all, times []int64, n int) []int64 {
	for range n - len(times) {
		all = append(all, 0)
	}
	return append(all, times...)
}

// readTimes is without the zeros.
func readTimes(all []int64) []int64 {
	for len(all) > 0 && all[0] == 0 {
		all = all[1:]
	}
	return all
}

func decodeLimit(state []byte) (s limitState, err error) {
	all, err := readNumbers(state)
	switch {
	case err != nil:
		return s, err
	case len(all) == 0:
		return s, nil
	case len(all) < 3 || len(all) > 3+store.MaxWindow:
		return s, errState(state)
	}
	return limitState{arrival: all[0], seen: all[1], quiet: all[2], times: readTimes(all[3:])}, nil
}

// numbers are 8 bytes each, big-endian.
func numbers(all []int64) []byte {
	state := make([]byte, 0, 8*len(all))
	for _, n := range all {
		state = binary.BigEndian.AppendUint64(state, uint64(n))
	}
	return state
}

// readNumbers reads what numbers made, none of which is negative.
func readNumbers(state []byte) ([]int64, error) {
	if len(state)%8 != 0 {
		return nil, errState(state)
	}
	all := make([]int64, 0, len(state)/8)
	for ; len(state) > 0; state = state[8:] {
		n := int64(binary.BigEndian.Uint64(state))
		if n < 0 || n > 2*longest {
			return nil, errState(state)
		}
		all = append(all, n)
	}
	return all, nil
}

func errState(state []byte) error {
	return fmt.Errorf("authn/sqlstore: a state of %d bytes: %w", len(state), store.ErrDamaged)
}
