package totp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/totp"
)

// adder is a FactorAdder that says what it was called with.
type adder struct {
	added []authn.Factor
	err   error
	then  func()
}

func (a *adder) AddFactor(_ http.ResponseWriter, r *http.Request, f authn.Factor) (*authn.Identity, error) {
	if a.then != nil {
		a.then()
	}
	if a.err != nil {
		return nil, a.err
	}
	a.added = append(a.added, f)
	id, _ := authn.FromContext(r.Context())
	return id.WithFactor(f), nil
}

// page is a host's: it says the error's status.
func page(w http.ResponseWriter, _ *http.Request, err error) {
	status := http.StatusOK
	if err != nil {
		status = authn.AsError(err).Status
	}
	w.WriteHeader(status)
	fmt.Fprintf(w, "page: %v, stopped: %v", err != nil, errors.Is(err, totp.ErrStopped))
}

const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

// ask sends a request of half a login of ada to Challenge.
func (w *world) ask(a authn.FactorAdder, method, target, contentType, body string) *httptest.ResponseRecorder {
	id := w.user("ada", "pwd")
	id.Pending = []string{"otp"}
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	r = r.WithContext(authn.NewContext(r.Context(), id))
	rec := httptest.NewRecorder()
	w.Challenge(a, page).ServeHTTP(rec, r)
	return rec
}

// T7: a form or JSON with the right code adds the factor; a form goes on to where
// the login came from.
func TestChallengeAddsTheFactor(t *testing.T) {
	w := newWorld(t, trusting)
	p, codes := w.enrol("ada")
	for _, c := range []struct {
		name, target, media, body, location string
		status                              int
		trusts                              bool
	}{
		{"form", "/login/otp", formType, "code=CODE", "/", 303, false},
		{"form with a way back", "/login/otp?return_to=%2Faccount%3Fa%3Db", formType, "code=CODE", "/account?a=b", 303, false},
		{"form with another's way back", "/login/otp?return_to=https%3A%2F%2Fevil.example", formType, "code=CODE", "/", 303, false},
		{"form with a space", "/login/otp", formType + "; charset=utf-8", "csrf=x&code=+CODE+", "/", 303, false},
		{"form that trusts", "/login/otp", formType, "code=CODE&trust_device=on", "/", 303, true},
		{"form that does not", "/login/otp", formType, "code=CODE&trust_device=", "/", 303, false},
		{"form that says no", "/login/otp", formType, "code=CODE&trust_device=false", "/", 303, false},
		{"trust in the query", "/login/otp?trust_device=1", formType, "code=CODE", "/", 303, false},
		{"recovery code", "/login/otp", formType, "code=RECOVERY", "/", 303, false},
		{"JSON", "/login/otp?return_to=%2Faccount", jsonType, `{"code":"CODE"}`, "", 204, false},
		{"JSON that trusts", "/login/otp", jsonType + "; charset=utf-8", `{"code":"CODE","trust_device":true,"more":1}`, "", 204, true},
	} {
		w.forward(step)
		a := &adder{}
		body := strings.NewReplacer("CODE", p.code(w.now()), "RECOVERY", codes[0]).Replace(c.body)
		if c.name == "recovery code" {
			body = "code=" + url.QueryEscape(codes[0])
		}
		rec := w.ask(a, http.MethodPost, c.target, c.media, body)
		if rec.Code != c.status || rec.Header().Get("Location") != c.location || len(a.added) != 1 || a.added[0].Name != "otp" {
			t.Errorf("%s: %d to %q, factors %+v: %s", c.name, rec.Code, rec.Header().Get("Location"), a.added, rec.Body)
		}
		if trusts := strings.Contains(rec.Header().Get("Set-Cookie"), deviceCookie); trusts != c.trusts {
			t.Errorf("%s: trusts the device: %v, want %v", c.name, trusts, c.trusts)
		}
		if c.trusts {
			w.wantOwed(newRequest(rec), "ada", false, c.name)
		}
		if rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: may be cached", c.name)
		}
	}
}

