package store

import (
	"context"
	"time"
)

// MaxWindow is the most that a [LimitTake] without GCRA may have as its Limit,
// and an [AttemptTier] as its N: each one taken is kept with its time.
const MaxWindow = 64

// LimitTake is what one request takes from one counter.
type LimitTake struct {
	// Policy and Key name the counter, which is none of another take in a call. It
	// is the same one whatever Limit, Burst and Period say, so that a limit can be
	// changed while it is in use. Stores outside the process keep digests of the
	// two.
	Policy, Key string
	// GCRA, the generic cell rate algorithm of ITU-T I.371, says that on average
	// Limit in Period pass, and Burst at once. Without it no window of Period
	// ever holds more than Limit.
	GCRA bool
	// Limit 0 refuses all. Without GCRA it is at most MaxWindow.
	Limit int
	// Burst is at least 1, and 0 without GCRA.
	Burst int
	// Period is at least a millisecond. With GCRA, Period/Limit is at least 100
	// µs and rounded up to whole microseconds.
	Period time.Duration
	// Cost is how much is taken; 0 takes nothing and is never refused where
	// Limit is above 0.
	Cost int
	// Account says that Key names an account: a store that is bounded keeps what
	// is half spent. It is the same in all calls.
	Account bool
}

// LimitState is how a counter stands after a [LimitTake].
type LimitState struct {
	// Remaining is what could be taken at once.
	Remaining int
	// ResetIn is when nothing of it would be spent any more.
	ResetIn time.Duration
	// RetryIn over 0 says that this counter refuses, and when it would not; of
	// what can never pass, it is Period.
	RetryIn time.Duration
	// First says that it is the counter's first refusal in a Period.
	First bool
}

// AttemptTier locks after N attempts within Period: for Locks[0] the first time,
// Locks[1] the second, and so on, then for the last. The N-th attempt still
// passes. A day after the end of a lock without another the counting of locks
// begins anew.
type AttemptTier struct {
	N      int
	Period time.Duration
	Locks  []time.Duration
}

// MaxTiers is how many an [AttemptTake] may have.
const MaxTiers = 4

// AttemptTake is one counter of guesses.
type AttemptTake struct {
	// Policy, Key and Sub name the counter, which is none of another take in a
	// call: Sub is one of several of a Key that UnlockAttempts ends together. Over
	// 64 of a Key may share one.
	Policy, Key, Sub string
	// Tiers are at most MaxTiers; which one is which follows from the order.
	Tiers []AttemptTier
	// DisableAfter is how many in a row, without a success, refuse all others
	// until UnlockAttempts; 0: never. A row may be forgotten 30 days after its
	// last attempt.
	DisableAfter int
	// Account says that Key names an account: a success clears this counter with
	// its locks, not only its own attempt. It is the same in all calls.
	Account bool
}

// AttemptState is what became of an attempt.
type AttemptState struct {
	// RetryIn over 0: refused by a lock that ends then. Of several the longest.
	RetryIn time.Duration
	// Disabled: refused until UnlockAttempts.
	Disabled bool
	// First: taken, and the one that began a lock or disabled the account.
	First bool
}

// Limits counts on the store's clock only. A call takes from all its counters
// or from none; where they lie in several slots, they are taken one after the
// other and given back, so that others may be refused early, never let through
// late. What is refused takes nothing. Nobody is refused because others are
// asking: what races for one counter waits for its turn.
type Limits interface {
	// TakeLimits fills states, in the order of takes: as long, and for one
	// counter each. States of counters that do not refuse stand as if nothing had
	// been taken where another one refuses.
	TakeLimits(ctx context.Context, takes []LimitTake, states []LimitState) error
	// ReserveAttempts counts an attempt before it is looked at. One that is
	// refused does not count, and makes no lock longer.
	ReserveAttempts(ctx context.Context, takes []AttemptTake) (AttemptState, error)
	// SettleAttempts gives back an attempt: the counters lose the newest one and
	// are no longer locked. If it succeeded, those of accounts are cleared.
	SettleAttempts(ctx context.Context, takes []AttemptTake, succeeded bool) error
	// UnlockAttempts clears all counters of key, whatever their Sub.
	UnlockAttempts(ctx context.Context, policy, key string) error
}
