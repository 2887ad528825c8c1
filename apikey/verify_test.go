package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/store"
)

// K4: where a key is read from, what is another method's, what is ambiguous.
func TestCarriers(t *testing.T) {
	w := newWorld(t, nil)
	key, _ := w.create()
	jwt := "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"
	tests := []struct {
		name   string
		fields []string
		want   int // 0: absent
	}{
		{"nothing", nil, 0},
		{"X-API-Key", []string{"X-API-Key", key}, 200},
		{"x-api-key", []string{"x-api-key", key}, 200},
		{"Bearer", []string{"Authorization", "Bearer " + key}, 200},
		{"bearer", []string{"Authorization", "bEARER   " + key}, 200},
		{"ApiKey, as the challenge says", []string{"Authorization", "apikey " + key}, 200},
		{"another scheme", []string{"Authorization", "Basic " + key}, 0},
		{"no scheme", []string{"Authorization", key}, 0},
		{"a JWT", []string{"Authorization", "Bearer " + jwt}, 0},
		{"another prefix", []string{"X-API-Key", "globex" + key[4:]}, 0},
		{"prefix in another case", []string{"X-API-Key", "ACME_LIVE" + key[9:]}, 0},
		{"empty", []string{"X-API-Key", "", "Authorization", ""}, 0},
		{"only the scheme", []string{"Authorization", "Bearer"}, 0},
		{"scheme and space", []string{"Authorization", "Bearer "}, 0},
		{"key beside a JWT", []string{"X-API-Key", key, "Authorization", "Bearer " + jwt}, 200},
		{"bearer key beside another's X-API-Key", []string{"Authorization", "Bearer " + key, "X-API-Key", "globex_1"}, 200},
		{"key in both", []string{"X-API-Key", key, "Authorization", "Bearer " + key}, 400},
		{"key in both, one bad", []string{"X-API-Key", "acme_live_x", "Authorization", "Bearer " + key}, 400},
		{"X-API-Key twice", []string{"X-API-Key", key, "X-API-Key", key}, 400},
		{"Authorization twice", []string{"Authorization", "Bearer " + key, "Authorization", "Basic x"}, 400},
		{"two in one field", []string{"X-API-Key", key + ", " + key}, 401},
		{"tab for space", []string{"Authorization", "Bearer\t" + key}, 0},
		{"space behind", []string{"Authorization", "Bearer " + key + " x"}, 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.keys.Verify(request(tt.fields...))
			got := 200
			if errors.Is(err, authn.ErrNoCredential) {
				got = 0
			} else if err != nil {
				got = authn.AsError(err).Status
			}
			if got != tt.want {
				t.Errorf("got %d (%v), want %d", got, err, tt.want)
			}
		})
	}
	url := request()
	url.URL.RawQuery = "api_key=" + key + "&X-API-Key=" + key + "&access_token=" + key
	if _, err := w.keys.Verify(url); !errors.Is(err, authn.ErrNoCredential) {
		t.Errorf("a key in the URL: %v", err)
	}
}

