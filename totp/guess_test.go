package totp_test

import (
	"errors"
	"math"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
	"github.com/gatehouse-go/authn/totp"
)

// wait is how long the error says to wait; the test ends if it is no such error.
func wait(t *testing.T, err error) time.Duration {
	t.Helper()
	e := authn.AsError(err)
	if e == nil || e.Status != http.StatusTooManyRequests || e.Code != "quota_exceeded" || e.RetryAfter <= 0 || errors.Is(err, totp.ErrWrong) {
		t.Fatalf("got %v, want a 429 with the time to wait", err)
	}
	return e.RetryAfter.Round(time.Second)
}

// T5: after five wrong codes in a row each one makes the next wait, twice as long
// each time, up to 15 minutes; a right one ends that.
func TestBackoff(t *testing.T) {
	for _, c := range []struct {
		name  string
		wrong func(p phone, w *world) string
	}{
		{"codes", func(p phone, w *world) string { return p.wrong(w.now()) }},
		{"recovery codes", func(phone, *world) string { return "0000-0000-0000-0000" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			p, codes := w.enrol("ada")
			w.events()
			for range 5 {
				w.want("ada", c.wrong(p, w), totp.ErrWrong, "the first five")
			}
			if got := w.events(); !slices.Contains(got, "locked wrong codes in a row") {
				t.Errorf("events %q", got)
			}
			for _, want := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute} {
				_, err := w.Verify(t.Context(), "ada", c.wrong(p, w))
				if got := wait(t, err); got != want {
					t.Errorf("must wait %v, want %v", got, want)
				}
				w.forward(want - 2*time.Second)
				_, err = w.Verify(t.Context(), "ada", c.wrong(p, w))
				wait(t, err)
				w.forward(3 * time.Second)
				w.want("ada", c.wrong(p, w), totp.ErrWrong, "after the wait")
			}
			right := p.code(w.now())
			if c.name != "codes" {
				right = codes[0]
			}
			_, err := w.Verify(t.Context(), "ada", right)
			wait(t, err)
			w.forward(15*time.Minute + time.Second)
			if c.name == "codes" {
				right = p.code(w.now())
			}
			w.want("ada", right, nil, "the right one, after the wait")
			for range 5 {
				w.want("ada", c.wrong(p, w), totp.ErrWrong, "five more")
			}
			if got := w.events(); slices.Contains(got, "locked stopped by wrong codes") {
				t.Errorf("events %q", got)
			}
		})
	}
}

// T5: codes and recovery codes wait apart: who is kept out by wrong codes gets in
// by a recovery code, which ends the wait.
func TestRecoveryCodesCountApart(t *testing.T) {
	w := newWorld(t, nil)
	p, codes := w.enrol("ada")
	for range 5 {
		w.want("ada", p.wrong(w.now()), totp.ErrWrong, "wrong codes")
	}
	_, err := w.Verify(t.Context(), "ada", p.code(w.now()))
	wait(t, err)
	w.want("ada", codes[0], nil, "a recovery code")
	w.want("ada", p.code(w.now()), nil, "a code after that")
	for range 5 {
		w.want("ada", "0000-0000-0000-0000", totp.ErrWrong, "wrong recovery codes")
	}
	w.want("ada", p.code(w.now().Add(step)), nil, "a code beside wrong recovery codes")
	_, err = w.Verify(t.Context(), "ada", codes[1])
	wait(t, err)
}

// T5: a guess is counted before it is looked at, so that of many at once only the
// free ones are.
func TestGuessesAtOnceAreCounted(t *testing.T) {
	w := newWorld(t, nil)
	p, _ := w.enrol("ada")
	wrong, results := p.wrong(w.now()), make(chan error, 40)
	for range cap(results) {
		go func() {
			_, err := w.Verify(t.Context(), "ada", wrong)
			results <- err
		}()
	}
	looked := 0
	for range cap(results) {
		if err := <-results; errors.Is(err, totp.ErrWrong) {
			looked++
		}
	}
	if looked != 5 {
		t.Errorf("%d of %d simultaneous guesses were looked at, want 5", looked, cap(results))
	}
}

// T5: after 100 wrong codes in a row codes stop, however long one waits, until a
// recovery code is used.
func TestHundredInARowStop(t *testing.T) {
	w := newWorld(t, nil)
	p, codes := w.enrol("ada")
	w.events()
	for i := range 100 {
		w.want("ada", p.wrong(w.now()), totp.ErrWrong, "one of a hundred")
		if i < 99 {
			w.forward(15*time.Minute + time.Second)
		}
	}
	got := w.events()
	if got[len(got)-1] != "locked stopped by wrong codes" {
		t.Errorf("the last event is %q", got[len(got)-1])
	}
	if s := w.status("ada"); !s.Stopped || !s.Enrolled {
		t.Errorf("status %+v, want Stopped", s)
	}
	for range 3 {
		w.forward(365 * day)
		w.want("ada", p.code(w.now()), totp.ErrStopped, "a right code, a year later")
	}
	owed, err := w.Owed(t.Context(), nil, w.user("ada", "pwd"))
	if err != nil || !slices.Equal(owed, []string{"otp"}) {
		t.Errorf("owes %q, %v", owed, err)
	}
	w.want("ada", codes[0], nil, "a recovery code")
	if got := w.events(); !slices.Contains(got, "unlocked recovery code") {
		t.Errorf("events %q", got)
	}
	if w.status("ada").Stopped {
		t.Error("still stopped")
	}
	w.right("ada", p, "a code after a recovery code")
}

