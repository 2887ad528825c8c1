package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/ratelimit"
	"github.com/gatehouse-go/authn/store"
)

func newAttempts(t *testing.T, st store.Limits, cfg ratelimit.AttemptsConfig) *ratelimit.Attempts {
	t.Helper()
	a, err := ratelimit.NewAttempts(st, keychain, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var keychain = authn.GenerateKeychain()

// guess is one wrong guess; it answers how long to wait if it was refused.
func guess(t *testing.T, a *ratelimit.Attempts, r *http.Request, subject, name string) (refused bool, wait time.Duration) {
	t.Helper()
	_, err := a.Reserve(r, subject, name)
	if err == nil {
		return false, 0
	}
	e := authn.AsError(err)
	if e.Status != http.StatusTooManyRequests || e.Code != "quota_exceeded" || e.RetryAfter <= 0 {
		t.Fatalf("refused by %d %s after %s: %v", e.Status, e.Code, e.RetryAfter, err)
	}
	return true, e.RetryAfter
}

// guesses is how many of n wrong guesses were let through.
func guesses(t *testing.T, a *ratelimit.Attempts, n int, r *http.Request, subject, name string) (through int) {
	t.Helper()
	for range n {
		if refused, _ := guess(t, a, r, subject, name); !refused {
			through++
		}
	}
	return through
}

// login is a right one.
func login(t *testing.T, a *ratelimit.Attempts, r *http.Request, subject string) {
	t.Helper()
	attempt, err := a.Reserve(r, subject, "")
	if err != nil {
		t.Fatalf("the login of %s is refused: %v", subject, err)
	}
	if err := attempt.Succeeded(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// R10: endless locks, too low a DisableAfter and other nonsense are errors of
// the constructor.
func TestNewAttemptsRefusesNonsense(t *testing.T) {
	tier := func(n int, period time.Duration, locks ...time.Duration) []ratelimit.Tier {
		return []ratelimit.Tier{{N: n, Period: period, Locks: locks}}
	}
	for _, c := range []struct {
		name string
		st   store.Limits
		kc   *authn.Keychain
		cfg  ratelimit.AttemptsConfig
		want string
	}{
		{"no store", nil, keychain, ratelimit.AttemptsConfig{}, "needs a store"},
		{"no keychain", newLimits(), nil, ratelimit.AttemptsConfig{}, "ParseKeychain"},
		{"zero keychain", newLimits(), &authn.Keychain{}, ratelimit.AttemptsConfig{}, "ParseKeychain"},
		{"fail open", newLimits(), keychain, ratelimit.AttemptsConfig{OnOutage: ratelimit.FailOpen}, "guessing is free"},
		{"instances", newLimits(), keychain, ratelimit.AttemptsConfig{Instances: -1}, "Instances"},
		{"DisableAfter 99", newLimits(), keychain, ratelimit.AttemptsConfig{DisableAfter: 99}, "at least 100"},
		{"negative DisableAfter", newLimits(), keychain, ratelimit.AttemptsConfig{DisableAfter: -1}, "at least 100"},
		{"no tiers", newLimits(), keychain, ratelimit.AttemptsConfig{PerClient: []ratelimit.Tier{}}, "PerClient: 0 tiers"},
		{"five tiers", newLimits(), keychain, ratelimit.AttemptsConfig{PerAccount: make([]ratelimit.Tier, 5)}, "PerAccount: 5 tiers"},
		{"N 0", newLimits(), keychain, ratelimit.AttemptsConfig{PerClientAccount: tier(0, time.Minute)}, "0 attempts"},
		{"N 65", newLimits(), keychain, ratelimit.AttemptsConfig{PerClientAccount: tier(65, time.Minute)}, "65 attempts"},
		{"no period", newLimits(), keychain, ratelimit.AttemptsConfig{PerAccount: tier(5, 0)}, "period"},
		{"period of two days", newLimits(), keychain, ratelimit.AttemptsConfig{PerAccount: tier(5, 48*time.Hour)}, "period"},
		{"lock of two hours", newLimits(), keychain, ratelimit.AttemptsConfig{PerAccount: tier(5, time.Minute, 2*time.Hour)}, "keep its owner out"},
		{"endless lock", newLimits(), keychain, ratelimit.AttemptsConfig{PerAccount: tier(5, time.Minute, 1<<62)}, "keep its owner out"},
		{"lock of 0", newLimits(), keychain, ratelimit.AttemptsConfig{PerAccount: tier(5, time.Minute, 0)}, "a lock of 0s"},
		{"nine locks", newLimits(), keychain, ratelimit.AttemptsConfig{PerAccount: tier(5, time.Minute, make([]time.Duration, 9)...)}, "9 locks"},
		{"empty locks", newLimits(), keychain, ratelimit.AttemptsConfig{PerAccount: []ratelimit.Tier{{N: 5, Period: time.Minute, Locks: []time.Duration{}}}}, "0 locks"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ratelimit.NewAttempts(c.st, c.kc, c.cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "authn/ratelimit: ") {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// R10: what is just within the bounds is taken.
func TestNewAttemptsTakesTiersAtTheirBounds(t *testing.T) {
	locks := make([]time.Duration, 8)
	for i := range locks {
		locks[i] = time.Second
	}
	locks[7] = time.Hour
	tiers := []ratelimit.Tier{
		{N: 1, Period: time.Second, Locks: locks},
		{N: 64, Period: 24 * time.Hour, Locks: locks[7:]},
		{N: 64, Period: time.Hour, Locks: locks[:1]},
		{N: 64, Period: time.Hour},
	}
	a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{PerClientAccount: tiers, PerAccount: tiers, PerClient: tiers, DisableAfter: 100})
	if n := guesses(t, a, 5, client(), "ada", ""); n != 1 {
		t.Errorf("%d guesses passed, want 1", n)
	}
}

// R10: locks grow, end, and are not made longer by who tries meanwhile.
func TestLocksGrowAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{})
		for i, lock := range []time.Duration{1 * time.Minute, 5 * time.Minute, 5 * time.Minute, 15 * time.Minute, 15 * time.Minute, time.Hour, time.Hour} {
			through, wait := 0, time.Duration(0)
			for range 20 {
				refused, w := guess(t, a, client(), "ada", "")
				if !refused {
					through++
				}
				wait = max(wait, w)
			}
			if through == 0 || through > 5 || wait != lock {
				t.Fatalf("lock %d: %d guesses and %s to wait, want 1 to 5 and %s", i+1, through, wait, lock)
			}
			time.Sleep(lock - time.Millisecond)
			if refused, _ := guess(t, a, client(), "ada", ""); !refused {
				t.Fatalf("lock %d ended early", i+1)
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(25 * time.Hour)
		guesses(t, a, 5, client(), "ada", "")
		if _, wait := guess(t, a, client(), "ada", ""); wait != time.Minute {
			t.Errorf("after a day without a lock the first one is %s, want 1m0s", wait)
		}
	})
}

// R11: of 100 guesses at once 5 are looked at.
func TestParallelGuesses(t *testing.T) {
	a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{})
	var through atomic.Int64
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if _, err := a.Reserve(client(), "ada", ""); err == nil {
				through.Add(1)
			}
		})
	}
	all.Wait()
	if n := through.Load(); n != 5 {
		t.Errorf("%d guesses were looked at, want 5", n)
	}
}

// R11: a success clears the account, and of the client group only its own
// attempt.
func TestSuccessClearsTheAccountOnly(t *testing.T) {
	a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{PerClient: []ratelimit.Tier{{N: 8, Period: time.Hour}}})
	guesses(t, a, 4, client(), "ada", "")
	for range 10 {
		login(t, a, client(), "ada")
	}
	if n := guesses(t, a, 3, client(), "ada", ""); n != 3 {
		t.Errorf("%d of 3 guesses after a success passed: the account was not cleared", n)
	}
	if n := guesses(t, a, 5, client(), "bob", ""); n != 1 {
		t.Errorf("%d guesses at another account passed, want 1: 7 of the client's 8 were used", n)
	}
}