// K3: what cannot be a key is refused without asking the store.
func TestMalformedKeyNeverReachesTheStore(t *testing.T) {
	w := newWorld(t, nil)
	key, _ := w.create()
	other := byte('a')
	if key[20] == other {
		other = 'b'
	}
	tests := map[string]struct{ key, reason string }{
		"prefix only":       {"acme_live_", "length"},
		"short":             {key[:len(key)-1], "length"},
		"long":              {key + "x", "length"},
		"one character":     {key[:20] + string(other) + key[21:], "checksum"},
		"two swapped":       {"acme_live_" + swap(key[10:]), "checksum"},
		"checksum":          {key[:len(key)-6] + "000000", "checksum"},
		"alphabet":          {withSum(key[:20] + "-" + key[21:53]), "alphabet"},
		"alphabet of sum":   {key[:len(key)-1] + "-", "checksum"},
		"NUL":               {withSum(key[:20] + "\x00" + key[21:53]), "alphabet"},
		"control":           {withSum(key[:20] + "\x7f" + key[21:53]), "alphabet"},
		"UTF-8":             {withSum(key[:20] + "é" + key[22:53]), "alphabet"},
		"no separator":      {key[:len(key)-7] + "x" + key[len(key)-6:], "alphabet"},
		"256 bytes":         {"acme_live_" + strings.Repeat("a", 246), "length"},
		"257 bytes":         {"acme_live_" + strings.Repeat("a", 247), "too long"},
		"a megabyte":        {"acme_live_" + strings.Repeat("a", 1<<20), "too long"},
		"of another prefix": {"acme_live_test" + key[9:], "length"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := w.st.reads.Load()
			for _, fields := range [][]string{{"X-API-Key", tt.key}, {"Authorization", "Bearer " + tt.key}} {
				_, err := w.keys.Verify(request(fields...))
				if e := authn.AsError(err); err == nil || e.Status != 401 || e.Reason != tt.reason {
					t.Errorf("err = %v, want 401: %s", err, tt.reason)
				}
			}
			if n := w.st.reads.Load() - before; n != 0 {
				t.Errorf("%d reads of the store", n)
			}
		})
	}
}

// swap exchanges the first two neighbours that differ.
func swap(s string) string {
	for i := 1; ; i++ {
		if s[i] != s[i-1] {
			return s[:i-1] + string(s[i]) + string(s[i-1]) + s[i+1:]
		}
	}
}

// K5: unknown, revoked and expired look alike, to the byte; the event tells.
func TestRefusalsAreByteIdentical(t *testing.T) {
	w := newWorld(t, nil)
	unknown, _ := newWorld(t, nil).create()
	revoked, revokedKey := w.create()
	expired, expiredKey := w.create(func(s *apikey.Spec) { s.ExpiresAt = w.clock.Now().Add(time.Hour) })
	if err := w.keys.Revoke(context.Background(), "ada", revokedKey.ID); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Hour)
	var first string
	for _, tt := range []struct{ key, reason, subject, id string }{
		{unknown, "unknown", "", ""},
		{revoked, "revoked", "ada", revokedKey.ID},
		{expired, "expired", "ada", expiredKey.ID},
		{unknown[:len(unknown)-6] + "000000", "checksum", "", ""},
		{"acme_live_x", "length", "", ""},
	} {
		before := len(w.events.Events(authn.EventRefused))
		res := answer(w.keys, "X-API-Key", tt.key)
		all := fmt.Sprint(res.Code, res.Header(), res.Body)
		if first == "" {
			first = all
		}
		if res.Code != 401 || all != first {
			t.Errorf("%s: %s\nfirst: %s", tt.reason, all, first)
		}
		got := w.events.Events(authn.EventRefused)[before:]
		if len(got) != 1 || got[0].Reason != tt.reason || got[0].Subject != tt.subject || got[0].CredentialID != tt.id ||
			got[0].Method != "apikey" || got[0].Addr.String() != "192.0.2.1" {
			t.Errorf("%s: events %+v", tt.reason, got)
		}
	}
}

// K5: a missing scope is 403, a store that is down 503 and never "wrong".
func TestScopeAndOutage(t *testing.T) {
	w := newWorld(t, nil)
	key, _ := w.create()
	h := authn.Require(w.keys, authn.Scopes("orders:write"))(http.NotFoundHandler())
	res := httptest.NewRecorder()
	h.ServeHTTP(res, request("X-API-Key", key))
	if res.Code != 403 || !strings.Contains(res.Header().Get("WWW-Authenticate"), `scope="orders:write"`) {
		t.Errorf("missing scope: %d %v", res.Code, res.Header())
	}
	for _, err := range []error{errDown, store.ErrFull, store.ErrConflict, context.DeadlineExceeded} {
		w.st.down(err)
		before := len(w.events.Events(authn.EventOutage))
		if got := answer(w.keys, "X-API-Key", key); got.Code != 503 || got.Header().Get("Retry-After") == "" {
			t.Errorf("%v: status %d", err, got.Code)
		}
		optional := httptest.NewRecorder()
		authn.Optional(w.keys)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(optional, request("X-API-Key", key))
		if optional.Code != 503 {
			t.Errorf("%v: Optional: status %d", err, optional.Code)
		}
		if got := w.events.Events(authn.EventOutage)[before:]; len(got) != 2 || !errors.Is(got[0].Err, err) {
			t.Errorf("%v: events %+v", err, got)
		}
	}
	w.st.down(nil)
	if got := status(w.keys, "X-API-Key", key); got != 200 {
		t.Errorf("after the outage: %d", got)
	}
}

