package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
)

// owes is an OwedFunc: these, but for what is proven.
func owes(names ...string) authn.OwedFunc {
	return func(_ context.Context, _ *http.Request, id *authn.Identity) ([]string, error) {
		var owed []string
		for _, name := range names {
			if _, ok := id.FactorAt(name); !ok {
				owed = append(owed, name)
			}
		}
		return owed, nil
	}
}

// live are the IDs of the subject's sessions.
func (w *world) live(subject string) []string {
	w.t.Helper()
	list, _, err := w.List(context.Background(), subject, store.Page{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	var ids []string
	for _, info := range list {
		ids = append(ids, info.ID)
	}
	return ids
}

// S7: a login is rotation, also of the same user's session and of another's: a
// new token and ID, and the old one is dead.
func TestLoginRotates(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	for _, subject := range []string{"ada", "eve"} {
		old, oldID := b.clone(), b.good("before").CredentialID
		id, rec, err := b.login(w.user(subject), session.LoginOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, value := setCookie(t, rec); value == old.cookies[cookieName] {
			t.Error("the token stayed")
		}
		b.take(rec)
		old.dead("the old token", "unknown, expired or revoked")
		if now := b.good("after"); now.Subject != subject || now.CredentialID == oldID || now.CredentialID != id.CredentialID {
			t.Errorf("after: %+v", now)
		}
	}
	if n := len(w.live("ada")); n != 0 {
		t.Errorf("ada has %d sessions", n)
	}
}

// S7: two logins in one response end in one session and one Set-Cookie; a
// logout after a login ends what that began.
func TestOneSetCookieAResponse(t *testing.T) {
	w := newWorld(t, nil)
	rec, r := httptest.NewRecorder(), w.in("bob").request(http.MethodPost)
	rec.Header().Add("Set-Cookie", "theme=dark")
	for _, subject := range []string{"ada", "ada", "eve"} {
		if _, err := w.Login(rec, r, w.user(subject), session.LoginOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.AddFactor(rec, r, authn.Factor{Name: "otp", At: w.clock.Now()}); err != nil {
		t.Error(err)
	}
	lines := rec.Header()["Set-Cookie"]
	if len(lines) != 2 || lines[0] != "theme=dark" {
		t.Errorf("Set-Cookie %q", lines)
	}
	b := w.tab()
	b.take(rec)
	if id := b.good("the last"); id.Subject != "eve" || len(id.Factors) != 2 {
		t.Errorf("it is %+v", id)
	}
	if len(w.live("bob"))+len(w.live("ada")) != 0 || len(w.live("eve")) != 1 {
		t.Error("others are left")
	}
	if err := w.Logout(rec, r); err != nil {
		t.Fatal(err)
	}
	b.dead("logged out in the same response", "unknown, expired or revoked")
	if lines := rec.Header()["Set-Cookie"]; len(lines) != 2 || !strings.HasPrefix(lines[1], cookieName+"=; ") {
		t.Errorf("Set-Cookie %q", lines)
	}
}

// S7: a login that fails leaves the old session, sets nothing, and no new one is
// valid.
func TestFailedLoginLeavesTheOldSession(t *testing.T) {
	refuses := errors.New("the host's own")
	var owed error
	w := newWorld(t, func(cfg *session.Config) {
		cfg.Owed = func(context.Context, *http.Request, *authn.Identity) ([]string, error) { return nil, owed }
	})
	b := w.in("ada")
	before := w.live("ada")
	for what, prepare := range map[string]func(id *authn.Identity) (name string, err error){
		"the store does not read":  func(*authn.Identity) (string, error) { return "Read", errDown },
		"the store does not write": func(*authn.Identity) (string, error) { return "Create", errDown },
		"the store is full":        func(*authn.Identity) (string, error) { return "Create", store.ErrFull },
		"revoked meanwhile":        func(*authn.Identity) (string, error) { return "Create", store.ErrConflict },
		"a token that is there":    func(*authn.Identity) (string, error) { return "Create", store.ErrExists },
		"Owed refuses":             func(*authn.Identity) (string, error) { owed = refuses; return "none", errDown },
		"a key":                    func(id *authn.Identity) (string, error) { id.Kind = authn.KindKey; return "none", errDown },
		"no proof":                 func(id *authn.Identity) (string, error) { id.VerifiedAt = time.Time{}; return "none", errDown },
	} {
		owed = nil
		id := w.user("ada")
		w.st.fail(prepare(id))
		got, rec, err := b.login(id, session.LoginOptions{})
		if err == nil || got != nil || len(rec.Header()) != 0 {
			t.Errorf("%s: %v, %v, header %v", what, got, err, rec.Header())
		}
		if what == "Owed refuses" && !errors.Is(err, refuses) {
			t.Errorf("%s: %v", what, err)
		}
		w.st.reset()
		b.good(what)
		if after := w.live("ada"); !slices.Equal(after, before) {
			t.Errorf("%s: sessions %q, were %q", what, after, before)
		}
	}
	if n := len(w.events.Events(authn.EventLogin)); n != 1 {
		t.Errorf("%d logins", n)
	}
}

// S7: a login whose write takes effect and is answered by an error gives nobody
// the new token.
func TestLoginWithALostAnswer(t *testing.T) {
	w := newWorld(t, nil)
	w.st.fail("Create", errDown)
	w.st.late = true
	_, rec, err := w.tab().login(w.user("ada"), session.LoginOptions{})
	wantErr(t, "Login", err, http.StatusServiceUnavailable, "unavailable", "store")
	if len(rec.Header()) != 0 {
		t.Errorf("header %v", rec.Header())
	}
}

// S7, S9: what does not become a session: keys, nobody, a proof without time.
func TestLoginRefuses(t *testing.T) {
	w := newWorld(t, nil)
	b := w.tab()
	with := func(f func(id *authn.Identity)) *authn.Identity { id := w.user("ada"); f(id); return id }
	for _, c := range []struct {
		name   string
		id     *authn.Identity
		status int
		code   string
	}{
		{"nil", nil, 500, "internal"},
		{"a key", with(func(id *authn.Identity) { id.Kind = authn.KindKey }), 403, "forbidden"},
		{"no kind", with(func(id *authn.Identity) { id.Kind = 0 }), 500, "internal"},
		{"unknown kind", with(func(id *authn.Identity) { id.Kind = 9 }), 500, "internal"},
		{"no subject", with(func(id *authn.Identity) { id.Subject = "" }), 500, "internal"},
		{"subject of 256 bytes", with(func(id *authn.Identity) { id.Subject = strings.Repeat("x", 256) }), 500, "internal"},
		{"subject with NUL", with(func(id *authn.Identity) { id.Subject = "a\x00" }), 500, "internal"},
		{"subject that is not UTF-8", with(func(id *authn.Identity) { id.Subject = "a\xff" }), 500, "internal"},
		{"no VerifiedAt", with(func(id *authn.Identity) { id.VerifiedAt = time.Time{} }), 500, "internal"},
	} {
		w.st.reset()
		_, rec, err := b.login(c.id, session.LoginOptions{})
		wantErr(t, c.name, err, c.status, c.code, "*")
		if w.st.called() != 0 || len(rec.Header()) != 0 {
			t.Errorf("%s: asked %s, header %v", c.name, w.st.asked(), rec.Header())
		}
	}
	b.begin(with(func(id *authn.Identity) { id.Subject = strings.Repeat("x", 255) }), session.LoginOptions{})
	b.begin(with(func(id *authn.Identity) { id.Kind = authn.KindClient }), session.LoginOptions{})
}

// S7: Login asks what is owed, with the Identity as it is, and answers it
// Pending included; what the caller owed already stays.
func TestLoginAsksWhatIsOwed(t *testing.T) {
	var asked *authn.Identity
	w := newWorld(t, func(cfg *session.Config) {
		cfg.Owed = func(_ context.Context, r *http.Request, id *authn.Identity) ([]string, error) {
			if r == nil {
				t.Error("without the request")
			}
			asked = id.Clone()
			id.Subject, id.Pending = "root", nil // its own copy
			return []string{"otp", "hwk", "otp"}, nil
		}
	})
	given := w.user("ada")
	given.Pending = []string{"hwk"}
	given.Credential, given.CredentialID, given.ExpiresAt = "the proof's", "p1", w.clock.Now() // not the session's
	b := w.tab()
	id := b.begin(given, session.LoginOptions{})
	if asked.Subject != "ada" || id.Subject != "ada" || !slices.Equal(id.Pending, []string{"hwk", "otp"}) || !slices.Equal(given.Pending, []string{"hwk"}) {
		t.Errorf("asked of %+v, answers %+v, was given %+v", asked, id, given)
	}
	if asked.Credential != nil || asked.CredentialID != "" || !asked.ExpiresAt.IsZero() {
		t.Errorf("asked of %+v, with another credential", asked)
	}
	if got := b.good("half").Pending; !slices.Equal(got, id.Pending) {
		t.Errorf("Verify: %q", got)
	}
	if rec := answer(w.Middleware, b.request(http.MethodGet)); rec.Code != http.StatusUnauthorized || !strings.Contains(rec.Body.String(), "insufficient_user_authentication") {
		t.Errorf("Require: %d %s", rec.Code, rec.Body)
	}
	if rec := answer(authn.Optional(w), b.request(http.MethodGet)); rec.Code != http.StatusOK || rec.Body.String() != "" {
		t.Errorf("Optional: %d %s", rec.Code, rec.Body)
	}
}

// S7: a factor without a name, which nobody could prove, is the host's mistake
// and not half a login.
func TestOwedNamesItsFactors(t *testing.T) {
	w := newWorld(t, func(cfg *session.Config) {
		cfg.Owed = func(context.Context, *http.Request, *authn.Identity) ([]string, error) { return []string{""}, nil }
	})
	rec := httptest.NewRecorder()
	id, err := w.Login(rec, w.tab().request(http.MethodPost), w.user("ada"), session.LoginOptions{})
	if id != nil || authn.AsError(err).Status != http.StatusInternalServerError || rec.Header().Get("Set-Cookie") != "" {
		t.Errorf("%+v, %v, %v", id, err, rec.Header())
	}
}

// S9: a revocation after the proof voids the login, whenever in it that comes:
// before Login, while Owed looks, while the old session is read. One of before
// the proof does not.
func TestRevocationVoidsLoginsInFlight(t *testing.T) {
	during := ""
	var w *world
	revoke := func(when string) {
		if during != when {
			return
		}
		w.clock.advance(time.Second)
		if err := w.RevokeSubject(context.Background(), "ada"); err != nil {
			t.Error(err)
		}
		w.clock.advance(time.Second)
	}
	for _, during = range []string{"before Login", "Owed", "Read"} {
		w = newWorld(t, func(cfg *session.Config) {
			cfg.Owed = func(context.Context, *http.Request, *authn.Identity) ([]string, error) {
				revoke("Owed")
				return nil, nil
			}
		})
		b := w.in("visitor")
		w.st.before = revoke
		id := w.user("ada")
		revoke("before Login")
		_, rec, err := b.login(id, session.LoginOptions{})
		w.st.reset()
		if err == nil {
			b.take(rec)
			t.Errorf("revoked in %q: the login succeeded, and is good: %v", during, b.good("the login").Subject)
			continue
		}
		wantErr(t, during, err, http.StatusUnauthorized, "invalid_token", "revoked during the login")
		if id, err := b.verify(); err != nil || id.Subject != "visitor" {
			t.Errorf("revoked in %q: the old session is %v, %v", during, id, err)
		}
		if n := len(w.live("ada")); n != 0 {
			t.Errorf("revoked in %q: %d sessions", during, n)
		}
	}
	w.clock.advance(time.Second)
	w.in("ada").good("proven after the revocation")
}

// S7: two tabs that log in at once are two sessions or one, and each that got a
// token has what it was told; the session of before is dead.
func TestTwoTabsLogIn(t *testing.T) {
	w := newWorld(t, nil)
	first := w.in("ada")
	old, second := first.clone(), first.clone()
	var id2 *authn.Identity
	w.st.before = func(call string) {
		if call == "Create" {
			id2 = second.begin(w.user("ada"), session.LoginOptions{})
		}
	}
	id1 := first.begin(w.user("ada"), session.LoginOptions{})
	w.st.reset()
	old.dead("of before", "unknown, expired or revoked")
	if got := first.good("first").CredentialID; got != id1.CredentialID {
		t.Error("the first tab has another session")
	}
	if got := second.good("second").CredentialID; got != id2.CredentialID || got == id1.CredentialID {
		t.Error("the second tab has another session")
	}
}

// S7: a login ends the session that it replaces also under a token that another
// request gives it meanwhile: after Login has read it, or Verify before it.
func TestLoginEndsARotatedSession(t *testing.T) {
	for _, subject := range []string{"ada", "eve"} {
		for _, during := range []string{"Create", "Read"} {
			w := newWorld(t, nil)
			b := w.in("ada")
			if err := b.update(add); err != nil {
				t.Fatal(err)
			}
			r, rotated := b.signedIn(http.MethodPost), b.clone()
			w.st.before = func(call string) {
				if call != during || rotated.cookies[cookieName] != b.cookies[cookieName] {
					return
				}
				if _, err := rotated.factor("otp"); err != nil {
					t.Error(err)
				}
			}
			rec := httptest.NewRecorder()
			_, err := w.Login(rec, r, w.user(subject), session.LoginOptions{KeepData: true})
			if err != nil {
				t.Fatal(err)
			}
			w.st.reset()
			b.take(rec)
			rotated.dead(during+": the session under its new token", "unknown, expired or revoked")
			if id := b.good(during); id.Subject != subject || during == "Read" && b.counted() != 0 {
				t.Errorf("%s: %+v, count %d", during, id, b.counted())
			}
			if n := len(w.live("ada")) + len(w.live("eve")); n != 1 {
				t.Errorf("%s: %d sessions", during, n)
			}
		}
	}
}

// S7: when the old session cannot be ended, nobody gets a new one.
func TestLoginThatCannotEndTheOldOne(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	w.st.fail("Revoke", errDown)
	id, rec, err := b.login(w.user("ada"), session.LoginOptions{})
	wantErr(t, "Login", err, http.StatusServiceUnavailable, "unavailable", "store")
	if id != nil || len(rec.Header()) != 0 || len(w.events.Events(authn.EventLogin)) != 1 {
		t.Errorf("%v, header %v", id, rec.Header())
	}
	if n := len(w.live("ada")); n != 0 {
		t.Errorf("%d sessions whose token nobody has", n)
	}
}

// impatient is a store that answers nobody whose ctx has ended.
type impatient struct{ store.Sessions }

func (s impatient) RevokeSession(ctx context.Context, subject, id string, now time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.Sessions.RevokeSession(ctx, subject, id, now)
}

// S7: a client that goes between the two writes of a login, as by a second
// click, leaves no old session that lives on, and no failed login.
func TestLoginWhoseClientHasGone(t *testing.T) {
	w := newWorld(t, nil)
	w.st.Sessions = impatient{w.st.Sessions}
	b := w.in("ada")
	ctx, cancel := context.WithCancel(t.Context())
	w.st.before = func(call string) {
		if call == "Create" {
			cancel()
		}
	}
	_, err := w.Login(httptest.NewRecorder(), b.request(http.MethodPost).WithContext(ctx), w.user("ada"), session.LoginOptions{})
	if err != nil {
		t.Error(err)
	}
	w.st.reset()
	b.dead("the old one", "unknown, expired or revoked")
}

// S7: data is carried over if asked, and never from one subject to another.
func TestLoginCarriesData(t *testing.T) {
	for _, c := range []struct {
		name, before string // whose session it was; "" anonymous
		keep         bool
		want         int
	}{
		{"a basket", "", true, 1},
		{"a basket, not asked", "", false, 0},
		{"of the same subject", "ada", true, 1},
		{"of the same subject, not asked", "ada", false, 0},
		{"of another subject", "eve", true, 0},
	} {
		w := newWorld(t, nil)
		b := w.tab()
		if c.before != "" {
			b = w.in(c.before)
		}
		if err := b.update(add); err != nil {
			t.Fatal(err)
		}
		old := b.clone()
		b.begin(w.user("ada"), session.LoginOptions{KeepData: c.keep})
		if got := b.counted(); got != c.want {
			t.Errorf("%s: count %d, want %d", c.name, got, c.want)
		}
		if got := old.counted(); got != 0 {
			t.Errorf("%s: the old token still reads %d", c.name, got)
		}
		if err := b.update(add); err != nil || b.counted() != c.want+1 {
			t.Errorf("%s: afterwards %v", c.name, err)
		}
	}
}

// D1, S5: the record of a new session has JSON for data, also where there is none
// to keep, and whole microseconds.
func TestRecordOfANewSession(t *testing.T) {
	w := newWorld(t, nil)
	w.clock.advance(999)
	for _, keep := range []bool{false, true} {
		b := w.tab()
		b.begin(w.user("ada"), session.LoginOptions{KeepData: keep})
		w.st.answer = func(s store.Session) (store.Session, error) {
			if string(s.Data) != "{}" {
				t.Errorf("data %q", s.Data)
			}
			for _, at := range []time.Time{s.CreatedAt, s.SeenAt, s.IdleUntil, s.ExpiresAt} {
				if at.Nanosecond()%1000 != 0 {
					t.Errorf("%v is finer than stores keep", at)
				}
			}
			return s, nil
		}
		b.good("new")
		w.st.reset()
	}
}

// S6, S7: a session that was revoked gives no data to a login.
func TestLoginCarriesNoDeadData(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	if err := b.update(add); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Hour)
	b.begin(w.user("ada"), session.LoginOptions{KeepData: true})
	if n := b.counted(); n != 0 {
		t.Errorf("count %d", n)
	}
}

// S9: a revocation counts by the age of the proof, whatever the service's clock
// says compared with the store's.
func TestProofAgeDoesNotTrustTheClocks(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, time.Hour} {
		w := newWorld(t, nil)
		shifted := w.instance(func(cfg *session.Config) { cfg.Now = func() time.Time { return w.clock.Now().Add(skew) } })
		id := w.user("ada")
		id.VerifiedAt = w.clock.Now().Add(skew)
		w.clock.advance(time.Second)
		if err := w.RevokeSubject(t.Context(), "ada"); err != nil {
			t.Fatal(err)
		}
		w.clock.advance(time.Second)
		_, err := shifted.Login(httptest.NewRecorder(), w.tab().request(http.MethodPost), id, session.LoginOptions{})
		wantErr(t, skew.String(), err, http.StatusUnauthorized, "invalid_token", "revoked during the login")
	}
}
