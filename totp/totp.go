package totp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/store"
)

// method is the Method of events, factor what a code proves (RFC 8176).
const (
	method = "totp"
	factor = "otp"
)

// The errors that callers branch on, by errors.Is.
var (
	// ErrWrong is 401 invalid_grant: the code is wrong, malformed, or was used, and
	// nobody is told which.
	ErrWrong error = &authn.Error{Status: http.StatusUnauthorized, Code: "invalid_grant", Err: errors.New("authn/totp: wrong code")}
	// ErrNotEnrolled is 409 not_enrolled: the subject has no second factor, or
	// nothing to confirm.
	ErrNotEnrolled error = &authn.Error{Status: http.StatusConflict, Code: "not_enrolled", Err: errors.New("authn/totp: not enrolled")}
	// ErrStopped is 429 quota_exceeded: after too many wrong codes only a recovery
	// code helps, or [Manager.Reset].
	ErrStopped error = &authn.Error{Status: http.StatusTooManyRequests, Code: "quota_exceeded", Err: errors.New("authn/totp: stopped by wrong codes")}
)

// Config of New. Issuer is required. Digits and SHA256 are of enrolments to come:
// those that are there keep theirs.
type Config struct {
	// Issuer is the service's name, as apps show it: 1 to 64 bytes without a
	// colon.
	Issuer string
	// Digits is 6 or 8. Not every app can do 8. Defaults to 6.
	Digits int
	// SHA256 is instead of SHA-1, which is sound in an HMAC (RFC 6238 §1.2). Apps
	// that ignore it show wrong codes.
	SHA256 bool
	// TrustDevice is how long a browser may skip the code once its user has said
	// so, at most 90 days. Defaults to not at all.
	TrustDevice time.Duration
	// OnEvent gets enrolments, wrong codes, recovery codes that are used, stops
	// and outages.
	OnEvent authn.EventFunc
	// Now is the clock by which codes count. Waiting is by the store's. Defaults
	// to time.Now.
	Now func() time.Time
}

// Manager is the second factor of all subjects. It is safe for concurrent use.
type Manager struct {
	st  store.TOTPs
	kc  *authn.Keychain
	cfg Config
	log audit.Log
}

// maxTrust is the most that Config.TrustDevice may be.
const maxTrust = 90 * 24 * time.Hour

// New refuses a Config that makes no sense.
func New(st store.TOTPs, kc *authn.Keychain, cfg Config) (*Manager, error) {
	if cfg.Digits == 0 {
		cfg.Digits = 6
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	switch {
	case st == nil:
		return nil, errors.New("authn/totp: New needs a store, such as memstore.New")
	case kc.KeyID() == "":
		return nil, errors.New("authn/totp: New needs a Keychain: make one by authn.ParseKeychain")
	case cfg.Digits != 6 && cfg.Digits != 8:
		return nil, fmt.Errorf("authn/totp: Config.Digits is 6 or 8, not %d", cfg.Digits)
	case cfg.TrustDevice < 0 || cfg.TrustDevice > maxTrust:
		return nil, fmt.Errorf("authn/totp: Config.TrustDevice is 0 to 90 days, not %s", cfg.TrustDevice)
	}
	if err := checkLabel(cfg.Issuer, maxIssuer); err != nil {
		return nil, fmt.Errorf("authn/totp: Config.Issuer, the name of your service, %w", err)
	}
	return &Manager{st, kc, cfg, audit.Log{Method: method, OnEvent: cfg.OnEvent, Now: cfg.Now}}, nil
}

// How far a guesser gets; the package's doc does the sum.
var (
	codeGuesses = store.GuessPolicy{
		Free: 4, Wait: 30 * time.Second, MaxWait: 15 * time.Minute,
		MaxRow: 100, MaxRecent: 200, RecentFor: 30 * 24 * time.Hour,
	}
	recoveryGuesses = store.GuessPolicy{
		Backup: true,
		Free:   4, Wait: 30 * time.Second, MaxWait: 15 * time.Minute, RecentFor: 30 * 24 * time.Hour,
	}
)

// fresh is what changing an enrolment wants.
var fresh = authn.Within(freshFor, factor)

const freshFor = 15 * time.Minute

// maxSubject is how long a Subject may be, in bytes.
const maxSubject = 255

func checkSubject(subject string) error {
	if subject == "" || len(subject) > maxSubject || !utf8.ValidString(subject) || strings.IndexByte(subject, 0) >= 0 {
		return fault("a subject is 1 to 255 bytes of UTF-8 without NUL")
	}
	return nil
}

// checkUser refuses an Identity that cannot have a second factor, or owes one.
func checkUser(id *authn.Identity) error {
	if id == nil || id.Kind != authn.KindUser {
		return authn.Forbidden("no user", nil)
	}
	if len(id.Pending) > 0 {
		return authn.StepUp(id.Pending[0], 0)
	}
	return checkSubject(id.Subject)
}

// fault is a mistake of the host's.
func fault(text string) *authn.Error {
	return &authn.Error{Status: http.StatusInternalServerError, Code: "internal", Err: errors.New("authn/totp: " + text)}
}

// failed is 503, with its event.
func (m *Manager) failed(ctx context.Context, subject, what string, err error) error {
	e := audit.Outage(what, err)
	if !errors.Is(ctx.Err(), context.Canceled) {
		e.Reported = m.cfg.OnEvent != nil
		m.send(ctx, authn.Event{Kind: authn.EventOutage, Subject: subject, Reason: what, Err: err})
	}
	return e
}

func (m *Manager) send(ctx context.Context, e authn.Event) {
	e.SubjectKind = authn.KindUser
	m.log.Send(ctx, e)
}

// read is what is kept of subject, the zero TOTP where there is nothing.
func (m *Manager) read(ctx context.Context, subject string) (store.TOTP, error) {
	t, err := m.st.TOTP(ctx, subject)
	if errors.Is(err, store.ErrNotFound) {
		return store.TOTP{Subject: subject}, nil
	}
	if err != nil {
		return t, m.failed(ctx, subject, "store", err)
	}
	return t, nil
}

// micros is t in whole microseconds, as stores keep it.
func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// checkLabel refuses what a part of an otpauth label may not be.
func checkLabel(s string, most int) error {
	switch {
	case s == "" || len(s) > most:
		return fmt.Errorf("must have 1 to %d bytes, not %d", most, len(s))
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return errors.New("must be UTF-8 without control characters")
	case strings.Contains(s, ":"):
		return errors.New("must not contain a colon, which separates it in the QR code")
	}
	return nil
}
