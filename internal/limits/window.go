package limits

import "github.com/gatehouse-go/authn/store"

// window is the log of what was taken, oldest first.
type window struct {
	log    []int64
	period int64 // of the last take, as is limit
	limit  int
}

// live is what of the log lies less than period before now.
func (w *window) live(period, now int64) []int64 {
	if w == nil {
		return nil
	}
	return live(w.log, period, now)
}

func live(log []int64, period, now int64) []int64 {
	for i, at := range log {
		if now-at < period {
			return log[i:]
		}
	}
	return nil
}

// refusal is how long n more are refused, of which limit in period would pass.
func (w *window) refusal(n, limit int, period, now int64) int64 {
	log := w.live(period, now)
	tooMany := len(log) + n - limit
	if tooMany <= 0 {
		return 0
	}
	return log[tooMany-1] - now + period
}

// take adds what take does.
func (w *window) take(take *store.LimitTake, now int64) {
	w.period, w.limit = int64(take.Period), take.Limit
	w.log = append(w.log[:0], w.live(w.period, now)...)
	for range take.Cost {
		w.log = append(w.log, now)
	}
}

// spent is how much of it is, to a pool.
func (w *window) spent(now int64) float64 {
	if w == nil {
		return 0
	}
	return share(len(w.live(w.period, now)), w.limit)
}

// share is how much n is of limit, at most 1.
func share(n, limit int) float64 {
	switch {
	case n == 0:
		return 0
	case n >= limit:
		return 1
	default:
		return float64(n) / float64(limit)
	}
}
