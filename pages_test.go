package authn_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
)

// C9: browsers are sent to the page that helps, programs get their answer.
func TestPagesSendBrowsersOnly(t *testing.T) {
	pages := authn.Pages{Login: "/login?x=1", Factor: map[string]string{"otp": "/login/otp", "pwd": "/reauth", "": "/prove"}}
	pending := authn.User("ada", "x")
	pending.Pending = []string{"otp"}
	navigate := []string{"Sec-Fetch-Mode", "navigate", "Accept", "text/html,*/*"}
	const back = "return_to=%2Forders%3Fid%3D7"
	tests := []struct {
		name   string
		v      authn.Verifier
		rules  []authn.Rule
		method string
		fields []string
		want   string // Location, or "" for problem+json
	}{
		{"nobody", authntest.Verifier(nil, authn.ErrNoCredential), nil, "GET", navigate, "/login?x=1&" + back},
		{"nobody, HEAD", authntest.Verifier(nil, authn.ErrNoCredential), nil, "HEAD", navigate, "/login?x=1&" + back},
		{"nobody, POST has no way back", authntest.Verifier(nil, authn.ErrNoCredential), nil, "POST", navigate, "/login?x=1"},
		{"old browser", authntest.Verifier(nil, authn.ErrNoCredential), nil, "GET", []string{"Accept", "text/html"}, "/login?x=1&" + back},
		{"curl", authntest.Verifier(nil, authn.ErrNoCredential), nil, "GET", []string{"Accept", "*/*"}, ""},
		{"fetch", authntest.Verifier(nil, authn.ErrNoCredential), nil, "GET", []string{"Sec-Fetch-Mode", "cors", "Accept", "text/html"}, ""},
		{"bad", authntest.Verifier(nil, authn.Refused("revoked", nil)), nil, "GET", navigate, "/login?x=1&" + back},
		{"pending", authntest.Verifier(pending, nil), nil, "GET", navigate, "/login/otp?" + back},
		{"too old", authntest.Verifier(authn.User("ada", "x"), nil), []authn.Rule{authn.Within(time.Minute, "pwd")}, "GET", navigate, "/reauth?" + back},
		{"too old, whatever it was", authntest.Verifier(authn.User("ada", "x"), nil), []authn.Rule{authn.Within(time.Minute)}, "GET", navigate, "/prove?" + back},
		{"factor without page", authntest.Verifier(authn.User("ada", "x"), nil), []authn.Rule{authn.Within(time.Minute, "hwk")}, "GET", navigate, "/login?x=1&" + back},
		{"forbidden", authntest.Verifier(authn.User("ada", "x"), nil), []authn.Rule{authn.AnyRole("admin")}, "GET", navigate, ""},
		{"down", authntest.Verifier(nil, errDown), nil, "GET", navigate, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "/orders?id=7", nil)
			for i := 0; i < len(tt.fields); i += 2 {
				r.Header.Set(tt.fields[i], tt.fields[i+1])
			}
			w := serve(authn.Guard{Verifier: tt.v, OnError: pages.OnError}.Require(tt.rules...)(who), r)
			if got := w.Header().Get("Location"); got != tt.want || (w.Code == http.StatusSeeOther) != (tt.want != "") {
				t.Errorf("status %d, Location %q, want %q", w.Code, got, tt.want)
			}
			if w.Header().Get("Cache-Control") != "no-store" {
				t.Error("the answer is cacheable")
			}
			if problem := strings.HasPrefix(w.Header().Get("Content-Type"), "application/problem+json"); problem != (tt.want == "") {
				t.Errorf("Content-Type %q", w.Header().Get("Content-Type"))
			}
		})
	}
	w := serve(authn.Guard{Verifier: cookie(), OnError: authn.Pages{}.OnError}.Require()(who), request("Accept", "text/html"))
	if w.Code != http.StatusUnauthorized {
		t.Errorf("zero Pages: status %d", w.Code)
	}
}

// C9, C10: the way back is what the browser asked for, also where a prefix was
// stripped; without a Guard around it the redirect is not cached either.
func TestPagesSendBackToWhatWasAsked(t *testing.T) {
	pages := authn.Pages{Login: "/login"}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { pages.OnError(w, r, authn.Refused("", nil)) })
	for target, want := range map[string]string{
		"/app/orders?id=7":                    "/login?return_to=%2Fapp%2Forders%3Fid%3D7",
		"http://app.example/app/orders?id=7":  "/login?return_to=%2Forders%3Fid%3D7", // as to a proxy: what is left of the URL
		"http://evil.example//app.example/pw": "/login",
	} {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/app") // as http.StripPrefix
		w := serve(h, r)
		if got := w.Header().Get("Location"); got != want || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Location %q, want %q; %v", target, got, want, w.Header())
		}
	}
}

