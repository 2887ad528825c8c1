package totp_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/totp"
)

// T6: ten codes of 80 bits, different ones, of which the store sees keyed digests.
func TestRecoveryCodes(t *testing.T) {
	w := newWorld(t, nil)
	shape := regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){3}$`)
	seen := map[string]bool{}
	letters := map[rune]bool{}
	for range 20 {
		w.forward(step)
		if err := w.Reset(t.Context(), "ada"); err != nil {
			t.Fatal(err)
		}
		_, codes := w.enrol("ada")
		kept := authn.Must(w.st.Store.TOTP(t.Context(), "ada")).Recovery
		if len(codes) != 10 || len(kept) != 10 {
			t.Fatalf("%d recovery codes, %d kept", len(codes), len(kept))
		}
		for _, c := range codes {
			if !shape.MatchString(c) || seen[c] {
				t.Errorf("recovery code %q", c)
			}
			seen[c] = true
			for _, letter := range c {
				letters[letter] = true
			}
			for _, s := range []string{c, strings.ReplaceAll(c, "-", ""), strings.ToUpper(c)} {
				if slices.Contains(kept, store.DigestOf(s)) {
					t.Error("the store keeps a bare digest of a recovery code")
				}
			}
		}
	}
	if len(letters) != 33 {
		t.Errorf("the codes have %d different characters, want all 32 and the hyphen", len(letters))
	}
}

// T6: a recovery code is taken as people type it, once; the number left is visible,
// and each one that is used is told.
func TestRecoveryCodesAreGoodOnce(t *testing.T) {
	w := newWorld(t, nil)
	_, codes := w.enrol("ada")
	w.events()
	for i, typed := range []func(s string) string{
		func(s string) string { return s },
		strings.ToUpper,
		func(s string) string { return strings.ReplaceAll(s, "-", "") },
		func(s string) string { return strings.ReplaceAll(s, "-", " ") },
		func(s string) string { return "  " + strings.ReplaceAll(s, "-", " - ") + " " },
		func(s string) string { return strings.NewReplacer("0", "o", "1", "l").Replace(s) },
		func(s string) string { return strings.NewReplacer("0", "O", "1", "I").Replace(strings.ToUpper(s)) },
		func(s string) string { return strings.NewReplacer("0", "O", "1", "L").Replace(s) },
		func(s string) string { return strings.NewReplacer("1", "i").Replace(s) },
		func(s string) string { return strings.Join(strings.Split(s, ""), " ") },
	} {
		w.want("ada", typed(codes[i]), nil, typed(codes[i]))
		w.want("ada", typed(codes[i]), totp.ErrWrong, typed(codes[i])+" again")
		if s := w.status("ada"); s.RecoveryCodes != 9-i {
			t.Errorf("%d recovery codes left, want %d", s.RecoveryCodes, 9-i)
		}
	}
	got := w.events()
	if got[0] != "factor_proven recovery code, 9 left" || got[1] != "refused wrong recovery code" || got[18] != "factor_proven recovery code, 0 left" {
		t.Errorf("events %q", got)
	}
}

// T6: what is no recovery code is not looked at.
func TestShapeOfRecoveryCodes(t *testing.T) {
	w := newWorld(t, nil)
	_, codes := w.enrol("ada")
	c := strings.ReplaceAll(codes[0], "-", "")
	w.st.made()
	for _, code := range []string{
		c[:15], c + "0", c[:15] + "u", c[:15] + "!", c[:15] + "\n", c[:15] + "\xff", c[:14] + "é", c + "\n", "\r" + c, c[:14] + "\r\n",
		codes[0] + codes[1], strings.Repeat(" ", 50) + c, strings.Repeat("0", 1_000_000), "uuuu-uuuu-uuuu-uuuu",
	} {
		w.want("ada", code, totp.ErrWrong, "a recovery code of another shape")
	}
	if calls := w.st.made(); calls != "" {
		t.Errorf("the store was asked: %s", calls)
	}
	w.want("ada", codes[0], nil, "the recovery code")
}

// T6: what people read for another letter is that one, and capitals are small.
func TestRecoveryCodesForgive(t *testing.T) {
	for _, c := range []struct{ typed, want string }{
		{"ABCDEFGHJKMNPQRS", "abcdefghjkmnpqrs"},
		{"TVWXYZ0123456789", "tvwxyz0123456789"},
		{"oOoOoOoOoOoOoOoO", "0000000000000000"},
		{"iIiIiIiIlLlLlLlL", "1111111111111111"},
	} {
		typed, ok := totp.ParseRecovery(c.typed)
		want, ok2 := totp.ParseRecovery(c.want)
		if !ok || !ok2 || typed != want {
			t.Errorf("%s is %x, %v; %s is %x, %v", c.typed, typed, ok, c.want, want, ok2)
		}
	}
}

// T6: a recovery code is its subject's, and of simultaneous submissions one wins.
func TestRecoveryCodesHaveOneWinner(t *testing.T) {
	w := newWorld(t, nil)
	_, codes := w.enrol("ada")
	w.enrol("bob")
	w.want("bob", codes[0], totp.ErrWrong, "another's recovery code")
	ada, bob := authn.Must(w.st.Store.TOTP(t.Context(), "ada")), authn.Must(w.st.Store.TOTP(t.Context(), "bob"))
	if err := w.st.Store.ReplaceRecoveryCodes(t.Context(), "bob", bob.Secret, ada.Recovery); err != nil {
		t.Fatal(err)
	}
	w.want("bob", codes[0], totp.ErrWrong, "another's recovery code, whose digest was copied")
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			_, err := w.Verify(t.Context(), "ada", codes[0])
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, totp.ErrWrong) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || w.status("ada").RecoveryCodes != 9 {
		t.Errorf("%d of 4 won, %d codes left", won.Load(), w.status("ada").RecoveryCodes)
	}
}

// T6: codes are regenerated all at once.
func TestRegenerate(t *testing.T) {
	w := newWorld(t, nil)
	_, old := w.enrol("ada")
	w.want("ada", old[0], nil, "a recovery code")
	w.events()
	next, err := w.Regenerate(t.Context(), w.user("ada", "otp"))
	if err != nil || len(next) != 10 || w.status("ada").RecoveryCodes != 10 {
		t.Fatalf("%d codes, %v", len(next), err)
	}
	if got := w.events(); !slices.Equal(got, []string{"rotated recovery codes"}) {
		t.Errorf("events %q", got)
	}
	w.want("ada", old[1], totp.ErrWrong, "an old recovery code")
	w.want("ada", next[0].Reveal(), nil, "a new recovery code")

	w.st.before = func(call string) {
		if call == "replace" {
			w.st.before = nil
			if err := w.st.Store.DeleteTOTP(t.Context(), "ada", false); err != nil {
				t.Error(err)
			}
		}
	}
	if codes, err := w.Regenerate(t.Context(), w.user("ada", "otp")); !errors.Is(err, store.ErrConflict) || codes != nil {
		t.Errorf("regenerated while the enrolment ended: %d codes, %v", len(codes), err)
	}
}
