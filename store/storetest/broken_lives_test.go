package storetest_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

var brokenLives = []brokenStore{
	{"opens once", "Store/open_may_be_repeated", func(s *edited) any { return &opensOnce{edited: s} }},
	{"opens for one at a time", "Store/ten_may_open_at_once", func(s *edited) any { return &opensAlone{edited: s} }},
	{"opens empty", "Store/open_keeps_the_records", func(s *edited) any { return &opensEmpty{edited: s} }},
	{"check fails", "Store/check_of_a_good_store", func(s *edited) any { return checkFails{s} }},
	{"run answers why it ended", "Store/run_ends_with_its_context", func(s *edited) any { return runAnswersWhy{s} }},
	{"run stops at once", "Store/run_ends_with_its_context", func(s *edited) any { return runFails{s} }},
}

// opensOnce creates its tables without asking whether they are there.
type opensOnce struct {
	*edited
	opened atomic.Bool
}

func (s *opensOnce) Open(context.Context) error {
	if s.opened.Swap(true) {
		return errors.New("the table exists already")
	}
	return nil
}

// opensAlone looks for its tables, then creates them.
type opensAlone struct {
	*edited
	meeting
	mu     sync.Mutex
	tables bool
}

func (s *opensAlone) Open(context.Context) error {
	s.mu.Lock()
	there := s.tables
	s.mu.Unlock()
	if there {
		return nil
	}
	s.wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tables {
		return errors.New("the table exists already")
	}
	s.tables = true
	return nil
}

// opensEmpty drops what was there.
type opensEmpty struct{ *edited }

func (s *opensEmpty) Open(context.Context) error {
	s.Store = newEdited(s.offset).Store
	return nil
}

type checkFails struct{ *edited }

func (checkFails) Check(context.Context) error { return errors.New("no connection") }

type runAnswersWhy struct{ *edited }

func (s runAnswersWhy) Run(ctx context.Context) error {
	_ = s.edited.Run(ctx)
	return ctx.Err()
}

type runFails struct{ *edited }

func (runFails) Run(context.Context) error { return errors.New("no connection") }
