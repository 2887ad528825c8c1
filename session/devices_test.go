package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
)

// S9: a list shows what a person knows a device by, newest first, a page at a
// time, and which one asks.
func TestListOfDevices(t *testing.T) {
	w := newWorld(t, nil)
	var tabs []*tab
	for range 5 {
		b := w.tab()
		r := b.request(http.MethodPost, "User-Agent", "Firefox")
		r.RemoteAddr = "[::ffff:192.0.2.7]:4000"
		rec := httptest.NewRecorder()
		if _, err := w.Login(rec, r, w.user("ada"), session.LoginOptions{}); err != nil {
			t.Fatal(err)
		}
		b.take(rec)
		tabs = append(tabs, b)
		w.clock.advance(time.Second)
	}
	w.in("eve")
	ctx := tabs[3].ctx()
	var all []session.Info
	p := store.Page{Limit: 2}
	for range 3 {
		infos, next, err := w.List(ctx, "ada", p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, infos...)
		p.Cursor = next
	}
	if len(all) != 5 || p.Cursor != "" {
		t.Fatalf("%d of 5, cursor %q", len(all), p.Cursor)
	}
	for i, info := range all {
		began := w.clock.Now().Add(-time.Duration(i+1) * time.Second)
		if info.UserAgent != "Firefox" || info.Addr.String() != "192.0.2.7" || !info.CreatedAt.Equal(began) || !info.SeenAt.Equal(began) ||
			!info.ExpiresAt.Equal(began.Add(time.Hour)) || info.Current != (i == 1) || info.ID != tabs[4-i].good("").CredentialID {
			t.Errorf("%d: %+v", i, info)
		}
	}
	if _, _, err := w.List(ctx, "ada", store.Page{Cursor: "made up"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a cursor that is none: %v", err)
	}
}

// S9: a hostile user agent is cut to what stores keep, between characters.
func TestUserAgentIsCut(t *testing.T) {
	w := newWorld(t, nil)
	for _, ua := range []string{strings.Repeat("ä", 10_000), "a\x00b", "a\xffb", strings.Repeat("x", 255), strings.Repeat("\xff", 5000), ""} {
		b := w.tab()
		r := b.request(http.MethodPost)
		r.Header["User-Agent"] = []string{ua}
		r.RemoteAddr = "@"
		rec := httptest.NewRecorder()
		if _, err := w.Login(rec, r, w.user("ada"), session.LoginOptions{}); err != nil {
			t.Fatal(err)
		}
		list, _, err := w.List(t.Context(), "ada", store.Page{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if got := list[0].UserAgent; len(got) > 255 || !utf8.ValidString(got) || strings.Contains(got, "\x00") || len(ua) == 255 && got != ua || list[0].Addr.IsValid() {
			t.Errorf("%.20q: %d bytes %.20q, address %v", ua, len(got), got, list[0].Addr)
		}
		w.clock.advance(time.Second)
	}
}

// S9: Revoke ends one session of that subject, at once, and no other's.
func TestRevokeOne(t *testing.T) {
	w := newWorld(t, nil)
	a, b, eve := w.in("ada"), w.in("ada"), w.in("eve")
	id := a.good("").CredentialID
	for _, c := range [][2]string{{"eve", id}, {"", id}, {"ada", "unknown"}, {"ada", ""}, {"ada", a.cookies[cookieName]}} {
		if err := w.Revoke(t.Context(), c[0], c[1]); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Revoke(%q, %q): %v", c[0], c[1], err)
		}
	}
	if err := w.Revoke(t.Context(), "ada", id); err != nil {
		t.Fatal(err)
	}
	a.dead("revoked", "unknown, expired or revoked")
	b.good("another")
	eve.good("another's")
	if err := w.Revoke(t.Context(), "ada", id); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
}

// S9: names that no subject and no session has do not reach the store, which
// need not be able to take them.
func TestNamesThatAreNone(t *testing.T) {
	w := newWorld(t, nil)
	w.st.fail("", errDown)
	for _, bad := range []string{"a\x00", "\x00a", "a\xff", strings.Repeat("x", 256)} {
		if err := w.Revoke(t.Context(), "ada", bad); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Revoke of ID %.4q: %v", bad, err)
		}
		if err := w.Revoke(t.Context(), bad, "id"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Revoke of subject %.4q: %v", bad, err)
		}
		if err := w.RevokeSubject(t.Context(), bad); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("RevokeSubject %.4q: %v", bad, err)
		}
	}
}