// R11: who was not looked at, as when all hashing slots are taken, has not
// guessed; that clears nothing either.
func TestCancelledAttemptDoesNotCount(t *testing.T) {
	a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{DisableAfter: 100})
	guesses(t, a, 3, client(), "ada", "")
	for range 200 {
		attempt, err := a.Reserve(client(), "ada", "")
		if err != nil {
			t.Fatal(err)
		}
		if err := attempt.Cancelled(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if n := guesses(t, a, 10, client(), "ada", ""); n != 2 {
		t.Errorf("%d more guesses passed, want 2 of 5", n)
	}
}

// R10: one client's wrong guesses at many accounts end, and another client's
// logins do not.
func TestSprayingClientIsLocked(t *testing.T) {
	a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{})
	through := 0
	for i := range 1000 {
		through += guesses(t, a, 1, client(), fmt.Sprint("user", i), "")
	}
	if through != 60 {
		t.Errorf("%d accounts were tried, want 60", through)
	}
	login(t, a, from("198.51.100.1"), "user1")
}

// R10: guessing from many addresses meets the account's own limit.
func TestDistributedGuessesMeetTheAccount(t *testing.T) {
	a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{})
	through := 0
	for i := range 250 {
		through += guesses(t, a, 4, from(fmt.Sprintf("192.0.2.%d", i)), "ada", "")
	}
	if through != 20 {
		t.Errorf("%d guesses passed, want 20", through)
	}
}

