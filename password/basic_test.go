package password_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/password"
)

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

func basicRequest(fields ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://tool.example/", nil)
	r.Header["Authorization"] = fields
	return r
}

func basicField(pair string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}

// P8: RFC 7617, and what is not that.
func TestBasic(t *testing.T) {
	h := newHouse(t, nil)
	h.add(t, "zoe", "zo\u00eb", authn.Must(quick.Hash(t.Context(), "pass:w\u00f6rd with colons")))
	good := basicField("ada@example.com:" + adasPassword)
	for _, c := range []struct {
		name   string
		fields []string
		status int // 0: good
		code   string
		calls  bool // of the users
	}{
		{"good", []string{good}, 0, "", true},
		{"scheme in lower case", []string{strings.Replace(good, "Basic", "basic", 1)}, 0, "", true},
		{"two spaces", []string{strings.Replace(good, " ", "  ", 1)}, 0, "", true},
		{"colons and umlauts", []string{basicField("zo\u00eb:pass:w\u00f6rd with colons")}, 0, "", true},
		{"wrong password", []string{basicField("ada@example.com:nope")}, 401, "invalid_token", true},
		{"unknown name", []string{basicField("nobody:nope")}, 401, "invalid_token", true},
		{"empty pair", []string{basicField(":")}, 401, "invalid_token", false},
		{"none", nil, 401, "", false},
		{"Bearer", []string{"Bearer abc"}, 401, "", false},
		{"scheme only", []string{"Basic"}, 400, "invalid_request", false},
		{"two fields", []string{good, good}, 400, "invalid_request", false},
		{"no colon", []string{basicField("ada")}, 400, "invalid_request", false},
		{"no base64", []string{"Basic !!!"}, 400, "invalid_request", false},
		{"unpadded", []string{"Basic YTpiYw"}, 400, "invalid_request", false},
		{"NUL", []string{basicField("ada\x00:x")}, 400, "invalid_request", false},
		{"line break", []string{basicField("ada:x\ny")}, 400, "invalid_request", false},
		{"no UTF-8", []string{basicField("ada:\xff")}, 400, "invalid_request", false},
		{"huge", []string{basicField("ada:" + strings.Repeat("x", 1<<20))}, 400, "invalid_request", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := h.users.calls.Load()
			id, err := h.Basic().Verify(basicRequest(c.fields...))
			if e := authn.AsError(err); c.status == 0 && (err != nil || id.Subject == "") || c.status != 0 && (err == nil || e.Status != c.status || e.Code != c.code) {
				t.Errorf("%+v, %v; want %d %s", id, err, c.status, c.code)
			}
			if called := h.users.calls.Load() > before; called != c.calls {
				t.Errorf("the users were asked: %t, want %t", called, c.calls)
			}
		})
	}
	if _, err := h.Basic().Verify(basicRequest("Bearer abc")); !errors.Is(err, authn.ErrNoCredential) {
		t.Errorf("another scheme is %v, want ErrNoCredential", err)
	}
	w := httptest.NewRecorder()
	authn.Require(h.Basic())(http.NotFoundHandler()).ServeHTTP(w, basicRequest(basicField("ada@example.com:nope")))
	if got := w.Header().Get("WWW-Authenticate"); w.Code != 401 || !strings.HasPrefix(got, "Basic ") || !strings.Contains(got, `charset="UTF-8"`) {
		t.Errorf("status %d, WWW-Authenticate: %s", w.Code, got)
	}
}

// P8: browsers send Basic unasked, so that another site's request is refused.
func TestBasicCrossOrigin(t *testing.T) {
	h := newHouse(t, nil)
	r := crossSite()
	r.Header.Set("Authorization", basicField("ada@example.com:"+adasPassword))
	if _, err := h.Basic().Verify(r); authn.AsError(err).Status != http.StatusForbidden {
		t.Errorf("error %v, want 403", err)
	}
	if got := h.attempts.said(); got != "" {
		t.Errorf("attempts: %s", got)
	}
}

