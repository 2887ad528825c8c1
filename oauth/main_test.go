package oauth_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var errDown = errors.New("connection refused")

// tokenTable is a store.ProviderTokens, and a store.Once by the caller's clock.
type tokenTable struct {
	mu     sync.Mutex
	sealed map[string][]byte
	claims map[string]time.Time
	down   string            // the call that fails
	err    error             // by which it does; nil is errDown
	calls  []string          // all that came
	before func(call string) // may use the table
}

// made are how many such calls came.
func (s *tokenTable) made(call string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c == call {
			n++
		}
	}
	return n
}

// fail makes a call fail.
func (s *tokenTable) fail(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = call
}

func (s *tokenTable) do(call string, f func() error) error {
	if s.before != nil {
		s.before(call)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
	if s.down == call {
		return cmp.Or(s.err, errDown)
	}
	if s.sealed == nil {
		s.sealed, s.claims = map[string][]byte{}, map[string]time.Time{}
	}
	return f()
}

func (s *tokenTable) ProviderToken(_ context.Context, subject, provider string) (sealed []byte, err error) {
	err = s.do("read", func() error {
		if sealed = s.sealed[subject+"\x00"+provider]; sealed == nil {
			return store.ErrNotFound
		}
		return nil
	})
	return sealed, err
}

func (s *tokenTable) PutProviderToken(_ context.Context, subject, provider string, sealed []byte) error {
	return s.do("put", func() error {
		s.sealed[subject+"\x00"+provider] = sealed
		return nil
	})
}

func (s *tokenTable) ReplaceProviderToken(_ context.Context, subject, provider string, old, sealed []byte) error {
	return s.do("replace", func() error {
		if !bytes.Equal(s.sealed[subject+"\x00"+provider], old) {
			return store.ErrConflict
		}
		s.sealed[subject+"\x00"+provider] = sealed
		return nil
	})
}

func (s *tokenTable) DeleteProviderToken(_ context.Context, subject, provider string) error {
	return s.do("delete", func() error {
		delete(s.sealed, subject+"\x00"+provider)
		return nil
	})
}

func (s *tokenTable) DeleteProviderTokensOf(context.Context, string) error { return errDown }

func (s *tokenTable) ClaimOnce(_ context.Context, purpose string, d store.Digest, until, now time.Time) error {
	return s.do("claim", func() error {
		if now.Before(s.claims[purpose+d.String()]) {
			return store.ErrExists
		}
		s.claims[purpose+d.String()] = until
		return nil
	})
}