// S9: RevokeOthers leaves the one that asks; RevokeSubject leaves none, and what
// is proven afterwards is good at once.
func TestRevokeMany(t *testing.T) {
	w := newWorld(t, nil)
	a, b, c, eve := w.in("ada"), w.in("ada"), w.in("ada"), w.in("eve")
	basket := w.tab()
	if err := basket.update(add); err != nil {
		t.Fatal(err)
	}
	w.st.reset()
	ctx := a.ctx()
	if err := w.RevokeOthers(ctx); err != nil || w.st.asked() != "Read RevokeOf" {
		t.Fatal(err, w.st.asked())
	}
	a.good("the one that asks")
	b.dead("another", "unknown, expired or revoked")
	c.dead("another", "unknown, expired or revoked")
	w.st.reset()
	if err := w.RevokeSubject(t.Context(), "ada"); err != nil || w.st.asked() != "RevokeOf" {
		t.Fatal(err, w.st.asked())
	}
	a.dead("all", "unknown, expired or revoked")
	eve.good("another's")
	if basket.counted() != 1 {
		t.Error("the basket is gone")
	}
	w.clock.advance(time.Microsecond)
	w.in("ada").good("proven afterwards")
	if err := w.RevokeSubject(t.Context(), "nobody has it"); err != nil {
		t.Error(err)
	}
	for what, ctx := range map[string]func() error{
		"no session":        func() error { return w.RevokeOthers(t.Context()) },
		"another's Manager": func() error { return w.instance(nil).RevokeOthers(eve.ctx()) },
		"another method":    func() error { return w.RevokeOthers(authn.NewContext(t.Context(), w.user("ada"))) },
	} {
		wantErr(t, what, ctx(), http.StatusInternalServerError, "internal", "*")
	}
}

// S9: of more sessions than there may be the oldest goes; the one that the
// login replaces makes room.
func TestMaxPerSubject(t *testing.T) {
	w := newWorld(t, func(cfg *session.Config) { cfg.MaxPerSubject = 3 })
	var tabs []*tab
	for range 3 {
		tabs = append(tabs, w.in("ada"))
		w.clock.advance(time.Second)
	}
	tabs[2].begin(w.user("ada"), session.LoginOptions{}) // in place of its own
	tabs[0].good("the oldest")
	w.clock.advance(time.Second)
	tabs = append(tabs, w.in("ada"))
	tabs[0].dead("the oldest", "unknown, expired or revoked")
	for _, b := range tabs[1:] {
		b.good("the others")
	}
	if n := len(w.live("ada")); n != 3 {
		t.Errorf("%d sessions", n)
	}
}

// S9: unless the host says otherwise that is a hundred.
func TestMaxPerSubjectIsAHundred(t *testing.T) {
	w := newWorld(t, nil)
	oldest := w.in("ada")
	for range 100 {
		w.clock.advance(time.Millisecond)
		w.in("ada")
	}
	oldest.dead("the oldest of 101", "unknown, expired or revoked")
	if n := len(w.live("ada")); n != 100 {
		t.Errorf("%d sessions", n)
	}
}

// full has proven all that owes("otp") asks for.
func (w *world) full(subject string) *authn.Identity {
	return w.user(subject).WithFactor(authn.Factor{Name: "otp", At: w.clock.Now()})
}

// S9: who knows a password alone signs nobody out, whatever the cap is, and
// keeps nobody out: half logins end each other only, beyond a hundred.
func TestHalfLoginsEndNoFullOnes(t *testing.T) {
	w := newWorld(t, func(cfg *session.Config) { cfg.MaxPerSubject, cfg.Owed = 2, owes("otp") })
	var tabs []*tab
	for range 2 {
		b := w.tab()
		b.begin(w.full("ada"), session.LoginOptions{})
		tabs = append(tabs, b)
		w.clock.advance(time.Second)
	}
	mine := w.in("ada")
	for range 99 {
		w.in("ada")
	}
	if n := len(w.live("ada")); n != 102 {
		t.Errorf("%d sessions, want 2 and 100 halves", n)
	}
	if _, err := mine.factor("otp"); err != nil {
		t.Fatalf("the user cannot go on: %v", err)
	}
	tabs[0].dead("the oldest beyond 2", "unknown, expired or revoked")
	tabs[1].good("the newer")
	if id := mine.good("the newest"); len(id.Pending) != 0 {
		t.Errorf("it owes %q", id.Pending)
	}
	w.clock.advance(time.Second)
	old := w.in("ada")
	for range 100 {
		w.clock.advance(time.Millisecond)
		w.in("ada")
	}
	old.dead("the oldest half beyond 100", "unknown, expired or revoked")
	tabs[1].good("the newer, after a hundred")
	mine.good("the newest, after a hundred")
}

