package integration_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

const (
	// raceRounds is how often the processes race in each case that names no
	// number of its own.
	raceRounds = 300
)

// raceStore is what the processes race on.
type raceStore interface {
	store.APIKeys
	store.Once
}

// raceOpeners open a store that is there already, in whatever process: by the
// name of the backend, with what raceProcesses was given.
var raceOpeners = map[string]func(args []string) (raceStore, error){}

// raceCase is an operation that two processes race on in each round. Their
// outcomes are "won" or the name of an error.
type raceCase struct {
	name   string
	rounds int
	// prepare makes the round, before the start.
	prepare func(ctx context.Context, s raceStore, round int) error
	// run is what racer 0 and racer 1 do.
	run func(ctx context.Context, s raceStore, round, racer int) error
	// lost is what the one that does not win is answered. nil: check decides.
	lost error
	// check looks at what is there after the round.
	check func(ctx context.Context, s raceStore, round int) error
}

var raceNow = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)

func raceKey(owner, kind string, round, racer int) store.APIKey {
	id := fmt.Sprintf("%s %s %d %d", owner, kind, round, racer)
	return store.APIKey{ID: id, Owner: owner, Digest: store.DigestOf(id), CreatedAt: raceNow}
}

func raceOwner(what string, round int) string { return fmt.Sprint(what, " ", round) }

// errSecond is of a racer that was answered without an error, but not as the
// first.
var errSecond = errors.New("second")

