package oauth

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
)

// keyServer serves keys by kid.
type keyServer struct {
	mu    sync.Mutex
	kids  []string
	keys  map[string]ed25519.PublicKey
	asked int
	down  bool
	wait  chan struct{} // nil: answers at once
}

func (s *keyServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.asked++
	wait := s.wait
	s.mu.Unlock()
	if wait != nil {
		select {
		case <-wait:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w := httptest.NewRecorder()
	if s.down {
		w.WriteHeader(http.StatusBadGateway)
		return w.Result(), nil
	}
	parts := make([]string, len(s.kids))
	for i, kid := range s.kids {
		parts[i] = fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":%q,"x":%q}`, strings.TrimSuffix(kid, "?"), base64.RawURLEncoding.EncodeToString(s.key(kid)))
	}
	_, _ = fmt.Fprintf(w, `{"keys":[%s]}`, strings.Join(parts, ","))
	return w.Result(), nil
}

func (s *keyServer) key(kid string) ed25519.PublicKey {
	if s.keys[kid] == nil {
		pub, _, _ := ed25519.GenerateKey(rand.Reader)
		s.keys[kid] = pub
	}
	return s.keys[kid]
}

func (s *keyServer) serves(down bool, kids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.kids = down, kids
}

// newKeySet has a clock that moves by hand.
func newKeySet() (*keySet, *keyServer, *time.Time) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := &keyServer{keys: map[string]ed25519.PublicKey{}}
	return &keySet{url: "https://op.example/jwks", client: newClient(s), now: func() time.Time { return now }}, s, &now
}

// O4: a set is asked for when it is needed, again after an hour, for an unknown kid
// at most every 30 s, and what was known serves on for a day while it is down.
func TestKeySetAsksSeldom(t *testing.T) {
	set, s, now := newKeySet()
	s.serves(false, "a")
	for i, step := range []struct {
		why   string
		pass  time.Duration
		down  bool
		kids  []string
		ask   string
		want  string // "" good, "unknown" or "outage"
		asked int
	}{
		{"at first", 0, false, []string{"a"}, "a", "", 1},
		{"again", time.Minute, false, []string{"a"}, "a", "", 1},
		{"a new key is found at once", 0, false, []string{"a", "b"}, "b", "", 2},
		{"a made-up kid, at once", 0, false, []string{"a", "b"}, "x", "unknown", 2},
		{"another one", 29 * time.Second, false, []string{"a", "b"}, "y", "unknown", 2},
		{"after 30 s", time.Second, false, []string{"a", "b"}, "y", "unknown", 3},
		{"the good one meanwhile", 0, false, []string{"a", "b"}, "a", "", 3},
		{"a new key while it is down", 30 * time.Second, true, nil, "c", "outage", 4},
		{"again, and it is not asked", 29 * time.Second, true, nil, "c", "outage", 4},
		{"the old one while it is down", 0, true, nil, "a", "", 4},
		{"after an hour it is asked, and serves", time.Hour, true, nil, "a", "", 5},
		{"it recovers, and a is withdrawn", time.Minute, false, []string{"b"}, "a", "unknown", 6},
		{"b", 0, false, []string{"b"}, "b", "", 6},
		{"b for a day while it is down", 23 * time.Hour, true, nil, "b", "", 7},
		{"not longer", 2 * time.Hour, true, nil, "b", "outage", 8},
		{"and it pauses", 0, false, []string{"b"}, "b", "outage", 8},
		{"and recovers", 30 * time.Second, false, []string{"b"}, "b", "", 9},
	} {
		*now = now.Add(step.pass)
		s.serves(step.down, step.kids...)
		_, err := set.key(t.Context(), "EdDSA", step.ask, nil)
		got := ""
		switch {
		case errors.Is(err, errUnknownKey):
			got = "unknown"
		case err != nil && authn.AsError(err).Status == http.StatusServiceUnavailable:
			got = "outage"
		case err != nil:
			got = err.Error()
		}
		if got != step.want || s.asked != step.asked {
			t.Errorf("%d %s: %q, want %q; asked %d times, want %d", i, step.why, got, step.want, s.asked, step.asked)
		}
	}
}

// O4: while keys cannot be had the pauses grow, and begin anew after a good answer. The
// outage says whose keys they are.
func TestKeySetPauses(t *testing.T) {
	set, s, now := newKeySet()
	for i, step := range []struct {
		pass  time.Duration
		down  bool
		asked int
		ok    bool
	}{
		{0, true, 1, false},
		{time.Second - 1, false, 1, false},
		{1, true, 2, false},
		{2*time.Second - 1, false, 2, false},
		{1, true, 3, false},
		{4 * time.Second, false, 4, true},
		{24 * time.Hour, true, 5, false},
		{time.Second - 1, false, 5, false},
		{1, false, 6, true},
	} {
		*now = now.Add(step.pass)
		s.serves(step.down, "a")
		_, err := set.key(t.Context(), "EdDSA", "a", nil)
		if (err == nil) != step.ok || s.asked != step.asked {
			t.Errorf("%d: %v; asked %d times, want %d", i, err, s.asked, step.asked)
		}
		if e := authn.AsError(err); e != nil && (e.Status != http.StatusServiceUnavailable || !strings.Contains(e.Err.Error(), "keys of https://op.example/jwks: status 502")) {
			t.Errorf("%d: %v", i, e.Err)
		}
	}
}

// O4: a token without a kid is of the only key that fits; of two keys with one kid
// nobody can say which.
func TestKeySetAmbiguous(t *testing.T) {
	for _, c := range []struct {
		why  string
		kids []string
		ask  string
		ok   bool
	}{
		{"one key", []string{"a"}, "", true},
		{"two keys", []string{"a", "b"}, "", false},
		{"one kid twice", []string{"a", "a?"}, "a", false},
		{"no key", nil, "", false},
	} {
		set, s, _ := newKeySet()
		s.serves(false, c.kids...)
		if key, err := set.key(t.Context(), "EdDSA", c.ask, nil); (err == nil) != c.ok || c.ok && key == nil {
			t.Errorf("%s: %v, %v", c.why, key, err)
		}
		if _, err := set.key(t.Context(), "ES256", c.ask, nil); err == nil {
			t.Errorf("%s: an algorithm that no key is for", c.why)
		}
	}
}

// O4: a provider whose keys have no kid may rotate: the next one is asked for when
// the old one does not verify, as seldom as an unknown kid.
func TestKeySetRotatesWithoutKid(t *testing.T) {
	set, s, now := newKeySet()
	s.serves(false, "old")
	old, err := set.key(t.Context(), "EdDSA", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.serves(false, "new")
	next, err := set.key(t.Context(), "EdDSA", "", old)
	if err != nil || next.(ed25519.PublicKey).Equal(old) {
		t.Fatalf("%v, %v", next, err)
	}
	for range 100 {
		if _, err := set.key(t.Context(), "EdDSA", "", next); !errors.Is(err, errUnknownKey) {
			t.Fatal(err)
		}
	}
	if s.asked != 2 {
		t.Errorf("asked %d times", s.asked)
	}
	if _, err := set.key(t.Context(), "ES256", "", next); !errors.Is(err, errUnknownKey) {
		t.Errorf("no key of that algorithm: %v", err)
	}
	*now = now.Add(unknownEvery)
	if _, err := set.key(t.Context(), "EdDSA", "", next); !errors.Is(err, errUnknownKey) || s.asked != 3 {
		t.Errorf("%v, asked %d times", err, s.asked)
	}
}

// O4: those who come at once share one request, and who leaves does not end it.
func TestKeySetSharesARequest(t *testing.T) {
	set, s, _ := newKeySet()
	s.serves(false, "a")
	s.wait = make(chan struct{})
	gone, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	results := make(chan error, 20)
	for i := range 20 {
		ctx := t.Context()
		if i == 0 {
			ctx = gone
		}
		wg.Go(func() {
			_, err := set.key(ctx, "EdDSA", "a", nil)
			if i > 0 {
				results <- err
			}
		})
	}
	leave()
	close(s.wait)
	wg.Wait()
	close(results)
	for err := range results {
		if err != nil {
			t.Error(err)
		}
	}
	if s.asked != 1 {
		t.Errorf("asked %d times", s.asked)
	}
}

// O4: who leaves while another one asks waits no longer.
func TestKeySetWithoutPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, s, _ := newKeySet()
		s.serves(false, "a")
		s.wait = make(chan struct{})
		asked := make(chan error)
		go func() {
			_, err := set.key(context.Background(), "EdDSA", "a", nil)
			asked <- err
		}()
		synctest.Wait()
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := set.key(gone, "EdDSA", "a", nil); !errors.Is(err, context.Canceled) || authn.AsError(err).Status != http.StatusServiceUnavailable {
			t.Errorf("%v", err)
		}
		close(s.wait)
		if err := <-asked; err != nil {
			t.Error(err)
		}
	})
}

// O4: a panic of the host's Transport is its request's, and the next one asks again.
func TestKeySetAfterAPanic(t *testing.T) {
	set, s, now := newKeySet()
	s.serves(false, "a")
	set.client = newClient(panics{})
	func() {
		defer func() { _ = recover() }()
		_, _ = set.key(t.Context(), "EdDSA", "a", nil)
		t.Error("no panic")
	}()
	set.client = newClient(s)
	*now = now.Add(maxRetry)
	if _, err := set.key(t.Context(), "EdDSA", "a", crypto.PublicKey(nil)); err != nil {
		t.Error(err)
	}
}

type panics struct{}

func (panics) RoundTrip(*http.Request) (*http.Response, error) { panic("of the host's") }
