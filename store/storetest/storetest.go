// Package storetest is the contract of package store as a suite: whoever
// writes a store proves it with one call.
//
//	func TestContract(t *testing.T) {
//		storetest.Run(t, func(t *testing.T, offset func() time.Duration) any {
//			return memstore.New(memstore.Config{ClockOffset: offset})
//		}, storetest.Config{})
//	}
//
// A value that keeps one concern is tested for that one, and the log names the
// others. Each case is a subtest with a store of its own. One that fails says
// which rule of the contract is broken.
//
// Races are run, not proven: run the suite with -race and more than once. The
// suite makes up to some 500 calls a case, so that it is quick on a server,
// too. One thing is left out for that: that a list answers 1000 records at
// most.
package storetest

import (
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// Config of Run. Zero is right for a store that promises everything.
type Config struct {
	// FixedClock is why the store cannot add offset to its clock: tests that
	// move it are skipped, saying so. "": it can.
	FixedClock string
	// AddUser adds p to what open answered last, for a store.Passwords that is
	// no store.PasswordTable; for one that is, it is not called.
	AddUser func(t *testing.T, p store.Password)
}

// Run tests every interface of package store that open's value implements.
// open makes it empty and ready, and adds offset() to its own clock.
//
// A value with Open, Run and Check, as of [store.Store], is tested for these,
// too. It is a failure to implement no interface.
func Run(t *testing.T, open func(t *testing.T, offset func() time.Duration) any, cfg Config) {
	t.Helper()
	concerns := []concern{
		concernOf[store.APIKeys]("APIKeys", apiKeyCases()),
		concernOf[store.Sessions]("Sessions", sessionCases()),
		concernOf[store.Tokens]("Tokens", tokenCases()),
		concernOf[store.SigningKeys]("SigningKeys", signingKeyCases()),
		concernOf[store.Passwords]("Passwords", passwordCases(cfg)),
		concernOf[store.PasswordTable]("PasswordTable", passwordTableCases()),
		concernOf[store.OneTime]("OneTime", oneTimeCases()),
		concernOf[store.TOTPs]("TOTPs", totpCases()),
		concernOf[store.Limits]("Limits", limitCases()),
		concernOf[store.OAuthClients]("OAuthClients", oauthClientCases()),
		concernOf[store.ProviderTokens]("ProviderTokens", providerTokenCases()),
		concernOf[store.Once]("Once", onceCases()),
	}
	value := open(t, new(clock).offset)
	tested, missing := split(concerns, value)
	if len(tested) == 0 {
		t.Fatalf("%T implements no interface of package store: %s", value, names(missing))
	}
	life, none := split([]concern{concernOf[lifecycle]("Store", storeCases())}, value)
	tested, missing = append(tested, life...), append(missing, none...)
	t.Logf("tested: %s", names(tested))
	if len(missing) > 0 {
		t.Logf("not implemented: %s", names(missing))
	}
	for _, c := range tested {
		t.Run(c.name, func(t *testing.T) { c.run(t, open, cfg) })
	}
}

// concern is an interface and its cases.
type concern struct {
	name string
	in   func(value any) bool
	run  func(t *testing.T, open opener, cfg Config)
}

type opener = func(t *testing.T, offset func() time.Duration) any

// testCase is one rule of S and how to see that it holds. test or moving is
// set.
type testCase[S any] struct {
	name string
	rule string // what the contract says, in words
	test func(t *testing.T, s S)
	// moving is a test that moves the store's clock.
	moving func(t *testing.T, s S, c *clock)
}

func concernOf[S any](name string, cases []testCase[S]) concern {
	return concern{
		name: name,
		in:   func(value any) bool { _, ok := value.(S); return ok },
		run: func(t *testing.T, open opener, cfg Config) {
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) { c.run(t, open, cfg) })
			}
		},
	}
}

func (c testCase[S]) run(t *testing.T, open opener, cfg Config) {
	if c.moving != nil && cfg.FixedClock != "" {
		t.Skipf("the store's clock cannot be moved: %s", cfg.FixedClock)
	}
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("panic: %v\n%s", r, debug.Stack())
		}
		if t.Failed() {
			t.Logf("rule: %s", c.rule)
		}
	}()
	var moved clock
	s, ok := open(t, moved.offset).(S)
	switch {
	case !ok:
		t.Fatal("open answers values of different types")
	case c.moving != nil:
		c.moving(t, s, &moved)
	default:
		c.test(t, s)
	}
}

// slack is how long a case may take in all: the store's clock does not stand
// still, and the machine may be busy.
const slack = 50 * time.Second

// clock is what the store adds to its own. It is safe for concurrent use.
type clock struct{ ahead atomic.Int64 }

func (c *clock) offset() time.Duration { return time.Duration(c.ahead.Load()) }

// set makes the store's clock d ahead of what it was at first.
func (c *clock) set(d time.Duration) { c.ahead.Store(int64(d)) }

// split tells the concerns that value implements from the others.
func split(all []concern, value any) (in, out []concern) {
	for _, c := range all {
		if c.in(value) {
			in = append(in, c)
		} else {
			out = append(out, c)
		}
	}
	return in, out
}

func names(cs []concern) string {
	var all []string
	for _, c := range cs {
		all = append(all, c.name)
	}
	return strings.Join(all, ", ")
}
