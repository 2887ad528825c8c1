package integration_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// tortureCase is a record that several callers race for, and its contract as a
// function: it is what package store says, of one caller at a time.
type tortureCase struct {
	name string
	// calls is how many a key gets before the next one is taken: enough for it
	// to change, few enough that those without an answer can be tried in every
	// order.
	calls int
	start tortureState
	// known is the number that callers know at first.
	known int64
	// prepare makes the key, before the history. It may be repeated.
	prepare func(ctx context.Context, s store.Store, key string) error
	// next is what a caller does, who knows what others have seen.
	next func(known int64, old string) tortureIn
	do   func(ctx context.Context, s store.Store, key string, in tortureIn) (tortureOut, error)
	// contract is the answer to in, and what is there after it.
	contract func(is tortureState, in tortureIn) (tortureOut, tortureState)
	// last is the call at the end, of which count says how many changes are there.
	last  tortureIn
	count func(out tortureOut) int
	// change names the change that in makes, "" for none. once says that nobody
	// else may be told that he made it.
	change func(in tortureIn) (id string, once bool)
	// most is how many changes there may be; 0: any number.
	most int
	// again is the call that may count twice, on the side that refuses, when a
	// Redis client sends it twice. nil: none does. package redisstore's doc says
	// which do.
	again func(is tortureState) tortureIn
	// denied is what the caller of a change may be answered that was made, when a
	// Redis client sent it twice and others called in between. "": none is.
	denied string
}

// reads reports whether in changes nothing, so that one without an answer says
// nothing.
func (c *tortureCase) reads(in tortureIn) bool { return in.Do == "read" }

// tortureNow is the callers' time, which differs, and tortureEnd when all records
// end.
var (
	tortureNow = time.Now().UTC().Truncate(time.Microsecond)
	tortureEnd = tortureNow.Add(24 * time.Hour)
)

// tortureRead is the last call of most.
var tortureRead = tortureIn{Do: "read"}

// tortureCases are the histories of D10: claim, update, advance, rotate, revoke
// and take.
var tortureCases = []*tortureCase{
	{
		name:  "ClaimOnce",
		calls: 8,
		next:  func(int64, string) tortureIn { return tortureIn{Do: "claim"} },
		do: func(ctx context.Context, s store.Store, key string, _ tortureIn) (tortureOut, error) {
			return tortureOut{}, s.ClaimOnce(ctx, "torture", store.DigestOf(key), tortureEnd, tortureNow)
		},
		contract: tortureOnce(tortureExists),
		last:     tortureIn{Do: "claim"},
		count:    tortureCountUnless(tortureOK),
		change:   func(tortureIn) (string, bool) { return "claim", true },
	},
	{
		name:  "ClaimOneTime",
		calls: 8,
		prepare: func(ctx context.Context, s store.Store, key string) error {
			return tortureMade(s.CreateOneTime(ctx, store.OneTimeToken{
				Digest: store.DigestOf(key), Purpose: "reset", Subject: key, CreatedAt: tortureNow, ExpiresAt: tortureEnd,
			}, 0, tortureNow))
		},
		next: func(int64, string) tortureIn { return tortureIn{Do: "claim"} },
		do: func(ctx context.Context, s store.Store, key string, _ tortureIn) (tortureOut, error) {
			_, err := s.ClaimOneTime(ctx, store.DigestOf(key), tortureNow)
			return tortureOut{}, err
		},
		contract: tortureOnce(tortureNotFound),
		last:     tortureIn{Do: "claim"},
		count:    tortureCountUnless(tortureOK),
		change:   func(tortureIn) (string, bool) { return "claim", true },
	},
	{
		name:  "UpdateSessionData",
		calls: 30,
		start: tortureState{N: 1, S: `"first"`},
		known: 1,
		prepare: func(ctx context.Context, s store.Store, key string) error {
			return tortureMade(s.CreateSession(ctx, tortureSession(key), store.SessionRef{}, 0, 0, tortureNow))
		},
		next: func(known int64, _ string) tortureIn {
			switch rand.N(8) {
			case 0, 1:
				return tortureRead
			case 2:
				return tortureIn{Do: "update", N: max(1, known-1)}
			}
			return tortureIn{Do: "update", N: known}
		},
		do: func(ctx context.Context, s store.Store, key string, in tortureIn) (tortureOut, error) {
			ref := tortureSession(key).Ref
			if in.Do == "read" {
				got, err := s.SessionByRef(ctx, ref, tortureNow)
				return tortureOut{N: got.Revision, S: string(got.Data)}, err
			}
			data := `"` + in.ID + `"`
			return tortureOut{N: in.N + 1, S: data}, s.UpdateSessionData(ctx, ref, in.N, []byte(data), tortureNow)
		},
		contract: func(is tortureState, in tortureIn) (tortureOut, tortureState) {
			switch {
			case in.Do == "read":
				return tortureOut{Answer: tortureOK, N: is.N, S: is.S}, is
			case in.N != is.N:
				return tortureOut{Answer: tortureConflict}, is
			}
			is = tortureState{N: is.N + 1, S: `"` + in.ID + `"`}
			return tortureOut{Answer: tortureOK, N: is.N, S: is.S}, is
		},
		last:   tortureRead,
		count:  func(out tortureOut) int { return int(out.N) - 1 },
		change: tortureFrom("update"),
	},
}

// tortureOnce is the contract of what one caller gets, and all others are
// answered lost.
func tortureOnce(lost string) func(is tortureState, in tortureIn) (tortureOut, tortureState) {
	return func(is tortureState, _ tortureIn) (tortureOut, tortureState) {
		if is.N > 0 {
			return tortureOut{Answer: lost}, is
		}
		return tortureOut{Answer: tortureOK}, tortureState{N: 1}
	}
}

// tortureCountUnless is one change unless the last call got this answer.
func tortureCountUnless(answer string) func(out tortureOut) int {
	return func(out tortureOut) int {
		if out.Answer == answer {
			return 0
		}
		return 1
	}
}

// tortureFrom is a change that one caller makes of each number.
func tortureFrom(do string) func(in tortureIn) (string, bool) {
	return func(in tortureIn) (string, bool) {
		if in.Do != do {
			return "", false
		}
		return fmt.Sprint("from ", in.N), true
	}
}

// tortureMade is err, but for what an earlier try has made.
func tortureMade(err error) error {
	if errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

func tortureSession(key string) store.Session {
	s := raceSession(key, 0)
	s.Ref = store.SessionRef{Tag: store.TagOf(s.Identity.Subject), Token: store.DigestOf(key)}
	s.Data = []byte(`"first"`)
	s.CreatedAt, s.SeenAt, s.IdleUntil, s.ExpiresAt = tortureNow, tortureNow, tortureEnd, tortureEnd
	return s
}
