package totp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

// beginFor is how long a Begin waits for its Confirm.
const beginFor = time.Hour

// Enrollment is shown once, to its owner.
type Enrollment struct {
	// Secret is in base32, to type where a camera does not help.
	Secret authn.Secret
	// URI is the otpauth URI, which the QR code says.
	URI authn.Secret
}

// Begin makes a secret that waits an hour for Confirm, in place of one that waits
// already. A confirmed one stays good until then; to replace it id must have
// proven "otp" within 15 min, else the error is [authn.StepUp]'s. account is how
// apps name it beside Issuer, such as an e-mail address: 1 to 128 bytes without a
// colon, else 400. Other errors are [store.ErrConflict], when the enrolment changed
// meanwhile, 403 of who is no user, and 503.
//
// Put the route behind [authn.Within], without a factor: whoever finds an open
// browser should not enrol a phone of theirs.
func (m *Manager) Begin(ctx context.Context, id *authn.Identity, account string) (Enrollment, error) {
	if err := checkUser(id); err != nil {
		return Enrollment{}, err
	}
	if err := checkLabel(account, maxAccount); err != nil {
		return Enrollment{}, authn.Malformed("account", err)
	}
	t, err := m.read(ctx, id.Subject)
	if err != nil {
		return Enrollment{}, err
	}
	if len(t.Secret) > 0 {
		if err := checkProof(id, t); err != nil {
			return Enrollment{}, err
		}
	}
	k := newKey(m.cfg.Digits, m.cfg.SHA256)
	sealed, err := k.seal(m.kc, id.Subject)
	if err != nil {
		return Enrollment{}, m.failed(ctx, id.Subject, "keychain", err)
	}
	err = m.st.BeginTOTP(ctx, id.Subject, t.Secret, sealed, micros(m.cfg.Now().Add(beginFor)))
	if err != nil {
		return Enrollment{}, m.conflict(ctx, id.Subject, err)
	}
	return Enrollment{Secret: authn.NewSecret(k.base32()), URI: authn.NewSecret(k.uri(m.cfg.Issuer, account))}, nil
}

// Confirm activates what Begin made, by a first code of it, and answers ten
// recovery codes to show once. Those of before, and trusted devices, are void.
// The Factor is for session.Manager.AddFactor. Errors are as of Verify, whose
// guesses it shares; [ErrNotEnrolled] when nothing waits.
func (m *Manager) Confirm(ctx context.Context, subject, code string) (f authn.Factor, recovery []authn.Secret, err error) {
	if err := checkSubject(subject); err != nil {
		return f, nil, err
	}
	number, digits, ok := parseCode(typed(code))
	if !ok {
		return f, nil, m.wrong(ctx, subject, "malformed code")
	}
	proven := authn.Factor{Name: factor, At: m.cfg.Now()}
	t, k, _, err := m.guess(ctx, subject, codeGuesses, true)
	if err != nil {
		return f, nil, err
	}
	step, err := m.judge(ctx, t, k, number, digits, proven)
	if err != nil {
		return f, nil, err
	}
	shown, kept := k.newRecovery()
	err = m.st.ConfirmTOTP(ctx, subject, t.Unconfirmed, step, kept, micros(proven.At))
	switch {
	case errors.Is(err, store.ErrConflict):
		return f, nil, m.wrong(ctx, subject, "confirmed or begun meanwhile")
	case err != nil:
		return f, nil, m.failed(ctx, subject, "store", err)
	}
	e := authn.Event{Kind: authn.EventFactorAdded, Subject: subject, Reason: factor}
	if len(t.Secret) > 0 {
		e.Reason = "otp replaced"
	}
	m.send(ctx, e)
	return proven, shown, nil
}

// Regenerate replaces all recovery codes. id must have proven "otp" within 15 min,
// else the error is [authn.StepUp]'s. Others are [ErrNotEnrolled],
// [store.ErrConflict], 403 and 503.
func (m *Manager) Regenerate(ctx context.Context, id *authn.Identity) ([]authn.Secret, error) {
	t, err := m.mayChange(ctx, id)
	if err != nil {
		return nil, err
	}
	k, _, err := openKey(m.kc, t.Secret, id.Subject)
	if err != nil {
		return nil, m.failed(ctx, id.Subject, "keychain", err)
	}
	shown, kept := k.newRecovery()
	if err := m.st.ReplaceRecoveryCodes(ctx, id.Subject, t.Secret, kept); err != nil {
		return nil, m.conflict(ctx, id.Subject, err)
	}
	m.send(ctx, authn.Event{Kind: authn.EventRotated, Subject: id.Subject, Reason: "recovery codes"})
	return shown, nil
}

// Disable ends the enrolment. It wants "otp" and answers as Regenerate does. Wrong
// codes stay counted: where they have stopped codes, use a recovery code first, since
// after it only Reset lets the subject enrol again.
func (m *Manager) Disable(ctx context.Context, id *authn.Identity) error {
	if _, err := m.mayChange(ctx, id); err != nil {
		return err
	}
	return m.remove(ctx, id.Subject, factor, false)
}

// Reset is for operators: for who lost phone and recovery codes, and has proven by
// other means who they are. It ends the enrolment and forgets wrong codes. From then
// on the password alone lets in, and enrols: where somebody may know it, as after
// [ErrStopped], change it first. It ends no session; see RevokeSubject of session
// and jwtauth. A subject without one is fine.
func (m *Manager) Reset(ctx context.Context, subject string) error {
	if err := checkSubject(subject); err != nil {
		return err
	}
	return m.remove(ctx, subject, "otp reset", true)
}

func (m *Manager) remove(ctx context.Context, subject, reason string, forgive bool) error {
	if err := m.st.DeleteTOTP(ctx, subject, forgive); err != nil {
		return m.failed(ctx, subject, "store", err)
	}
	m.send(ctx, authn.Event{Kind: authn.EventFactorRemoved, Subject: subject, Reason: reason})
	return nil
}

// mayChange is what id is enrolled by, if it has just proven that.
func (m *Manager) mayChange(ctx context.Context, id *authn.Identity) (store.TOTP, error) {
	if err := checkUser(id); err != nil {
		return store.TOTP{}, err
	}
	t, err := m.read(ctx, id.Subject)
	switch {
	case err != nil:
		return t, err
	case len(t.Secret) == 0:
		return t, ErrNotEnrolled
	}
	return t, checkProof(id, t)
}

// checkProof refuses who has not proven otp of late, and by what is enrolled: a
// code of an enrolment that is over, by a phone that is lost, changes nothing of
// the next one. Tokens say times in seconds.
func checkProof(id *authn.Identity, t store.TOTP) error {
	if at, ok := id.FactorAt(factor); ok && at.Before(t.EnrolledAt.Truncate(time.Second)) {
		return authn.StepUp(factor, freshFor)
	}
	return fresh.Allow(nil, id)
}

// conflict passes ErrConflict on; anything else is an outage.
func (m *Manager) conflict(ctx context.Context, subject string, err error) error {
	if errors.Is(err, store.ErrConflict) {
		return err
	}
	return m.failed(ctx, subject, "store", err)
}

// leftOf is for events.
func leftOf(n int) string { return fmt.Sprintf("recovery code, %d left", n) }