// R13: an account that does not exist is locked as one that does, under any
// spelling, and an empty name locks nobody out.
func TestUnknownAccountsLockAlike(t *testing.T) {
	a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{})
	for i, name := range []string{"nobody@example.com", " Nobody@Example.com", "NOBODY@EXAMPLE.COM", "nobody@example.com\t", "nobody@example.com"} {
		if refused, _ := guess(t, a, client(), "", name); refused {
			t.Fatalf("guess %d is refused", i+1)
		}
	}
	refusedUnknown, waitUnknown := guess(t, a, client(), "", "nobody@example.com")
	guesses(t, a, 5, from("192.0.2.2"), "ada", "")
	refusedKnown, waitKnown := guess(t, a, from("192.0.2.2"), "ada", "")
	if !refusedUnknown || !refusedKnown || (waitUnknown-waitKnown).Abs() > time.Second {
		t.Errorf("unknown: %t, %s; known: %t, %s", refusedUnknown, waitUnknown, refusedKnown, waitKnown)
	}
	if n := guesses(t, a, 30, from("192.0.2.3"), "", "  "); n != 30 {
		t.Errorf("an empty name is locked after %d", n)
	}
	if n := guesses(t, a, 1, from("192.0.2.4"), "", strings.Repeat("x", 1<<20)); n != 1 {
		t.Error("a long name is refused")
	}
}

// R13: of a name 1024 bytes are looked at, and what is no account has no row
// that could disable it.
func TestNamesThatAreNoAccount(t *testing.T) {
	st, longest := newLimits(), 0
	a := newAttempts(t, st, ratelimit.AttemptsConfig{DisableAfter: 100, Normalize: func(name string) string {
		longest = max(longest, len(name))
		return strings.TrimSpace(name)
	}})
	guesses(t, a, 1, client(), "", strings.Repeat("x", 2000))
	if longest != 1024 {
		t.Errorf("%d bytes are looked at", longest)
	}
	for i := range 150 {
		if refused, _ := guess(t, a, from(fmt.Sprintf("192.0.2.%d", i)), "", " "); refused {
			t.Fatalf("guess %d at no account is refused", i+1)
		}
	}
	rows := func(a *ratelimit.Attempts) (rows int) {
		st.attempts = nil
		guesses(t, a, 1, from("198.51.100.1"), "ada", "")
		for _, take := range st.attempts[0] {
			if take.Policy == "attempts/row" {
				rows++
			}
		}
		return rows
	}
	if with, without := rows(a), rows(newAttempts(t, st, ratelimit.AttemptsConfig{})); with != 1 || without != 0 {
		t.Errorf("%d rows with DisableAfter, %d without", with, without)
	}
}

