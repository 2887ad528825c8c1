package totp_test

import (
	"bytes"
	"encoding/base32"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
	"github.com/gatehouse-go/authn/totp"
)

// T1: Begin answers 20 random bytes, which the store sees sealed for their subject
// only, and which nothing prints.
func TestBeginShowsTheSecretOnce(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	e := authn.Must(w.Begin(ctx, w.user("ada", "pwd"), "ada@example.com"))
	secret, err := base32.StdEncoding.DecodeString(e.Secret.Reveal())
	if err != nil || len(secret) != 20 {
		t.Errorf("the secret is %d bytes, %v; want 20", len(secret), err)
	}
	if p := newPhone(t, e); p.key.Secret() != e.Secret.Reveal() {
		t.Error("the URI has another secret")
	}
	if printed := fmt.Sprintf("%v %+v %#v", e, e, e); strings.Contains(printed, e.Secret.Reveal()) {
		t.Errorf("printed: %s", printed)
	}
	row := authn.Must(w.st.Store.TOTP(ctx, "ada"))
	if len(row.Unconfirmed) == 0 || bytes.Contains(row.Unconfirmed, secret) || bytes.Contains(row.Unconfirmed, []byte(e.Secret.Reveal())) {
		t.Error("the store sees the secret")
	}
	plain, _, err := w.kc.Open("authn/totp secret", row.Unconfirmed, []byte("ada"))
	if err != nil || !bytes.Contains(plain, secret) {
		t.Errorf("what is sealed is not the secret: %v", err)
	}
	if _, _, err := w.kc.Open("authn/totp secret", row.Unconfirmed, []byte("bob")); err == nil {
		t.Error("what is sealed opens for another subject")
	}
	again := authn.Must(w.Begin(ctx, w.user("ada", "pwd"), "ada@example.com"))
	if again.Secret.Reveal() == e.Secret.Reveal() {
		t.Error("two secrets are the same")
	}
	if s := w.status("ada"); s.Enrolled {
		t.Errorf("enrolled before Confirm: %+v", s)
	}
	if owed := authn.Must(w.Owed(ctx, nil, w.user("ada", "pwd"))); owed != nil {
		t.Errorf("owes %q before Confirm", owed)
	}
}

// T1: Confirm activates by a right code, within an hour, and answers ten recovery
// codes.
func TestConfirmActivates(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	p := newPhone(t, authn.Must(w.Begin(ctx, w.user("ada", "pwd"), "ada")))
	confirm := func(code string) error {
		_, codes, err := w.Confirm(ctx, "ada", code)
		if err != nil && codes != nil {
			t.Errorf("%v, and recovery codes", err)
		}
		return err
	}
	for _, code := range []string{p.wrong(w.now()), "", "12345", "1234567", p.code(w.now().Add(-2 * step))} {
		if err := confirm(code); !errors.Is(err, totp.ErrWrong) {
			t.Errorf("Confirm with %q: %v, want %v", code, err, totp.ErrWrong)
		}
	}
	if w.status("ada").Enrolled {
		t.Fatal("enrolled by wrong codes")
	}
	f, codes, err := w.Confirm(ctx, "ada", " "+p.code(w.now())[:3]+"-"+p.code(w.now())[3:])
	if err != nil || f.Name != "otp" || !f.At.Equal(w.now()) || len(codes) != 10 {
		t.Fatalf("Confirm: %+v, %d recovery codes, %v", f, len(codes), err)
	}
	want := totp.Status{Enrolled: true, Since: w.now(), RecoveryCodes: 10}
	if s := w.status("ada"); s != want {
		t.Errorf("status %+v, want %+v", s, want)
	}
	if err := confirm(p.code(w.now().Add(step))); !errors.Is(err, totp.ErrNotEnrolled) {
		t.Errorf("Confirm again: %v", err)
	}
	want2 := []string{"refused wrong code", "refused malformed code", "refused malformed code", "refused malformed code", "refused wrong code", "factor_added otp"}
	if got := w.events(); !slices.Equal(got, want2) {
		t.Errorf("events %q, want %q", got, want2)
	}

	w.forward(time.Minute)
	p = newPhone(t, authn.Must(w.Begin(ctx, w.user("bob", "pwd"), "bob")))
	w.forward(time.Hour - time.Microsecond)
	if _, _, err := w.Confirm(ctx, "bob", p.wrong(w.now())); !errors.Is(err, totp.ErrWrong) {
		t.Errorf("Confirm just within the hour: %v", err)
	}
	w.forward(time.Microsecond)
	if _, _, err := w.Confirm(ctx, "bob", p.code(w.now())); !errors.Is(err, totp.ErrNotEnrolled) {
		t.Errorf("Confirm after an hour: %v", err)
	}
	if _, _, err := w.Confirm(ctx, "nobody", "123456"); !errors.Is(err, totp.ErrNotEnrolled) {
		t.Errorf("Confirm of who has not begun: %v", err)
	}
}

