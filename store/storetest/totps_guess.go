package storetest

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func totpGuessCases() []totpCase {
	return []totpCase{
		{
			name: "reserve_totp_counts_first",
			rule: "ReserveTOTP counts a guess as wrong and answers what is kept then, this guess included, also while there is only an Unconfirmed",
			test: reserveTOTPCountsFirst,
		},
		{
			name: "codes_and_recovery_codes_count_apart",
			rule: "Codes and Backup count apart, and neither refuses what the other counts",
			test: codesAndRecoveryCodesCountApart,
		},
		{
			name:   "reserve_totp_waits",
			rule:   "over Free in a row each guess makes the next one wait, twice as long each time, at most MaxWait, by the store's clock",
			moving: reserveTOTPWaits,
		},
		{
			name:   "refused_guess_changes_nothing",
			rule:   "a guess that is refused does not count and makes no wait longer",
			moving: refusedGuessChangesNothing,
		},
		{
			name:   "guesses_in_a_row_stop",
			rule:   "after MaxRow in a row ReserveTOTP answers ErrLimit with a wait of 0, for good",
			moving: guessesInARowStop,
		},
		{
			name:   "recent_guesses_stop",
			rule:   "after MaxRecent within RecentFor ReserveTOTP answers ErrLimit with a wait of 0, whatever was right in between, also when RecentFor is over",
			moving: recentGuessesStop,
		},
		{
			name:   "recent_guesses_begin_anew",
			rule:   "RecentFor after RecentAt, unless it is stopped, Recent begins anew and Row does not; what begins at 0 begins anew, too",
			moving: recentGuessesBeginAnew,
		},
		{
			name: "guesses_are_exact_in_a_race",
			rule: "of concurrent guesses as many pass as MaxRow has room for, each is counted, and the others get ErrLimit",
			test: guessesAreExactInARace,
		},
	}
}

// refusedTOTP says when one guess more is not refused for wait.
func refusedTOTP(t *testing.T, s store.TOTPs, p store.GuessPolicy, wait time.Duration, what string) {
	t.Helper()
	_, got, err := s.ReserveTOTP(t.Context(), "ann", p)
	wantErr(t, err, store.ErrLimit, "ReserveTOTP %s", what)
	if err == nil || got > wait || got <= wait-slack && wait > 0 || got < 0 {
		t.Errorf("ReserveTOTP %s: wait is %v, want %v", what, got, wait)
	}
}

func reserveTOTPCountsFirst(t *testing.T, s store.TOTPs) {
	now := today()
	begin(t, s, "ann", nil, "a", now)
	reserve := func(row, recent int) {
		t.Helper()
		got, wait, err := s.ReserveTOTP(t.Context(), "ann", guessing)
		must(t, err, "ReserveTOTP")
		if d := time.Since(got.Codes.RecentAt); wait != 0 || got.Codes.Row != row || got.Codes.Recent != recent || d > slack || d < -slack {
			t.Errorf("a guess answers wait %v and Codes %+v, want Row %d, Recent %d and RecentAt of the first guess", wait, got.Codes, row, recent)
		}
		wantTOTP(t, s, got, "as ReserveTOTP answered it")
	}
	for i := range 3 {
		reserve(i+1, i+1)
	}
	must(t, s.ConfirmTOTP(t.Context(), "ann", sealedTOTP("a"), 10, recoveryCodes("a", 3), now), "ConfirmTOTP")
	for i := range 3 {
		reserve(i+1, i+3) // two of before were wrong
	}
}

func codesAndRecoveryCodesCountApart(t *testing.T, s store.TOTPs) {
	enrol(t, s, "ann", "a", today())
	few := store.GuessPolicy{Free: 1, Wait: time.Hour, MaxWait: time.Hour, MaxRow: 2, RecentFor: time.Hour}
	guess(t, s, "ann", few, 2)
	refusedTOTP(t, s, few, 0, "of the third code in a row")
	backup := few
	backup.Backup = true
	guess(t, s, "ann", backup, 1)
	if got := readTOTP(t, s, "ann"); got.Codes.Row != 2 || got.Backup.Row != 1 || got.Codes.Recent != 2 || got.Backup.Recent != 1 {
		t.Errorf("after 2 wrong codes and a wrong recovery code: Codes is %+v, Backup %+v", got.Codes, got.Backup)
	}
	guess(t, s, "ann", backup, 1)
	refusedTOTP(t, s, backup, 0, "of the third recovery code in a row")
}

func reserveTOTPWaits(t *testing.T, s store.TOTPs, c *clock) {
	enrol(t, s, "ann", "a", today())
	p := store.GuessPolicy{Free: 2, Wait: 10 * time.Minute, MaxWait: time.Hour, RecentFor: 30 * 24 * time.Hour}
	guess(t, s, "ann", p, 2)
	var at time.Duration
	for i, wait := range []time.Duration{10 * time.Minute, 20 * time.Minute, 40 * time.Minute, time.Hour, time.Hour, time.Hour} {
		got, _, err := s.ReserveTOTP(t.Context(), "ann", p)
		must(t, err, "ReserveTOTP, guess %d", i+3)
		if d := got.Codes.WaitUntil.Sub(time.Now().Add(at)); d > wait || d <= wait-slack {
			t.Errorf("guess %d in a row: WaitUntil is in %v, want %v", i+3, d, wait)
		}
		refusedTOTP(t, s, p, wait, "at once")
		c.set(at + wait - slack)
		refusedTOTP(t, s, p, slack, "before the wait is over")
		at += wait
		c.set(at)
	}
	free := p
	free.Free = 1000
	c.set(at + time.Hour)
	guess(t, s, "ann", free, 3)
}

