package storetest_test

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
	"github.com/gatehouse-go/authn/store/storetest"
)

// brokenStore is a store with a mistake that stores are known for, and the
// case of the suite that must find it.
type brokenStore struct {
	name  string
	fails string // as in "APIKeys/rotate_has_one_winner"
	open  func(s *edited) any
}

var brokenStores = slices.Concat(
	brokenReads, brokenNames, brokenCreates, brokenCaps, brokenLists, brokenRotations,
	brokenRevocations, brokenUses, brokenWarnings, brokenTokens, brokenVersions, brokenFamilies, brokenAdvances,
	brokenSigningKeys, brokenOnces, brokenLives,
	brokenSessions, brokenSessionCaps, brokenLogins, brokenSessionReads, brokenSessionWrites, brokenSessionLists, brokenSessionRaces,
	brokenLimits, brokenAttempts, brokenLimitRaces,
	brokenPasswords, brokenPasswordTables, brokenOneTimes, brokenTOTPs,
	brokenClients, brokenClientSecrets, brokenClientLists, brokenProviderTokens,
)

// oddStores are right, or are not what Run is for; they show what it says.
var oddStores = []brokenStore{
	{name: "sound", open: func(s *edited) any { return s.Store }},
	{name: "sound but for the clock", open: func(s *edited) any { return s.Store }},
	{name: "one concern", open: func(s *edited) any { return &onceOnly{} }},
	{name: "plain limits", open: func(s *edited) any { return newPlainLimits(s.offset) }},
	{name: "plain codes", open: func(s *edited) any { return newPlainTOTPs(s.offset) }},
	{name: "plain clients", open: func(s *edited) any { return newPlainClients(s.offset) }},
	{name: "plain tokens", open: func(*edited) any { return newPlainTokens() }},
	{name: "users without a way in", open: func(s *edited) any { return struct{ store.Passwords }{s} }},
	{name: "no concern", open: func(*edited) any { return struct{}{} }},
}

// chosen is the variable that tells a child process which store to run.
const chosen = "STORETEST_BROKEN"

// TestBrokenStore is what the child processes of the tests below run: it must
// fail, and a test cannot fail on purpose in its own process. Without the
// variable it does nothing.
func TestBrokenStore(t *testing.T) {
	name := os.Getenv(chosen)
	for _, b := range slices.Concat(brokenStores, oddStores) {
		if b.name == name {
			var cfg storetest.Config
			if name == "sound but for the clock" {
				cfg.FixedClock = "the machine's clock is fixed"
			}
			storetest.Run(t, func(t *testing.T, offset func() time.Duration) any {
				return b.open(newEdited(offset))
			}, cfg)
		}
	}
}

// runSuite runs the suite, or one case of it, on a store in a process of its
// own.
func runSuite(t *testing.T, name, only string) (output string, passed bool) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	pattern := "^TestBrokenStore$"
	if only != "" {
		pattern += "/^" + strings.ReplaceAll(only, "/", "$/^") + "$"
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run="+pattern, "-test.v", "-test.timeout=1m")
	// The race detector lets a process wait a second at its end.
	cmd.Env = append(os.Environ(), chosen+"="+name, "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	if only != "" {
		// On one processor who gives way lets another goroutine run, however busy
		// the machine is: a broken store meets the call that shows its mistake.
		cmd.Env = append(cmd.Env, "GOMAXPROCS=1")
	}
	out, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return string(out), err == nil
}

// said is what a case logged.
func said(output, name string) string {
	_, after, _ := strings.Cut(output, "=== RUN   TestBrokenStore/"+name+"\n")
	before, _, _ := strings.Cut(after, "=== RUN")
	before, _, _ = strings.Cut(before, "--- FAIL: TestBrokenStore ")
	return before
}

// D6: a deliberately broken store for each property proves that the suite
// catches it, and the failure says which rule broke.
func TestSuiteCatchesBrokenStores(t *testing.T) {
	for _, b := range brokenStores {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			output, passed := runSuite(t, b.name, b.fails)
			switch {
			case passed:
				t.Errorf("the suite passed, want a failure of %s", b.fails)
			case !strings.Contains(output, "--- FAIL: TestBrokenStore/"+b.fails+" "):
				t.Errorf("want a failure of %s", b.fails)
			case !strings.Contains(said(output, b.fails), ": rule: "):
				t.Errorf("the failure of %s names no rule", b.fails)
			case strings.Contains(output, "panic: test timed out"):
				t.Errorf("%s hangs", b.fails)
			default:
				return
			}
			t.Log(output)
		})
	}
}

