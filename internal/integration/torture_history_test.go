package integration_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/gatehouse-go/authn/store"
)

// tortureIn is one call: what it does, with which number, and an ID that no
// other call has. Old is what a compare-and-set expects.
type tortureIn struct {
	Do, ID, Old string
	N           int64
}

// tortureOut is what a call is answered.
type tortureOut struct {
	Answer string
	N      int64
	S      string
}

// The answers. After tortureUnknown the caller does not know whether the call
// took effect, or will.
const (
	tortureOK       = "ok"
	tortureNotFound = "not found"
	tortureExists   = "exists"
	tortureConflict = "conflict"
	tortureLimit    = "limit"
	tortureUnknown  = "unknown"
)

// tortureAnswer is what err says. ErrFull and all that is not the contract's are
// outages.
func tortureAnswer(err error) string {
	switch {
	case err == nil:
		return tortureOK
	case errors.Is(err, store.ErrNotFound):
		return tortureNotFound
	case errors.Is(err, store.ErrExists):
		return tortureExists
	case errors.Is(err, store.ErrConflict):
		return tortureConflict
	case errors.Is(err, store.ErrLimit):
		return tortureLimit
	}
	return tortureUnknown
}

// tortureState is what one key of a case is, by the contract.
type tortureState struct {
	N, Revoked int64
	S          string
}

// tortureOp is a call between two readings of one clock, that of the process
// which asks the others to make it.
type tortureOp struct {
	in           tortureIn
	out          tortureOut
	call, answer time.Duration
}

// tortureKey is what some callers call at once, and what came of it.
type tortureKey struct {
	name string

	mu       sync.Mutex
	ops      []tortureOp
	unknown  int
	known    int64  // the newest number that a caller has seen
	knownOld string // and the value of it
}

// linearizable reports whether there is an order of the calls in which each
// takes effect at one moment between its call and its answer, and is answered
// as the contract says. A call without an answer may take effect at any time
// after it, or not at all, which is the same as after all others.
//
// resends is of a client that sends a call again where it got no answer: what
// counts twice then may count for nobody, at any time. As long as it has sent
// none again, nothing does.
func (k *tortureKey) linearizable(c *tortureCase, resends bool) porcupine.CheckResult {
	var history []porcupine.Operation
	resent := 0 // at most
	for _, op := range k.ops {
		end := int64(op.answer)
		if op.out.Answer == tortureUnknown {
			end = math.MaxInt64
		}
		if resends && c.again != nil {
			resent += op.resent(c)
		}
		if resends && c.mayBeDenied(op) {
			op.out.Answer = tortureUnknown // it has been made by then, or was by another
		}
		if !c.reads(op.in) || op.out.Answer != tortureUnknown {
			history = append(history, porcupine.Operation{Input: op.in, Output: op.out, Call: int64(op.call), Return: end})
		}
	}
	type standing struct {
		is    tortureState
		twice int // how many were counted for nobody
	}
	model := (&porcupine.NondeterministicModel{
		Init: func() []any { return []any{standing{is: c.start}} },
		Step: func(state, input, output any) (after []any) {
			got := output.(tortureOut)
			for s := state.(standing); ; s.twice++ {
				want, next := c.contract(s.is, input.(tortureIn))
				if got.Answer == tortureUnknown || got == want {
					after = append(after, standing{next, s.twice})
				}
				if s.twice == resent {
					return after
				}
				before := s.is
				if _, s.is = c.contract(before, c.again(before)); s.is == before {
					return after
				}
			}
		},
	}).ToModel()
	return porcupine.CheckOperationsTimeout(model, history, tortureCheckWithin)
}

const (
	// tortureCheckWithin bounds the search for an order. It takes milliseconds.
	tortureCheckWithin = 2 * time.Minute
	// tortureResends is how often go-redis sends a call again, and before
	// tortureResendAfter it never does: MaxRetries, and not more than MinRetryBackoff.
	tortureResends     = 3
	tortureResendAfter = 8 * time.Millisecond
)

// resent is how often a client may have sent op's change again.
func (op tortureOp) resent(c *tortureCase) int {
	if c.reads(op.in) {
		return 0
	}
	return min(tortureResends, int((op.answer-op.call)/tortureResendAfter))
}

// mayBeDenied reports whether op may have made its change, in spite of its answer.
func (c *tortureCase) mayBeDenied(op tortureOp) bool {
	return c.denied != "" && op.out.Answer == c.denied && op.resent(c) > 0
}

// audit compares what was acknowledged with what is there at the end, which is
// what the last call says: changes that are not there any more, and changes
// that were made twice. It shows in plain numbers what linearizable shows, and
// says nothing of the order.
func (k *tortureKey) audit(c *tortureCase, resends bool) (lost, doubled int) {
	if c.count == nil || len(k.ops) == 0 {
		return 0, 0
	}
	acknowledged, possible := map[string]int{}, map[string]bool{}
	for _, op := range k.ops[:len(k.ops)-1] {
		id, once := c.change(op.in)
		if id == "" {
			continue
		}
		switch {
		case op.out.Answer == tortureOK:
			possible[id] = true
			acknowledged[id]++
			if once && acknowledged[id] > 1 {
				doubled++
			}
		case op.out.Answer == tortureUnknown, resends && c.mayBeDenied(op):
			possible[id] = true
		}
	}
	if c.most > 0 && len(acknowledged) > c.most {
		doubled += len(acknowledged) - c.most
	}
	there := c.count(k.ops[len(k.ops)-1].out)
	lost = max(0, len(acknowledged)-there)
	if !resends || c.again == nil {
		doubled += max(0, there-len(possible))
	}
	return lost, doubled
}

// String is for people who must see what went wrong: in the order of the calls.
func (k *tortureKey) String() string {
	var b strings.Builder
	for _, op := range slices.SortedFunc(slices.Values(k.ops), func(x, y tortureOp) int { return int(x.call - y.call) }) {
		fmt.Fprintf(&b, "\n%12v to %-12v %+v: %+v", op.call.Round(time.Microsecond), op.answer.Round(time.Microsecond), op.in, op.out)
	}
	return k.name + b.String()
}
