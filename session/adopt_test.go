package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
)

// older is a library of before, whose session is ended when it is adopted.
type older struct {
	mu    sync.Mutex
	users map[string]*authn.Identity // by cookie
	asked int
}

func (o *older) from(w http.ResponseWriter, r *http.Request) (*authn.Identity, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	c, err := r.Cookie("old")
	if err != nil {
		return nil, authn.ErrNoCredential
	}
	id := o.users[c.Value]
	if id == nil {
		return nil, authn.NoCredential("old and unknown")
	}
	delete(o.users, c.Value)
	http.SetCookie(w, &http.Cookie{Name: "old", MaxAge: -1, Path: "/"})
	return id, nil
}

// S18: an older library's session becomes one of ours, once, by rotation, and
// the request goes on with it; what it carried as a visitor is kept.
func TestAdoptOnce(t *testing.T) {
	w := newWorld(t, nil)
	old := &older{users: map[string]*authn.Identity{"o1": w.user("ada")}}
	m := func(next http.Handler) http.Handler { return w.Adopt(old.from)(authn.Require(w)(next)) }
	b := w.tab()
	if err := b.update(add); err != nil {
		t.Fatal(err)
	}
	b.cookies["old"] = "o1"
	second := b.clone()
	visitor := b.clone()

	rec := answer(m, b.request(http.MethodGet))
	if rec.Code != http.StatusOK || rec.Body.String() != "ada" || len(rec.Header()["Set-Cookie"]) != 2 || rec.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s, header %v", rec.Code, rec.Body, rec.Header())
	}
	b.take(rec)
	if _, stays := b.cookies["old"]; stays || b.counted() != 1 {
		t.Errorf("cookies %v, count %d", b.cookies, b.counted())
	}
	if visitor.counted() != 0 {
		t.Error("the visitor's token still reads")
	}
	if rec := answer(m, second.request(http.MethodGet)); rec.Code != http.StatusUnauthorized {
		t.Errorf("the same again: %d", rec.Code)
	}
	asked := old.asked
	if rec := answer(m, b.request(http.MethodGet)); rec.Code != http.StatusOK || len(rec.Header()["Set-Cookie"]) != 0 || old.asked != asked {
		t.Errorf("the next request: %d, header %v", rec.Code, rec.Header())
	}
}

// S18: many requests of one page at once are one adoption.
func TestAdoptOfConcurrentRequests(t *testing.T) {
	w := newWorld(t, nil)
	old := &older{users: map[string]*authn.Identity{"o1": w.user("ada")}}
	b := w.tab()
	b.cookies["old"] = "o1"
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { answer(w.Adopt(old.from), b.request(http.MethodGet)) })
	}
	wg.Wait()
	if n := len(w.live("ada")); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// S18, S13, S15: what Adopt does when it cannot.
func TestAdoptRefuses(t *testing.T) {
	w := newWorld(t, func(cfg *session.Config) { cfg.Owed = owes("otp") })
	gives := func(id *authn.Identity, err error) func(http.ResponseWriter, *http.Request) (*authn.Identity, error) {
		return func(http.ResponseWriter, *http.Request) (*authn.Identity, error) { return id, err }
	}
	unproven := w.user("ada")
	unproven.VerifiedAt = time.Time{}
	key := w.user("ada")
	key.Kind = authn.KindKey
	for _, c := range []struct {
		name   string
		from   func(http.ResponseWriter, *http.Request) (*authn.Identity, error)
		method string
		header []string
		fails  string
		want   int
	}{
		{"none", gives(nil, authn.ErrNoCredential), "GET", nil, "-", 401},
		{"bad", gives(nil, authn.Refused("forged", nil)), "GET", nil, "-", 401},
		{"the older store is down", gives(nil, errDown), "GET", nil, "-", 503},
		{"our store is down", gives(w.user("ada"), nil), "GET", nil, "Create", 503},
		{"nil", gives(nil, nil), "GET", nil, "-", 500},
		{"without proof", gives(unproven, nil), "GET", nil, "-", 500},
		{"a key", gives(key, nil), "GET", nil, "-", 403},
		{"another site", gives(w.user("ada"), nil), "POST", []string{"Sec-Fetch-Site", "cross-site"}, "-", 401},
		{"owes a factor", gives(w.user("ada"), nil), "GET", nil, "-", 401},
	} {
		w.st.fail(c.fails, errDown)
		h := w.Adopt(c.from)(authn.Require(w)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error(c.name, "goes on") })))
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, w.tab().request(c.method, c.header...))
		if rec.Code != c.want || strings.Contains(rec.Body.String(), "refused") {
			t.Errorf("%s: %d %s", c.name, rec.Code, rec.Body)
		}
		w.st.reset()
	}
	b := w.in("ada")
	w.st.fail("Read", errDown)
	asks := func(http.ResponseWriter, *http.Request) (*authn.Identity, error) {
		t.Error("asked, though nobody knows whether there is a session of ours")
		return nil, errors.New("no")
	}
	if rec := answer(func(h http.Handler) http.Handler { return w.Adopt(asks)(authn.Optional(w)(h)) }, b.request(http.MethodGet)); rec.Code != http.StatusServiceUnavailable {
		t.Errorf("down: %d", rec.Code)
	}
	defer func() {
		if recover() == nil {
			t.Error("a nil func: no panic")
		}
	}()
	w.Adopt(nil)
}