// D6: the same suite passes a sound store, so that it is the mistake that it
// finds; and no case is there that finds none.
func TestEveryCaseCatchesSomething(t *testing.T) {
	t.Parallel()
	output, passed := runSuite(t, "sound", "")
	if !passed {
		t.Fatalf("the suite fails a sound store:\n%s", output)
	}
	caught := make(map[string]bool)
	for _, b := range brokenStores {
		caught[b.fails] = true
	}
	cases := regexp.MustCompile(`=== RUN   TestBrokenStore/(\S+/\S+)`).FindAllStringSubmatch(output, -1)
	if len(cases) < 50 {
		t.Errorf("the suite ran %d cases, want them all", len(cases))
	}
	for _, c := range cases {
		if !caught[c[1]] {
			t.Errorf("no broken store shows what %s is for", c[1])
		}
	}
	if !strings.Contains(output, "tested: APIKeys, Sessions, Tokens, SigningKeys, Passwords, PasswordTable, OneTime, TOTPs, Limits, OAuthClients, ProviderTokens, Once, Store\n") || strings.Contains(output, "not implemented") || strings.Contains(output, "--- SKIP") {
		t.Errorf("the suite left something out for a store that promises everything:\n%s", output)
	}
}

// D6: the suite tests what the value implements and says what it does not.
func TestMissingConcernsAreNamed(t *testing.T) {
	t.Parallel()
	output, passed := runSuite(t, "one concern", "")
	if !passed || !strings.Contains(output, "tested: Once\n") || !strings.Contains(output, "not implemented: APIKeys, Sessions, Tokens, SigningKeys, Passwords, PasswordTable, OneTime, TOTPs, Limits, OAuthClients, ProviderTokens, Store\n") {
		t.Errorf("a store of claims alone, passed %v:\n%s", passed, output)
	}
	if strings.Contains(output, "TestBrokenStore/APIKeys") {
		t.Errorf("keys of a store without keys were tested:\n%s", output)
	}
}

// D6: the limits that broken ones are made from are right, but for their
// mistakes.
func TestPlainLimitsAreRight(t *testing.T) {
	t.Parallel()
	if output, passed := runSuite(t, "plain limits", ""); !passed || !strings.Contains(output, "tested: Limits\n") {
		t.Errorf("limits without a mistake, passed %v:\n%s", passed, output)
	}
}

// D6: so are the codes, the clients and the tokens of providers.
func TestPlainStoresAreRight(t *testing.T) {
	t.Parallel()
	for name, tested := range map[string]string{"plain codes": "TOTPs", "plain clients": "OAuthClients", "plain tokens": "ProviderTokens"} {
		if output, passed := runSuite(t, name, ""); !passed || !strings.Contains(output, "tested: "+tested+"\n") {
			t.Errorf("%s without a mistake, passed %v:\n%s", name, passed, output)
		}
	}
}

// D6: a value that implements nothing is a mistake of the test, not a success.
func TestNoConcernFails(t *testing.T) {
	t.Parallel()
	output, passed := runSuite(t, "no concern", "")
	if passed || !strings.Contains(output, "struct {} implements no interface of package store") {
		t.Errorf("a store of nothing, passed %v:\n%s", passed, output)
	}
}

// D6: users that the suite cannot add are a mistake of the test, with a word
// about what to do.
func TestUsersWithoutAWayInFail(t *testing.T) {
	t.Parallel()
	output, passed := runSuite(t, "users without a way in", "")
	if passed || !strings.Contains(output, "is no store.PasswordTable: Config.AddUser must say how a user gets into it") {
		t.Errorf("users without AddUser, passed %v:\n%s", passed, output)
	}
}

// D6, P16: a host's own table of users is tested by a function that adds to it.
func TestRunAddsUsers(t *testing.T) {
	var table *memstore.Store
	storetest.Run(t, func(*testing.T, func() time.Duration) any {
		table = memstore.New(memstore.Config{})
		return struct{ store.Passwords }{table}
	}, storetest.Config{AddUser: func(t *testing.T, p store.Password) {
		if err := table.CreatePassword(t.Context(), p, time.Now()); err != nil {
			t.Fatal(err)
		}
	}})
}

// D6: a store that cannot move its clock skips the tests that do, visibly.
func TestFixedClockSkipsVisibly(t *testing.T) {
	t.Parallel()
	output, passed := runSuite(t, "sound but for the clock", "")
	if !passed {
		t.Errorf("the suite failed:\n%s", output)
	}
	for _, name := range []string{"APIKeys/dead_keys_stay", "Sessions/cleaning_spares_sessions", "Tokens/grace_ends", "SigningKeys/cleaning_spares_signing_keys", "PasswordTable/cleaning_spares_passwords", "OneTime/cleaning_spares_one_time_tokens", "TOTPs/reserve_totp_waits", "Limits/window_slides", "OAuthClients/cleaning_spares_oauth_clients", "ProviderTokens/cleaning_spares_provider_tokens", "Once/cleaning_spares_live_claims"} {
		if !strings.Contains(output, "--- SKIP: TestBrokenStore/"+name+" ") ||
			!strings.Contains(said(output, name), "the store's clock cannot be moved: the machine's clock is fixed") {
			t.Errorf("want %s skipped, with the reason:\n%s", name, output)
		}
	}
	if n := strings.Count(output, "--- SKIP"); n != 63 {
		t.Errorf("%d cases were skipped, want 63", n)
	}
}

// TestRun is Run in this process, so that the race detector and the coverage
// see it.
func TestRun(t *testing.T) {
	storetest.Run(t, func(_ *testing.T, offset func() time.Duration) any {
		return memstore.New(memstore.Config{ClockOffset: offset})
	}, storetest.Config{})
}
