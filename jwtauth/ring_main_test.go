package jwtauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

var errRingDown = errors.New("connection refused")

// ringStore is what one instance sees of the store: it counts calls, and fails
// or waits when it is told to.
type ringStore struct {
	store.SigningKeys
	lists, adds atomic.Int64
	down        atomic.Bool // calls fail
	delay       atomic.Int64
	onList      atomic.Pointer[func(ctx context.Context)]
	afterWrite  atomic.Pointer[func()]
	addError    atomic.Pointer[error]
}

// wait is how the store answers: late, or not at all.
func (s *ringStore) wait(ctx context.Context) error {
	if d := time.Duration(s.delay.Load()); d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if s.down.Load() {
		return errRingDown
	}
	return nil
}

func (s *ringStore) ListSigningKeys(ctx context.Context, now time.Time) ([]store.SigningKey, error) {
	s.lists.Add(1)
	if f := s.onList.Load(); f != nil {
		(*f)(ctx)
	}
	if s.down.Load() {
		return nil, errors.Join(errRingDown, s.wait(ctx))
	}
	keys, err := s.SigningKeys.ListSigningKeys(ctx, now) // as of the call, however late the answer
	return keys, errors.Join(err, s.wait(ctx))
}

func (s *ringStore) AddSigningKey(ctx context.Context, k store.SigningKey, newest string, expires time.Time) error {
	s.adds.Add(1)
	if err := s.wait(ctx); err != nil {
		return err
	}
	if err := s.addError.Load(); err != nil {
		return *err
	}
	err := s.SigningKeys.AddSigningKey(ctx, k, newest, expires)
	s.written()
	return err
}

func (s *ringStore) ExpireSigningKey(ctx context.Context, id string, now time.Time) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	err := s.SigningKeys.ExpireSigningKey(ctx, id, now)
	s.written()
	return err
}

func (s *ringStore) written() {
	if f := s.afterWrite.Load(); f != nil {
		(*f)()
	}
}

// ringService is a service of several instances: rings over one store.
type ringService struct {
	t      *testing.T
	keys   store.SigningKeys
	kc     *authn.Keychain
	events authntest.Recorder
}

func newRingService(t *testing.T) *ringService {
	return &ringService{t: t, keys: memstore.New(memstore.Config{}), kc: authn.GenerateKeychain()}
}

// ringInstance is one of them.
type ringInstance struct {
	*jwtauth.KeyRing
	t  *testing.T
	st *ringStore
}

func (s *ringService) instance(change ...func(*jwtauth.RingConfig)) *ringInstance {
	s.t.Helper()
	return s.instanceWith(s.kc, change...)
}

func (s *ringService) instanceWith(kc *authn.Keychain, change ...func(*jwtauth.RingConfig)) *ringInstance {
	s.t.Helper()
	cfg := jwtauth.RingConfig{OnEvent: s.events.OnEvent}
	for _, f := range change {
		f(&cfg)
	}
	st := &ringStore{SigningKeys: s.keys}
	ring, err := jwtauth.OpenKeyRing(st, kc, cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	return &ringInstance{ring, s.t, st}
}

// records are what the store has, newest first.
func (s *ringService) records() []store.SigningKey {
	s.t.Helper()
	recs, err := s.keys.ListSigningKeys(context.Background(), time.Now().Truncate(time.Microsecond))
	if err != nil {
		s.t.Fatal(err)
	}
	return recs
}

// signing is the kid that signs now.
func (i *ringInstance) signing() string {
	i.t.Helper()
	key, err := jwtauth.RingSigningKey(context.Background(), i.KeyRing)
	if err != nil {
		i.t.Fatal(err)
	}
	return key.ID()
}

// knows says whether i verifies by kid now.
func (i *ringInstance) knows(kid string) bool {
	i.t.Helper()
	key, err := i.VerificationKey(context.Background(), kid)
	if err != nil && !errors.Is(err, jwtauth.ErrUnknownKey) {
		i.t.Fatal(err)
	}
	return err == nil && key.ID() == kid
}

func (i *ringInstance) rotate() {
	i.t.Helper()
	if err := i.Rotate(context.Background()); err != nil {
		i.t.Fatal(err)
	}
}

func (i *ringInstance) retire(kid string) {
	i.t.Helper()
	if err := i.Retire(context.Background(), kid); err != nil {
		i.t.Fatal(err)
	}
}

// published are the kids of JWKS.
func published(t *testing.T, ring *jwtauth.KeyRing) (kids []string) {
	t.Helper()
	w := httptest.NewRecorder()
	ring.JWKS().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/jwks.json", nil))
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d: %v: %s", w.Code, err, w.Body)
	}
	for _, key := range set.Keys {
		kids = append(kids, key.Kid)
	}
	return kids
}

// isOutage reports whether err is answered by 503.
func isOutage(err error) bool {
	return err != nil && !errors.Is(err, jwtauth.ErrUnknownKey) && authn.AsError(err).Status == http.StatusServiceUnavailable
}

// equalKids compares bytewise, in order.
func equalKids(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}
