package ratelimit_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/ratelimit"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// limits is a store whose server can be told to fail.
type limits struct {
	store.Limits
	down, stuck atomic.Bool
	calls       atomic.Int64
	mu          sync.Mutex
	takes       [][]store.LimitTake
	attempts    [][]store.AttemptTake
}

func newLimits() *limits { return &limits{Limits: memstore.New(memstore.Config{})} }

var errServer = errors.New("connection refused")

func (s *limits) fault(ctx context.Context) error {
	s.calls.Add(1)
	if s.stuck.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if s.down.Load() {
		return errServer
	}
	return nil
}

func (s *limits) TakeLimits(ctx context.Context, takes []store.LimitTake, states []store.LimitState) error {
	if err := s.fault(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	s.takes = append(s.takes, append([]store.LimitTake(nil), takes...))
	s.mu.Unlock()
	return s.Limits.TakeLimits(ctx, takes, states)
}

func (s *limits) ReserveAttempts(ctx context.Context, takes []store.AttemptTake) (store.AttemptState, error) {
	if err := s.fault(ctx); err != nil {
		return store.AttemptState{}, err
	}
	s.mu.Lock()
	s.attempts = append(s.attempts, takes)
	s.mu.Unlock()
	return s.Limits.ReserveAttempts(ctx, takes)
}

func (s *limits) SettleAttempts(ctx context.Context, takes []store.AttemptTake, succeeded bool) error {
	if err := s.fault(ctx); err != nil {
		return err
	}
	return s.Limits.SettleAttempts(ctx, takes, succeeded)
}

func (s *limits) UnlockAttempts(ctx context.Context, policy, key string) error {
	if err := s.fault(ctx); err != nil {
		return err
	}
	return s.Limits.UnlockAttempts(ctx, policy, key)
}

func newLimiter(t *testing.T, st store.Limits, cfg ratelimit.Config, policies ...ratelimit.Policy) *ratelimit.Limiter {
	t.Helper()
	l, err := ratelimit.New(st, cfg, policies...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// from is a request of a client at addr.
func from(addr string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader(""))
	return r.WithContext(authn.WithClient(r.Context(), authn.NewClient(netip.MustParseAddr(addr))))
}

// serve is the answer of l's middleware; a request that passes is 204.
func serve(l *ratelimit.Limiter, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	l.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).ServeHTTP(w, r)
	return w
}

// passed is how many of n requests passed.
func passed(l *ratelimit.Limiter, n int, request func() *http.Request) (passed int) {
	for range n {
		if serve(l, request()).Code == http.StatusNoContent {
			passed++
		}
	}
	return passed
}

// kinds are those of what was recorded.
func kinds(rec *authntest.Recorder) (ks []authn.EventKind) {
	for _, e := range rec.Events() {
		ks = append(ks, e.Kind)
	}
	return ks
}