// T5: 200 wrong codes in 30 days stop, whatever right codes came between them, also
// when the 30 days are over; Reset ends the enrolment and begins anew.
func TestTwoHundredInAMonthStop(t *testing.T) {
	w := newWorld(t, nil)
	p, _ := w.enrol("ada")
	for i := range 200 {
		if i%4 == 0 {
			w.forward(3 * time.Hour)
			w.want("ada", p.code(w.now()), nil, "her own login")
		}
		w.want("ada", p.wrong(w.now()), totp.ErrWrong, "one of two hundred")
	}
	w.forward(60 * day)
	w.want("ada", p.code(w.now()), totp.ErrStopped, "a right code, months later")
	if err := w.Reset(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if s := w.status("ada"); s.Stopped || s.Enrolled {
		t.Errorf("status %+v after Reset", s)
	}
	p, _ = w.enrol("ada")
	w.right("ada", p, "enrolled anew")
}

// T5: neither a right password, nor disabling and enrolling anew gives another
// budget, and Confirm has the same.
func TestNothingElseGivesAnotherBudget(t *testing.T) {
	w := newWorld(t, trusting)
	p, _ := w.enrol("ada")
	for range 5 {
		w.want("ada", p.wrong(w.now()), totp.ErrWrong, "wrong codes")
	}
	w.wantOwed(nil, "ada", true, "a login by password")
	if err := w.ForgetDevices(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Begin(t.Context(), w.user("ada", "otp"), "ada"); err != nil {
		t.Fatal(err)
	}
	_, _, err := w.Confirm(t.Context(), "ada", "123456")
	wait(t, err)
	_, err = w.Verify(t.Context(), "ada", p.code(w.now()))
	wait(t, err)
	if err := w.Disable(t.Context(), w.user("ada", "otp")); err != nil {
		t.Fatal(err)
	}
	q := newPhone(t, authn.Must(w.Begin(t.Context(), w.user("ada", "pwd"), "ada")))
	_, _, err = w.Confirm(t.Context(), "ada", q.code(w.now()))
	wait(t, err)
}

// T5: a transaction of the host's, which may be rolled back, counts nothing: in it
// nobody looks at a code.
func TestNoGuessesInATransaction(t *testing.T) {
	w := newWorld(t, nil)
	p, codes := w.enrol("ada")
	q := newPhone(t, authn.Must(w.Begin(t.Context(), w.user("eve", "pwd"), "eve")))
	w.st.made()
	in := store.MarkTx(t.Context())
	for _, code := range []string{p.code(w.now()), p.wrong(w.now()), codes[0]} {
		_, err := w.Verify(in, "ada", code)
		wantStatus(t, err, http.StatusInternalServerError, "internal", "Verify in a transaction")
	}
	_, _, err := w.Confirm(in, "eve", q.code(w.now()))
	wantStatus(t, err, http.StatusInternalServerError, "internal", "Confirm in a transaction")
	if calls := w.st.made(); calls != "" {
		t.Errorf("the store was asked: %s", calls)
	}
	w.want("ada", p.code(w.now()), nil, "outside of it")
}

// T5: the package's doc states what a guesser reaches who has the password and
// never rests. These are its figures.
func TestWhatAGuesserReaches(t *testing.T) {
	// A code is one of three, of a million.
	chance := func(guesses int) float64 { return 1 - math.Pow(1-3e-6, float64(guesses)) }
	for _, c := range []struct {
		name      string
		login     time.Duration // how often the owner logs in; 0: never
		day, year int
		odds      float64
	}{
		{"while the owner is away", 0, 100, 100, 0.000_3},
		{"while the owner logs in each day", day, 120, 2600, 0.008},
		{"while the owner logs in each hour", time.Hour, 400, 2600, 0.008},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := authn.Must(totp.New(memstore.New(memstore.Config{}), authn.GenerateKeychain(), totp.Config{Issuer: "Acme"}))
				p := newPhone(t, authn.Must(m.Begin(t.Context(), authn.User("ada", "password"), "ada")))
				if _, _, err := m.Confirm(t.Context(), "ada", p.code(time.Now())); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				began, login := time.Now(), time.Now()
				var guesses []time.Duration
				row, recent, since := 0, 0, time.Duration(0) // what the guesser knows of the counter
				for time.Since(began) < 365*day {
					if c.login > 0 && time.Since(login) >= c.login {
						if _, err := m.Verify(t.Context(), "ada", p.code(time.Now())); err == nil {
							login, row = time.Now(), 0
						}
					}
					now := time.Since(began)
					if now >= since+30*day {
						recent = 0
					}
					// The guesser stops short of what would stop codes where the owner
					// will log in again: then nothing would be left to guess at.
					if c.login > 0 && (recent == 199 || row == 99) {
						time.Sleep(max(c.login-time.Since(login), time.Minute))
						continue
					}
					_, err := m.Verify(t.Context(), "ada", p.wrong(time.Now()))
					switch {
					case errors.Is(err, totp.ErrStopped):
						time.Sleep(day)
					case errors.Is(err, totp.ErrWrong):
						if recent == 0 {
							since = now
						}
						guesses = append(guesses, now)
						row, recent = row+1, recent+1
					default:
						wait(t, err)
						time.Sleep(authn.AsError(err).RetryAfter)
					}
				}
				busiest := 0
				for i, from := range guesses {
					n, _ := slices.BinarySearch(guesses[i:], from+day)
					busiest = max(busiest, n)
				}
				t.Logf("%d guesses in the busiest day, %d in the year: %.3f %%", busiest, len(guesses), 100*chance(len(guesses)))
				if busiest > c.day || len(guesses) > c.year || chance(c.year) > c.odds {
					t.Errorf("%d and %d guesses, odds %f; the doc says %d, %d and %f", busiest, len(guesses), chance(c.year), c.day, c.year, c.odds)
				}
			})
		})
	}
}
