package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/store"
)

var background = context.Background()

// K10: scopes are within Config.Scopes and, where somebody creates, within
// what that one may give.
func TestScopesAreCapped(t *testing.T) {
	user := authn.User("ada", "session")
	user.Scopes, user.CredentialID = []string{"orders:read", "admin"}, "s1"
	fail := func(err error) func(cfg *apikey.Config) {
		return func(cfg *apikey.Config) {
			cfg.Grantable = func(context.Context, *authn.Identity) ([]string, error) { return nil, err }
		}
	}
	all := func(cfg *apikey.Config) {
		cfg.Grantable = func(_ context.Context, id *authn.Identity) ([]string, error) {
			id.Scopes = nil // its own clone
			return []string{"orders:read", "orders:write", "admin"}, nil
		}
	}
	none := func(cfg *apikey.Config) { cfg.Scopes = nil }
	tests := []struct {
		name   string
		config func(cfg *apikey.Config)
		ctx    context.Context
		scopes []string
		want   error
	}{
		{"the service itself", nil, background, []string{"orders:read", "orders:write"}, nil},
		{"no scopes", nil, background, nil, nil},
		{"not in Config", nil, background, []string{"admin"}, apikey.ErrScope},
		{"in another case", nil, background, []string{"Orders:read"}, apikey.ErrScope},
		{"nil Config.Scopes", none, background, []string{"orders:read"}, apikey.ErrScope},
		{"nil Config.Scopes, no scopes", none, background, nil, nil},
		{"a user's own", nil, as(user), []string{"orders:read"}, nil},
		{"not a user's own", nil, as(user), []string{"orders:write"}, apikey.ErrScope},
		{"a user's own, not in Config", nil, as(user), []string{"admin"}, apikey.ErrScope},
		{"granted by the host", all, as(user), []string{"orders:write"}, nil},
		{"granted by the host, not in Config", all, as(user), []string{"admin"}, apikey.ErrScope},
		{"granted nothing", fail(nil), as(user), []string{"orders:read"}, apikey.ErrScope},
		{"half a login", all, as(&authn.Identity{Subject: "ada", Kind: authn.KindUser, Pending: []string{"otp"}}), nil, nil},
		{"the host refuses", fail(authn.Forbidden("no", nil)), as(user), nil, nil},
		{"the host is down", fail(errDown), as(user), []string{"orders:read"}, errDown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.config)
			key, err := w.keys.Create(tt.ctx, "ada", apikey.Spec{Scopes: tt.scopes})
			if want := map[string]int{"the host refuses": 403, "half a login": 401}[tt.name]; want != 0 {
				if err == nil || authn.AsError(err).Status != want || w.st.writes.Load() != 0 {
					t.Errorf("err = %v, want %d", err, want)
				}
				return
			}
			if !errors.Is(err, tt.want) || err == nil && !slices.Equal(key.Scopes, tt.scopes) {
				t.Errorf("scopes %v, err %v, want %v", key.Scopes, err, tt.want)
			}
			if err != nil && w.st.writes.Load() != 0 {
				t.Error("the store was asked")
			}
			if denied := w.events.Events(authn.EventDenied); (len(denied) == 1) != errors.Is(err, apikey.ErrScope) {
				t.Errorf("events %+v", denied)
			} else if by, ok := authn.FromContext(tt.ctx); ok && len(denied) == 1 && denied[0].CredentialID != by.CredentialID {
				t.Errorf("event %+v", denied[0])
			}
		})
	}
	if e := authn.AsError(apikey.ErrScope); e.Status != 403 || e.Code != "invalid_scope" {
		t.Errorf("ErrScope is %d %s", e.Status, e.Code)
	}
}

// K10: the cap is 100 where the Config says none.
func TestCapHasADefault(t *testing.T) {
	w := newWorld(t, nil)
	for range 100 {
		w.create()
	}
	if _, err := w.keys.Create(background, "ada", apikey.Spec{}); !errors.Is(err, store.ErrLimit) {
		t.Errorf("the 101st key: %v", err)
	}
}

