package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

const day = 24 * time.Hour

var errDown = errors.New("connection refused")

// clock is a Config.Now that tests move.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// spy is a store that counts calls and fails or waits when it is told to.
type spy struct {
	store.APIKeys
	reads, writes, flushes atomic.Int64
	fail                   atomic.Pointer[error]
	mu                     sync.Mutex
	onRead                 func(ctx context.Context) // before the store is asked
	afterRead              func()                    // before its answer is given
	onCreate               func(k store.APIKey)
	uses                   []store.APIKeyUse // that were written
}

func (s *spy) down(err error) {
	if err == nil {
		s.fail.Store(nil)
		return
	}
	s.fail.Store(&err)
}

func (s *spy) err() error {
	if err := s.fail.Load(); err != nil {
		return *err
	}
	return nil
}

func (s *spy) APIKeyByDigest(ctx context.Context, d store.Digest) (store.APIKey, error) {
	s.reads.Add(1)
	if s.onRead != nil {
		s.onRead(ctx)
	}
	if err := s.err(); err != nil {
		return store.APIKey{}, err
	}
	k, err := s.APIKeys.APIKeyByDigest(ctx, d)
	if s.afterRead != nil {
		s.afterRead()
	}
	return k, err
}

func (s *spy) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	s.writes.Add(1)
	if s.onCreate != nil {
		s.onCreate(k)
	}
	if err := s.err(); err != nil {
		return err
	}
	return s.APIKeys.CreateAPIKey(ctx, k, l, now)
}

func (s *spy) APIKey(ctx context.Context, owner, id string) (store.APIKey, error) {
	if err := s.err(); err != nil {
		return store.APIKey{}, err
	}
	return s.APIKeys.APIKey(ctx, owner, id)
}

func (s *spy) ListAPIKeys(ctx context.Context, owner string, p store.Page) ([]store.APIKey, string, error) {
	if err := s.err(); err != nil {
		return nil, "", err
	}
	return s.APIKeys.ListAPIKeys(ctx, owner, p)
}

func (s *spy) RevokeAPIKeysOf(ctx context.Context, owner string, now time.Time) error {
	if err := s.err(); err != nil {
		return err
	}
	return s.APIKeys.RevokeAPIKeysOf(ctx, owner, now)
}

func (s *spy) RevokeAPIKey(ctx context.Context, owner, id string, now time.Time) error {
	s.writes.Add(1)
	if err := s.err(); err != nil {
		return err
	}
	return s.APIKeys.RevokeAPIKey(ctx, owner, id, now)
}

func (s *spy) RecordAPIKeyUses(ctx context.Context, uses []store.APIKeyUse) ([]string, error) {
	s.flushes.Add(1)
	if err := s.err(); err != nil {
		return nil, err
	}
	first, err := s.APIKeys.RecordAPIKeyUses(ctx, uses)
	if err == nil {
		s.mu.Lock()
		s.uses = append(s.uses, uses...)
		s.mu.Unlock()
	}
	return first, err
}

// world is one service under test.
type world struct {
	t      *testing.T
	clock  *clock
	st     *spy
	keys   *apikey.Keys
	events *authntest.Recorder
}

func newWorld(t *testing.T, change func(cfg *apikey.Config)) *world {
	t.Helper()
	w := &world{t: t, clock: newClock(), st: &spy{APIKeys: memstore.New(memstore.Config{})}, events: &authntest.Recorder{}}
	w.keys = w.instance(change)
	return w
}

// instance is another Keys over the same store: another process, as far as
// Keys can tell.
func (w *world) instance(change func(cfg *apikey.Config)) *apikey.Keys {
	w.t.Helper()
	cfg := apikey.Config{Prefix: "acme_live", Scopes: []string{"orders:read", "orders:write"}, OnEvent: w.events.OnEvent, Now: w.clock.Now}
	if change != nil {
		change(&cfg)
	}
	keys, err := apikey.New(w.st, cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return keys
}

// create is a key of ada's with orders:read.
func (w *world) create(change ...func(s *apikey.Spec)) (string, apikey.Key) {
	w.t.Helper()
	spec := apikey.Spec{Name: "ci", Scopes: []string{"orders:read"}}
	for _, f := range change {
		f(&spec)
	}
	key, err := w.keys.Create(context.Background(), "ada", spec)
	if err != nil {
		w.t.Fatal(err)
	}
	return key.Secret.Reveal(), key.Key
}

// status is what a request with these fields is answered with by keys.
func status(keys *apikey.Keys, fields ...string) int { return answer(keys, fields...).Code }

func answer(keys *apikey.Keys, fields ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	keys.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, request(fields...))
	return w
}

func request(fields ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/orders", nil)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

// forge is a key of the right look that nobody made, by a second
// implementation of the format.
func forge(n int) string { return withSum(fmt.Sprintf("acme_live_%043d", n)) }

// withSum is key with its checksum.
func withSum(key string) string {
	sum := new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(key)))).Text(62)
	return key + "_" + strings.Repeat("0", 6-len(sum)) + sum
}

// as is ctx of a request by id.
func as(id *authn.Identity) context.Context { return authn.NewContext(context.Background(), id) }

// verifier knows everybody as id.
type verifier struct{ id *authn.Identity }

func (v verifier) Verify(*http.Request) (*authn.Identity, error) { return v.id, nil }

func handlerFunc(f func(ctx context.Context)) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { f(r.Context()) })
}

// nothing is a ResponseWriter for who does not look.
type nothing struct{}

func (nothing) Header() http.Header         { return http.Header{} }
func (nothing) Write(b []byte) (int, error) { return len(b), nil }
func (nothing) WriteHeader(int)             {}
