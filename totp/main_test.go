package totp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp"
	reference "github.com/pquerna/otp/totp"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
	"github.com/gatehouse-go/authn/totp"
)

const (
	step = 30 * time.Second
	day  = 24 * time.Hour
)

// world is a Manager over a store that can fail, and a clock of both.
type world struct {
	*totp.Manager
	t    testing.TB
	st   *faulty
	kc   *authn.Keychain
	rec  authntest.Recorder
	cfg  totp.Config
	from time.Time // when it begins

	mu     sync.Mutex
	passed time.Duration
}

// began is when a world begins: 10 s into a time step.
var began = time.Date(2026, 3, 1, 12, 0, 10, 0, time.UTC)

func newWorld(t testing.TB, set func(cfg *totp.Config)) *world {
	t.Helper()
	w := &world{t: t, kc: authn.GenerateKeychain(), from: began}
	w.st = &faulty{Store: memstore.New(memstore.Config{ClockOffset: w.elapsed})}
	w.cfg = totp.Config{Issuer: "Acme", OnEvent: w.rec.OnEvent, Now: w.now}
	if set != nil {
		set(&w.cfg)
	}
	w.Manager = w.instance(w.kc)
	return w
}

// instance is another Manager over the same store.
func (w *world) instance(kc *authn.Keychain) *totp.Manager {
	w.t.Helper()
	m, err := totp.New(w.st, kc, w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) elapsed() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passed
}

func (w *world) now() time.Time { return w.from.Add(w.elapsed()) }

// forward lets d pass.
func (w *world) forward(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.passed += d
}

// user has proven factors just now.
func (w *world) user(subject string, factors ...string) *authn.Identity {
	id := &authn.Identity{Subject: subject, Kind: authn.KindUser, Method: "session", VerifiedAt: w.now()}
	for _, name := range factors {
		id.Factors = append(id.Factors, authn.Factor{Name: name, At: w.now()})
	}
	return id
}

// phone shows codes as an app does: by another implementation.
type phone struct {
	t    testing.TB
	key  *otp.Key
	slow time.Duration // of its clock
}