// R13: a subject and a name that spell the same are two accounts.
func TestSubjectIsNoName(t *testing.T) {
	a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{})
	guesses(t, a, 5, client(), "", "ada")
	if refused, _ := guess(t, a, client(), "ada", "ada"); refused {
		t.Error("who guesses at a name that nobody has locks the subject of that name")
	}
}

// R12: a browser that has logged in before gets in while others guess, and has
// no more guesses than others.
func TestKnownDeviceGetsIn(t *testing.T) {
	a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{})
	device := known(t, a, "ada")
	for i := range 50 { // an attack, from the victim's own address, too
		guesses(t, a, 10, from(fmt.Sprintf("192.0.2.%d", i)), "ada", "")
	}
	if refused, _ := guess(t, a, client(), "ada", ""); !refused {
		t.Fatal("the account is not locked")
	}
	login(t, a, device(client()), "ada")
	if refused, _ := guess(t, a, client(), "ada", ""); !refused {
		t.Error("the victim's login gave the attacker a fresh budget")
	}
	if n := guesses(t, a, 100, device(client()), "ada", ""); n != 5 {
		t.Errorf("%d guesses from a known device, want 5", n)
	}
}

// known is what adds a device cookie of subject to requests.
func known(t *testing.T, a *ratelimit.Attempts, subject string) func(r *http.Request) *http.Request {
	t.Helper()
	c := remember(t, a, client(), subject)
	if c == nil {
		t.Fatal("no cookie")
	}
	return func(r *http.Request) *http.Request {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		return r
	}
}

// R12: the cookie counts for its subject, of this keychain, whole and once.
func TestDeviceCookieOfAnother(t *testing.T) {
	a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{})
	good := remember(t, a, client(), "ada").Value
	other, err := ratelimit.NewAttempts(newLimits(), authn.GenerateKeychain(), ratelimit.AttemptsConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		guesses(t, a, 5, from(fmt.Sprintf("192.0.2.%d", i)), "ada", "")
	}
	for _, c := range []struct {
		name, cookies string
		in            bool
	}{
		{"the cookie", "__Host-device=" + good, true},
		{"no cookie", "a=b", false},
		{"of another subject", "__Host-device=" + remember(t, a, client(), "bob").Value, false},
		{"of another keychain", "__Host-device=" + remember(t, other, client(), "ada").Value, false},
		{"twice", "__Host-device=" + good + "; __Host-device=" + good, false},
		{"without the prefix", "device=" + good, false},
		{"cut", "__Host-device=" + good[:len(good)-1], false},
		{"longer", "__Host-device=" + good + "A", false},
		{"changed", "__Host-device=" + strings.Replace(good, good[12:13], string(good[12]^1), 1), false},
		{"without a key", "__Host-device=" + good[9:], false},
		{"line feeds, which base64 skips", "__Host-device=" + good[:9] + strings.Repeat("\n", len(good)-9), false},
		{"empty", "__Host-device=", false},
		{"huge", "__Host-device=" + strings.Repeat("A", 1<<16), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := from("192.0.2.1")
			r.Header.Set("Cookie", c.cookies)
			attempt, err := a.Reserve(r, "ada", "")
			if (err == nil) != c.in {
				t.Errorf("error %v, let in: want %t", err, c.in)
			}
			if err == nil {
				_ = attempt.Succeeded(context.Background())
			}
		})
	}
}

// R12: the cookie is hardened, is not set again while it is young, and ends a
// year after the last login.
func TestDeviceCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{})
		c := remember(t, a, client(), "ada")
		if c.Name != "__Host-device" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" ||
			c.MaxAge != 365*24*60*60 || len(c.Name)+len(c.Value) >= 120 || strings.Contains(c.Value, "ada") {
			t.Errorf("cookie %+v", c)
		}
		with := func() *http.Request {
			r := client()
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
			return r
		}
		if remember(t, a, with(), "ada") != nil {
			t.Error("a young cookie is set again")
		}
		if remember(t, a, with(), "bob") == nil {
			t.Error("another subject's login keeps the cookie")
		}
		time.Sleep(31 * 24 * time.Hour)
		if remember(t, a, with(), "ada") == nil {
			t.Error("an older cookie is not renewed")
		}
		time.Sleep(340 * 24 * time.Hour)
		for i := range 30 {
			guesses(t, a, 5, from(fmt.Sprintf("192.0.2.%d", i)), "ada", "")
		}
		if refused, _ := guess(t, a, with(), "ada", ""); !refused {
			t.Error("a device is known after a year")
		}
		if err := a.Remember(nil, client(), ""); authn.AsError(err).Status != http.StatusInternalServerError {
			t.Errorf("Remember of nobody: %v", err)
		}
	})
}

