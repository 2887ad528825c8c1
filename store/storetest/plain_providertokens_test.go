package storetest_test

import (
	"bytes"
	"context"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/gatehouse-go/authn/store"
)

// place is of a provider's token.
type place struct{ subject, provider string }

// plainTokens is store.ProviderTokens alone. It is right, but for what is set.
type plainTokens struct {
	mu    sync.Mutex
	rows  map[place][]byte
	reads atomic.Int64
	// at is where a token lies.
	at func(p place) place
	// kept is what is made of a token when it is written, answered when it is
	// read.
	kept, answered func(sealed []byte) []byte
	// same reports whether old is what is there.
	same func(there, old []byte) bool
	// of reports whether p is among the tokens of subject.
	of func(p place, subject string) bool
	// says replaces what a call answers.
	says map[string]func(there bool, err error) error
	// races says that replacing looks, and then writes.
	races bool
	// half is what readers see while a token is written; nil is none.
	half func(was, is []byte) []byte
	meeting
}

// tokensWith is a plainTokens with a mistake.
func tokensWith(set func(s *plainTokens)) func(*edited) any {
	return func(*edited) any {
		s := newPlainTokens()
		set(s)
		return s
	}
}

func newPlainTokens() *plainTokens {
	return &plainTokens{
		rows: make(map[place][]byte), at: func(p place) place { return p },
		kept: bytes.Clone, answered: bytes.Clone, same: bytes.Equal,
		of:   func(p place, subject string) bool { return p.subject == subject },
		says: make(map[string]func(bool, error) error),
	}
}

// say is what call answers; s is locked.
func (s *plainTokens) say(call string, there bool, err error) error {
	if f := s.says[call]; f != nil {
		return f(there, err)
	}
	return err
}

// write keeps sealed; s is locked.
func (s *plainTokens) write(p place, sealed []byte) {
	if was, ok := s.rows[p]; ok && s.half != nil {
		if half := s.half(was, sealed); half == nil {
			delete(s.rows, p)
		} else {
			s.rows[p] = half
		}
		s.mu.Unlock()
		before := s.reads.Load()
		yieldUntil(func() bool { return s.reads.Load() > before+6 })
		s.mu.Lock()
	}
	s.rows[p] = s.kept(sealed)
}

func (s *plainTokens) ProviderToken(_ context.Context, subject, provider string) ([]byte, error) {
	s.reads.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	sealed, ok := s.rows[s.at(place{subject, provider})]
	if !ok {
		return nil, s.say("read", false, store.ErrNotFound)
	}
	return s.answered(sealed), nil
}

func (s *plainTokens) PutProviderToken(_ context.Context, subject, provider string, sealed []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.at(place{subject, provider})
	_, there := s.rows[p]
	err := s.say("put", there, nil)
	if err == nil {
		s.write(p, sealed)
	}
	return err
}

func (s *plainTokens) ReplaceProviderToken(_ context.Context, subject, provider string, old, sealed []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.at(place{subject, provider})
	was, there := s.rows[p]
	var err error
	if !there || !s.same(was, old) {
		err = store.ErrConflict
	}
	if s.races {
		s.mu.Unlock()
		s.wait()
		s.mu.Lock()
	}
	if err = s.say("replace", there, err); err == nil {
		s.write(p, sealed)
	}
	return err
}

func (s *plainTokens) DeleteProviderToken(_ context.Context, subject, provider string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.at(place{subject, provider})
	_, there := s.rows[p]
	delete(s.rows, p)
	return s.say("delete", there, nil)
}

func (s *plainTokens) DeleteProviderTokensOf(_ context.Context, subject string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.rows)
	maps.DeleteFunc(s.rows, func(p place, _ []byte) bool { return s.of(p, subject) })
	return s.say("delete all", len(s.rows) < n, nil)
}