// T1: what Begin made before, and what another request confirmed meanwhile, is
// nothing any more.
func TestTheLastBeginCounts(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	first := newPhone(t, authn.Must(w.Begin(ctx, w.user("ada", "pwd"), "ada")))
	last := newPhone(t, authn.Must(w.Begin(ctx, w.user("ada", "pwd"), "ada")))
	if _, _, err := w.Confirm(ctx, "ada", first.code(w.now())); !errors.Is(err, totp.ErrWrong) {
		t.Errorf("a code of what was begun before: %v", err)
	}
	w.st.before = func(call string) {
		if call == "confirm" {
			w.st.before = nil
			if err := w.st.BeginTOTP(ctx, "ada", nil, []byte("another"), w.now().Add(time.Hour)); err != nil {
				t.Error(err)
			}
		}
	}
	if _, _, err := w.Confirm(ctx, "ada", last.code(w.now())); !errors.Is(err, totp.ErrWrong) {
		t.Errorf("begun again while the code was looked at: %v", err)
	}
	if w.status("ada").Enrolled {
		t.Error("enrolled")
	}
}

// T1: a confirmed secret is good until the next one is confirmed; then it and its
// recovery codes are void.
func TestReplacing(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	old, oldCodes := w.enrol("ada")
	w.events()
	e, err := w.Begin(ctx, w.user("ada", "otp"), "ada")
	if err != nil {
		t.Fatal(err)
	}
	next := newPhone(t, e)
	w.want("ada", next.code(w.now()), totp.ErrWrong, "the new secret before it is confirmed")
	w.right("ada", old, "the old secret before that")
	w.want("ada", oldCodes[0], nil, "an old recovery code before that")
	w.forward(step)
	if _, _, err := w.Confirm(ctx, "ada", old.code(w.now())); !errors.Is(err, totp.ErrWrong) {
		t.Errorf("a code of the old secret confirms the new one: %v", err)
	}
	_, codes, err := w.Confirm(ctx, "ada", next.code(w.now()))
	if err != nil {
		t.Fatal(err)
	}
	if got := w.events(); !slices.Contains(got, "factor_added otp replaced") {
		t.Errorf("events %q", got)
	}
	w.forward(step)
	w.want("ada", old.code(w.now()), totp.ErrWrong, "the old secret")
	w.want("ada", oldCodes[1], totp.ErrWrong, "an old recovery code")
	w.want("ada", next.code(w.now()), nil, "the new secret")
	w.want("ada", codes[0].Reveal(), nil, "a new recovery code")
}

