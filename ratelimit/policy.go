package ratelimit

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// Outage says what a policy does while the store does not answer.
type Outage uint8

const (
	// FailLocal counts in this process's memory meanwhile, with 1/Instances of
	// the limit and at least 1. It has counted all along, so that an outage gives
	// nobody a fresh budget.
	FailLocal Outage = iota
	// FailClosed answers 503.
	FailClosed
	// FailOpen lets everything pass, a limit of 0 included.
	FailOpen
)

// Policy is a limit. Make it by [Window] or [GCRA]; its other fields may be set
// before [New].
type Policy struct {
	// Name is for header fields, events and the store: 1 to 32 characters of
	// [a-z0-9_-]. Policies of one name and store share their counters.
	Name string
	// Key says what is counted. Required.
	Key KeyFunc
	// Cost is what a request takes; 0 takes nothing, and below 0 is a fault
	// (500). Defaults to 1.
	Cost func(r *http.Request) int
	// Quota is the key's own limit in place of the policy's, as from an API key's
	// metadata; false: the policy's. One that the algorithm cannot hold counts as
	// the most that it can. Of GCRA not more than it pass at once, however large
	// the burst is.
	Quota func(r *http.Request) (n int, ok bool)
	// Account says that Key names accounts. No header fields then: they would let
	// others watch a user. And a bounded store evicts nothing half spent.
	Account bool
	// OnOutage defaults to FailLocal.
	OnOutage Outage
	// DryRun counts and reports, and refuses nothing. Such policies are taken after
	// the others, all or none.
	DryRun bool

	gcra   bool
	limit  int
	burst  int
	period time.Duration
}

// Window lets no window of period hold more than n requests, wherever it
// begins. n is at most 64: each is kept with its time. It is for logins, codes
// and mails. 0 refuses all.
func Window(name string, n int, period time.Duration, key KeyFunc) Policy {
	return Policy{Name: name, Key: key, limit: n, period: period}
}

// GCRA lets n requests in period pass on average, and burst at once: at most
// burst + n/period × t in any time t. It keeps one number a key, and is for large
// quotas. period/n is at least 100 µs. 0 refuses all.
func GCRA(name string, n int, period time.Duration, burst int, key KeyFunc) Policy {
	return Policy{Name: name, Key: key, gcra: true, limit: n, period: period, burst: burst}
}

const (
	minPeriod   = time.Millisecond
	maxPeriod   = 366 * 24 * time.Hour
	minInterval = 100 * time.Microsecond
	maxBurst    = 1_000_000
	maxRestored = 100 * 366 * 24 * time.Hour // stores keep no counter for ever
)

// check says what is wrong with p.
func (p *Policy) check() error {
	switch {
	case !isName(p.Name):
		return fmt.Errorf("the name of a Policy is 1 to 32 characters of [a-z0-9_-], not %.64q", p.Name)
	case p.Key == nil:
		return fmt.Errorf("Policy %q has no Key: ByClient, BySubject, ByCredential or the host's own", p.Name)
	case p.limit < 0:
		return fmt.Errorf("Policy %q has a negative limit", p.Name)
	case p.period < minPeriod || p.period > maxPeriod:
		return fmt.Errorf("Policy %q has a period of %s, not 1 ms to 366 days", p.Name, p.period)
	case !p.gcra && p.limit > store.MaxWindow:
		return fmt.Errorf("Window %q of %d is over %d, which are kept one by one: use GCRA", p.Name, p.limit, store.MaxWindow)
	case p.gcra && p.limit > p.most():
		return fmt.Errorf("GCRA %q of %d in %s is faster than one in %s", p.Name, p.limit, p.period, minInterval)
	case p.gcra && (p.burst < 1 || p.burst > maxBurst):
		return fmt.Errorf("GCRA %q has a burst of %d, not 1 to %d", p.Name, p.burst, maxBurst)
	case p.gcra && p.limit > 0 && float64(p.burst)/float64(p.limit)*float64(p.period) > float64(maxRestored):
		return fmt.Errorf("GCRA %q restores its burst of %d in over a hundred years", p.Name, p.burst)
	case p.OnOutage > FailOpen:
		return fmt.Errorf("Policy %q has an unknown OnOutage", p.Name)
	}
	return nil
}

// most is the highest limit that the algorithm can hold.
func (p *Policy) most() int {
	if !p.gcra {
		return store.MaxWindow
	}
	return int(min(p.period/minInterval, 1<<31-1))
}

func isName(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// take is what r takes by p; false: nothing is counted.
func (p *Policy) take(r *http.Request) (store.LimitTake, bool, error) {
	key, ok := p.Key(r)
	if !ok {
		return store.LimitTake{}, false, nil
	}
	t := store.LimitTake{
		Policy: p.Name, Key: key, GCRA: p.gcra, Limit: p.limit, Burst: p.burst, Period: p.period, Cost: 1, Account: p.Account,
	}
	if p.Cost != nil {
		if t.Cost = p.Cost(r); t.Cost < 0 {
			return store.LimitTake{}, false, errors.New("the Cost of Policy " + p.Name + " is negative")
		}
	}
	if p.Quota != nil {
		if n, ok := p.Quota(r); ok {
			t.Limit = max(0, min(n, p.most()))
			if p.gcra {
				t.Burst = max(1, min(t.Burst, t.Limit))
			}
		}
	}
	return t, true, nil
}
