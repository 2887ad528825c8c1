package storetest_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// plainTOTPs is store.TOTPs alone. It is right, but for what is set.
type plainTOTPs struct {
	now  func() time.Time
	mu   sync.Mutex
	rows map[string]store.TOTP
	// key names the row of a subject.
	key func(subject string) string
	// secret reports whether a caller has read what is there.
	secret func(there, read []byte) bool
	// count is what ReserveTOTP does to a counter.
	count func(g store.Guesses, p store.GuessPolicy, now time.Time) (store.Guesses, time.Duration, error)
	// then changes what a call has made of a row, which is kept, also where it
	// answers err.
	then map[string]func(was store.TOTP, is *store.TOTP, err error)
	// says replaces what a call answers.
	says map[string]func(was store.TOTP, err error) error
	// read changes what is answered.
	read func(t *store.TOTP)
	// shared says that slices are kept and answered as they are.
	shared bool
	// races is the call that looks, and then writes.
	races string
	meeting
}

// codesWith is a plainTOTPs with a mistake.
func codesWith(set func(s *plainTOTPs)) func(*edited) any {
	return func(e *edited) any {
		s := newPlainTOTPs(e.offset)
		set(s)
		return s
	}
}

func newPlainTOTPs(offset func() time.Duration) *plainTOTPs {
	return &plainTOTPs{
		now:  func() time.Time { return time.Now().Add(offset()).Truncate(time.Microsecond) },
		rows: make(map[string]store.TOTP), key: func(subject string) string { return subject },
		secret: func(there, read []byte) bool { return bytes.Equal(there, read) },
		count: func(g store.Guesses, p store.GuessPolicy, now time.Time) (store.Guesses, time.Duration, error) {
			return g.Count(p, now)
		},
		then: make(map[string]func(store.TOTP, *store.TOTP, error)), says: make(map[string]func(store.TOTP, error) error),
	}
}

// codesAfter is a mistake that a call makes when it has done its work.
func codesAfter(call string, f func(was store.TOTP, is *store.TOTP)) func(*edited) any {
	return codesWith(func(s *plainTOTPs) {
		s.then[call] = func(was store.TOTP, is *store.TOTP, err error) {
			if err != nil {
				*is = was
				return
			}
			f(was, is)
		}
	})
}

// cloned is t with slices of its own.
func cloned(t store.TOTP) store.TOTP {
	t.Secret, t.Unconfirmed, t.Recovery = bytes.Clone(t.Secret), bytes.Clone(t.Unconfirmed), slices.Clone(t.Recovery)
	return t
}

// change makes of subject's row what f does. none is answered where there is no
// row, unless create is set.
func (s *plainTOTPs) change(call, subject string, none error, create bool, f func(t *store.TOTP) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.key(subject)
	was, ok := s.rows[key]
	if !ok && !create {
		return none
	}
	is := was
	is.Subject = subject
	if !s.shared {
		is = cloned(is)
	}
	err := f(&is)
	if s.races == call {
		s.mu.Unlock()
		s.wait()
		s.mu.Lock()
	}
	if f := s.then[call]; f != nil {
		f(was, &is, err)
	} else if err != nil {
		is = was
	}
	if ok || err == nil {
		if !s.shared {
			is = cloned(is)
		}
		s.rows[key] = is
	}
	if f := s.says[call]; f != nil {
		err = f(was, err)
	}
	return err
}

func (s *plainTOTPs) TOTP(_ context.Context, subject string) (store.TOTP, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.rows[s.key(subject)]
	if !ok {
		return store.TOTP{}, store.ErrNotFound
	}
	if !s.shared {
		t = cloned(t)
	}
	if s.read != nil {
		s.read(&t)
	}
	return t, nil
}