// R12: the cookie counts from an hour before it was made, for clocks that
// differ, to a year after; it is renewed after 30 days, and where a clock that
// was wrong has made it.
func TestDeviceCookieHasItsTime(t *testing.T) {
	const hour, month, year = time.Hour, 30 * 24 * time.Hour, 365 * 24 * time.Hour
	for _, c := range []struct {
		made, used   time.Duration
		known, young bool
	}{
		{hour + time.Second, 0, false, false},
		{hour, 0, true, true},
		{0, month - time.Second, true, true},
		{0, month, true, false},
		{0, year, true, false},
		{0, year + 1, false, false},
	} {
		var cookie *http.Cookie
		at := func(passed time.Duration, f func(t *testing.T)) { // each bubble begins at the same time
			synctest.Test(t, func(t *testing.T) { time.Sleep(passed); f(t) })
		}
		at(c.made, func(t *testing.T) {
			cookie = remember(t, newAttempts(t, newLimits(), ratelimit.AttemptsConfig{}), client(), "ada")
		})
		at(c.used, func(t *testing.T) {
			a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{})
			with := func() *http.Request {
				r := client()
				r.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
				return r
			}
			if young := remember(t, a, with(), "ada") == nil; young != c.young {
				t.Errorf("made at %s, used at %s: young %t, want %t", c.made, c.used, young, c.young)
			}
			guesses(t, a, 10, client(), "ada", "")
			if refused, _ := guess(t, a, with(), "ada", ""); refused == c.known {
				t.Errorf("made at %s, used at %s: known %t, want %t", c.made, c.used, !refused, c.known)
			}
		})
	}
}

// R10: DisableAfter wrong passwords in a row, whoever tried them, the password
// is disabled on known devices, too, until Unlock; a success on the way begins
// anew.
func TestDisableAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{DisableAfter: 100})
		device := known(t, a, "ada")
		wrong := func(n int) {
			for i := 0; n > 0; i++ {
				if i == 2000 {
					t.Fatal("the locks never end")
				}
				refused, wait := guess(t, a, from(fmt.Sprintf("192.0.%d.1", i%256)), "ada", "")
				if refused {
					time.Sleep(wait)
					continue
				}
				n--
			}
		}
		wrong(99)
		time.Sleep(time.Hour)
		login(t, a, from("198.51.100.1"), "ada")
		wrong(100)
		time.Sleep(48 * time.Hour)
		if refused, _ := guess(t, a, from("198.51.100.1"), "ada", ""); !refused {
			t.Error("the password is not disabled")
		}
		if refused, _ := guess(t, a, device(client()), "ada", ""); !refused {
			t.Error("it is not disabled on a known device")
		}
		if err := a.Unlock(context.Background(), "ada"); err != nil {
			t.Fatal(err)
		}
		login(t, a, from("198.51.100.1"), "ada")
	})
}

// R13: Unlock ends every lock of the account, for whichever client, and nobody
// else's; both ends of a lock are events.
func TestUnlock(t *testing.T) {
	rec := &authntest.Recorder{}
	a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{OnEvent: rec.OnEvent})
	for i := range 10 {
		guesses(t, a, 8, from(fmt.Sprintf("192.0.2.%d", i)), "ada", "")
	}
	guesses(t, a, 8, from("198.51.100.1"), "bob", "")
	if err := a.Unlock(authn.NewContext(context.Background(), &authn.Identity{Subject: "root", Kind: authn.KindUser}), "ada"); err != nil {
		t.Fatal(err)
	}
	if refused, _ := guess(t, a, from("192.0.2.0"), "ada", ""); refused {
		t.Error("the account is locked still")
	}
	if refused, _ := guess(t, a, from("198.51.100.1"), "bob", ""); !refused {
		t.Error("another account was unlocked")
	}
	events := rec.Events(authn.EventUnlocked)
	if len(events) != 1 || events[0].Subject != "ada" || events[0].Actor != "root" {
		t.Errorf("events %+v", events)
	}
	if locks := rec.Events(authn.EventLocked); len(locks) == 0 || locks[0].Subject != "ada" || locks[0].SubjectKind != authn.KindUser ||
		locks[0].Addr.String() != "192.0.2.0" || locks[0].Reason != "too many attempts" {
		t.Errorf("events %+v", locks)
	}
	if err := a.Unlock(context.Background(), ""); err != nil || len(rec.Events(authn.EventUnlocked)) != 1 {
		t.Errorf("Unlock of nobody: %v, events %+v", err, rec.Events(authn.EventUnlocked))
	}
}