// T8: who asks for trust where the service gives none is let in, without it.
func TestChallengeWithoutTrust(t *testing.T) {
	w := newWorld(t, nil)
	p, _ := w.enrol("ada")
	rec := w.ask(&adder{}, http.MethodPost, "/login/otp", formType, "trust_device=1&code="+p.code(w.now()))
	if rec.Code != 303 || rec.Header().Get("Set-Cookie") != "" {
		t.Errorf("%d, cookie %q", rec.Code, rec.Header().Get("Set-Cookie"))
	}
}

// T7: a wrong code is the page again, with its status; a program gets JSON. What is
// no wrong code is never called one.
func TestChallengeRefuses(t *testing.T) {
	w := newWorld(t, nil)
	p, _ := w.enrol("ada")
	post := func(media, body string) *httptest.ResponseRecorder {
		a := &adder{}
		rec := w.ask(a, http.MethodPost, "/login/otp", media, body)
		if len(a.added) != 0 || rec.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s: the factor was added", body)
		}
		return rec
	}
	wrong := p.wrong(w.now())
	for _, c := range []struct {
		name, media, body string
		status            int
		says              string // "page" or the code of a problem
	}{
		{"wrong code", formType, "code=" + wrong, 401, "page: true, stopped: false"},
		{"wrong code of a program", jsonType, `{"code":"` + wrong + `"}`, 401, "invalid_grant"},
		{"no code", formType, "", 401, "page: true, stopped: false"},
		{"no code in JSON", jsonType, `{}`, 401, "invalid_grant"},
		{"a number", jsonType, `{"code":123456}`, 400, "invalid_request"},
		{"no JSON", jsonType, `code=123456`, 400, "invalid_request"},
		{"two values", jsonType, `{"code":"1"}{"code":"2"}`, 400, "invalid_request"},
		{"bad escapes", formType, "code=%zz", 400, "invalid_request"},
		{"text", "text/plain", `{"code":"` + wrong + `"}`, 400, "invalid_request"},
		{"no type", "", "code=" + wrong, 400, "invalid_request"},
		{"multipart", "multipart/form-data; boundary=x", "--x--", 400, "invalid_request"},
		{"too large", formType, "code=" + strings.Repeat("1", 20_000), 413, "too_large"},
		{"too large JSON", jsonType, `{"code":"` + strings.Repeat("1", 20_000) + `"}`, 413, "too_large"},
	} {
		rec := post(c.media, c.body)
		said := rec.Body.String()
		if !strings.HasPrefix(c.says, "page") {
			var problem struct{ Error string }
			_ = json.Unmarshal(rec.Body.Bytes(), &problem)
			said = problem.Error
		}
		if rec.Code != c.status || !strings.HasPrefix(said, c.says) {
			t.Errorf("%s: %d %q, want %d %q", c.name, rec.Code, said, c.status, c.says)
		}
	}
	if rec := w.ask(&adder{}, http.MethodPost, "/login/otp?code="+p.code(w.now()), formType, ""); rec.Code != 401 {
		t.Errorf("a right code in the query: %d", rec.Code)
	}
	for range 3 { // two are counted already
		if rec := post(formType, "code="+wrong); rec.Code != 401 || rec.Header()["Retry-After"] != nil {
			t.Errorf("wrong code, without a wait: %d, Retry-After %q", rec.Code, rec.Header()["Retry-After"])
		}
	}
	if rec := post(formType, "code="+wrong); rec.Code != 429 || rec.Header().Get("Retry-After") != "30" || !strings.HasPrefix(rec.Body.String(), "page: true") {
		t.Errorf("must wait: %d, Retry-After %q: %s", rec.Code, rec.Header().Get("Retry-After"), rec.Body)
	}
	if rec := post(jsonType, `{"code":"`+wrong+`"}`); rec.Code != 429 || !strings.Contains(rec.Body.String(), "quota_exceeded") {
		t.Errorf("must wait, a program: %d %s", rec.Code, rec.Body)
	}
	w.forward(time.Hour)
	w.st.fail("reserve")
	if rec := post(formType, "code="+p.code(w.now())); rec.Code != 503 || strings.Contains(rec.Body.String(), "page") {
		t.Errorf("store down: %d %s", rec.Code, rec.Body)
	}
	w.st.fail("")
	a := &adder{err: authn.NoCredential("revoked meanwhile")}
	if rec := w.ask(a, http.MethodPost, "/login/otp", formType, "code="+p.code(w.now())+"&trust_device=1"); rec.Code != 401 || rec.Header().Get("Set-Cookie") != "" || strings.Contains(rec.Body.String(), "page") {
		t.Errorf("no session any more: %d %s", rec.Code, rec.Body)
	}
}