func (s *plainTOTPs) BeginTOTP(_ context.Context, subject string, secret, sealed []byte, until time.Time) error {
	return s.change("begin", subject, nil, true, func(t *store.TOTP) error {
		if !s.secret(t.Secret, secret) {
			return store.ErrConflict
		}
		t.Unconfirmed, t.BeginsUntil = sealed, until
		return nil
	})
}

func (s *plainTOTPs) ConfirmTOTP(_ context.Context, subject string, sealed []byte, step int64, codes []store.Digest, now time.Time) error {
	return s.change("confirm", subject, store.ErrConflict, false, func(t *store.TOTP) error {
		var err error
		if t.Unconfirmed == nil || !bytes.Equal(t.Unconfirmed, sealed) || !now.Before(t.BeginsUntil) || step <= t.Step {
			err = store.ErrConflict
		}
		t.Secret, t.EnrolledAt, t.Step, t.Recovery = sealed, now, step, codes
		t.Unconfirmed, t.BeginsUntil = nil, time.Time{}
		t.DeviceEpoch++
		rightCode(t)
		return err
	})
}

func rightCode(t *store.TOTP) {
	t.Codes.Row, t.Codes.Recent, t.Codes.WaitUntil = 0, max(t.Codes.Recent-1, 0), time.Time{}
}

func (s *plainTOTPs) ReserveTOTP(_ context.Context, subject string, p store.GuessPolicy) (answer store.TOTP, wait time.Duration, err error) {
	err = s.change("reserve", subject, store.ErrNotFound, false, func(t *store.TOTP) (err error) {
		if t.Secret == nil && t.Unconfirmed == nil {
			return store.ErrNotFound
		}
		g := &t.Codes
		if p.Backup {
			g = &t.Backup
		}
		*g, wait, err = s.count(*g, p, s.now())
		answer = cloned(*t)
		return err
	})
	return answer, wait, err
}

func (s *plainTOTPs) AcceptTOTP(_ context.Context, subject string, secret []byte, step int64, reseal []byte) error {
	return s.change("accept", subject, store.ErrConflict, false, func(t *store.TOTP) error {
		var err error
		if t.Secret == nil || !s.secret(t.Secret, secret) || step <= t.Step {
			err = store.ErrConflict
		}
		if reseal != nil {
			t.Secret = reseal
		}
		t.Step = step
		rightCode(t)
		return err
	})
}

func (s *plainTOTPs) TakeRecoveryCode(_ context.Context, subject string, d store.Digest) (left int, err error) {
	err = s.change("take", subject, store.ErrNotFound, false, func(t *store.TOTP) error {
		i := slices.Index(t.Recovery, d)
		var err error
		if i < 0 {
			err = store.ErrNotFound
		} else {
			t.Recovery = slices.Delete(t.Recovery, i, i+1)
		}
		t.Codes, t.Backup, left = store.Guesses{}, store.Guesses{}, len(t.Recovery)
		return err
	})
	return left, err
}

func (s *plainTOTPs) ReplaceRecoveryCodes(_ context.Context, subject string, secret []byte, codes []store.Digest) error {
	return s.change("replace", subject, store.ErrConflict, false, func(t *store.TOTP) error {
		if t.Secret == nil || !s.secret(t.Secret, secret) {
			return store.ErrConflict
		}
		t.Recovery = codes
		return nil
	})
}

func (s *plainTOTPs) ForgetTOTPDevices(_ context.Context, subject string) error {
	return s.change("forget", subject, nil, false, func(t *store.TOTP) error {
		t.DeviceEpoch++
		return nil
	})
}

func (s *plainTOTPs) DeleteTOTP(_ context.Context, subject string, forgive bool) error {
	return s.change("delete", subject, nil, false, func(t *store.TOTP) error {
		left := store.TOTP{Subject: subject, Step: t.Step, Codes: t.Codes, Backup: t.Backup, DeviceEpoch: t.DeviceEpoch + 1}
		if forgive {
			left.Codes, left.Backup = store.Guesses{}, store.Guesses{}
		}
		*t = left
		return nil
	})
}