func refusedGuessChangesNothing(t *testing.T, s store.TOTPs, c *clock) {
	enrol(t, s, "ann", "a", today())
	p := store.GuessPolicy{Free: 1, Wait: time.Hour, MaxWait: 8 * time.Hour, MaxRow: 3, RecentFor: time.Hour}
	guess(t, s, "ann", p, 2)
	want := readTOTP(t, s, "ann")
	c.set(30 * time.Minute)
	for range 5 {
		refusedTOTP(t, s, p, 30*time.Minute, "half-way")
	}
	wantTOTP(t, s, want, "after refused guesses")
	c.set(time.Hour)
	guess(t, s, "ann", p, 1)
	want = readTOTP(t, s, "ann")
	for range 5 {
		refusedTOTP(t, s, p, 0, "when it is stopped")
	}
	wantTOTP(t, s, want, "after guesses that were refused for good")
}

func guessesInARowStop(t *testing.T, s store.TOTPs, c *clock) {
	enrol(t, s, "ann", "a", today())
	p := store.GuessPolicy{Free: 1000, Wait: time.Second, MaxWait: time.Second, MaxRow: 5, RecentFor: time.Hour}
	guess(t, s, "ann", p, 4)
	must(t, s.AcceptTOTP(t.Context(), "ann", sealedTOTP("a"), 11, nil), "AcceptTOTP of the fourth guess")
	guess(t, s, "ann", p, 5)
	refusedTOTP(t, s, p, 0, "of the sixth guess in a row")
	c.set(1000 * time.Hour)
	refusedTOTP(t, s, p, 0, "of the sixth guess in a row, weeks later")
	p.MaxRow = 0
	guess(t, s, "ann", p, 1)
}

func recentGuessesStop(t *testing.T, s store.TOTPs, c *clock) {
	enrol(t, s, "ann", "a", today())
	p := store.GuessPolicy{Free: 1000, Wait: time.Second, MaxWait: time.Second, MaxRecent: 6, RecentFor: 30 * time.Hour}
	for i := range 5 { // a wrong one and a right one each time
		guess(t, s, "ann", p, 2)
		must(t, s.AcceptTOTP(t.Context(), "ann", sealedTOTP("a"), int64(11+i), nil), "AcceptTOTP, call %d", i+1)
		c.set(time.Duration(i+1) * 5 * time.Hour)
	}
	guess(t, s, "ann", p, 1)
	refusedTOTP(t, s, p, 0, "of the seventh wrong guess of late")
	c.set(1000 * time.Hour)
	refusedTOTP(t, s, p, 0, "of the seventh wrong guess, weeks later")
}

func recentGuessesBeginAnew(t *testing.T, s store.TOTPs, c *clock) {
	enrol(t, s, "ann", "a", today())
	p := store.GuessPolicy{Free: 1000, Wait: time.Second, MaxWait: time.Second, MaxRecent: 4, RecentFor: 30 * time.Hour}
	guess(t, s, "ann", p, 2)
	c.set(29 * time.Hour)
	guess(t, s, "ann", p, 1) // does not prolong it
	c.set(30*time.Hour + slack)
	guess(t, s, "ann", p, 2)
	if got := readTOTP(t, s, "ann").Codes; got.Row != 5 || got.Recent != 2 {
		t.Errorf("after 3 guesses and, RecentFor after the first, 2 more: Row is %d and Recent %d, want 5 and 2", got.Row, got.Recent)
	}
	guess(t, s, "ann", p, 2)
	refusedTOTP(t, s, p, 0, "of the fifth guess since then")

	enrol(t, s, "bob", "b", today())
	guess(t, s, "bob", p, 1)
	must(t, s.AcceptTOTP(t.Context(), "bob", sealedTOTP("b"), 11, nil), "AcceptTOTP")
	c.set(59 * time.Hour)
	guess(t, s, "bob", p, 3)
	c.set(61*time.Hour + slack)
	guess(t, s, "bob", p, 1)
	if got := readTOTP(t, s, "bob").Codes.Recent; got != 4 {
		t.Errorf("a right code, 3 guesses 29 h later, and one 2 h after them: Recent is %d, want 4", got)
	}
}

func guessesAreExactInARace(t *testing.T, s store.TOTPs) {
	p := store.GuessPolicy{Free: 1000, Wait: time.Second, MaxWait: time.Second, MaxRow: 10, RecentFor: time.Hour}
	enrol(t, s, "ann", "a", today())
	for round := range 4 {
		var passed atomic.Int64
		race(t, 16, func(int) {
			_, _, err := s.ReserveTOTP(t.Context(), "ann", p)
			switch {
			case err == nil:
				passed.Add(1)
			case !errors.Is(err, store.ErrLimit):
				t.Errorf("ReserveTOTP in a race: got error %v, want nil or %v", err, store.ErrLimit)
			}
		})
		got := readTOTP(t, s, "ann").Codes
		if passed.Load() != 10 || got.Row != 10 {
			t.Fatalf("of 16 concurrent guesses %d passed and Row is %d, want 10", passed.Load(), got.Row)
		}
		must(t, s.AcceptTOTP(t.Context(), "ann", sealedTOTP("a"), int64(11+round), nil), "AcceptTOTP")
	}
}