// P8: who owes a factor is Pending, and an outage of that question is no answer.
func TestBasicOwes(t *testing.T) {
	owes := func(context.Context, *http.Request, *authn.Identity) ([]string, error) { return []string{"otp"}, nil }
	h := newHouse(t, func(cfg *password.Config) { cfg.Owed = owes })
	id, err := h.Basic().Verify(basicRequest(basicField("ada@example.com:" + adasPassword)))
	if err != nil || len(id.Pending) != 1 || id.Pending[0] != "otp" {
		t.Errorf("%+v, %v", id, err)
	}
	down := newHouse(t, func(cfg *password.Config) {
		cfg.Owed = func(context.Context, *http.Request, *authn.Identity) ([]string, error) { return nil, errServer }
	})
	if id, err := down.Basic().Verify(basicRequest(basicField("ada@example.com:" + adasPassword))); id != nil || !errors.Is(err, errServer) {
		t.Errorf("%+v, %v", id, err)
	}
}

// P8: a pair is believed for BasicCache, and not a moment longer than the
// password, the name or the user.
func TestBasicCache(t *testing.T) {
	h := newHouse(t, func(cfg *password.Config) { cfg.BasicCache = time.Minute })
	verify := func(pw string) (cached bool, err error) {
		_, err = h.Basic().Verify(basicRequest(basicField("ada@example.com:" + pw)))
		return h.attempts.said() == "", err
	}
	for i, c := range []struct {
		what   string
		do     func()
		pw     string
		cached bool
		want   error
	}{
		{"first", func() {}, adasPassword, false, nil},
		{"again", func() {}, adasPassword, true, nil},
		{"another password", func() {}, "nope", false, password.ErrWrong},
		{"still", func() {}, adasPassword, true, nil},
		{"59 s later", func() { h.now.Add(int64(59 * time.Second)) }, adasPassword, true, nil},
		{"1 min later", func() { h.now.Add(int64(time.Second)) }, adasPassword, false, nil},
		{"password changed elsewhere", func() {
			next := authn.Must(quick.Hash(t.Context(), newPassword))
			if err := h.users.ReplacePasswordHash(t.Context(), "ada", h.hash(t, "ada"), next, time.Now()); err != nil {
				t.Fatal(err)
			}
		}, adasPassword, false, password.ErrWrong},
		{"the new one", func() {}, newPassword, false, nil},
		{"renamed", func() {
			hash := h.hash(t, "ada")
			if err := h.users.DeletePassword(t.Context(), "ada"); err != nil {
				t.Fatal(err)
			}
			h.add(t, "ada", "ada@other.example", hash)
		}, newPassword, false, password.ErrWrong},
		{"renamed back", func() {
			hash := h.hash(t, "ada")
			if err := h.users.DeletePassword(t.Context(), "ada"); err != nil {
				t.Fatal(err)
			}
			h.add(t, "ada", "ada@example.com", hash)
		}, newPassword, true, nil},
		{"deleted", func() {
			if err := h.users.DeletePassword(t.Context(), "ada"); err != nil {
				t.Fatal(err)
			}
		}, newPassword, false, password.ErrWrong},
	} {
		c.do()
		if cached, err := verify(c.pw); cached != c.cached || !errors.Is(err, c.want) {
			t.Errorf("%d %s: cached %t, %v; want %t, %v", i, c.what, cached, err, c.cached, c.want)
		}
	}
}

// P8: a cached pair is no way around an outage of the users, and its factor is
// as old as its proof.
func TestBasicCacheOutage(t *testing.T) {
	h := newHouse(t, func(cfg *password.Config) { cfg.BasicCache = time.Minute })
	r := basicRequest(basicField("ada@example.com:" + adasPassword))
	first := authn.Must(h.Basic().Verify(r))
	h.now.Add(int64(30 * time.Second))
	second := authn.Must(h.Basic().Verify(r))
	a, _ := first.FactorAt("pwd")
	b, _ := second.FactorAt("pwd")
	if !a.Equal(b) || !second.VerifiedAt.After(first.VerifiedAt) {
		t.Errorf("proven at %s, then %s; verified at %s, then %s", a, b, first.VerifiedAt, second.VerifiedAt)
	}
	h.users.reads.Store(true)
	if _, err := h.Basic().Verify(r); authn.AsError(err).Status != http.StatusServiceUnavailable {
		t.Errorf("users down: %v", err)
	}
}
