package storetest_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// plainClients is store.OAuthClients alone. It is right, but for what is set.
type plainClients struct {
	now   func() time.Time
	mu    sync.Mutex
	rows  map[string]store.OAuthClient
	reads atomic.Int64
	// key names the row of an ID.
	key func(id string) string
	// rotate is what RotateOAuthSecret does to secrets.
	rotate func(was []store.ClientSecret, s store.ClientSecret, until, now time.Time) ([]store.ClientSecret, error)
	// then changes what a call has made of a row, which is kept, also where it
	// answers err.
	then map[string]func(was store.OAuthClient, is *store.OAuthClient, err error)
	// says replaces what a call answers.
	says map[string]func(was, is store.OAuthClient, err error) error
	// read changes what is answered.
	read func(c *store.OAuthClient)
	// order sorts the list, which page cuts.
	order func(a, b store.OAuthClient) int
	page  func(all []store.OAuthClient, p store.Page) ([]store.OAuthClient, string, error)
	// shared says that slices are kept and answered as they are.
	shared bool
	// races is the call that looks, and then writes.
	races string
	// half is what readers see while a call writes.
	half map[string]func(was, is store.OAuthClient) store.OAuthClient
	meeting
}

// clientsWith is a plainClients with a mistake.
func clientsWith(set func(s *plainClients)) func(*edited) any {
	return func(e *edited) any {
		s := newPlainClients(e.offset)
		set(s)
		return s
	}
}

// clientsAfter is a mistake that a call makes when it has done its work.
func clientsAfter(call string, f func(was store.OAuthClient, is *store.OAuthClient)) func(*edited) any {
	return clientsWith(func(s *plainClients) {
		s.then[call] = func(was store.OAuthClient, is *store.OAuthClient, err error) {
			if err != nil {
				*is = was
				return
			}
			f(was, is)
		}
	})
}

func newPlainClients(offset func() time.Duration) *plainClients {
	return &plainClients{
		now:    func() time.Time { return time.Now().Add(offset()) },
		rows:   make(map[string]store.OAuthClient),
		key:    func(id string) string { return id },
		rotate: rotatedSecrets,
		then:   make(map[string]func(store.OAuthClient, *store.OAuthClient, error)),
		says:   make(map[string]func(_, _ store.OAuthClient, err error) error),
		half:   make(map[string]func(_, _ store.OAuthClient) store.OAuthClient),
		order:  func(a, b store.OAuthClient) int { return strings.Compare(a.ID, b.ID) },
		page:   pageOfClients,
	}
}

func rotatedSecrets(was []store.ClientSecret, s store.ClientSecret, until, now time.Time) ([]store.ClientSecret, error) {
	live := slices.DeleteFunc(slices.Clone(was), func(old store.ClientSecret) bool { return !old.Live(now) })
	switch {
	case !until.After(now) || len(live) == 0:
		return []store.ClientSecret{s}, nil
	case len(live) > 1:
		return was, store.ErrLimit
	}
	if live[0].ExpiresAt.IsZero() || until.Before(live[0].ExpiresAt) {
		live[0].ExpiresAt = until
	}
	return []store.ClientSecret{s, live[0]}, nil
}

func pageOfClients(all []store.OAuthClient, p store.Page) ([]store.OAuthClient, string, error) {
	if p.Cursor != "" {
		last := slices.IndexFunc(all, func(c store.OAuthClient) bool { return c.ID == p.Cursor })
		if last < 0 {
			return nil, "", store.ErrNotFound
		}
		all = all[last+1:]
	}
	if n := p.Size(); len(all) > n {
		return all[:n], all[n-1].ID, nil
	}
	return all, "", nil
}

// own is c with slices of its own.
func (s *plainClients) own(c store.OAuthClient) store.OAuthClient {
	if !s.shared {
		c.Secrets, c.JWKS = slices.Clone(c.Secrets), bytes.Clone(c.JWKS)
		c.Scopes, c.Audience, c.Serves = slices.Clone(c.Scopes), slices.Clone(c.Audience), slices.Clone(c.Serves)
	}
	return c
}

// change makes of the row id what f does. none is answered where there is no
// row, and some where there is one; nil: f is called.
func (s *plainClients) change(call, id string, none, some error, f func(c *store.OAuthClient) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.key(id)
	was, there := s.rows[key]
	is := s.own(was)
	var err error
	switch {
	case !there && none != nil:
		err = none
	case there && some != nil:
		err = some
	default:
		err = f(&is)
	}
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
	if half := s.half[call]; half != nil && err == nil {
		s.rows[key] = half(was, is)
		s.mu.Unlock()
		before := s.reads.Load()
		yieldUntil(func() bool { return s.reads.Load() > before+6 })
		s.mu.Lock()
	}
	if f := s.says[call]; f != nil {
		err = f(was, is, err)
	}
	if there || err == nil {
		s.rows[key] = s.own(is)
	}
	return err
}

func (s *plainClients) OAuthClient(_ context.Context, id string) (store.OAuthClient, error) {
	s.reads.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.rows[s.key(id)]
	if !ok {
		return store.OAuthClient{}, store.ErrNotFound
	}
	c = s.own(c)
	if s.read != nil {
		s.read(&c)
	}
	return c, nil
}

func (s *plainClients) CreateOAuthClient(_ context.Context, c store.OAuthClient) error {
	return s.change("create", c.ID, nil, store.ErrExists, func(row *store.OAuthClient) error {
		*row = s.own(c)
		row.Revision = 1
		return nil
	})
}

func (s *plainClients) UpdateOAuthClient(_ context.Context, c store.OAuthClient) error {
	return s.change("update", c.ID, store.ErrNotFound, nil, func(row *store.OAuthClient) error {
		var err error
		if c.Revision != row.Revision {
			err = store.ErrConflict
		}
		c := s.own(c)
		row.Name, row.JWKS, row.CertSubject = c.Name, c.JWKS, c.CertSubject
		row.Scopes, row.Audience, row.Serves = c.Scopes, c.Audience, c.Serves
		row.Revision++
		return err
	})
}

func (s *plainClients) RotateOAuthSecret(_ context.Context, id string, next store.ClientSecret, until, now time.Time) error {
	return s.change("rotate", id, store.ErrNotFound, nil, func(row *store.OAuthClient) (err error) {
		row.Secrets, err = s.rotate(row.Secrets, next, until, now)
		if !row.DisabledAt.IsZero() {
			err = store.ErrConflict
		}
		return err
	})
}

func (s *plainClients) DisableOAuthClient(_ context.Context, id string, now time.Time) error {
	return s.change("disable", id, store.ErrNotFound, nil, func(row *store.OAuthClient) error {
		if row.DisabledAt.IsZero() {
			row.DisabledAt = now
		}
		return nil
	})
}

func (s *plainClients) ListOAuthClients(_ context.Context, p store.Page) ([]store.OAuthClient, string, error) {
	s.reads.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	cs, next, err := s.page(slices.SortedFunc(maps.Values(s.rows), s.order), p)
	for i := range cs {
		if cs[i] = s.own(cs[i]); s.read != nil {
			s.read(&cs[i])
		}
	}
	return cs, next, err
}
