package totp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/totp"
)

// T3: the code of this time step, of the one before and of the next one are
// taken, to the second.
func TestWindowIsOneStepEachWay(t *testing.T) {
	for _, c := range []struct {
		name string
		slow time.Duration // the phone's clock; the service's is 10 s into a step
		want error
	}{
		{"the same clock", 0, nil},
		{"10 s slow, in the same step", 10 * time.Second, nil},
		{"11 s slow, in the step before", 11 * time.Second, nil},
		{"40 s slow, at the edge of the step before", 40 * time.Second, nil},
		{"41 s slow, two steps before", 41 * time.Second, totp.ErrWrong},
		{"19 s fast, in the same step", -19 * time.Second, nil},
		{"20 s fast, in the next step", -20 * time.Second, nil},
		{"49 s fast, at the edge of the next step", -49 * time.Second, nil},
		{"50 s fast, two steps ahead", -50 * time.Second, totp.ErrWrong},
		{"a day slow", day, totp.ErrWrong},
		{"a day fast", -day, totp.ErrWrong},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			p, _ := w.enrol("ada")
			w.forward(time.Hour)
			p.slow = c.slow
			w.want("ada", p.code(w.now()), c.want, c.name)
		})
	}
}

// T3: six ASCII digits, but for spaces and hyphens; nothing else is looked at, or
// counts.
func TestShapeOfCodes(t *testing.T) {
	w := newWorld(t, nil)
	p, _ := w.enrol("ada")
	wide := func(s string) string { // full-width digits
		return strings.Map(func(c rune) rune { return c - '0' + '０' }, s)
	}
	for _, c := range []struct {
		name  string
		typed func(code string) string
		want  error
	}{
		{"as it is", func(s string) string { return s }, nil},
		{"a space in the middle", func(s string) string { return s[:3] + " " + s[3:] }, nil},
		{"spaces around", func(s string) string { return "  " + s + " " }, nil},
		{"a hyphen", func(s string) string { return s[:3] + "-" + s[3:] }, nil},
		{"spaces between all", func(s string) string { return strings.Join(strings.Split(s, ""), " ") }, nil},
		{"nothing", func(string) string { return "" }, totp.ErrWrong},
		{"only spaces", func(string) string { return "      " }, totp.ErrWrong},
		{"five digits", func(s string) string { return s[:5] }, totp.ErrWrong},
		{"seven digits", func(s string) string { return s + "0" }, totp.ErrWrong},
		{"a zero before", func(s string) string { return "0" + s }, totp.ErrWrong},
		{"two zeros before", func(s string) string { return "00" + s }, totp.ErrWrong},
		{"twice", func(s string) string { return s + s }, totp.ErrWrong},
		{"full-width digits", wide, totp.ErrWrong},
		{"Arabic digits", func(s string) string {
			return strings.Map(func(c rune) rune { return c - '0' + '٠' }, s)
		}, totp.ErrWrong},
		{"a plus sign", func(s string) string { return "+" + s[1:] }, totp.ErrWrong},
		{"a point", func(s string) string { return s[:3] + "." + s[3:] }, totp.ErrWrong},
		{"a NUL", func(s string) string { return s + "\x00" }, totp.ErrWrong},
		{"a line feed", func(s string) string { return s + "\n" }, totp.ErrWrong},
		{"a no-break space", func(s string) string { return s[:3] + "\u00a0" + s[3:] }, totp.ErrWrong},
		{"invalid UTF-8", func(s string) string { return s[:5] + "\xff" }, totp.ErrWrong},
		{"hexadecimal", func(string) string { return "0x1234" }, totp.ErrWrong},
		{"100 spaces", func(s string) string { return strings.Repeat(" ", 100) + s }, totp.ErrWrong},
		{"a million digits", func(s string) string { return strings.Repeat(s, 200_000) }, totp.ErrWrong},
	} {
		w.forward(step)
		w.st.made()
		code := c.typed(p.code(w.now()))
		w.want("ada", code, c.want, c.name)
		if calls := w.st.made(); c.want != nil && len(code) != 8 && calls != "" {
			t.Errorf("%s: the store was asked: %s", c.name, calls)
		}
	}
}