// C9: the way back is a path of this host, in every reading.
func TestReturnToIsALocalPath(t *testing.T) {
	good := []string{
		"/", "/orders", "/orders?id=7&u=http://x//y", "/a%20b", "/a/../b", "/ä", "/~ada/@x:y", "/a;b=c,d", "/" + strings.Repeat("a", 2047),
	}
	bad := []string{
		"", "orders", "//evil.example", "///evil.example", `/\evil.example`, `\\evil.example`, `/\/evil.example`, "/%2fevil.example",
		"/%2Fevil.example", "/%5cevil.example", "/%5C%5Cevil.example", "%2f%2fevil.example", "/%252fevil.example", "/%255cevil.example",
		"http://evil.example", "https:evil.example", "javascript:alert(1)", "//user@evil.example", "/\t/evil.example", "/\n/evil.example",
		"/\x00", "/a\r\nSet-Cookie: x=1", "/%0d%0aSet-Cookie:x=1", "/%09/evil.example", "/a?x=\x1f", "/a#\n", "/.//evil.example", "/a//b",
		"/%zz", " /orders", "/" + strings.Repeat("a", 2048), "http:///evil.example", "mailto:a@b", "?x", "#x", "/a/%2f%2fb", "/orders#frag", `/x#/../\evil.example`, `/x?/../\evil.example`,
	}
	check := func(s string, want bool) {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, "/login?"+url.Values{"return_to": {s}}.Encode(), nil)
		if got := authn.ReturnTo(r, "fallback"); got == "fallback" && want || got != "fallback" && got != s || got == s && !want {
			t.Errorf("ReturnTo(%q) = %q", s, got)
		}
		if got := (authn.Pages{}).Next(nil, s); want && got != s || !want && got != "/" {
			t.Errorf("Next(%q) = %q", s, got)
		}
		if want { // and a browser's resolution of it agrees
			base := authn.Must(url.Parse("https://app.example/login"))
			if u := base.ResolveReference(authn.Must(url.Parse(s))); u.Host != "app.example" {
				t.Errorf("%q leads to %s", s, u)
			}
		}
	}
	for _, s := range good {
		check(s, true)
	}
	for _, s := range bad {
		check(s, false)
	}
	form := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader("return_to=/orders"))
	form.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if got := authn.ReturnTo(form, "/"); got != "/" || form.Form != nil {
		t.Errorf("ReturnTo read the body: %q", got)
	}
}

func FuzzReturnTo(f *testing.F) {
	for _, s := range []string{"/orders", "//evil.example", `/\evil.example`, "/%2f%2fevil.example", "/a?b#c", "/%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := (authn.Pages{}).Next(nil, s)
		w := httptest.NewRecorder() // which cleans paths, across what is cut off
		http.Redirect(w, httptest.NewRequest(http.MethodGet, "/login", nil), got, http.StatusSeeOther)
		if to := w.Header().Get("Location"); !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.HasPrefix(to, `/\`) {
			t.Errorf("%q redirects to %q", s, to)
		}
		u, err := url.Parse(got)
		if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(got, "/") ||
			strings.HasPrefix(u.Path, "//") || strings.ContainsAny(got, "\r\n\t\x00") || strings.ContainsAny(u.Path, "\\\r\n\t\x00") {
			t.Errorf("%q leads to %q", s, got)
		}
	})
}

// C9: the way back survives the steps of a login.
func TestNextLeadsOverOwedFactors(t *testing.T) {
	pages := authn.Pages{Login: "/login", Factor: map[string]string{"otp": "/login/otp?style=big"}}
	id := authn.User("ada", "password")
	if got := pages.Next(id, "/orders?id=7"); got != "/orders?id=7" {
		t.Errorf("nothing owed: %q", got)
	}
	id.Pending = []string{"hwk", "otp"}
	if got, want := pages.Next(id, "/orders?id=7"), "/login/otp?style=big&return_to=%2Forders%3Fid%3D7"; got != want {
		t.Errorf("otp owed: %q, want %q", got, want)
	}
	r := httptest.NewRequest(http.MethodPost, pages.Next(id, "/orders?id=7"), nil)
	if got := authn.ReturnTo(r, "/"); got != "/orders?id=7" {
		t.Errorf("after the code: %q", got)
	}
}