var raceCases = []raceCase{
	{
		name: "CreateAPIKey at the cap",
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			k := raceKey(raceOwner("cap", round), "k", round, racer)
			return s.CreateAPIKey(ctx, k, store.APIKeyLimits{MaxLive: 1}, raceNow)
		},
		lost:  store.ErrLimit,
		check: wantKeysOf("cap", 1, 1),
	},
	{
		name: "CreateAPIKey of one digest",
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			k := raceKey(raceOwner("digest", round), "k", round, racer)
			k.Digest = store.DigestOf(fmt.Sprint("digest ", round))
			return s.CreateAPIKey(ctx, k, store.APIKeyLimits{}, raceNow)
		},
		lost:  store.ErrExists,
		check: wantKeysOf("digest", 1, 1),
	},
	{
		name:    "RotateAPIKey",
		prepare: prepareKey("rotate", time.Time{}),
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			owner := raceOwner("rotate", round)
			return s.RotateAPIKey(ctx, owner, raceKey(owner, "old", round, 0).ID, raceKey(owner, "next", round, racer), raceNow.Add(time.Hour), raceNow)
		},
		lost:  store.ErrConflict,
		check: wantKeysOf("rotate", 2, 2),
	},
	{
		name: "ClaimOnce",
		run: func(ctx context.Context, s raceStore, round, _ int) error {
			return s.ClaimOnce(ctx, "race", store.DigestOf(strconv.Itoa(round)), raceNow.Add(time.Hour), raceNow)
		},
		lost: store.ErrExists,
	},
	{
		name: "ClaimOnce of what is over",
		prepare: func(ctx context.Context, s raceStore, round int) error {
			return s.ClaimOnce(ctx, "again", store.DigestOf(strconv.Itoa(round)), raceNow, raceNow.Add(-time.Hour))
		},
		run: func(ctx context.Context, s raceStore, round, _ int) error {
			return s.ClaimOnce(ctx, "again", store.DigestOf(strconv.Itoa(round)), raceNow.Add(time.Hour), raceNow)
		},
		lost: store.ErrExists,
	},
	{
		name:    "RecordAPIKeyUses, the first",
		prepare: prepareKey("use", time.Time{}),
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			id := raceKey(raceOwner("use", round), "old", round, 0).ID
			first, err := s.RecordAPIKeyUses(ctx, []store.APIKeyUse{{ID: id, N: int64(racer) + 1, At: raceNow}})
			if err == nil && len(first) == 0 {
				err = errSecond
			}
			return err
		},
		lost: errSecond,
		check: func(ctx context.Context, s raceStore, round int) error {
			owner := raceOwner("use", round)
			k, err := s.APIKey(ctx, owner, raceKey(owner, "old", round, 0).ID)
			if err == nil && k.Uses != 3 {
				err = fmt.Errorf("1 and 2 uses made %d", k.Uses)
			}
			return err
		},
	},
	{
		name:    "ClaimExpiringAPIKeys",
		prepare: prepareKey("expire", raceNow.Add(time.Hour)),
		run: func(ctx context.Context, s raceStore, round, _ int) error {
			keys, err := s.ClaimExpiringAPIKeys(ctx, 2*time.Hour, store.APIKeyLimits{}, 10, raceNow)
			if err == nil && len(keys) == 0 {
				err = errSecond
			}
			return err
		},
		lost: errSecond,
	},
	{
		// Whichever is first, nothing lives: either both keys are revoked, or the
		// revoked one has no successor.
		name:    "RevokeAPIKeysOf against RotateAPIKey",
		prepare: prepareKey("revoke", time.Time{}),
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			owner := raceOwner("revoke", round)
			if racer == 0 {
				return s.RevokeAPIKeysOf(ctx, owner, raceNow)
			}
			err := s.RotateAPIKey(ctx, owner, raceKey(owner, "old", round, 0).ID, raceKey(owner, "next", round, racer), raceNow.Add(time.Hour), raceNow)
			if errors.Is(err, store.ErrConflict) {
				err = nil
			}
			return err
		},
		check: wantKeysOf("revoke", 2, 0),
	},
	{
		name:   "CreateAPIKey of one ID",
		rounds: 200,
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			k := raceKey(raceOwner("id", round), "k", round, 0)
			k.Digest = store.DigestOf(fmt.Sprint("id ", round, racer))
			return s.CreateAPIKey(ctx, k, store.APIKeyLimits{}, raceNow)
		},
		lost:  store.ErrExists,
		check: wantKeysOf("id", 1, 1),
	},
	{
		// Whichever is first, the old key ends revoked. Its successor is there, and
		// lives, just when the old key names it.
		name:    "RevokeAPIKey against RotateAPIKey",
		rounds:  200,
		prepare: prepareKey("revoke one", time.Time{}),
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			owner := raceOwner("revoke one", round)
			old := raceKey(owner, "old", round, 0).ID
			if racer == 0 {
				return s.RevokeAPIKey(ctx, owner, old, raceNow)
			}
			err := s.RotateAPIKey(ctx, owner, old, raceKey(owner, "next", round, racer), raceNow.Add(time.Hour), raceNow)
			if errors.Is(err, store.ErrConflict) {
				err = nil
			}
			return err
		},
		check: func(ctx context.Context, s raceStore, round int) error {
			owner := raceOwner("revoke one", round)
			old, err := s.APIKey(ctx, owner, raceKey(owner, "old", round, 0).ID)
			if err != nil {
				return err
			}
			if !old.RevokedAt.Equal(raceNow) {
				return fmt.Errorf("the old key is revoked at %v", old.RevokedAt)
			}
			most := 1
			if old.ReplacedBy != "" {
				most = 2
			}
			return wantKeysOf("revoke one", most, most-1)(ctx, s, round)
		},
	},
	{
		name:    "RevokeAPIKey twice",
		rounds:  200,
		prepare: prepareKey("revoke twice", time.Time{}),
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			owner := raceOwner("revoke twice", round)
			old := raceKey(owner, "old", round, 0).ID
			at := raceNow.Add(time.Duration(racer) * time.Minute)
			if err := s.RevokeAPIKey(ctx, owner, old, at); err != nil {
				return err
			}
			k, err := s.APIKey(ctx, owner, old)
			if err == nil && !k.RevokedAt.Equal(at) {
				err = errSecond
			}
			return err
		},
		// Each reads what stays: one of the two set it, and the other did not
		// move it.
		lost: errSecond,
		check: func(ctx context.Context, s raceStore, round int) error {
			owner := raceOwner("revoke twice", round)
			k, err := s.APIKey(ctx, owner, raceKey(owner, "old", round, 0).ID)
			if err == nil && !k.RevokedAt.Equal(raceNow) && !k.RevokedAt.Equal(raceNow.Add(time.Minute)) {
				err = fmt.Errorf("revoked at %v", k.RevokedAt)
			}
			return err
		},
	},
}

func prepareKey(what string, end time.Time) func(ctx context.Context, s raceStore, round int) error {
	return func(ctx context.Context, s raceStore, round int) error {
		k := raceKey(raceOwner(what, round), "old", round, 0)
		k.ExpiresAt = end
		return s.CreateAPIKey(ctx, k, store.APIKeyLimits{}, raceNow)
	}
}

// wantKeysOf wants at most so many keys, and so many live ones.
func wantKeysOf(what string, most, live int) func(ctx context.Context, s raceStore, round int) error {
	return func(ctx context.Context, s raceStore, round int) error {
		keys, _, err := s.ListAPIKeys(ctx, raceOwner(what, round), store.Page{})
		n := 0
		for _, k := range keys {
			if k.Live(0, raceNow) {
				n++
			}
		}
		if err == nil && (len(keys) > most || n != live) {
			err = fmt.Errorf("%d keys, %d of them live: want at most %d, and %d", len(keys), n, most, live)
		}
		return err
	}
}