// T7: GET shows the page, other methods are refused, and who is nobody, or no user,
// is asked to log in.
func TestChallengeMethodsAndStrangers(t *testing.T) {
	w := newWorld(t, nil)
	w.enrol("ada")
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		if rec := w.ask(&adder{}, method, "/login/otp?code=123456", "", ""); rec.Code != 200 || rec.Body.String() != "page: false, stopped: false" || rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", method, rec.Code, rec.Body)
		}
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions} {
		if rec := w.ask(&adder{}, method, "/login/otp", formType, "code=123456"); rec.Code != 405 || rec.Header().Get("Allow") != "GET, HEAD, POST" {
			t.Errorf("%s: %d", method, rec.Code)
		}
	}
	w.st.made()
	h := w.Challenge(&adder{}, page)
	for why, ctx := range map[string]context.Context{
		"nobody": t.Context(), "a key": authn.NewContext(t.Context(), &authn.Identity{Subject: "ada", Kind: authn.KindKey}),
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			rec := httptest.NewRecorder()
			r := httptest.NewRequest(method, "/login/otp", strings.NewReader("code=123456"))
			r.Header.Set("Content-Type", formType)
			h.ServeHTTP(rec, r.WithContext(ctx))
			if rec.Code != 401 {
				t.Errorf("%s, %s: %d", why, method, rec.Code)
			}
		}
	}
	if calls := w.st.made(); calls != "" {
		t.Errorf("the store was asked: %s", calls)
	}
	for name, f := range map[string]func(){
		"nobody to add to": func() { w.Challenge(nil, page) },
		"no page":          func() { w.Challenge(&adder{}, nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// T8: a device that is trusted while all are forgotten, as by a changed password,
// is not.
func TestDeviceTrustedWhileAllAreForgotten(t *testing.T) {
	w := newWorld(t, trusting)
	p, _ := w.enrol("ada")
	a := &adder{then: func() {
		if err := w.ForgetDevices(t.Context(), "ada"); err != nil {
			t.Error(err)
		}
	}}
	rec := w.ask(a, http.MethodPost, "/login/otp", formType, "trust_device=1&code="+p.code(w.now()))
	if rec.Code != 303 || len(rec.Result().Cookies()) != 1 {
		t.Fatalf("%d, %d cookies", rec.Code, len(rec.Result().Cookies()))
	}
	w.wantOwed(newRequest(rec), "ada", true, "a device that was trusted before all were forgotten")
}

// T5: events of a Challenge say where a wrong code came from.
func TestEventsSayTheClient(t *testing.T) {
	w := newWorld(t, nil)
	p, _ := w.enrol("ada")
	w.events()
	w.ask(&adder{}, http.MethodPost, "/login/otp", formType, "code="+p.wrong(w.now()))
	for _, e := range w.rec.Events() {
		if e.Kind != authn.EventRefused || e.Addr != netip.MustParseAddr("192.0.2.1") || !errors.Is(e.Err, totp.ErrWrong) || e.Subject != "ada" {
			t.Errorf("event %+v", e)
		}
	}
	if n := len(w.events()); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}