// S18, S15: what another site's page shows of ours does not end the older
// session: the browser would keep none of the new one's cookies. A link leads in.
func TestAdoptIsNotForEmbedded(t *testing.T) {
	for _, c := range []struct {
		site, dest string
		want       bool
	}{
		{"cross-site", "image", false},
		{"cross-site", "iframe", false},
		{"cross-site", "", false},
		{"cross-site", "document", true},
		{"same-site", "image", true},
		{"same-origin", "empty", true},
		{"none", "document", true},
		{"", "", true},
	} {
		w := newWorld(t, nil)
		old := &older{users: map[string]*authn.Identity{"o1": w.user("ada")}}
		b := w.tab()
		b.cookies["old"] = "o1"
		r := b.request(http.MethodGet, "Sec-Fetch-Site", c.site, "Sec-Fetch-Dest", c.dest)
		rec := answer(w.Adopt(old.from), r)
		if adopted := len(old.users) == 0; adopted != c.want || (len(rec.Header()["Set-Cookie"]) > 0) != c.want {
			t.Errorf("%s %s: adopted %t, header %v", c.site, c.dest, adopted, rec.Header())
		}
	}
}

// header is a verifier of another method.
type header struct{ id *authn.Identity }

func (v header) Verify(r *http.Request) (*authn.Identity, error) {
	switch r.Header.Get("Authorization") {
	case "":
		return nil, authn.ErrNoCredential
	case "Bearer good":
		return v.id, nil
	}
	return nil, authn.Refused("bad", nil)
}

func (header) Describe() authn.Description {
	return authn.Description{Credentials: []string{"Authorization"}}
}

// S18, C1, C3: sessions stand beside tokens: a header field decides, for good or
// bad, and a stale cookie lets the token in. Sunset announces their end.
func TestSessionsBesideTokens(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	stale := b.clone()
	_ = stale.logout()
	b = w.in("ada")
	stale.cookies[cookieName] = strings.Repeat("A", 8) + "." + strings.Repeat("A", 43)
	id := w.user("bot")
	id.Method = "jwt"
	date := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	g := authn.Guard{
		Verifier: authn.FirstOf(header{id}, w.Manager),
		OnAccept: authn.Sunset("session", date, "https://app.example/moving", w.events.OnEvent),
	}
	for _, c := range []struct {
		name   string
		b      *tab
		bearer string
		want   string
		sunset bool
	}{
		{"session", b, "", "ada", true},
		{"token", w.tab(), "Bearer good", "bot", false},
		{"both", b, "Bearer good", "bot", false},
		{"bad token beside a session", b, "Bearer bad", "", false},
		{"stale cookie beside a token", stale, "Bearer good", "bot", false},
		{"stale cookie", stale, "", "", false},
	} {
		r := c.b.request(http.MethodGet)
		if c.bearer != "" {
			r.Header.Set("Authorization", c.bearer)
		}
		rec := answer(g.Require(), r)
		if got := rec.Header().Get("Sunset") != ""; got != c.sunset || (rec.Code == http.StatusOK) != (c.want != "") || rec.Code == http.StatusOK && rec.Body.String() != c.want {
			t.Errorf("%s: %d %s, Sunset %v", c.name, rec.Code, rec.Body, got)
		}
	}
	if n := len(w.events.Events(authn.EventAccepted)); n != 1 {
		t.Errorf("%d counted", n)
	}
}