// raceProcesses starts two processes of this test binary, which open the
// backend with args, and lets them race.
func raceProcesses(t *testing.T, backend string, args ...string) {
	t.Helper()
	s, err := raceOpeners[backend](args)
	if err != nil {
		t.Fatal(err)
	}
	var racers [2]*racer
	for i := range racers {
		racers[i] = startRacer(t, "TestRacer", i, append([]string{backend}, args...))
	}
	for n, c := range raceCases {
		ok := t.Run(c.name, func(t *testing.T) {
			var wins [2]int
			rounds := cmp.Or(c.rounds, raceRounds)
			for round := range rounds {
				raceRound(t, s, racers, n, round, &wins)
				if t.Failed() {
					t.Fatalf("in round %d of %d", round+1, rounds)
				}
			}
			if c.lost != nil {
				t.Logf("of %d rounds the processes won %d and %d", rounds, wins[0], wins[1])
			}
		})
		if !ok { // a late answer would be taken for one of the next case
			return
		}
	}
}

func raceRound(t *testing.T, s raceStore, racers [2]*racer, n, round int, wins *[2]int) {
	t.Helper()
	c := raceCases[n]
	if c.prepare != nil {
		if err := c.prepare(t.Context(), s, round); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range racers {
		if _, err := fmt.Fprintln(r.in, n, round); err != nil {
			t.Fatal(err)
		}
	}
	won := 0
	var outcomes [2]string
	for i, r := range racers {
		line, err := r.answer()
		if err != nil {
			t.Fatalf("process %d: %v", i, err)
		}
		outcomes[i] = line
		switch outcomes[i] {
		case "won":
			won++
			wins[i]++
		case "lost":
		default:
			t.Errorf("process %d: %s", i, outcomes[i])
		}
	}
	if c.lost != nil && won != 1 {
		t.Errorf("the processes were answered %q, want one winner", outcomes)
	}
	if c.check != nil {
		if err := c.check(t.Context(), s, round); err != nil {
			t.Errorf("after %q: %v", outcomes, err)
		}
	}
}

// racer is a process that races on demand.
type racer struct {
	in  io.Writer
	out *os.File
	buf *bufio.Reader
}

// answer is the next line that it prints.
func (r *racer) answer() (string, error) {
	if err := r.out.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	line, err := r.buf.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

// racerEnv holds the arguments of a racer.
const racerEnv = "AUTHN_TEST_RACER"

// startRacer starts this test binary as one of test, which answers lines.
func startRacer(t *testing.T, test string, number int, args []string) *racer {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), racerEnv+"="+strings.Join(append([]string{strconv.Itoa(number)}, args...), "\n"), "AUTHN_SUMMARY=")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	pipe, ok := out.(*os.File)
	if !ok {
		t.Fatalf("a pipe is a %T, which has no deadline", out)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // ends it
		hung := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer hung.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v", number, err)
		}
	})
	return &racer{in, pipe, bufio.NewReader(pipe)}
}

// TestRacer is a racer when it is started as one, and nothing otherwise. Each
// line names a case and a round; the answer is "won", "lost" or an error.
func TestRacer(t *testing.T) {
	answerLines(t, func(s raceStore, n, round, number int) string {
		c := raceCases[n]
		err := c.run(t.Context(), s, round, number)
		switch {
		case err == nil:
			return "won"
		case c.lost != nil && errors.Is(err, c.lost):
			return "lost"
		}
		return err.Error()
	})
}

// answerLines answers each line that names a case and a round, in a process
// that startRacer started.
func answerLines(t *testing.T, answer func(s raceStore, n, round, number int) string) {
	t.Helper()
	answerTexts(t, func(s raceStore, text string, number int) string {
		var n, round int
		if _, err := fmt.Sscan(text, &n, &round); err != nil {
			t.Fatal(err)
		}
		return answer(s, n, round, number)
	})
}

// answerTexts answers each line, in a process that startRacer started.
func answerTexts(t *testing.T, answer func(s raceStore, text string, number int) string) {
	t.Helper()
	env, ok := os.LookupEnv(racerEnv)
	if !ok {
		return
	}
	args := strings.Split(env, "\n")
	number, _ := strconv.Atoi(args[0])
	s, err := raceOpeners[args[1]](args[2:])
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(strings.ReplaceAll(answer(s, lines.Text(), number), "\n", " "))
	}
}