// T3: eight digits and SHA-256 where the service wants them; what is enrolled
// keeps what it was enrolled with.
func TestDigitsAndAlgorithmStayWithTheEnrolment(t *testing.T) {
	w := newWorld(t, nil)
	six, _ := w.enrol("six")
	w.cfg.Digits, w.cfg.SHA256 = 8, true
	w.Manager = w.instance(w.kc)
	eight, _ := w.enrol("eight")
	if code := eight.code(w.now()); len(code) != 8 {
		t.Errorf("a phone shows %q, want 8 digits", code)
	}
	if a := eight.key.Algorithm().String(); a != "SHA256" {
		t.Errorf("the URI says %s, want SHA256", a)
	}
	if n := len(eight.key.Secret()); n != 52 { // base32 of 32 bytes
		t.Errorf("a secret of %d characters", n)
	}
	w.right("six", six, "six digits, enrolled before the change")
	w.right("eight", eight, "eight digits")
	w.forward(step)
	w.want("eight", eight.code(w.now())[2:], totp.ErrWrong, "the last six of eight digits")
	w.want("six", "00"+six.code(w.now()), totp.ErrWrong, "six digits with two zeros before")
}

// T3: an empty, a short, a foreign or a damaged secret lets nobody in, whatever
// its codes are.
func TestUnusableSecretsAreRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		sealed func(w *world) []byte
		status int
	}{
		{"not sealed", func(*world) []byte { return make([]byte, 55) }, http.StatusServiceUnavailable},
		{"sealed for another subject", func(w *world) []byte { return w.seal("bob", plainKey(20)) }, http.StatusServiceUnavailable},
		{"empty", func(w *world) []byte { return w.seal("ada", plainKey(0)) }, http.StatusServiceUnavailable},
		{"short", func(w *world) []byte { return w.seal("ada", plainKey(15)) }, http.StatusServiceUnavailable},
		{"sealed nothing", func(w *world) []byte { return w.seal("ada", nil) }, http.StatusServiceUnavailable},
		{"of another version", func(w *world) []byte { b := plainKey(20); b[0] = 9; return w.seal("ada", b) }, http.StatusServiceUnavailable},
		{"of another algorithm", func(w *world) []byte { b := plainKey(20); b[1] = 2; return w.seal("ada", b) }, http.StatusServiceUnavailable},
		{"of seven digits", func(w *world) []byte { b := plainKey(20); b[2] = 7; return w.seal("ada", b) }, http.StatusServiceUnavailable},
		{"by a key that is gone", func(*world) []byte {
			return authn.Must(authn.GenerateKeychain().Seal("authn/totp secret", plainKey(20), []byte("ada")))
		}, http.StatusServiceUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			sealed := c.sealed(w)
			w.plant("ada", sealed)
			for _, code := range []string{fmt.Sprintf("%06d", totp.Code(nil, false, 6, w.now())), "000000", "0000-0000-0000-0000"} {
				_, err := w.Verify(t.Context(), "ada", code)
				wantStatus(t, err, c.status, "unavailable", code)
				if strings.Contains(fmt.Sprint(err), code) {
					t.Errorf("the error says the code: %v", err)
				}
			}
		})
	}
	w := newWorld(t, nil) // the same, but sound
	w.plant("ada", w.seal("ada", plainKey(20)))
	w.want("ada", fmt.Sprintf("%06d", totp.Code(make([]byte, 20), false, 6, w.now())), nil, "a sound secret")
	w.plant("bob", w.seal("bob", plainKey(16)))
	w.want("bob", fmt.Sprintf("%06d", totp.Code(make([]byte, 16), false, 6, w.now())), nil, "the shortest secret that is sound")
}

// plainKey is the inside of a sealed secret of n zeros.
func plainKey(n int) []byte { return append([]byte{1, 0, 6}, make([]byte, 32+n)...) }

func (w *world) seal(subject string, plain []byte) []byte {
	return authn.Must(w.kc.Seal("authn/totp secret", plain, []byte(subject)))
}

