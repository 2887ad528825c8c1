package memstore

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// totps is store.TOTPs. One lock does: a person types codes. What is answered
// shares slices, so that these are replaced and never changed.
type totps struct {
	max       int
	now       func() time.Time
	mu        sync.RWMutex
	bySubject map[string]*store.TOTP
}

func (s *totps) init(max int, now func() time.Time) {
	s.max, s.now, s.bySubject = max, now, make(map[string]*store.TOTP)
}

// change calls f with subject's row, under the lock. none is what is answered
// where there is no row.
func (s *totps) change(subject string, none error, f func(t *store.TOTP) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.bySubject[subject]; ok {
		return f(t)
	}
	return none
}

// TOTP is of store.TOTPs, as are the methods below.
func (s *totps) TOTP(_ context.Context, subject string) (store.TOTP, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if t, ok := s.bySubject[subject]; ok {
		return *t, nil
	}
	return store.TOTP{}, store.ErrNotFound
}

func (s *totps) BeginTOTP(_ context.Context, subject string, secret, sealed []byte, until time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.bySubject[subject]
	switch {
	case !ok && secret != nil, ok && !bytes.Equal(t.Secret, secret):
		return store.ErrConflict
	case !ok && len(s.bySubject) >= s.max:
		return store.ErrFull
	case !ok:
		t = &store.TOTP{Subject: subject}
		s.bySubject[subject] = t
	}
	t.Unconfirmed, t.BeginsUntil = bytes.Clone(sealed), until
	return nil
}

func (s *totps) ConfirmTOTP(_ context.Context, subject string, sealed []byte, step int64, codes []store.Digest, now time.Time) error {
	return s.change(subject, store.ErrConflict, func(t *store.TOTP) error {
		if t.Unconfirmed == nil || !bytes.Equal(t.Unconfirmed, sealed) || !now.Before(t.BeginsUntil) || step <= t.Step {
			return store.ErrConflict
		}
		t.Secret, t.EnrolledAt = t.Unconfirmed, now
		t.Unconfirmed, t.BeginsUntil = nil, time.Time{}
		t.Recovery = slices.Clone(codes)
		t.DeviceEpoch++
		right(t, step)
		return nil
	})
}

// right says that the guess that was reserved is the code of step.
func right(t *store.TOTP, step int64) {
	t.Step = step
	t.Codes.Row, t.Codes.WaitUntil = 0, time.Time{}
	t.Codes.Recent = max(t.Codes.Recent-1, 0)
}

func (s *totps) ReserveTOTP(_ context.Context, subject string, p store.GuessPolicy) (answer store.TOTP, wait time.Duration, err error) {
	err = s.change(subject, store.ErrNotFound, func(t *store.TOTP) error {
		if t.Secret == nil && t.Unconfirmed == nil {
			return store.ErrNotFound
		}
		g := &t.Codes
		if p.Backup {
			g = &t.Backup
		}
		next, left, err := g.Count(p, s.now().Truncate(time.Microsecond))
		if err != nil {
			wait = left
			return err
		}
		*g = next
		answer = *t
		return nil
	})
	return answer, wait, err
}

func (s *totps) AcceptTOTP(_ context.Context, subject string, secret []byte, step int64, reseal []byte) error {
	return s.change(subject, store.ErrConflict, func(t *store.TOTP) error {
		if t.Secret == nil || !bytes.Equal(t.Secret, secret) || step <= t.Step {
			return store.ErrConflict
		}
		if reseal != nil {
			t.Secret = bytes.Clone(reseal)
		}
		right(t, step)
		return nil
	})
}

func (s *totps) TakeRecoveryCode(_ context.Context, subject string, d store.Digest) (left int, err error) {
	err = s.change(subject, store.ErrNotFound, func(t *store.TOTP) error {
		i := slices.Index(t.Recovery, d)
		if i < 0 {
			return store.ErrNotFound
		}
		t.Recovery = slices.Delete(slices.Clone(t.Recovery), i, i+1)
		t.Codes, t.Backup = store.Guesses{}, store.Guesses{}
		left = len(t.Recovery)
		return nil
	})
	return left, err
}

func (s *totps) ReplaceRecoveryCodes(_ context.Context, subject string, secret []byte, codes []store.Digest) error {
	return s.change(subject, store.ErrConflict, func(t *store.TOTP) error {
		if t.Secret == nil || !bytes.Equal(t.Secret, secret) {
			return store.ErrConflict
		}
		t.Recovery = slices.Clone(codes)
		return nil
	})
}

func (s *totps) ForgetTOTPDevices(_ context.Context, subject string) error {
	return s.change(subject, nil, func(t *store.TOTP) error {
		t.DeviceEpoch++
		return nil
	})
}

func (s *totps) DeleteTOTP(_ context.Context, subject string, forgive bool) error {
	return s.change(subject, nil, func(t *store.TOTP) error {
		left := store.TOTP{Subject: subject, Step: t.Step, Codes: t.Codes, Backup: t.Backup, DeviceEpoch: t.DeviceEpoch + 1}
		if forgive {
			left.Codes, left.Backup = store.Guesses{}, store.Guesses{}
		}
		*t = left
		return nil
	})
}
