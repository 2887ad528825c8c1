package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var made = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// S3, D1: a session is live until the earlier of its two ends, exactly.
func TestSessionLive(t *testing.T) {
	for name, s := range map[string]store.Session{
		"idle first":     {IdleUntil: made, ExpiresAt: made.Add(time.Hour)},
		"deadline first": {IdleUntil: made.Add(time.Hour), ExpiresAt: made},
		"both":           {IdleUntil: made, ExpiresAt: made},
	} {
		if !s.Live(made.Add(-1)) || s.Live(made) || s.Live(made.Add(2*time.Hour)) {
			t.Errorf("%s: the end is not exact", name)
		}
	}
}

// S8: who owes one factor is half a login.
func TestSessionOwes(t *testing.T) {
	var s store.Session
	for _, pending := range [][]string{nil, {}, {"otp"}, {"otp", "hwk"}} {
		s.Identity.Pending = pending
		if s.Owes() != (len(pending) > 0) {
			t.Errorf("%q: owes %v", pending, s.Owes())
		}
	}
}

// O13: a secret ends exactly, or never.
func TestClientSecretLive(t *testing.T) {
	if !(store.ClientSecret{}).Live(made) {
		t.Error("one without an end is dead")
	}
	s := store.ClientSecret{ExpiresAt: made}
	if !s.Live(made.Add(-1)) || s.Live(made) || s.Live(made.Add(1)) {
		t.Error("the end is not exact")
	}
}

// T5: guesses stop at either bound, and 0 is none.
func TestGuessesStopped(t *testing.T) {
	for _, c := range []struct {
		row, recent       int
		maxRow, maxRecent int
		want              bool
	}{
		{4, 0, 5, 0, false},
		{5, 0, 5, 0, true},
		{6, 0, 5, 0, true},
		{0, 9, 0, 10, false},
		{0, 10, 0, 10, true},
		{0, 11, 0, 10, true},
		{5, 0, 5, 10, true},
		{0, 10, 5, 10, true},
		{4, 9, 5, 10, false},
		{100, 100, 0, 0, false},
		{0, 0, 0, 0, false},
	} {
		g := store.Guesses{Row: c.row, Recent: c.recent}
		if got := g.Stopped(store.GuessPolicy{MaxRow: c.maxRow, MaxRecent: c.maxRecent}); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// T5: what each guess costs: some are free, then waits double up to their most,
// until it stops. What is refused changes nothing.
func TestGuessesCount(t *testing.T) {
	p := store.GuessPolicy{Free: 2, Wait: 10 * time.Second, MaxWait: 60 * time.Second, MaxRow: 8, RecentFor: time.Hour}
	g, now := store.Guesses{}, made
	for i, pause := range []time.Duration{0, 0, 10, 20, 40, 60, 60, 60} {
		pause *= time.Second
		next, wait, err := g.Count(p, now)
		if err != nil || wait != 0 || next.Row != i+1 || next.Recent != i+1 || !next.RecentAt.Equal(made) {
			t.Fatalf("guess %d: %+v, %v, %v", i+1, next, wait, err)
		}
		if pause == 0 && !next.WaitUntil.IsZero() || pause > 0 && !next.WaitUntil.Equal(now.Add(pause)) {
			t.Fatalf("guess %d waits until %v, want %v", i+1, next.WaitUntil, now.Add(pause))
		}
		g = next
		if pause > 0 && g.Row < p.MaxRow {
			now = now.Add(pause - 1)
			if same, wait, err := g.Count(p, now); same != g || wait != 1 || !errors.Is(err, store.ErrLimit) {
				t.Fatalf("too early after guess %d: %+v, %v, %v", i+1, same, wait, err)
			}
			now = now.Add(1)
		}
	}
	if same, wait, err := g.Count(p, now.Add(1000*time.Hour)); same != g || wait != 0 || !errors.Is(err, store.ErrLimit) {
		t.Errorf("stopped: %+v, %v, %v", same, wait, err)
	}
}

// T5: Recent begins anew when its time is over, exactly, or when it was given
// back, and Row does not.
func TestRecentGuesses(t *testing.T) {
	p := store.GuessPolicy{Free: 100, Wait: time.Second, MaxWait: time.Second, MaxRecent: 10, RecentFor: time.Hour}
	for _, c := range []struct {
		name   string
		recent int
		after  time.Duration
		want   int
	}{
		{"in time", 3, time.Hour - 1, 4},
		{"over", 3, time.Hour, 1},
		{"long over", 3, 2 * time.Hour, 1},
		{"given back", 0, time.Minute, 1},
	} {
		now := made.Add(c.after)
		g, _, err := store.Guesses{Row: 7, Recent: c.recent, RecentAt: made}.Count(p, now)
		since := made
		if c.want == 1 {
			since = now
		}
		if err != nil || g.Row != 8 || g.Recent != c.want || !g.RecentAt.Equal(since) {
			t.Errorf("%s: %+v, %v", c.name, g, err)
		}
	}
}

// T5: a Wait over MaxWait is MaxWait.
func TestGuessesWaitNoLongerThanTheMost(t *testing.T) {
	p := store.GuessPolicy{Wait: time.Minute, MaxWait: time.Second, RecentFor: time.Hour}
	for row := range 3 {
		if g, _, err := (store.Guesses{Row: row}).Count(p, made); err != nil || !g.WaitUntil.Equal(made.Add(time.Second)) {
			t.Errorf("row %d: %+v, %v", row, g, err)
		}
	}
}
