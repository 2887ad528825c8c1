// Package limits is [store.Limits] in this process's memory: what
// store/memstore counts with, and what stands in while another store is down.
//
// Two algorithms count takes. GCRA keeps one time for a counter, and a window
// the time of each take that it still holds. The clock is monotonic and is read
// once a call, while what the call counts is locked, so that no counter ever
// sees it run backwards.
//
// # When there is no room
//
// Counters of clients, counters of accounts, attempts of clients and attempts of
// accounts have room for max each, so that a flood of one leaves the others
// alone. When a new counter finds none, a few others are looked at: eight, or up
// to 64 as long as none of them may go, so that a full table costs a request no
// more than that. One on which nothing is spent goes; or else the one on which
// the least is. What never goes:
//
//   - a counter that is refusing, so that who is refused does not get in again
//     by asking under many other names;
//   - of accounts, what is at least half spent, locked, disabled, or was locked
//     within the last day, so that nobody gets more guesses at an account by
//     guessing at others.
//
// Where none of these may go, the new counter is the one that all such of its policy
// share, until there is room: they may be refused early, and are never let
// through late. So may those of more than 64 Subs of a Key. A success gives back
// to a shared counter what it took and ends its lock, as with one of a client;
// UnlockAttempts leaves it alone.
package limits

import (
	"time"

	"github.com/gatehouse-go/authn/store"
)

// Table implements [store.Limits]. It is safe for concurrent use.
type Table struct {
	start    time.Time
	offset   func() time.Duration
	plans    plans
	takes    pool[*counter]
	attempts pool[*guesses]
}

var _ store.Limits = (*Table)(nil)

// New is a table with room for max counters of each of the four kinds. offset
// is added to its clock, for tests; nil adds nothing.
func New(max int, offset func() time.Duration) *Table {
	t := &Table{start: time.Now(), offset: offset}
	t.takes.init(max)
	t.attempts.init(max)
	return t
}

// Times are nanoseconds of the table's clock, which begins late enough that none
// is negative even with an offset, and 0 is long past. Spans longer than
// endless, which no clock will see the end of, are taken for it, so that no sum
// overflows.
const (
	begin   = int64(10 * 365 * day)
	endless = int64(70 * 365 * day)
	day     = 24 * time.Hour
)

func (t *Table) now() int64 {
	now := begin + int64(time.Since(t.start)) // reads the monotonic clock only
	if t.offset != nil {
		now += int64(t.offset())
	}
	return now
}

// span is d as a number that can be added to a time.
func span(d time.Duration) int64 { return min(int64(d), endless) }

// Sweep deletes the counters on which nothing is spent. Nothing depends on it
// but space.
func Sweep(t *Table) {
	t.takes.sweep(t.now)
	t.attempts.sweep(t.now)
}
