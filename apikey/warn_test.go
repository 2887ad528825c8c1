package apikey_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/store"
)

// warnings are the reasons of the expiry events of key id, in order.
func (w *world) warnings(id string) (reasons []string) {
	for _, e := range w.events.Events(authn.EventExpiring) {
		if e.CredentialID == id {
			reasons = append(reasons, e.Reason)
		}
	}
	return reasons
}

// K13: one event for each key and threshold, whoever asks and however often.
func TestWarnOncePerThreshold(t *testing.T) {
	w := newWorld(t, nil)
	other := w.instance(nil)
	_, key := w.create(func(s *apikey.Spec) { s.ExpiresAt = w.clock.Now().Add(20 * day) })
	_, aged := w.create() // ends by MaxAge, in 90 days
	warn := func() {
		t.Helper()
		var wg sync.WaitGroup
		for _, keys := range []*apikey.Keys{w.keys, other, w.keys} {
			wg.Go(func() {
				if err := keys.Warn(background); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	steps := []struct {
		advance  time.Duration
		own, age int
	}{
		{0, 0, 0},
		{6*day - time.Microsecond, 0, 0},
		{time.Microsecond, 1, 0}, // 14 days before
		{10 * day, 1, 0},
		{day, 2, 0}, // 3 days before
		{2 * day, 3, 0},
		{day, 3, 0}, // it has ended
		{56 * day, 3, 1},
	}
	for i, step := range steps {
		w.clock.advance(step.advance)
		warn()
		if own, age := len(w.warnings(key.ID)), len(w.warnings(aged.ID)); own != step.own || age != step.age {
			t.Errorf("step %d: %v and %v, want %d and %d", i, w.warnings(key.ID), w.warnings(aged.ID), step.own, step.age)
		}
	}
	e := w.events.Events(authn.EventExpiring)[0]
	if e.Subject != "ada" || !e.ExpiresAt.Equal(key.EndsAt) || e.Reason != "within 336h0m0s" {
		t.Errorf("event %+v", e)
	}
}

// K13: a key that is born close to its end is warned of once, not for each
// threshold at once; a revoked or rotated one not at all.
func TestWarnIsNotNoise(t *testing.T) {
	w := newWorld(t, nil)
	soon := func(s *apikey.Spec) { s.ExpiresAt = w.clock.Now().Add(time.Hour) }
	_, short := w.create(soon)
	_, revoked := w.create(soon)
	_, rotated := w.create(soon)
	if err := w.keys.Revoke(background, "ada", revoked.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.keys.Rotate(background, "ada", rotated.ID, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := w.keys.Warn(background); err != nil {
		t.Fatal(err)
	}
	if a, b, c := w.warnings(short.ID), w.warnings(revoked.ID), w.warnings(rotated.ID); len(a) != 1 || len(b)+len(c) != 0 {
		t.Errorf("short %v, revoked %v, rotated %v", a, b, c)
	}
}

// K13: more keys than one batch.
func TestWarnReachesEveryKey(t *testing.T) {
	w := newWorld(t, func(cfg *apikey.Config) { cfg.MaxPerOwner, cfg.WarnBefore = 1000, []time.Duration{day} })
	for range 501 {
		w.create(func(s *apikey.Spec) { s.ExpiresAt = w.clock.Now().Add(time.Hour) })
	}
	if err := w.keys.Warn(background); err != nil || len(w.events.Events(authn.EventExpiring)) != 501 {
		t.Errorf("%d events, %v", len(w.events.Events(authn.EventExpiring)), err)
	}
}

// K13: Run warns at its start and every hour, and outlives an outage.
func TestRunWarns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(cfg *apikey.Config) { cfg.Now = time.Now })
		_, key := w.create(func(s *apikey.Spec) { s.ExpiresAt = time.Now().Add(day + 90*time.Minute) })
		ctx, cancel := context.WithCancel(background)
		done := make(chan error)
		down := &noWarnings{APIKeys: w.st.APIKeys}
		down.down.Store(true)
		w.st.APIKeys = down
		go func() { done <- w.keys.Run(ctx) }()
		synctest.Wait()
		if n := len(w.events.Events(authn.EventOutage)); n != 1 {
			t.Errorf("%d outages", n)
		}
		down.down.Store(false)
		time.Sleep(time.Hour + time.Minute)
		synctest.Wait()
		if got := w.warnings(key.ID); len(got) != 1 || got[0] != "within 72h0m0s" {
			t.Errorf("after an hour: %v", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := w.warnings(key.ID); len(got) != 2 || got[1] != "within 24h0m0s" {
			t.Errorf("after two hours: %v", got)
		}
		down.down.Store(true)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		down.down.Store(false)
		if err := w.keys.Run(ctx); err != nil { // warns and flushes once
			t.Error(err)
		}
		down.down.Store(true)
		if err := w.keys.Run(ctx); err != nil {
			t.Error(err)
		}
		if n := len(w.events.Events(authn.EventOutage)); n != 1 {
			t.Errorf("%d outages, but one was", n)
		}
	})
}

type noWarnings struct {
	store.APIKeys
	down atomic.Bool
}

func (n *noWarnings) ClaimExpiringAPIKeys(ctx context.Context, d time.Duration, l store.APIKeyLimits, limit int, now time.Time) ([]store.APIKey, error) {
	if n.down.Load() {
		return nil, errDown
	}
	return n.APIKeys.ClaimExpiringAPIKeys(ctx, d, l, limit, now)
}

// K13: near the end, answers say when it is.
func TestOnAcceptTellsTheClient(t *testing.T) {
	w := newWorld(t, nil)
	raw, key := w.create()
	other := newWorld(t, func(cfg *apikey.Config) { cfg.Prefix = "globex" })
	foreign, _ := other.create(func(s *apikey.Spec) { s.ExpiresAt = w.clock.Now().Add(time.Hour) })
	forever := newWorld(t, func(cfg *apikey.Config) { cfg.SkipMaxAge = true })
	endless, _ := forever.create()
	silent := w.instance(func(cfg *apikey.Config) { cfg.WarnBefore = []time.Duration{} })
	field := func(keys *apikey.Keys, v authn.Verifier, key string) string {
		h := authn.Guard{Verifier: v, OnAccept: keys.OnAccept}.Require()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		rec := newRecorder()
		h.ServeHTTP(rec, request("X-API-Key", key))
		if rec.Code != 200 {
			t.Errorf("status %d", rec.Code)
		}
		return rec.Header().Get("Acme-Live-Key-Expires")
	}
	if got := field(w.keys, w.keys, raw); got != "" {
		t.Errorf("long before: %q", got)
	}
	w.clock.advance(76 * day)
	if got, want := field(w.keys, w.keys, raw), key.EndsAt.UTC().Format(http.TimeFormat); got != want {
		t.Errorf("14 days before: %q, want %q", got, want)
	}
	if got := field(silent, silent, raw); got != "" {
		t.Errorf("without WarnBefore: %q", got)
	}
	if got := field(w.keys, other.keys, foreign); got != "" {
		t.Errorf("another's key: %q", got)
	}
	if got := field(forever.keys, forever.keys, endless); got != "" {
		t.Errorf("an endless key: %q", got)
	}
	if got := field(w.keys, authntest.Verifier(authn.User("ada", "session"), nil), ""); got != "" {
		t.Errorf("another method: %q", got)
	}
}