// T1: replacing, regenerating, disabling and trusting a device take an otp of the
// last 15 minutes, and a whole login of a user.
func TestChangesWantTheFactor(t *testing.T) {
	w := newWorld(t, func(cfg *totp.Config) { cfg.TrustDevice = day })
	p, codes := w.enrol("ada")
	w.forward(time.Hour)
	ctx := t.Context()
	old := w.user("ada", "pwd", "otp")
	old.Factors[1].At = w.now().Add(-15*time.Minute - time.Second)
	future := w.user("ada", "otp")
	future.Factors[0].At = w.now().Add(2 * time.Minute)
	undated := w.user("ada", "otp")
	undated.VerifiedAt = time.Time{}
	edge := w.user("ada", "otp")
	edge.Factors[0].At = w.now().Add(-15 * time.Minute)
	calls := map[string]func(id *authn.Identity) error{
		"Begin":       func(id *authn.Identity) error { _, err := w.Begin(ctx, id, "ada"); return err },
		"Regenerate":  func(id *authn.Identity) error { _, err := w.Regenerate(ctx, id); return err },
		"TrustDevice": func(id *authn.Identity) error { return w.TrustDevice(newResponse(), newRequest(nil), id) },
		"Disable":     func(id *authn.Identity) error { return w.Disable(ctx, id) },
	}
	for name, call := range calls {
		for why, id := range map[string]*authn.Identity{
			"a password only": w.user("ada", "pwd"), "an old otp": old, "an otp to come": future, "no VerifiedAt": undated, "nothing": w.user("ada"),
		} {
			wantStepUp(t, call(id), name+" with "+why)
		}
		pending := w.user("ada", "otp")
		pending.Pending = []string{"hwk"}
		wantStatus(t, call(pending), http.StatusUnauthorized, "insufficient_user_authentication", name+" of half a login")
		for why, id := range map[string]*authn.Identity{
			"nobody": nil, "a key": {Subject: "ada", Kind: authn.KindKey}, "a client": {Subject: "ada", Kind: authn.KindClient}, "no kind": {Subject: "ada"},
		} {
			wantStatus(t, call(id), http.StatusForbidden, "forbidden", name+" of "+why)
		}
		if name != "Begin" {
			if err := call(w.user("bob", "pwd", "otp")); !errors.Is(err, totp.ErrNotEnrolled) {
				t.Errorf("%s of who is not enrolled: %v", name, err)
			}
		}
	}
	w.right("ada", p, "after refused changes")
	w.want("ada", codes[0], nil, "a recovery code after refused changes")
	for _, name := range []string{"Begin", "Regenerate", "TrustDevice", "Disable"} {
		edge.VerifiedAt = edge.Factors[0].At.Add(15 * time.Minute)
		if err := calls[name](edge); err != nil {
			t.Errorf("%s with an otp of 15 minutes ago: %v", name, err)
		}
	}
}

// T1, T8: an otp of an enrolment that is over, by a phone that was stolen, neither
// changes the next one nor trusts a device for it. The one that confirmed it does,
// also in a token, which says seconds.
func TestProofsEndWithTheirEnrolment(t *testing.T) {
	w := newWorld(t, trusting)
	w.from = began.Add(987_654_321 * time.Nanosecond)
	w.enrol("ada")
	thief := w.user("ada", "pwd", "otp")
	w.forward(time.Minute)
	ctx := t.Context()
	if err := w.Reset(ctx, "ada"); err != nil {
		t.Fatal(err)
	}
	w.enrol("ada")
	calls := map[string]func(id *authn.Identity) error{
		"Begin":       func(id *authn.Identity) error { _, err := w.Begin(ctx, id, "thief"); return err },
		"Regenerate":  func(id *authn.Identity) error { _, err := w.Regenerate(ctx, id); return err },
		"TrustDevice": func(id *authn.Identity) error { return w.TrustDevice(newResponse(), newRequest(nil), id) },
		"Disable":     func(id *authn.Identity) error { return w.Disable(ctx, id) },
	}
	thief.VerifiedAt = w.now()
	for name, call := range calls {
		wantStepUp(t, call(thief), name+" by an enrolment that is over")
	}
	owner := w.user("ada")
	owner.Factors = []authn.Factor{{Name: "otp", At: w.status("ada").Since.Truncate(time.Second)}}
	for _, name := range []string{"Begin", "Regenerate", "TrustDevice", "Disable"} {
		if err := calls[name](owner); err != nil {
			t.Errorf("%s by the code that confirmed: %v", name, err)
		}
	}
}

// T1: who enrols while another request of theirs does the same replaces nothing
// that was confirmed meanwhile.
func TestBeginDoesNotReplaceWhatWasConfirmedMeanwhile(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	w.st.before = func(call string) {
		if call == "begin" {
			w.st.before = nil
			w.plant("ada", w.seal("ada", plainKey(20)))
		}
	}
	_, err := w.Begin(ctx, w.user("ada", "pwd"), "ada")
	if !errors.Is(err, store.ErrConflict) {
		t.Errorf("Begin: %v, want %v", err, store.ErrConflict)
	}
	wantStatus(t, err, http.StatusConflict, "conflict", "Begin")
	if row := authn.Must(w.st.Store.TOTP(ctx, "ada")); row.Unconfirmed != nil {
		t.Error("something waits for a Confirm")
	}
}