// plant makes sealed the secret of subject.
func (w *world) plant(subject string, sealed []byte) {
	w.t.Helper()
	err := w.st.BeginTOTP(w.t.Context(), subject, nil, sealed, w.now().Add(time.Hour))
	if err == nil {
		err = w.st.ConfirmTOTP(w.t.Context(), subject, sealed, 1, nil, w.now())
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// T4: a code is good once, also on another instance, and no older one after it.
func TestCodesAreGoodOnce(t *testing.T) {
	w := newWorld(t, nil)
	p, _ := w.enrol("ada")
	other := w.instance(w.kc)
	code, before := p.code(w.now()), p.code(w.now().Add(-step))
	w.want("ada", code, nil, "a code")
	w.want("ada", code, totp.ErrWrong, "the same code")
	if _, err := other.Verify(t.Context(), "ada", code); !errors.Is(err, totp.ErrWrong) {
		t.Errorf("the same code, elsewhere: %v", err)
	}
	w.want("ada", before, totp.ErrWrong, "the code before it, which is in the window")
	w.want("ada", p.code(w.now().Add(step)), nil, "the next one, which is in the window")
	w.forward(step)
	w.want("ada", p.code(w.now()), totp.ErrWrong, "the next one, again")
	for _, e := range w.events() {
		if e != "refused code used before" && e != "factor_added otp" {
			t.Errorf("event %q of a code that was used before", e)
		}
	}
}

// T4: the code that confirms is burnt, and no code comes again after disabling and
// enrolling anew.
func TestStepsOutliveTheEnrolment(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	e := authn.Must(w.Begin(ctx, w.user("ada", "pwd"), "ada"))
	p := newPhone(t, e)
	if _, _, err := w.Confirm(ctx, "ada", p.code(w.now())); err != nil {
		t.Fatal(err)
	}
	w.want("ada", p.code(w.now()), totp.ErrWrong, "the code that confirmed")
	for _, end := range []struct {
		name string
		f    func() error
	}{
		{"Disable", func() error { return w.Disable(ctx, w.user("ada", "otp")) }},
		{"Reset", func() error { return w.Reset(ctx, "ada") }},
	} {
		if err := end.f(); err != nil {
			t.Fatal(err)
		}
		w.want("ada", p.code(w.now()), totp.ErrNotEnrolled, "after "+end.name)
		next := newPhone(t, authn.Must(w.Begin(ctx, w.user("ada", "pwd"), "ada")))
		if _, _, err := w.Confirm(ctx, "ada", next.code(w.now())); !errors.Is(err, totp.ErrWrong) {
			t.Errorf("a step that was used, after %s: %v", end.name, err)
		}
		w.forward(step)
		if _, _, err := w.Confirm(ctx, "ada", next.code(w.now())); err != nil {
			t.Errorf("the next step, after %s: %v", end.name, err)
		}
		p = next
	}
}

// T4: of simultaneous submissions of one code, on two instances, one wins.
func TestOneOfSimultaneousSubmissionsWins(t *testing.T) {
	w := newWorld(t, nil)
	p, _ := w.enrol("ada")
	instances := []*totp.Manager{w.Manager, w.instance(w.kc)}
	var reserved sync.WaitGroup
	reserved.Add(4) // all have read the step before any of them moves it
	w.st.before = func(call string) {
		if call == "accept" {
			reserved.Done()
			reserved.Wait()
		}
	}
	code := p.code(w.now())
	var won atomic.Int64
	var wg sync.WaitGroup
	for i := range 4 { // as many as are free
		wg.Go(func() {
			_, err := instances[i%2].Verify(t.Context(), "ada", code)
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, totp.ErrWrong):
				t.Errorf("got error %v, want %v", err, totp.ErrWrong)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 4 won, want 1", won.Load())
	}
}

// T4: an enrolment that ends or is replaced while its code is looked at takes the
// code no longer.
func TestCodesOfAnEndedEnrolmentAreRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(w *world) error
	}{
		{"disabled", func(w *world) error { return w.st.Store.DeleteTOTP(t.Context(), "ada", false) }},
		{"replaced", func(w *world) error {
			return errors.Join(
				w.st.Store.BeginTOTP(t.Context(), "ada", authn.Must(w.st.Store.TOTP(t.Context(), "ada")).Secret, []byte("new"), w.now().Add(time.Hour)),
				w.st.Store.ConfirmTOTP(t.Context(), "ada", []byte("new"), w.now().Unix()/30-1, nil, w.now()))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			p, _ := w.enrol("ada")
			w.st.before = func(call string) {
				if call == "accept" {
					if err := c.end(w); err != nil {
						t.Error(err)
					}
				}
			}
			w.want("ada", p.code(w.now()), totp.ErrWrong, "a code of what was "+c.name+" meanwhile")
		})
	}
}

// T4: a store that is down is 503 and an event, never a wrong code and never a
// right one, also between counting and claiming.
func TestStoreDownIs503(t *testing.T) {
	w := newWorld(t, func(cfg *totp.Config) { cfg.TrustDevice = day })
	p, codes := w.enrol("ada")
	waiting := w.user("eve", "pwd")
	q := newPhone(t, authn.Must(w.Begin(t.Context(), waiting, "eve")))
	ctx := t.Context()
	verify := func(code string) func() error {
		return func() error { _, err := w.Verify(ctx, "ada", code); return err }
	}
	for _, c := range []struct {
		call string
		f    func() error
	}{
		{"reserve", verify(p.code(w.now()))},
		{"accept", verify(p.code(w.now()))},
		{"reserve", verify(codes[0])},
		{"take", verify(codes[0])},
		{"read", func() error { _, err := w.Begin(ctx, w.user("ada", "otp"), "ada"); return err }},
		{"begin", func() error { _, err := w.Begin(ctx, w.user("ada", "otp"), "ada"); return err }},
		{"reserve", func() error { _, _, err := w.Confirm(ctx, "eve", q.code(w.now())); return err }},
		{"confirm", func() error { _, _, err := w.Confirm(ctx, "eve", q.code(w.now())); return err }},
		{"read", func() error { _, err := w.Regenerate(ctx, w.user("ada", "otp")); return err }},
		{"replace", func() error { _, err := w.Regenerate(ctx, w.user("ada", "otp")); return err }},
		{"read", func() error { return w.Disable(ctx, w.user("ada", "otp")) }},
		{"delete", func() error { return w.Disable(ctx, w.user("ada", "otp")) }},
		{"delete", func() error { return w.Reset(ctx, "ada") }},
		{"forget", func() error { return w.ForgetDevices(ctx, "ada") }},
		{"read", func() error { _, err := w.Status(ctx, "ada"); return err }},
		{"read", func() error { _, err := w.Owed(ctx, nil, w.user("ada", "pwd")); return err }},
	} {
		w.events()
		w.st.fail(c.call)
		err := c.f()
		wantStatus(t, err, http.StatusServiceUnavailable, "unavailable", c.call)
		if errors.Is(err, totp.ErrWrong) || !errors.Is(err, errServer) {
			t.Errorf("%s: %v", c.call, err)
		}
		if got := w.events(); !slices.Equal(got, []string{"outage store"}) {
			t.Errorf("%s: events %q, want an outage", c.call, got)
		}
		w.st.fail("")
	}
	w.want("ada", p.code(w.now()), nil, "the code, when the store is back")
	w.want("ada", codes[0], nil, "the recovery code, when the store is back")
	if s := w.status("ada"); s.RecoveryCodes != 9 || !s.Enrolled {
		t.Errorf("status %+v after all that", s)
	}
}

// T1: the key that seals can be changed, and the old one dropped when each user
// has used a code.
func TestKeysOfTheKeychainCanBeChanged(t *testing.T) {
	// Two keys from the environment, as an operator rotates them.
	const old, next = "b2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2w=", "bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmU="
	w := newWorld(t, nil)
	w.Manager = w.instance(authn.Must(authn.ParseKeychain(old)))
	p, codes := w.enrol("ada")
	w.Manager = w.instance(authn.Must(authn.ParseKeychain(next + "," + old)))
	w.want("ada", codes[0], nil, "a recovery code, under two keys")
	w.right("ada", p, "a code, under two keys")
	w.Manager = w.instance(authn.Must(authn.ParseKeychain(next)))
	w.right("ada", p, "a code, under the new key")
	w.want("ada", codes[1], nil, "a recovery code, under the new key")
	w.Manager = w.instance(authn.Must(authn.ParseKeychain(old)))
	_, err := w.Verify(t.Context(), "ada", p.code(w.now()))
	wantStatus(t, err, http.StatusServiceUnavailable, "unavailable", "a code, under the old key")
	if !errors.Is(err, authn.ErrUnknownKey) {
		t.Errorf("%v, want %v", err, authn.ErrUnknownKey)
	}
}

// T3: who has none is told so, and subjects that cannot be are the host's mistake.
func TestWhoHasNoSecondFactor(t *testing.T) {
	w := newWorld(t, nil)
	w.want("ada", "123456", totp.ErrNotEnrolled, "nobody")
	w.want("ada", "0000-0000-0000-0000", totp.ErrNotEnrolled, "nobody's recovery code")
	if _, err := w.Begin(t.Context(), w.user("ada", "pwd"), "ada"); err != nil {
		t.Fatal(err)
	}
	w.want("ada", "123456", totp.ErrNotEnrolled, "who has begun")
	wantStatus(t, totp.ErrNotEnrolled, http.StatusConflict, "not_enrolled", "ErrNotEnrolled")
	wantStatus(t, totp.ErrWrong, http.StatusUnauthorized, "invalid_grant", "ErrWrong")
	wantStatus(t, totp.ErrStopped, http.StatusTooManyRequests, "quota_exceeded", "ErrStopped")
	w.st.made()
	for _, subject := range []string{"", "a\x00b", "\x00", "\xff", strings.Repeat("x", 256)} {
		_, err := w.Verify(t.Context(), subject, "123456")
		wantStatus(t, err, http.StatusInternalServerError, "internal", fmt.Sprintf("subject %.8q", subject))
		_, _, err = w.Confirm(t.Context(), subject, "123456")
		wantStatus(t, err, http.StatusInternalServerError, "internal", "Confirm")
		_, err = w.Status(t.Context(), subject)
		wantStatus(t, err, http.StatusInternalServerError, "internal", "Status")
		wantStatus(t, w.Reset(t.Context(), subject), http.StatusInternalServerError, "internal", "Reset")
		wantStatus(t, w.ForgetDevices(t.Context(), subject), http.StatusInternalServerError, "internal", "ForgetDevices")
		_, err = w.Begin(t.Context(), w.user(subject, "pwd"), "ada")
		wantStatus(t, err, http.StatusInternalServerError, "internal", "Begin")
		_, err = w.Owed(t.Context(), nil, w.user(subject))
		wantStatus(t, err, http.StatusInternalServerError, "internal", "Owed")
	}
	if calls := w.st.made(); calls != "" {
		t.Errorf("the store was asked: %s", calls)
	}
	w.want(strings.Repeat("x", 255), "123456", totp.ErrNotEnrolled, "a subject of 255 bytes")
}

// T4, T5: an error says whether its event was sent, so that a Guard tells it once.
func TestErrorsSayWhetherTheyWereReported(t *testing.T) {
	for name, tells := range map[string]bool{"OnEvent": true, "none": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(cfg *totp.Config) {
				if !tells {
					cfg.OnEvent = nil
				}
			})
			p, _ := w.enrol("ada")
			reported := func(err error, want bool) {
				t.Helper()
				if e := authn.AsError(err); err == nil || e.Reported != want {
					t.Errorf("%v, reported %v, want %v", err, e.Reported, want)
				}
			}
			_, err := w.Verify(t.Context(), "ada", p.wrong(w.now()))
			reported(err, tells)
			_, err = w.instance(authn.GenerateKeychain()).Regenerate(t.Context(), w.user("ada", "otp"))
			wantStatus(t, err, http.StatusServiceUnavailable, "unavailable", "Regenerate by a key that is gone")
			reported(err, tells)
			w.st.fail("read")
			_, err = w.Status(t.Context(), "ada")
			reported(err, tells)
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			_, err = w.Status(gone, "ada")
			reported(err, false)
			want := []string{"factor_added otp", "refused wrong code", "outage keychain", "outage store"}
			if got := w.events(); tells && !slices.Equal(got, want) || !tells && got != nil {
				t.Errorf("events %q", got)
			}
		})
	}
}

var _ store.TOTPs = (*faulty)(nil)
