package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/oauth"
)

// callbackOf is a Login of one stand-in, a flow that is under way, and how often
// somebody was logged in.
type callbackOf struct {
	login         *oauth.Login
	provider      *standIn
	state         string
	name, value   string // of the flow's cookie
	logins, calls int
}

func newCallback(f *testing.F) *callbackOf {
	f.Helper()
	c := &callbackOf{}
	s := github(asJSON(githubUser), asJSON(`[]`))
	c.provider = s
	token := s.answers["POST github.com/login/oauth/access_token"]
	s.answers["POST github.com/login/oauth/access_token"] = func(r *http.Request) (int, string, string) {
		c.calls++
		return token(r)
	}
	began := time.Now() // which a run may outlast by more than a flow lives
	c.login = authn.Must(oauth.NewLogin(authn.GenerateKeychain(), oauth.Config{
		Now:     func() time.Time { return began },
		BaseURL: base, Providers: []oauth.Provider{githubProvider(), googleProvider()}, Transport: s,
		OnLogin: func(http.ResponseWriter, *http.Request, oauth.Profile) error {
			c.logins++
			return nil
		},
	}))
	w := httptest.NewRecorder()
	c.login.ServeHTTP(w, httptest.NewRequest(http.MethodGet, base+"/github/login", nil))
	c.state = authn.Must(w.Result().Location()).Query().Get("state")
	cookie := w.Result().Cookies()[0]
	c.name, c.value = cookie.Name, cookie.Value
	return c
}

// begin forgets what happened before: the stand-in would keep all of it.
func (c *callbackOf) begin() {
	c.logins, c.calls = 0, 0
	c.provider.calls, c.provider.forms, c.provider.heads = nil, nil, nil
}

// O2, O3: whatever stands in Cookie, the flow's own cookie ends the flow, if it is
// alone of its name, and nothing else does.
func FuzzFlowCookie(f *testing.F) {
	c := newCallback(f)
	f.Fuzz(func(t *testing.T, line, second string) {
		if strings.ContainsAny(line+second, "\r\n") {
			return // of which net/http makes other lines; base64 would skip them
		}
		r := httptest.NewRequest(http.MethodGet, base+"/github/callback?code=x&state="+c.state, nil)
		for _, l := range []string{line, second} {
			if l != "" {
				r.Header["Cookie"] = append(r.Header["Cookie"], strings.NewReplacer("NAME", c.name, "GOOD", c.value).Replace(l))
			}
		}
		c.begin()
		w := httptest.NewRecorder()
		c.login.ServeHTTP(w, r)
		all := strings.Join(r.Header["Cookie"], ";")
		var values []string
		for pair := range strings.SplitSeq(all, ";") {
			if value, ok := strings.CutPrefix(strings.Trim(pair, " \t"), c.name+"="); ok {
				values = append(values, value)
			}
		}
		if good := slices.Equal(values, []string{c.value}); good != (c.logins == 1) {
			t.Fatalf("%q: %d logins", all, c.logins)
		}
		if c.logins == 0 && (w.Code != http.StatusUnauthorized || c.calls > 0) {
			t.Fatalf("%q: %d, %d token requests", all, w.Code, c.calls)
		}
		// A new flow, whatever the browser has already.
		r = httptest.NewRequest(http.MethodGet, base+"/github/login", nil)
		r.Header["Cookie"] = []string{strings.NewReplacer("NAME", c.name, "GOOD", c.value).Replace(line)}
		w = httptest.NewRecorder()
		c.login.ServeHTTP(w, r)
		if n := len(w.Header()["Set-Cookie"]); w.Code != http.StatusSeeOther || n == 0 || n > 20 {
			t.Fatalf("%q: %d, %d cookies", line, w.Code, n)
		}
	})
}

// O3, O6, O8: whatever the query of a callback is, it does not panic, shows nothing of
// it, and asks the provider only for the right state, once.
func FuzzCallback(f *testing.F) {
	c := newCallback(f)
	f.Fuzz(func(t *testing.T, query, provider string) {
		query = strings.ReplaceAll(query, "STATE", c.state)
		r := httptest.NewRequest(http.MethodGet, base, nil)
		r.URL.Path, r.URL.RawQuery = "/auth/"+provider+"/callback", query
		r.AddCookie(&http.Cookie{Name: c.name, Value: c.value})
		c.begin()
		w := httptest.NewRecorder()
		c.login.ServeHTTP(w, r)
		v, err := url.ParseQuery(query)
		good := err == nil && provider == "github" && v.Get("state") == c.state && v.Get("code") != "" && v.Get("error") == ""
		for _, values := range v {
			good = good && len(values) == 1
		}
		if good != (c.logins == 1) || !good && c.calls > 0 {
			t.Fatalf("%q: %d logins, %d token requests", query, c.logins, c.calls)
		}
		if c.logins > 1 || c.calls > 1 || c.logins == 0 && w.Code < 400 {
			t.Fatalf("%q: %d, %d logins, %d token requests", query, w.Code, c.logins, c.calls)
		}
		if to := w.Header().Get("Location"); to != "" {
			t.Fatalf("%q: goes to %q", query, to)
		}
		if w.Code >= 400 {
			fixed := httptest.NewRecorder()
			authn.WriteError(fixed, nil, &authn.Error{Status: w.Code, Code: errorCode(w.Body.String())})
			if fixed.Body.String() != w.Body.String() {
				t.Fatalf("%q: the page says %s", query, w.Body)
			}
		}
		if w.Header().Get("Referrer-Policy") != "no-referrer" || !strings.Contains(w.Header().Get("Cache-Control"), "no-store") {
			t.Fatalf("%q: %v", query, w.Header())
		}
	})
}