// R13: one event for each lock, and the name of an account that does not exist
// only as a MAC.
func TestLockIsOneEvent(t *testing.T) {
	rec := &authntest.Recorder{}
	a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{OnEvent: rec.OnEvent})
	guesses(t, a, 50, client(), "", "nobody@example.com")
	events := rec.Events()
	if len(events) != 1 || events[0].Kind != authn.EventLocked || events[0].Subject != "" || events[0].Name == "" || strings.Contains(events[0].Name, "nobody") {
		t.Errorf("events %+v, want one", events)
	}
}

// R6: guessing is not free during an outage, and an outage forgets nothing.
func TestAttemptsDuringAnOutage(t *testing.T) {
	st := newLimits()
	a := newAttempts(t, st, ratelimit.AttemptsConfig{})
	guesses(t, a, 3, client(), "ada", "")
	st.down.Store(true)
	if n := guesses(t, a, 20, client(), "ada", ""); n != 2 {
		t.Errorf("%d guesses passed during the outage, want 2 of 5", n)
	}
	login(t, a, from("192.0.2.2"), "bob")
	if err := a.Unlock(context.Background(), "ada"); authn.AsError(err).Status != http.StatusServiceUnavailable || !errors.Is(err, errServer) {
		t.Errorf("Unlock: %v, want the outage", err)
	}

	closed := newAttempts(t, st, ratelimit.AttemptsConfig{OnOutage: ratelimit.FailClosed})
	st.down.Store(false)
	login(t, closed, from("192.0.2.3"), "bob")
	st.down.Store(true)
	if _, err := closed.Reserve(client(), "ada", ""); authn.AsError(err).Status != http.StatusServiceUnavailable {
		t.Errorf("FailClosed: %v", err)
	}
	shared := newAttempts(t, st, ratelimit.AttemptsConfig{Instances: 5})
	if n := guesses(t, shared, 20, client(), "ada", ""); n != 1 {
		t.Errorf("%d guesses at one of 5 instances, want 1", n)
	}
}

// R6: a success that the store cannot be told is an error for the event, and is
// not lost to what stands in.
func TestSuccessDuringAnOutage(t *testing.T) {
	st := newLimits()
	a := newAttempts(t, st, ratelimit.AttemptsConfig{})
	attempt, err := a.Reserve(client(), "ada", "")
	if err != nil {
		t.Fatal(err)
	}
	st.down.Store(true)
	for name, settle := range map[string]func(context.Context) error{"Succeeded": attempt.Succeeded, "Cancelled": attempt.Cancelled} {
		if err := settle(context.Background()); err == nil || authn.AsError(err).Status != http.StatusServiceUnavailable {
			t.Errorf("%s: %v, want 503", name, err)
		}
	}
}

func remember(t *testing.T, a *ratelimit.Attempts, r *http.Request, subject string) *http.Cookie {
	t.Helper()
	w := &recorder{header: http.Header{}}
	if err := a.Remember(w, r, subject); err != nil {
		t.Fatal(err)
	}
	lines := w.header.Values("Set-Cookie")
	if len(lines) == 0 {
		return nil
	}
	c, err := http.ParseSetCookie(lines[0])
	if err != nil || len(lines) > 1 || w.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%q: %v", lines, err)
	}
	return c
}

type recorder struct {
	http.ResponseWriter
	header http.Header
}