// S8, S9: a session counts for the cap when its last factor is paid, and not
// again at a step-up.
func TestStepUpEndsNobody(t *testing.T) {
	w := newWorld(t, func(cfg *session.Config) { cfg.MaxPerSubject, cfg.Owed = 1, owes("otp", "hwk") })
	first := w.in("ada")
	for _, name := range []string{"otp", "hwk"} {
		if _, err := first.factor(name); err != nil {
			t.Fatal(err)
		}
	}
	other, second := w.in("ada"), w.in("ada")
	if _, err := second.factor("otp"); err != nil {
		t.Fatal(err)
	}
	first.good("the other owes a factor yet")
	other.good("another half login")
	if _, err := first.factor("otp"); err != nil {
		t.Fatal(err)
	}
	if id := second.good("half, after a step-up of the full one"); !slices.Equal(id.Pending, []string{"hwk"}) {
		t.Errorf("it owes %q", id.Pending)
	}
	if _, err := second.factor("hwk"); err != nil {
		t.Fatal(err)
	}
	first.dead("beyond 1", "unknown, expired or revoked")
	second.good("the newest")
}

// S9: a list says which sessions are half logins, in a copy.
func TestListShowsWhatIsOwed(t *testing.T) {
	w := newWorld(t, func(cfg *session.Config) { cfg.Owed = owes("otp", "hwk") })
	b := w.in("ada")
	for _, want := range [][]string{{"otp", "hwk"}, {"hwk"}, nil} {
		list, _, err := w.List(t.Context(), "ada", store.Page{})
		if err != nil || len(list) != 1 || !slices.Equal(list[0].Pending, want) {
			t.Fatalf("%+v, %v, want %q", list, err, want)
		}
		if len(want) > 0 {
			list[0].Pending[0] = "nothing"
			if got := b.good("").Pending; !slices.Equal(got, want) {
				t.Fatalf("the list is the store's own: %q", got)
			}
			if _, err := b.factor(want[0]); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// S9: Clear-Site-Data is sent at logout only if asked, and as configured.
func TestClearSiteData(t *testing.T) {
	for _, c := range []struct {
		configured []string
		want       []string
	}{{nil, nil}, {[]string{"cache", "storage"}, []string{`"cache", "storage"`}}, {[]string{"cookies"}, []string{`"cookies"`}}} {
		w := newWorld(t, func(cfg *session.Config) { cfg.ClearSiteData = c.configured })
		b := w.in("ada")
		old := b.clone()
		rec := logoutOf(b)
		if got := rec.Header()["Clear-Site-Data"]; !slices.Equal(got, c.want) {
			t.Errorf("%q", got)
		}
		old.dead("logged out", "unknown, expired or revoked")
		if len(b.cookies) != 0 {
			t.Errorf("cookies %v", b.cookies)
		}
	}
}

// S9: a logout that fails leaves session and cookie.
func TestFailedLogout(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	for _, call := range []string{"Read", "Revoke"} {
		w.st.fail(call, errDown)
		rec := httptest.NewRecorder()
		err := w.Logout(rec, b.request(http.MethodPost))
		wantErr(t, call, err, http.StatusServiceUnavailable, "unavailable", "store")
		w.st.reset()
		if b.good(call); len(rec.Header()) != 0 {
			t.Errorf("header %v", rec.Header())
		}
	}
	w.st.fail("Read", store.ErrDamaged) // and still it goes
	if err := b.clone().logout(); err != nil {
		t.Error(err)
	}
	w.st.reset()
	b.dead("of a damaged record", "unknown, expired or revoked")
}

// S9: who knows a password alone ends no others, even where a route lets half a
// login pass.
func TestHalfLoginEndsNoOthers(t *testing.T) {
	w := newWorld(t, func(cfg *session.Config) { cfg.Owed = owes("otp") })
	whole, half := w.tab(), w.in("ada")
	whole.begin(w.full("ada"), session.LoginOptions{})
	wantErr(t, "RevokeOthers", w.RevokeOthers(half.ctx()), http.StatusUnauthorized, "insufficient_user_authentication", "step-up otp")
	whole.good("the full login")
	half.good("the half login")
	if err := w.RevokeOthers(whole.ctx()); err != nil {
		t.Error(err)
	}
	half.dead("the half login", "unknown, expired or revoked")
}

// S9: "log out everywhere else" of the request that logs in leaves the new
// session by its Identity.
func TestLoginAndRevokeOthers(t *testing.T) {
	w := newWorld(t, nil)
	b, other := w.in("ada"), w.in("ada")
	rec, r := httptest.NewRecorder(), b.signedIn(http.MethodPost)
	id, err := w.Login(rec, r, w.user("ada"), session.LoginOptions{})
	if err == nil {
		err = w.RevokeOthers(authn.NewContext(r.Context(), id))
	}
	if err != nil {
		t.Fatal(err)
	}
	b.take(rec)
	b.good("the new one")
	other.dead("another", "unknown, expired or revoked")
}
