package limits

import (
	"math/bits"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// gcra is the generic cell rate algorithm of ITU-T I.371: one passes every so
// often, and burst is how far the time at which nothing is spent may be off.
type gcra struct{ every, burst int64 }

// gcraOf take, whose Limit is not 0.
func gcraOf(take *store.LimitTake) gcra {
	unit := int64(take.Limit) * int64(time.Microsecond)
	micros := int64(take.Period) / unit
	if micros*unit < int64(take.Period) {
		micros++
	}
	g := gcra{every: min(micros, endless/int64(time.Microsecond)) * int64(time.Microsecond)}
	g.burst = g.of(take.Burst)
	return g
}

// of is how far off n are, at most endless.
func (g gcra) of(n int) int64 {
	if hi, lo := bits.Mul64(uint64(g.every), uint64(n)); hi == 0 && lo < uint64(endless) {
		return int64(lo)
	}
	return endless
}

// spent is how far off c's arrival is. What was spent beyond burst, under
// another limit, is forgotten for good: or else a refusal would find as much
// again, and never end.
func (g gcra) spent(c *counter, now int64) int64 {
	if most := now + g.burst; c.arrival > most {
		c.arrival, c.fits = most, g.burst-g.every
	}
	return max(c.arrival-now, 0)
}

// refusal is how long n more are refused, where that much is spent.
func (g gcra) refusal(spent int64, n int) int64 {
	return max(spent+g.of(n)-g.burst, 0)
}

// take adds n to what is spent.
func (g gcra) take(c *counter, spent int64, n int, now int64) int64 {
	spent += g.of(n)
	c.arrival, c.fits = now+spent, g.burst-g.every
	return spent
}

// remaining is how many more would pass.
func (g gcra) remaining(spent int64) int { return int((g.burst - spent) / g.every) }

// gcraSpent is how much is spent of what arrives after left, to a pool.
func gcraSpent(left, fits int64) float64 {
	switch {
	case left <= 0:
		return 0
	case left > fits:
		return 1
	default:
		return float64(left) / float64(fits+1)
	}
}