// K5: a client that hangs up while the store is slow is no outage.
func TestClientThatIsGoneIsNoOutage(t *testing.T) {
	w := newWorld(t, nil)
	key, _ := w.create()
	ctx, cancel := context.WithCancel(context.Background())
	w.st.onRead = func(ctx context.Context) {
		cancel()
		<-ctx.Done()
		w.st.down(ctx.Err())
	}
	if _, err := w.keys.Verify(request("X-API-Key", key).WithContext(ctx)); authn.AsError(err).Status != 503 {
		t.Errorf("err = %v", err)
	}
	if got := w.events.Events(authn.EventOutage); len(got) != 0 {
		t.Errorf("events %+v", got)
	}
}

// K6: valid while now is before min(ExpiresAt, CreatedAt+MaxAge), to the
// microsecond, also on a cache hit, and by the MaxAge of today.
func TestEndIsExact(t *testing.T) {
	type config = func(cfg *apikey.Config)
	maxAge := func(d time.Duration) config { return func(cfg *apikey.Config) { cfg.MaxAge = d } }
	skip := func(cfg *apikey.Config) { cfg.SkipMaxAge = true }
	tests := []struct {
		name    string
		config  config
		expires time.Duration // 0: none
		end     time.Duration // 0: never
	}{
		{"default", nil, 0, 90 * day},
		{"ExpiresAt before MaxAge", nil, day, day},
		{"ExpiresAt after MaxAge", nil, 91 * day, 90 * day},
		{"own MaxAge", maxAge(time.Hour), 0, time.Hour},
		{"no MaxAge", skip, 0, 0},
		{"no MaxAge, but ExpiresAt", skip, 400 * day, 400 * day},
	}
	for _, tt := range tests {
		for _, cache := range []time.Duration{0, 5 * time.Minute} {
			t.Run(fmt.Sprint(tt.name, ", cache ", cache), func(t *testing.T) {
				w := newWorld(t, func(cfg *apikey.Config) {
					cfg.CacheTTL = cache
					if tt.config != nil {
						tt.config(cfg)
					}
				})
				key, shown := w.create(func(s *apikey.Spec) {
					if tt.expires > 0 {
						s.ExpiresAt = w.clock.Now().Add(tt.expires)
					}
				})
				if tt.end == 0 {
					w.clock.advance(1000 * day)
					if got := status(w.keys, "X-API-Key", key); got != 200 || !shown.EndsAt.IsZero() {
						t.Errorf("after 1000 days: %d, shown %v", got, shown.EndsAt)
					}
					return
				}
				if want := w.clock.Now().Add(tt.end); !shown.EndsAt.Equal(want) {
					t.Errorf("shown to end at %v, want %v", shown.EndsAt, want)
				}
				w.clock.advance(tt.end - time.Microsecond)
				id, err := w.keys.Verify(request("X-API-Key", key))
				if err != nil || !id.ExpiresAt.Equal(shown.EndsAt) {
					t.Fatalf("just before the end: %v, %v", id, err)
				}
				w.clock.advance(time.Microsecond)
				if _, err := w.keys.Verify(request("X-API-Key", key)); authn.AsError(err).Reason != "expired" {
					t.Errorf("at the end: %v", err)
				}
			})
		}
	}
	w := newWorld(t, skip)
	key, _ := w.create()
	w.clock.advance(2 * time.Hour)
	if got := status(w.instance(maxAge(time.Hour)), "X-API-Key", key); got != 401 {
		t.Errorf("a key that is older than a lowered MaxAge: %d", got)
	}
}

