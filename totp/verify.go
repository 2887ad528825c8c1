package totp

import (
	"context"
	"errors"
	"net/http"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

// Verify takes a code or a recovery code, as it was typed, and proves "otp". Errors
// are *[authn.Error]s: [ErrWrong]; [ErrNotEnrolled]; 429 with the time to wait
// after wrong codes, or [ErrStopped] for good, when a recovery code is still taken;
// 503; 500 in a transaction of the host's, which would roll the count back.
//
// It may be called for who has proven something else, a password say: anybody who
// could call it would use up others' guesses.
func (m *Manager) Verify(ctx context.Context, subject, code string) (authn.Factor, error) {
	f, _, err := m.verify(ctx, subject, code)
	return f, err
}

// verify also answers what was kept of subject before the code was looked at.
func (m *Manager) verify(ctx context.Context, subject, code string) (f authn.Factor, t store.TOTP, err error) {
	if err = checkSubject(subject); err != nil {
		return f, t, err
	}
	f = authn.Factor{Name: factor, At: m.cfg.Now()}
	code = typed(code)
	if number, digits, ok := parseCode(code); ok {
		t, err = m.verifyCode(ctx, subject, number, digits, f)
	} else if recovery, ok := parseRecovery(code); ok {
		t, err = m.verifyRecovery(ctx, subject, recovery)
	} else {
		err = m.wrong(ctx, subject, "malformed code")
	}
	if err != nil {
		return authn.Factor{}, t, err
	}
	return f, t, nil
}

func (m *Manager) verifyCode(ctx context.Context, subject string, code uint32, digits int, f authn.Factor) (store.TOTP, error) {
	t, k, stale, err := m.guess(ctx, subject, codeGuesses, false)
	if err != nil {
		return t, err
	}
	step, err := m.judge(ctx, t, k, code, digits, f)
	if err != nil {
		return t, err
	}
	var reseal []byte
	if stale {
		if reseal, err = k.seal(m.kc, subject); err != nil {
			return t, m.failed(ctx, subject, "keychain", err)
		}
	}
	err = m.st.AcceptTOTP(ctx, subject, t.Secret, step, reseal)
	switch {
	case errors.Is(err, store.ErrConflict):
		return t, m.wrong(ctx, subject, "code used meanwhile")
	case err != nil:
		return t, m.failed(ctx, subject, "store", err)
	}
	return t, nil
}

// judge is the step of which code is the one, or the answer to a wrong one.
func (m *Manager) judge(ctx context.Context, t store.TOTP, k *key, code uint32, digits int, f authn.Factor) (int64, error) {
	step := k.match(code, f.At)
	switch {
	case step == 0 || digits != k.digits:
		return 0, m.wrongGuess(ctx, t.Subject, "wrong code", t.Codes, codeGuesses)
	case step <= t.Step:
		return 0, m.wrongGuess(ctx, t.Subject, "code used before", t.Codes, codeGuesses)
	}
	return step, nil
}

func (m *Manager) verifyRecovery(ctx context.Context, subject string, code [codeBytes]byte) (store.TOTP, error) {
	t, k, _, err := m.guess(ctx, subject, recoveryGuesses, false)
	if err != nil {
		return t, err
	}
	left, err := m.st.TakeRecoveryCode(ctx, subject, k.digest(code))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return t, m.wrongGuess(ctx, subject, "wrong recovery code", t.Backup, recoveryGuesses)
	case err != nil:
		return t, m.failed(ctx, subject, "store", err)
	}
	m.send(ctx, authn.Event{Kind: authn.EventFactorProven, Subject: subject, Reason: leftOf(left)})
	if t.Codes.Stopped(codeGuesses) {
		m.send(ctx, authn.Event{Kind: authn.EventUnlocked, Subject: subject, Reason: "recovery code"})
	}
	return t, nil
}

// guess counts a guess and opens what it is at: the secret, or the one that waits
// for its Confirm.
func (m *Manager) guess(ctx context.Context, subject string, p store.GuessPolicy, unconfirmed bool) (t store.TOTP, k *key, stale bool, err error) {
	if store.InTx(ctx) { // with which the count would be rolled back
		return t, nil, false, fault("Verify and Confirm in a transaction, which may be rolled back: call them without")
	}
	t, wait, err := m.st.ReserveTOTP(ctx, subject, p)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return t, nil, false, ErrNotEnrolled
	case errors.Is(err, store.ErrLimit) && wait > 0:
		return t, nil, false, &authn.Error{
			Status: http.StatusTooManyRequests, Code: "quota_exceeded", RetryAfter: wait, Reason: "wait", Reported: true, Err: err,
		}
	case errors.Is(err, store.ErrLimit):
		return t, nil, false, &authn.Error{
			Status: http.StatusTooManyRequests, Code: "quota_exceeded", Reason: "stopped", Reported: true, Err: ErrStopped,
		}
	case err != nil:
		return t, nil, false, m.failed(ctx, subject, "store", err)
	}
	sealed := t.Secret
	if unconfirmed {
		sealed = t.Unconfirmed
	}
	if len(sealed) == 0 || unconfirmed && !m.cfg.Now().Before(t.BeginsUntil) {
		return t, nil, false, ErrNotEnrolled
	}
	k, stale, err = openKey(m.kc, sealed, subject)
	if err != nil {
		return t, nil, false, m.failed(ctx, subject, "keychain", err)
	}
	return t, k, stale, nil
}

// wrong is ErrWrong with its event.
func (m *Manager) wrong(ctx context.Context, subject, reason string) error {
	m.send(ctx, authn.Event{Kind: authn.EventRefused, Subject: subject, Reason: reason, Err: ErrWrong})
	return &authn.Error{
		Status: http.StatusUnauthorized, Code: "invalid_grant", Reason: reason, Err: ErrWrong, Reported: m.cfg.OnEvent != nil,
		About: &authn.Identity{Subject: subject, Kind: authn.KindUser},
	}
}

// wrongGuess is wrong, and says when this guess began a wait or was the last.
func (m *Manager) wrongGuess(ctx context.Context, subject, reason string, g store.Guesses, p store.GuessPolicy) error {
	err := m.wrong(ctx, subject, reason)
	switch {
	case g.Stopped(p):
		m.send(ctx, authn.Event{Kind: authn.EventLocked, Subject: subject, Reason: "stopped by wrong codes"})
	case g.Row == p.Free+1:
		m.send(ctx, authn.Event{Kind: authn.EventLocked, Subject: subject, Reason: "wrong codes in a row"})
	}
	return err
}
