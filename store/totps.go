package store

import (
	"context"
	"time"
)

// TOTP is a subject's second factor by codes (RFC 6238). The subject is enrolled
// while there is a Secret. What DeleteTOTP leaves of it is no enrolment.
type TOTP struct {
	// Subject is at most 255 bytes.
	Subject string
	// Secret is sealed, and so is Unconfirmed, of a Begin that waits until
	// BeginsUntil for its Confirm. Each is at most 255 bytes; none is empty.
	Secret, Unconfirmed []byte
	// EnrolledAt is of Secret, and zero without one. BeginsUntil is of
	// Unconfirmed.
	EnrolledAt, BeginsUntil time.Time
	// Step is the last time step of which a code was accepted, 0 at first. No
	// code of it or of an older one is accepted again.
	Step int64
	// Recovery are the digests of unused recovery codes, in any order.
	Recovery []Digest
	// Codes are wrong codes, Backup wrong recovery codes.
	Codes, Backup Guesses
	// DeviceEpoch is from 0 and never goes back: what was signed for an older one
	// is void.
	DeviceEpoch int64
}

// MaxRecoveryCodes is how many a subject may have.
const MaxRecoveryCodes = 16

// Guesses are wrong ones, and those that nobody has looked at yet.
type Guesses struct {
	// Row counts since the last right one, Recent since RecentAt.
	Row, Recent int
	// RecentAt is zero before the first one. WaitUntil is zero when there is
	// nothing to wait for. Both are of the store's clock.
	RecentAt, WaitUntil time.Time
}

// Stopped reports whether p refuses all guesses after g, however long they wait.
func (g Guesses) Stopped(p GuessPolicy) bool {
	return p.MaxRow > 0 && g.Row >= p.MaxRow || p.MaxRecent > 0 && g.Recent >= p.MaxRecent
}

// Count is what ReserveTOTP does to its counter, for implementations: g with one
// more, or [ErrLimit], with what is left to wait, 0 where it is stopped.
func (g Guesses) Count(p GuessPolicy, now time.Time) (next Guesses, wait time.Duration, err error) {
	switch {
	case g.Stopped(p):
		return g, 0, ErrLimit
	case now.Before(g.WaitUntil):
		return g, g.WaitUntil.Sub(now), ErrLimit
	}
	if g.Recent == 0 || !now.Before(g.RecentAt.Add(p.RecentFor)) {
		g.Recent, g.RecentAt = 0, now
	}
	g.Row++
	g.Recent++
	if g.Row > p.Free {
		pause := min(p.Wait, p.MaxWait)
		for i := p.Free + 1; i < g.Row && pause < p.MaxWait; i++ {
			pause += min(pause, p.MaxWait-pause)
		}
		g.WaitUntil = now.Add(pause)
	}
	return g, 0, nil
}

// GuessPolicy slows guesses down and stops them.
type GuessPolicy struct {
	// Backup says that Backup counts, not Codes.
	Backup bool
	// Free is how many in a row come without a wait. The next one makes those
	// after it wait for Wait, and each one more for twice as long, but not over
	// MaxWait. Wait is at least a millisecond.
	Free          int
	Wait, MaxWait time.Duration
	// MaxRow in a row, or MaxRecent within RecentFor of the first of them, stop
	// it; 0: never.
	MaxRow, MaxRecent int
	// RecentFor is over 0.
	RecentFor time.Duration
}

// TOTPs keeps one TOTP for each subject. Methods whose doc does not name
// ErrNotFound never answer it.
//
// Where a method takes a secret, it is what the caller has read as Secret, nil
// for none, and ErrConflict says that it is another one by now: enrolled anew
// meanwhile, or ended, or sealed again.
type TOTPs interface {
	// TOTP answers ErrNotFound when nothing is kept of subject.
	TOTP(ctx context.Context, subject string) (TOTP, error)
	// BeginTOTP makes sealed the Unconfirmed until then, in place of what was, and
	// changes nothing else. ErrConflict: see TOTPs.
	BeginTOTP(ctx context.Context, subject string, secret, sealed []byte, until time.Time) error
	// ConfirmTOTP makes sealed the Secret, enrolled now, and codes the Recovery,
	// at most MaxRecoveryCodes; moves Step to step and DeviceEpoch on by one;
	// clears Unconfirmed, and of Codes what AcceptTOTP clears. ErrConflict when
	// sealed is not Unconfirmed, or now is not before BeginsUntil, or step is not
	// beyond Step.
	ConfirmTOTP(ctx context.Context, subject string, sealed []byte, step int64, codes []Digest, now time.Time) error
	// ReserveTOTP counts a guess as wrong before anybody looks at it (store's
	// clock), and answers what is kept then, this guess included. ErrNotFound
	// when there is neither a Secret nor an Unconfirmed. Else the first rule that
	// fits the counter decides:
	//
	//   - It is [Guesses.Stopped]: ErrLimit, and wait is 0. It stays so, also when
	//     RecentFor is over, until TakeRecoveryCode or a DeleteTOTP that forgives.
	//   - WaitUntil is later than the store's clock: ErrLimit, and wait is what
	//     is left of it.
	//   - Row and Recent go up by one. Where Recent was 0, or RecentFor after
	//     RecentAt is over, Recent is 1 and RecentAt is the store's clock. Where
	//     Row is over Free now, WaitUntil is Wait later than the store's clock,
	//     or twice that for each one more, at most MaxWait.
	//
	// What is refused changes nothing. Nobody is refused because others are
	// asking: what races waits for its turn.
	ReserveTOTP(ctx context.Context, subject string, p GuessPolicy) (t TOTP, wait time.Duration, err error)
	// AcceptTOTP says that the guess that was reserved is the code of step: it
	// moves Step to step, clears Codes.Row and Codes.WaitUntil, and takes one off
	// Codes.Recent, if that is over 0. reseal, if not nil, becomes the Secret.
	// ErrConflict: see TOTPs; also when step is not beyond Step: the code was used.
	AcceptTOTP(ctx context.Context, subject string, secret []byte, step int64, reseal []byte) error
	// TakeRecoveryCode uses d up, clears Codes and Backup, and answers how many
	// are left. ErrNotFound when d is not in Recovery: of several that take it,
	// one does.
	TakeRecoveryCode(ctx context.Context, subject string, d Digest) (left int, err error)
	// ReplaceRecoveryCodes makes codes the Recovery, at most MaxRecoveryCodes.
	// ErrConflict: see TOTPs.
	ReplaceRecoveryCodes(ctx context.Context, subject string, secret []byte, codes []Digest) error
	// ForgetTOTPDevices moves DeviceEpoch on by one. Where nothing is kept of
	// subject, there is nothing to void, and nothing is.
	ForgetTOTPDevices(ctx context.Context, subject string) error
	// DeleteTOTP clears Secret, EnrolledAt, Unconfirmed, BeginsUntil and Recovery,
	// and moves DeviceEpoch on by one where something is kept. Step stays, so
	// that no code comes again, and so do Codes and Backup unless forgive, which
	// clears them. What is left stays for a year at least.
	DeleteTOTP(ctx context.Context, subject string, forgive bool) error
}