// K9: who is calling, and what the key says of itself.
func TestIdentityOfAKey(t *testing.T) {
	w := newWorld(t, nil)
	raw, key := w.create(func(s *apikey.Spec) { s.Metadata = map[string]string{"plan": "pro"} })
	var id *authn.Identity
	var shown apikey.Key
	var ok bool
	w.keys.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		id, _ = authn.FromContext(r.Context())
		if shown, ok = apikey.FromContext(r.Context()); !ok {
			t.Error("FromContext has no key")
		}
	})).ServeHTTP(httptest.NewRecorder(), request("X-API-Key", raw))
	if id == nil {
		t.Fatal("refused")
	}
	got := fmt.Sprint(id.Subject, " ", id.Kind, " ", id.Method, " ", id.CredentialID == key.ID, " ", id.Scopes, " ", id.Roles, " ", id.Factors, " ",
		id.VerifiedAt.Equal(w.clock.Now()), " ", id.ExpiresAt.Equal(key.EndsAt))
	if want := "ada key apikey true [orders:read] [] [] true true"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if shown.ID != key.ID || shown.Name != "ci" || shown.Metadata["plan"] != "pro" || !shown.EndsAt.Equal(key.EndsAt) {
		t.Errorf("FromContext = %+v", shown)
	}
	shown.Metadata["plan"], shown.Scopes[0] = "free", "admin"
	if grown := append(id.Scopes, "admin"); len(grown) == 2 && cap(id.Scopes) != 1 { //nolint:gocritic // what a careless handler does
		t.Error("two requests that append to their scopes share memory")
	}
	if again, _ := w.keys.Verify(request("X-API-Key", raw)); !again.HasScope("orders:read") {
		t.Error("a handler changed the record")
	}
	for name, ctx := range map[string]context.Context{
		"nobody": context.Background(), "another method": as(authn.User("ada", "session")),
	} {
		if _, ok := apikey.FromContext(ctx); ok {
			t.Errorf("%s has a key", name)
		}
	}
}

// K2: the copy of a key that Verify looks at is cleared, whatever comes of it.
func TestVerifyClearsItsCopyOfTheKey(t *testing.T) {
	w := newWorld(t, nil)
	key, _ := w.create()
	buf := apikey.OneBuffer(t)
	for _, raw := range []string{key, forge(1), key[:len(key)-1] + "-", key + "x"} {
		for i := range buf {
			buf[i] = '-'
		}
		status(w.keys, "X-API-Key", raw)
		if used := strings.TrimRight(string(buf[:]), "-"); used != strings.Repeat("\x00", len(raw)) {
			t.Errorf("%s is still there: %q", raw, used)
		}
	}
}

// K2: a store that answers another's record lets nobody in.
func TestRecordOfAnotherKeyIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	key, _ := w.create()
	w.st.APIKeys = mixedUp{w.st.APIKeys}
	if got := status(w.keys, "X-API-Key", key); got != 401 {
		t.Errorf("status %d", got)
	}
}

type mixedUp struct{ store.APIKeys }

func (m mixedUp) APIKeyByDigest(ctx context.Context, d store.Digest) (store.APIKey, error) {
	k, err := m.APIKeys.APIKeyByDigest(ctx, d)
	k.Digest[0] ^= 1
	return k, err
}

// C1: Keys of two prefixes and another bearer method share one route, in any
// order.
func TestKeysOfTwoPrefixesShareARoute(t *testing.T) {
	live, test := newWorld(t, nil), newWorld(t, func(cfg *apikey.Config) { cfg.Prefix = "acme_test" })
	a, _ := live.create()
	b, _ := test.create()
	for _, v := range []authn.Verifier{authn.FirstOf(live.keys, test.keys), authn.FirstOf(test.keys, live.keys)} {
		for _, key := range []string{a, b} {
			if id, err := authn.Check(v, request("Authorization", "Bearer "+key)); err != nil || id.Subject != "ada" {
				t.Errorf("%v, %v", id, err)
			}
		}
		if _, err := authn.Check(v, request("X-API-Key", "globex_x")); authn.AsError(err).Status != 401 {
			t.Errorf("unclaimed: %v", err)
		}
	}
}