func (w *recorder) Header() http.Header { return w.header }

// R12: however many others guess, a known device has a counter of its own.
func TestGuessersLeaveDevicesTheirRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{
			PerClientAccount: []ratelimit.Tier{{N: 5, Period: 24 * time.Hour}},
			PerAccount:       []ratelimit.Tier{{N: 64, Period: time.Minute}},
		})
		device := known(t, a, "ada")
		for i := range 200 {
			if refused, wait := guess(t, a, from(fmt.Sprintf("2001:db8:%x::1", i)), "ada", ""); refused {
				login(t, a, device(client()), "ada")
				time.Sleep(wait)
			}
		}
	})
}

// R12: the victim's login from a known device gives nobody a fresh budget, with
// DisableAfter as without; and Unlock ends the locks of devices.
func TestLoginOfAKnownDeviceClearsItsOwn(t *testing.T) {
	for _, disableAfter := range []int{0, 100} {
		a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{DisableAfter: disableAfter})
		device := known(t, a, "ada")
		for i := range 50 {
			guesses(t, a, 4, from(fmt.Sprintf("192.0.2.%d", i)), "ada", "")
		}
		login(t, a, device(client()), "ada")
		if refused, _ := guess(t, a, from("198.51.100.1"), "ada", ""); !refused {
			t.Errorf("DisableAfter %d: the login cleared the account's lock", disableAfter)
		}
		guesses(t, a, 10, device(client()), "ada", "")
		if err := a.Unlock(context.Background(), "ada"); err != nil {
			t.Fatal(err)
		}
		login(t, a, device(client()), "ada")
	}
}

// A Config is copied.
func TestLocksAreCopied(t *testing.T) {
	locks := []time.Duration{time.Minute}
	a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{PerClientAccount: []ratelimit.Tier{{N: 1, Period: time.Minute, Locks: locks}}})
	locks[0] = 1000 * time.Hour
	guess(t, a, client(), "ada", "")
	if _, wait := guess(t, a, client(), "ada", ""); wait > time.Minute {
		t.Errorf("a lock of %s", wait)
	}
}

// R11: a host that rolls back after a wrong password would make guessing free.
func TestNothingIsCountedInATransaction(t *testing.T) {
	st := newLimits()
	a := newAttempts(t, st, ratelimit.AttemptsConfig{})
	l := newLimiter(t, st, ratelimit.Config{}, ratelimit.Window("p", 5, time.Minute, ratelimit.ByClient))
	r := client().WithContext(store.MarkTx(client().Context()))
	if _, err := a.Reserve(r, "ada", ""); authn.AsError(err).Status != http.StatusInternalServerError {
		t.Errorf("Reserve: %v", err)
	}
	if w := serve(l, r); w.Code != http.StatusInternalServerError {
		t.Errorf("a Limiter: status %d", w.Code)
	}
	if n := st.calls.Load(); n > 0 {
		t.Errorf("the store was called %d times", n)
	}
}

// R6: what stands in knows of successes and of Unlock.
func TestWhatStandsInIsToldOfSuccesses(t *testing.T) {
	st := newLimits()
	a := newAttempts(t, st, ratelimit.AttemptsConfig{})
	guesses(t, a, 4, client(), "ada", "")
	login(t, a, client(), "ada")
	guesses(t, a, 5, client(), "bob", "")
	if err := a.Unlock(context.Background(), "bob"); err != nil {
		t.Fatal(err)
	}
	st.down.Store(true)
	for _, subject := range []string{"ada", "bob"} {
		if n := guesses(t, a, 10, client(), subject, ""); n != 5 {
			t.Errorf("%d guesses at %s passed during the outage, want 5", n, subject)
		}
	}
}

// R12: each known device has its own budget.
func TestDevicesAreApart(t *testing.T) {
	a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{})
	one, two := known(t, a, "ada"), known(t, a, "ada")
	guesses(t, a, 10, one(client()), "ada", "")
	login(t, a, two(client()), "ada")
	if refused, _ := guess(t, a, one(client()), "ada", ""); !refused {
		t.Error("a login on one device cleared the lock of another")
	}
}
