package limits

import (
	"slices"

	"github.com/gatehouse-go/authn/store"
)

// maxSubs is how many of one Key have a counter of their own.
const maxSubs = 64

// guesses are the counters of one Key of a policy.
type guesses struct{ subs []*sub }

// sub is the counter of one Sub.
type sub struct {
	id      key // zero: of the Subs beyond maxSubs; or ofAll
	tiers   []tier
	row     int   // without a success; 0 of ofAll
	last    int64 // the newest of the row
	disable int   // DisableAfter
}

// ofAll is the id of a counter that all of a policy share. Its row is not counted:
// it would disable all of them, and no Unlock ends that.
var ofAll = key{0, 1}

// rowKept is how long attempts in a row are remembered that did not disable.
const rowKept = int64(30 * day)

// tier is what is known of an AttemptTier.
type tier struct {
	log    []int64 // the newest n, oldest first; a lock does not clear it
	period int64
	n      int
	locks  int   // how many there were, each less than a day after the one before
	until  int64 // the end of the last
}

func (g *guesses) size() int64 { return int64(len(g.subs)) }

func (g *guesses) spent(now int64) (most float64) {
	for _, s := range g.subs {
		most = max(most, s.spent(now))
	}
	return most
}

func (s *sub) spent(now int64) (most float64) {
	if s.disable > 0 && (s.row >= s.disable || now-s.last < rowKept) {
		most = share(s.row, s.disable)
	}
	for i := range s.tiers {
		t := &s.tiers[i]
		if t.until > now {
			return 1
		}
		// Full without a lock is not refusing.
		most = max(most, min(share(len(live(t.log, t.period, now)), t.n), 0.99))
		if t.locksAt(now) > 0 {
			most = max(most, half)
		}
	}
	return most
}

// locksAt is locks, begun anew a day after the last.
func (t *tier) locksAt(now int64) int {
	if now-t.until >= int64(day) {
		return 0
	}
	return t.locks
}

// find is the counter of id, nil if there is none.
func (g *guesses) find(id key) *sub {
	if g != nil {
		for _, s := range g.subs {
			if s.id == id {
				return s
			}
		}
	}
	return nil
}

// prune deletes those on which nothing is spent, but for those in use, and
// reports how many they were.
func (g *guesses) prune(now int64, inUse func(*sub) bool) int64 {
	before := len(g.subs)
	g.subs = slices.DeleteFunc(g.subs, func(s *sub) bool { return s.spent(now) == 0 && !inUse(s) })
	return int64(before - len(g.subs))
}

// locked is how long from now take is refused by a lock. One that began when
// the locks were longer ends as one that begins now.
func (s *sub) locked(take *store.AttemptTake, now int64) (left int64) {
	for i := range min(len(s.tiers), len(take.Tiers)) {
		t := &s.tiers[i]
		t.until = min(t.until, now+span(slices.Max(take.Tiers[i].Locks)))
		left = max(left, t.until-now)
	}
	return left
}

func (s *sub) disabled(take *store.AttemptTake) bool {
	return take.DisableAfter > 0 && s.row >= take.DisableAfter
}

// count counts an attempt, and reports whether it began a lock or disabled.
func (s *sub) count(take *store.AttemptTake, now int64) (first bool) {
	if s.id != ofAll {
		s.row++
		s.last, s.disable = now, take.DisableAfter
	}
	first = s.disabled(take)
	for len(s.tiers) < len(take.Tiers) {
		s.tiers = append(s.tiers, tier{})
	}
	for i := range take.Tiers {
		first = s.tiers[i].count(&take.Tiers[i], now) || first
	}
	return first
}

func (t *tier) count(of *store.AttemptTier, now int64) (locks bool) {
	t.period, t.n = int64(of.Period), of.N
	log := live(t.log, t.period, now)
	log = log[max(len(log)+1-of.N, 0):]
	t.log = append(append(t.log[:0], log...), now)
	if len(t.log) < of.N {
		return false
	}
	t.locks = t.locksAt(now)
	t.until = now + span(of.Locks[min(t.locks, len(of.Locks)-1)])
	t.locks++
	return true
}

// giveBack takes back the newest attempt and ends the lock as if it had not
// been.
func (s *sub) giveBack(now int64) {
	s.row = max(s.row-1, 0)
	for i := range s.tiers {
		t := &s.tiers[i]
		if n := len(t.log); n > 0 {
			t.log = t.log[:n-1]
		}
		if t.until > now {
			t.until = now
			t.locks--
		}
	}
}