// T1: Disable and Reset end the enrolment; Reset forgets wrong codes, too, and both
// tell.
func TestDisableAndReset(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	p, codes := w.enrol("ada")
	w.want("ada", p.wrong(w.now()), totp.ErrWrong, "a wrong code")
	w.events()
	if err := w.Disable(ctx, w.user("ada", "otp")); err != nil {
		t.Fatal(err)
	}
	w.forward(step)
	w.want("ada", p.code(w.now()), totp.ErrNotEnrolled, "disabled")
	w.want("ada", codes[0], totp.ErrNotEnrolled, "disabled, a recovery code")
	if row := authn.Must(w.st.Store.TOTP(ctx, "ada")); row.Codes.Row != 1 {
		t.Errorf("wrong codes: %+v, want 1", row.Codes)
	}
	if err := w.Reset(ctx, "ada"); err != nil {
		t.Fatal(err)
	}
	if row := authn.Must(w.st.Store.TOTP(ctx, "ada")); row.Codes.Row != 0 {
		t.Errorf("wrong codes after Reset: %+v, want none", row.Codes)
	}
	if err := w.Reset(ctx, "nobody"); err != nil {
		t.Errorf("Reset of nobody: %v", err)
	}
	if got, want := w.events(), []string{"factor_removed otp", "factor_removed otp reset", "factor_removed otp reset"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// T2: what cannot be in a URI is refused, at once or as the request's mistake.
func TestLabels(t *testing.T) {
	kc, st := authn.GenerateKeychain(), memstore.New(memstore.Config{})
	long := strings.Repeat("x", 129)
	for _, c := range []struct {
		name, issuer, account string
		issuerOK, accountOK   bool
	}{
		{"plain", "Acme", "ada@example.com", true, true},
		{"odd characters", "Ben & Jerry's 100% 🍨", "ada+otp&x=1%3A/?#@example.com", true, true},
		{"empty", "", "", false, false},
		{"a colon", "Acme: EU", "acct:ada", false, false},
		{"a line feed", "Ac\nme", "ada\n", false, false},
		{"a NUL", "Ac\x00me", "a\x00da", false, false},
		{"invalid UTF-8", "Ac\xffme", "ada\xff", false, false},
		{"the longest", long[:64], long[:128], true, true},
		{"too long", long[:65], long, false, false},
	} {
		m, err := totp.New(st, kc, totp.Config{Issuer: c.issuer})
		if (err == nil) != c.issuerOK || err != nil && !strings.Contains(err.Error(), "Config.Issuer") {
			t.Errorf("%s, as issuer: %v", c.name, err)
		}
		if m == nil {
			m = authn.Must(totp.New(st, kc, totp.Config{Issuer: "Acme"}))
		}
		_, err = m.Begin(t.Context(), authn.User("ada", "password"), c.account)
		if c.accountOK && err != nil {
			t.Errorf("%s, as account: %v", c.name, err)
		}
		if !c.accountOK {
			wantStatus(t, err, http.StatusBadRequest, "invalid_request", c.name+", as account")
		}
	}
}

// T1: New refuses what makes no sense, and says what to do.
func TestNewRefuses(t *testing.T) {
	st, kc := memstore.New(memstore.Config{}), authn.GenerateKeychain()
	for _, c := range []struct {
		says string
		st   store.TOTPs
		kc   *authn.Keychain
		cfg  totp.Config
	}{
		{"needs a store", nil, kc, totp.Config{Issuer: "Acme"}},
		{"needs a Keychain", st, nil, totp.Config{Issuer: "Acme"}},
		{"needs a Keychain", st, &authn.Keychain{}, totp.Config{Issuer: "Acme"}},
		{"Config.Issuer", st, kc, totp.Config{}},
		{"Config.Digits", st, kc, totp.Config{Issuer: "Acme", Digits: 7}},
		{"Config.Digits", st, kc, totp.Config{Issuer: "Acme", Digits: -6}},
		{"Config.TrustDevice", st, kc, totp.Config{Issuer: "Acme", TrustDevice: -day}},
		{"Config.TrustDevice", st, kc, totp.Config{Issuer: "Acme", TrustDevice: 90*day + 1}},
	} {
		m, err := totp.New(c.st, c.kc, c.cfg)
		if m != nil || err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "authn/totp: ") {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.says)
		}
	}
	if _, err := totp.New(st, kc, totp.Config{Issuer: strings.Repeat("x", 64), Digits: 8, TrustDevice: 90 * day}); err != nil {
		t.Errorf("as much as may be: %v", err)
	}
}