func newPhone(t testing.TB, e totp.Enrollment) phone {
	t.Helper()
	k, err := otp.NewKeyFromURL(e.URI.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return phone{t: t, key: k}
}

func (p phone) code(at time.Time) string {
	p.t.Helper()
	code, err := reference.GenerateCodeCustom(p.key.Secret(), at.Add(-p.slow), reference.ValidateOpts{
		Period: uint(p.key.Period()), Digits: p.key.Digits(), Algorithm: p.key.Algorithm(),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return code
}

// wrong is a code that p does not show around at.
func (p phone) wrong(at time.Time) string {
	p.t.Helper()
	near := make([]string, 5)
	for i := range near {
		near[i] = p.code(at.Add(time.Duration(i-2) * step))
	}
	for i := 0; ; i++ {
		if code := fmt.Sprintf("%0*d", p.key.Digits().Length(), i); !slices.Contains(near, code) {
			return code
		}
	}
}

// enrol is a subject who is enrolled, a minute ago.
func (w *world) enrol(subject string) (phone, []string) {
	w.t.Helper()
	e, err := w.Begin(w.t.Context(), w.user(subject, "pwd"), subject+"@example.com")
	if err != nil {
		w.t.Fatalf("Begin: %v", err)
	}
	p := newPhone(w.t, e)
	_, codes, err := w.Confirm(w.t.Context(), subject, p.code(w.now()))
	if err != nil {
		w.t.Fatalf("Confirm: %v", err)
	}
	w.forward(time.Minute)
	return p, reveal(codes)
}

func reveal(secrets []authn.Secret) []string {
	plain := make([]string, len(secrets))
	for i, s := range secrets {
		plain[i] = s.Reveal()
	}
	return plain
}

// want says when code is not answered err.
func (w *world) want(subject, code string, err error, why string) {
	w.t.Helper()
	f, got := w.Verify(w.t.Context(), subject, code)
	if !errors.Is(got, err) {
		w.t.Errorf("%s: Verify answers %v, want %v", why, got, err)
	}
	if good := f.Name == "otp" && f.At.Equal(w.now()); good != (got == nil) || got != nil && f != (authn.Factor{}) {
		w.t.Errorf("%s: the factor is %+v, and the error %v", why, f, got)
	}
}

// right says when subject's next code is not taken.
func (w *world) right(subject string, p phone, why string) {
	w.t.Helper()
	w.forward(step)
	w.want(subject, p.code(w.now()), nil, why)
}

// status is subject's.
func (w *world) status(subject string) totp.Status {
	w.t.Helper()
	s, err := w.Status(w.t.Context(), subject)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// events are those since the last call, as "kind reason".
func (w *world) events() (all []string) {
	for _, e := range w.rec.Events() {
		if e.Method != "totp" || e.Subject == "" || e.SubjectKind != authn.KindUser || e.At.IsZero() {
			w.t.Errorf("an event that does not say what it is about: %+v", e)
		}
		all = append(all, strings.TrimSpace(string(e.Kind)+" "+e.Reason))
	}
	w.rec = authntest.Recorder{}
	return all
}

// wantStatus says when err is not answered by status and code.
func wantStatus(t testing.TB, err error, status int, code, why string) {
	t.Helper()
	if e := authn.AsError(err); e == nil || e.Status != status || e.Code != code {
		t.Errorf("%s: %v, which is answered %+v; want %d %s", why, err, e, status, code)
	}
}

// wantStepUp says when err does not ask for otp again.
func wantStepUp(t testing.TB, err error, why string) {
	t.Helper()
	wantStatus(t, err, http.StatusUnauthorized, "insufficient_user_authentication", why)
	if e := authn.AsError(err); e != nil && (e.Factor != "otp" || e.MaxAge != 15*time.Minute) {
		t.Errorf("%s: asks for %q of the last %v", why, e.Factor, e.MaxAge)
	}
}

// faulty is a store whose calls can be made to fail, or to wait.
type faulty struct {
	*memstore.Store
	mu     sync.Mutex
	failOn string       // the call that fails
	before func(string) // is called before each call
	calls  []string
}

var errServer = errors.New("connection refused")

func (f *faulty) call(name string) error {
	f.mu.Lock()
	f.calls = append(f.calls, name)
	before, fails := f.before, f.failOn == name
	f.mu.Unlock()
	if before != nil {
		before(name)
	}
	if fails {
		return errServer
	}
	return nil
}

// made are the calls since the last time.
func (f *faulty) made() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := strings.Join(f.calls, " ")
	f.calls = nil
	return calls
}

// fail makes a call fail; "" is none.
func (f *faulty) fail(call string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failOn = call
}

func (f *faulty) TOTP(ctx context.Context, subject string) (store.TOTP, error) {
	if err := f.call("read"); err != nil {
		return store.TOTP{}, err
	}
	return f.Store.TOTP(ctx, subject)
}

func (f *faulty) BeginTOTP(ctx context.Context, subject string, secret, sealed []byte, until time.Time) error {
	if err := f.call("begin"); err != nil {
		return err
	}
	return f.Store.BeginTOTP(ctx, subject, secret, sealed, until)
}

func (f *faulty) ConfirmTOTP(ctx context.Context, subject string, sealed []byte, step int64, codes []store.Digest, now time.Time) error {
	if err := f.call("confirm"); err != nil {
		return err
	}
	return f.Store.ConfirmTOTP(ctx, subject, sealed, step, codes, now)
}

func (f *faulty) ReserveTOTP(ctx context.Context, subject string, p store.GuessPolicy) (store.TOTP, time.Duration, error) {
	if err := f.call("reserve"); err != nil {
		return store.TOTP{}, 0, err
	}
	return f.Store.ReserveTOTP(ctx, subject, p)
}

func (f *faulty) AcceptTOTP(ctx context.Context, subject string, secret []byte, step int64, reseal []byte) error {
	if err := f.call("accept"); err != nil {
		return err
	}
	return f.Store.AcceptTOTP(ctx, subject, secret, step, reseal)
}

func (f *faulty) TakeRecoveryCode(ctx context.Context, subject string, d store.Digest) (int, error) {
	if err := f.call("take"); err != nil {
		return 0, err
	}
	return f.Store.TakeRecoveryCode(ctx, subject, d)
}

func (f *faulty) ReplaceRecoveryCodes(ctx context.Context, subject string, secret []byte, codes []store.Digest) error {
	if err := f.call("replace"); err != nil {
		return err
	}
	return f.Store.ReplaceRecoveryCodes(ctx, subject, secret, codes)
}

func (f *faulty) ForgetTOTPDevices(ctx context.Context, subject string) error {
	if err := f.call("forget"); err != nil {
		return err
	}
	return f.Store.ForgetTOTPDevices(ctx, subject)
}

func (f *faulty) DeleteTOTP(ctx context.Context, subject string, forgive bool) error {
	if err := f.call("delete"); err != nil {
		return err
	}
	return f.Store.DeleteTOTP(ctx, subject, forgive)
}