// K10, K15: a cap on live keys that racing requests cannot pass, and an event
// for each key that came to be.
func TestCapIsExactUnderRaces(t *testing.T) {
	w := newWorld(t, func(cfg *apikey.Config) { cfg.MaxPerOwner = 5 })
	var created, refused atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, err := w.keys.Create(background, "ada", apikey.Spec{})
			switch {
			case err == nil:
				created.Add(1)
			case errors.Is(err, store.ErrLimit):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if created.Load() != 5 || refused.Load() != 45 {
		t.Errorf("%d created, %d refused", created.Load(), refused.Load())
	}
	if n := len(w.events.Events(authn.EventCreated)); n != 5 {
		t.Errorf("%d events", n)
	}
	if _, err := w.keys.Create(background, "bob", apikey.Spec{}); err != nil {
		t.Errorf("another owner: %v", err)
	}
}

// What a Spec or an owner may not be is 400, and never reaches the store.
func TestBadInputIsRefusedBeforeTheStore(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	many := map[string]string{}
	for i := range 33 {
		many[fmt.Sprint(i)] = ""
	}
	scopes := map[string]bool{}
	for i := range 65 {
		scopes[fmt.Sprint("s", i)] = true
	}
	past := newClock().Now()
	tests := []struct {
		name, owner string
		spec        apikey.Spec
	}{
		{"no owner", "", apikey.Spec{}},
		{"long owner", long(256), apikey.Spec{}},
		{"NUL in owner", "ada\x00", apikey.Spec{}},
		{"invalid UTF-8 in owner", "ada\xff", apikey.Spec{}},
		{"newline in owner", "ada\n", apikey.Spec{}},
		{"C1 control in name", "ada", apikey.Spec{Name: "a\u009b31m"}},
		{"line separator in name", "ada", apikey.Spec{Name: "a\u2028b"}},
		{"reversed text in name", "ada", apikey.Spec{Name: "a\u202eb"}},
		{"quote in scope", "ada", apikey.Spec{Scopes: []string{`a"`}}},
		{"backslash in scope", "ada", apikey.Spec{Scopes: []string{`a\`}}},
		{"over 100 years", "ada", apikey.Spec{ExpiresAt: past.Add(101 * 365 * day)}},
		{"long name", "ada", apikey.Spec{Name: long(256)}},
		{"NUL in name", "ada", apikey.Spec{Name: "\x00"}},
		{"control in name", "ada", apikey.Spec{Name: "a\x1b[31m"}},
		{"invalid UTF-8 in name", "ada", apikey.Spec{Name: "\xc3\x28"}},
		{"scope with a space", "ada", apikey.Spec{Scopes: []string{"orders:read orders:write"}}},
		{"empty scope", "ada", apikey.Spec{Scopes: []string{""}}},
		{"long scope", "ada", apikey.Spec{Scopes: []string{long(129)}}},
		{"65 scopes", "ada", apikey.Spec{Scopes: slices.Sorted(maps.Keys(scopes))}},
		{"has ended", "ada", apikey.Spec{ExpiresAt: past}},
		{"33 metadata", "ada", apikey.Spec{Metadata: many}},
		{"empty metadata name", "ada", apikey.Spec{Metadata: map[string]string{"": "x"}}},
		{"long metadata name", "ada", apikey.Spec{Metadata: map[string]string{long(65): "x"}}},
		{"long metadata", "ada", apikey.Spec{Metadata: map[string]string{"x": long(1025)}}},
		{"NUL in metadata", "ada", apikey.Spec{Metadata: map[string]string{"x": "a\x00"}}},
		{"invalid UTF-8 in metadata", "ada", apikey.Spec{Metadata: map[string]string{"x": "\xff"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(cfg *apikey.Config) { cfg.Scopes = []string{"a", "b", "c", "d", "e", "f"} })
			_, err := w.keys.Create(background, tt.owner, tt.spec)
			if e := authn.AsError(err); err == nil || e.Status != 400 || !strings.HasPrefix(err.Error(), "authn/apikey: ") {
				t.Errorf("err = %v, want 400", err)
			}
			if w.st.writes.Load() != 0 {
				t.Error("the store was asked")
			}
		})
	}
	w := newWorld(t, nil)
	good := apikey.Spec{Name: "Zoë's 🗝️ '; DROP TABLE keys;--", Metadata: map[string]string{"note": "line\nline"}}
	if key, err := w.keys.Create(background, "ada 🗝️", good); err != nil || key.Name != good.Name {
		t.Errorf("%+v, %v", key, err)
	}
	for _, id := range []string{"", "x\x00", "\xff", strings.Repeat("x", 65)} {
		for name, err := range map[string]error{
			"Revoke": w.keys.Revoke(background, "ada", id),
			"Rotate": second(w.keys.Rotate(background, "ada", id, 0)),
			"List":   third(w.keys.List(background, "ada", store.Page{Cursor: "x" + id + "\x00"})),
		} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s %q: %v", name, id, err)
			}
		}
	}
	if n := w.st.writes.Load(); n != 1 {
		t.Errorf("the store was asked %d times to revoke what is no id", n-1)
	}
	for _, owner := range []string{"", "ada\n", long(256)} {
		for name, err := range map[string]error{
			"RevokeSubject": w.keys.RevokeSubject(background, owner),
			"List":          third(w.keys.List(background, owner, store.Page{})),
		} {
			if err == nil || authn.AsError(err).Status != 400 {
				t.Errorf("%s of %q: %v", name, owner, err)
			}
		}
		if err := w.keys.Revoke(background, owner, "key_x"); !errors.Is(err, store.ErrNotFound) || w.st.writes.Load() != 1 {
			t.Errorf("Revoke of %q: %v", owner, err)
		}
	}
}

// What is just within the bounds of a Spec is kept as it is, but that scopes are
// in order and once each, and times in whole microseconds of UTC.
func TestSpecAtItsBoundsIsKept(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	scopes := []string{long(128), "!#[]~"}
	for i := range 62 {
		scopes = append(scopes, fmt.Sprint("s", 61-i))
	}
	slices.Reverse(scopes)
	w := newWorld(t, func(cfg *apikey.Config) { cfg.Scopes, cfg.SkipMaxAge = scopes, true })
	spec := apikey.Spec{
		Name: long(255), Scopes: append(slices.Clone(scopes[1:]), scopes[63]), Metadata: map[string]string{},
		ExpiresAt: w.clock.Now().Add(100 * 365 * day).In(time.FixedZone("", 3600)),
	}
	for i := range 32 {
		spec.Metadata[fmt.Sprintf("%064d", i)] = long(1024)
	}
	var made store.APIKey
	w.st.onCreate = func(k store.APIKey) { made = k }
	key, err := w.keys.Create(background, long(255), spec)
	if err != nil {
		t.Fatal(err)
	}
	once := slices.Sorted(slices.Values(scopes[1:]))
	if key.Name != spec.Name || !slices.Equal(key.Scopes, once) || !maps.Equal(key.Metadata, spec.Metadata) || !key.EndsAt.Equal(spec.ExpiresAt) {
		t.Errorf("%+v", key)
	}
	if !slices.Equal(made.Scopes, once) || made.ExpiresAt != spec.ExpiresAt.UTC() {
		t.Errorf("the store gets %v, to %v", made.Scopes, made.ExpiresAt)
	}
	spec.Scopes = scopes
	if _, err := w.keys.Create(background, "ada", spec); err != nil {
		t.Errorf("64 scopes: %v", err)
	}
	spec.ExpiresAt = spec.ExpiresAt.Add(999 * time.Nanosecond)
	if _, err := w.keys.Create(background, "ada", spec); err != nil || made.ExpiresAt != spec.ExpiresAt.UTC().Truncate(time.Microsecond) {
		t.Errorf("nanoseconds: %v, %v", made.ExpiresAt, err)
	}
}

// K10: what was checked is what is stored, whatever becomes of the caller's map.
func TestMetadataIsTheOneThatWasChecked(t *testing.T) {
	metadata := map[string]string{"plan": "free"}
	w := newWorld(t, func(cfg *apikey.Config) {
		cfg.Grantable = func(context.Context, *authn.Identity) ([]string, error) {
			metadata["plan"] = "\x00"
			return nil, nil
		}
	})
	key, err := w.keys.Create(as(authn.User("ada", "session")), "ada", apikey.Spec{Metadata: metadata})
	if err != nil || w.record(key.ID).Metadata["plan"] != "free" {
		t.Errorf("metadata %q, %v", w.record(key.ID).Metadata, err)
	}
}

func second[A any](_ A, err error) error        { return err }
func third[A, B any](_ A, _ B, err error) error { return err }

// K11: the successor has the name, scopes, metadata and lifetime of the old
// key, which works on until the deadline, and not at it.
func TestRotateOverlaps(t *testing.T) {
	w := newWorld(t, nil)
	old, key := w.create(func(s *apikey.Spec) {
		s.ExpiresAt = w.clock.Now().Add(30 * day)
		s.Metadata = map[string]string{"plan": "pro"}
	})
	w.clock.advance(10 * day)
	next, err := w.keys.Rotate(background, "ada", key.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if next.Name != "ci" || next.Metadata["plan"] != "pro" || !slices.Equal(next.Scopes, key.Scopes) || next.Owner != "ada" ||
		!next.EndsAt.Equal(w.clock.Now().Add(30*day)) || next.ID == key.ID {
		t.Errorf("successor %+v", next)
	}
	if was := w.record(key.ID); was.ReplacedBy != next.ID || !was.EndsAt.Equal(w.clock.Now().Add(time.Hour)) {
		t.Errorf("old key %+v", was)
	}
	w.clock.advance(time.Hour - time.Microsecond)
	if a, b := status(w.keys, "X-API-Key", old), status(w.keys, "X-API-Key", next.Secret.Reveal()); a != 200 || b != 200 {
		t.Errorf("in the grace period: %d, %d", a, b)
	}
	w.clock.advance(time.Microsecond)
	if a, b := status(w.keys, "X-API-Key", old), status(w.keys, "X-API-Key", next.Secret.Reveal()); a != 401 || b != 200 {
		t.Errorf("at the deadline: %d, %d", a, b)
	}
	e := w.events.Events(authn.EventRotated)
	if len(e) != 1 || e[0].CredentialID != key.ID || e[0].Subject != "ada" || !strings.Contains(e[0].Reason, next.ID) {
		t.Errorf("events %+v", e)
	}
}

// K11: what cannot be rotated.
func TestRotateRefuses(t *testing.T) {
	reader := authn.User("ada", "session")
	reader.Scopes = []string{"orders:write"}
	tests := []struct {
		name    string
		prepare func(w *world, id string)
		ctx     context.Context
		owner   string
		grace   time.Duration
		want    error
	}{
		{"twice", func(w *world, id string) { _, _ = w.keys.Rotate(background, "ada", id, time.Hour) }, background, "ada", 0, store.ErrConflict},
		{"revoked", func(w *world, id string) { _ = w.keys.Revoke(background, "ada", id) }, background, "ada", 0, store.ErrConflict},
		{"expired", func(w *world, _ string) { w.clock.advance(30 * day) }, background, "ada", 0, store.ErrConflict},
		{"foreign", nil, background, "eve", 0, store.ErrNotFound},
		{"a scope that the creator may not give", nil, as(reader), "ada", 0, apikey.ErrScope},
		{"negative grace", nil, background, "ada", -1, nil},
		{"over 30 days of grace", nil, background, "ada", 30*day + 1, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			_, key := w.create(func(s *apikey.Spec) { s.ExpiresAt = w.clock.Now().Add(30 * day) })
			if tt.prepare != nil {
				tt.prepare(w, key.ID)
			}
			before, _, _ := w.keys.List(background, "ada", store.Page{})
			next, err := w.keys.Rotate(tt.ctx, tt.owner, key.ID, tt.grace)
			if tt.want != nil && !errors.Is(err, tt.want) || err == nil || !next.Secret.IsZero() {
				t.Errorf("err = %v, want %v", err, tt.want)
			}
			if after, _, _ := w.keys.List(background, "ada", store.Page{}); len(after) != len(before) {
				t.Errorf("%d keys, were %d", len(after), len(before))
			}
		})
	}
	w := newWorld(t, func(cfg *apikey.Config) { cfg.MaxAge = 40 * day })
	_, key := w.create()
	w.clock.advance(40 * day)
	if _, err := w.keys.Rotate(background, "ada", key.ID, 0); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a key that MaxAge has ended: %v", err)
	}
}

// K11: two keys may stand for one for 30 days.
func TestRotateTakesThirtyDaysOfGrace(t *testing.T) {
	w := newWorld(t, nil)
	raw, key := w.create()
	if _, err := w.keys.Rotate(background, "ada", key.ID, 30*day); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(30*day - time.Microsecond)
	if got := status(w.keys, "X-API-Key", raw); got != 200 {
		t.Errorf("just before the deadline: %d", got)
	}
}

// K11: of concurrent rotations one wins, and the cap does not stop it.
func TestOneOfManyRotationsWins(t *testing.T) {
	w := newWorld(t, func(cfg *apikey.Config) { cfg.MaxPerOwner = 1 })
	_, key := w.create()
	var won, lost atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, err := w.keys.Rotate(background, "ada", key.ID, time.Hour)
			switch {
			case err == nil:
				won.Add(1)
			case errors.Is(err, store.ErrConflict):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, _, err := w.keys.List(background, "ada", store.Page{})
	if err != nil || won.Load() != 1 || lost.Load() != 49 || len(list) != 2 {
		t.Errorf("%d won, %d lost, %d keys, %v", won.Load(), lost.Load(), len(list), err)
	}
}

// C11, K15: where only the Guard has an OnEvent, it still says whose key was
// refused, and each refusal is told once where both have one.
func TestRefusalsAreToldOnceWithTheirSubject(t *testing.T) {
	for name, keysTell := range map[string]bool{"Guard alone": false, "both": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			raw, key := w.create()
			if err := w.keys.Revoke(background, "ada", key.ID); err != nil {
				t.Fatal(err)
			}
			keys := w.instance(func(cfg *apikey.Config) {
				if !keysTell {
					cfg.OnEvent = nil
				}
			})
			h := authn.Guard{Verifier: authn.FirstOf(keys), OnEvent: w.events.OnEvent}.Require()(handlerFunc(func(context.Context) {}))
			h.ServeHTTP(nothing{}, request("X-API-Key", raw))
			got := w.events.Events(authn.EventRefused)
			if len(got) != 1 || got[0].Subject != "ada" || got[0].CredentialID != key.ID || got[0].Reason != "revoked" || got[0].SubjectKind != authn.KindKey {
				t.Errorf("events %+v, want one", got)
			}
		})
	}
}

// K12: revoking is for the owner, at once, and may be repeated.
func TestRevoke(t *testing.T) {
	w := newWorld(t, nil)
	raw, key := w.create()
	if err := w.keys.Revoke(background, "eve", key.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("foreign: %v", err)
	}
	if err := w.keys.Revoke(background, "ada", "key_none"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	if got := status(w.keys, "X-API-Key", raw); got != 200 {
		t.Errorf("status %d", got)
	}
	for range 2 {
		if err := w.keys.Revoke(as(authn.User("admin", "session")), "ada", key.ID); err != nil {
			t.Fatal(err)
		}
		if got := status(w.keys, "X-API-Key", raw); got != 401 {
			t.Errorf("status %d", got)
		}
		w.clock.advance(time.Minute)
	}
	if was := w.record(key.ID); !was.RevokedAt.Equal(w.clock.Now().Add(-2 * time.Minute)) {
		t.Errorf("revoked at %v", was.RevokedAt)
	}
	e := w.events.Events(authn.EventRevoked)
	if len(e) == 0 || e[0].CredentialID != key.ID || e[0].Subject != "ada" || e[0].Actor != "admin" {
		t.Errorf("events %+v", e)
	}
}

// K12: everything of a subject ends at once, and nothing of another.
func TestRevokeSubject(t *testing.T) {
	w := newWorld(t, nil)
	var hers []string
	for range 3 {
		raw, _ := w.create()
		hers = append(hers, raw)
	}
	other, err := w.keys.Create(background, "bob", apikey.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.keys.RevokeSubject(background, "ada"); err != nil {
		t.Fatal(err)
	}
	for _, raw := range hers {
		if got := status(w.keys, "X-API-Key", raw); got != 401 {
			t.Errorf("hers: %d", got)
		}
	}
	if got := status(w.keys, "X-API-Key", other.Secret.Reveal()); got != 200 {
		t.Errorf("bob's: %d", got)
	}
	if err := w.keys.RevokeSubject(background, "nobody"); err != nil {
		t.Errorf("who has none: %v", err)
	}
}

// K12: lists are newest first, in pages, with the dead among the living.
func TestListShowsDeadKeysToo(t *testing.T) {
	w := newWorld(t, nil)
	var ids []string
	for i := range 7 {
		_, key := w.create(func(s *apikey.Spec) { s.ExpiresAt = w.clock.Now().Add(time.Duration(i+1) * time.Hour) })
		ids = append([]string{key.ID}, ids...)
		w.clock.advance(time.Second)
	}
	if err := w.keys.Revoke(background, "ada", ids[0]); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(3 * time.Hour)
	var got []string
	page := store.Page{Limit: 3}
	for {
		keys, next, err := w.keys.List(background, "ada", page)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			got = append(got, k.ID)
		}
		if next == "" {
			break
		}
		page.Cursor = next
	}
	if !slices.Equal(got, ids) {
		t.Errorf("got %v, want %v", got, ids)
	}
	if _, _, err := w.keys.List(background, "eve", store.Page{Cursor: ids[2]}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another's cursor: %v", err)
	}
}

// K15: an event says which key, who did it and from where.
func TestEventsNameKeyActorAndAddress(t *testing.T) {
	w := newWorld(t, nil)
	admin := authn.User("admin", "session")
	admin.Scopes = []string{"orders:read"}
	h := authn.Require(verifier{admin})(handlerFunc(func(ctx context.Context) {
		key, err := w.keys.Create(ctx, "ada", apikey.Spec{Scopes: []string{"orders:read"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.keys.Rotate(ctx, "ada", key.ID, 0); err != nil {
			t.Fatal(err)
		}
		if err := w.keys.Revoke(ctx, "ada", key.ID); err != nil {
			t.Fatal(err)
		}
		if err := w.keys.RevokeSubject(ctx, "ada"); err != nil {
			t.Fatal(err)
		}
	}))
	h.ServeHTTP(nothing{}, request())
	kinds := []authn.EventKind{authn.EventCreated, authn.EventRotated, authn.EventRevoked, authn.EventRevoked}
	got := w.events.Events()
	if len(got) != len(kinds) {
		t.Fatalf("events %+v", got)
	}
	for i, e := range got {
		if e.Kind != kinds[i] || e.Subject != "ada" || e.SubjectKind != authn.KindKey || e.Actor != "admin" || e.Method != "apikey" ||
			e.Addr.String() != "192.0.2.1" || !e.At.Equal(w.clock.Now()) || (e.CredentialID == "") != (i == 3) {
			t.Errorf("event %d: %+v", i, e)
		}
	}
}

// K16: keys of an older system go on working, until their format ends.
func TestAdoptedKeysWorkOn(t *testing.T) {
	until := newClock().Now().Add(60 * day)
	w := newWorld(t, func(cfg *apikey.Config) {
		cfg.Legacy = []apikey.Legacy{
			{Prefix: "sk_live_", Alphabet: "0123456789abcdef", Length: 32, Until: until},
			{Prefix: "acme_", Alphabet: "0123456789abcdef", Length: 40, Until: until.Add(-30 * day)},
		}
	})
	const old, older = "sk_live_0123456789abcdef0123456789abcdef", "acme_0123456789abcdef0123456789abcdef01234567"
	if got := status(w.keys, "X-API-Key", old); got != 401 {
		t.Errorf("before it is adopted: %d", got)
	}
	key, err := w.keys.Adopt(background, "ada", store.DigestOf(old), apikey.Spec{Name: "old", Scopes: []string{"orders:read"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.keys.Adopt(background, "ada", store.DigestOf(older), apikey.Spec{Name: "older"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.keys.Adopt(background, "bob", store.DigestOf(old), apikey.Spec{}); !errors.Is(err, store.ErrExists) {
		t.Errorf("adopted twice: %v", err)
	}
	if !key.EndsAt.Equal(until) || key.Hint != "…" {
		t.Errorf("adopted key %+v", key)
	}
	id, err := w.keys.Verify(request("Authorization", "Bearer "+old))
	if err != nil || id.CredentialID != key.ID || !id.HasScope("orders:read") || !id.ExpiresAt.Equal(until) {
		t.Errorf("Verify = %+v, %v", id, err)
	}
	if id, err := w.keys.Verify(request("X-API-Key", older)); err != nil || !id.ExpiresAt.Equal(until.Add(-30*day)) {
		t.Errorf("Verify = %+v, %v", id, err)
	}
	fresh, _ := w.create() // has the prefix of the second Legacy, too
	for key, want := range map[string]int{
		old: 200, older: 200, fresh: 200, old + "0": 401, old[:39]: 401, strings.ToUpper(old[8:]): 401, "sk_live_" + strings.ToUpper(old[8:]): 401,
	} {
		if got := status(w.keys, "X-API-Key", key); got != want {
			t.Errorf("%s: %d, want %d", key, got, want)
		}
	}
	w.clock.advance(60*day - time.Microsecond)
	if a, b := status(w.keys, "X-API-Key", old), status(w.keys, "X-API-Key", older); a != 200 || b != 401 {
		t.Errorf("just before the end: %d, %d", a, b)
	}
	w.clock.advance(time.Microsecond)
	reads := w.st.reads.Load()
	if got := status(w.keys, "X-API-Key", old); got != 401 || w.st.reads.Load() != reads {
		t.Errorf("at the end: %d, %d reads", got, w.st.reads.Load()-reads)
	}
	if _, err := newWorld(t, nil).keys.Adopt(background, "ada", store.DigestOf(old), apikey.Spec{}); err == nil {
		t.Error("adopted, and no Legacy would let it in")
	}
}

// K16: rotating an adopted key gives one of our own format.
func TestAdoptedKeyRotatesIntoOurFormat(t *testing.T) {
	w := newWorld(t, func(cfg *apikey.Config) {
		cfg.Legacy = []apikey.Legacy{{Prefix: "sk_live_", Alphabet: "0123456789abcdef", Length: 32, Until: newClock().Now().Add(day)}}
	})
	key, err := w.keys.Adopt(background, "ada", store.DigestOf("sk_live_0123456789abcdef0123456789abcdef"), apikey.Spec{Name: "old"})
	if err != nil {
		t.Fatal(err)
	}
	next, err := w.keys.Rotate(background, "ada", key.ID, time.Hour)
	if err != nil || !strings.HasPrefix(next.Secret.Reveal(), "acme_live_") || next.Name != "old" || !next.EndsAt.Equal(w.clock.Now().Add(90*day)) {
		t.Errorf("%+v, %v", next, err)
	}
}

// Errors of the store are outages to whoever called.
func TestStoreErrorsAreOutages(t *testing.T) {
	w := newWorld(t, nil)
	_, key := w.create()
	w.st.down(errDown)
	for name, err := range map[string]error{
		"Create":        second(w.keys.Create(background, "ada", apikey.Spec{})),
		"Revoke":        w.keys.Revoke(background, "ada", key.ID),
		"RevokeSubject": w.keys.RevokeSubject(background, "ada"),
		"Rotate":        second(w.keys.Rotate(background, "ada", key.ID, 0)),
		"List":          third(w.keys.List(background, "ada", store.Page{})),
	} {
		if !errors.Is(err, errDown) || authn.AsError(err).Status != 503 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
