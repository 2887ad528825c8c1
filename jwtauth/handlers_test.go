package jwtauth_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

const (
	issuerFormType = "application/x-www-form-urlencoded"
	issuerJSONType = "application/json"
)

func issuerPost(contentType, body string, fields ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "https://auth.example"+issuerRefreshPath, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

func issuerForm(body string, fields ...string) *http.Request {
	return issuerPost(issuerFormType, body, fields...)
}

func issuerServe(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

// issuerBody is of an answer; its error is that of RFC 6749 §5.2.
type issuerBody struct {
	AccessToken  string   `json:"access_token"`
	TokenType    string   `json:"token_type"`
	ExpiresIn    int      `json:"expires_in"`
	RefreshToken string   `json:"refresh_token"`
	Scope        string   `json:"scope"`
	Pending      []string `json:"pending"`
	Error        string   `json:"error"`
}

func issuerAnswer(t *testing.T, rec *httptest.ResponseRecorder) (b issuerBody) {
	t.Helper()
	if err := json.Unmarshal(rec.Body.Bytes(), &b); err != nil {
		t.Errorf("%d %s: %v", rec.Code, rec.Body, err)
	}
	return b
}

// J23: how a refresh token may come, and what is answered to what else comes.
// No answer is to be cached.
func TestRefreshHandler(t *testing.T) {
	w := newIssuerWorld(t, func(cfg *jwtauth.IssuerConfig) {
		issuerWithCookies(cfg)
		cfg.PublicClients = []string{"app"}
	})
	h := w.issuer.RefreshHandler()
	cookie := func(token string) string { return "__Secure-refresh=" + token }
	tests := []struct {
		name    string
		request func(token string) *http.Request
		status  int
		code    string // of an error
		cookies bool   // the answer is in cookies
		scope   string // of what is answered; "" is all
	}{
		{"form", func(s string) *http.Request { return issuerForm("refresh_token=" + s) }, 200, "", false, ""},
		{"form with grant_type", func(s string) *http.Request { return issuerForm("grant_type=refresh_token&refresh_token=" + s) }, 200, "", false, ""},
		{"form with a charset", func(s string) *http.Request {
			return issuerPost(issuerFormType+"; charset=UTF-8", "refresh_token="+s)
		}, 200, "", false, ""},
		{"form that narrows", func(s string) *http.Request { return issuerForm("scope=orders%3Aread&refresh_token=" + s) }, 200, "", false, "orders:read"},
		{"form with unknown parameters", func(s string) *http.Request { return issuerForm("x=y&refresh_token=" + s) }, 200, "", false, ""},
		{"JSON", func(s string) *http.Request { return issuerPost(issuerJSONType, `{"refresh_token":"`+s+`"}`) }, 200, "", false, ""},
		{"JSON with other members", func(s string) *http.Request {
			return issuerPost(issuerJSONType, `{"refresh_token":"`+s+`","scope":"orders:read","x":{"y":[1]}}`)
		}, 200, "", false, "orders:read"},
		{"cookie", func(s string) *http.Request { return issuerPost("", "", "Cookie", cookie(s)) }, 200, "", true, ""},
		{"cookie and a form that narrows", func(s string) *http.Request { return issuerForm("scope=orders%3Aread", "Cookie", cookie(s)) }, 200, "", true, "orders:read"},
		{"cookie and an empty parameter", func(s string) *http.Request { return issuerForm("refresh_token=", "Cookie", cookie(s)) }, 200, "", true, ""},
		{"cookie of this origin", func(s string) *http.Request {
			return issuerPost("", "", "Cookie", cookie(s), "Sec-Fetch-Site", "same-origin", "Origin", "https://auth.example")
		}, 200, "", true, ""},
		{"cookie beside an access token in the header", func(s string) *http.Request {
			return issuerPost("", "", "Cookie", cookie(s), "Authorization", "Bearer a.b.c")
		}, 200, "", true, ""},
		{"body before the cookie", func(s string) *http.Request { return issuerForm("refresh_token="+s, "Cookie", cookie("x")) }, 200, "", false, ""},
		{"body of another site", func(s string) *http.Request { return issuerForm("refresh_token="+s, "Sec-Fetch-Site", "cross-site") }, 200, "", false, ""},

		{"cookie, cross-site", func(s string) *http.Request {
			return issuerPost("", "", "Cookie", cookie(s), "Sec-Fetch-Site", "cross-site")
		}, 403, "forbidden", false, ""},
		{"cookie, sibling host", func(s string) *http.Request {
			return issuerPost("", "", "Cookie", cookie(s), "Sec-Fetch-Site", "same-site")
		}, 403, "forbidden", false, ""},
		{"cookie, another origin", func(s string) *http.Request {
			return issuerForm("", "Cookie", cookie(s), "Origin", "https://evil.example")
		}, 403, "forbidden", false, ""},
		{"two cookies", func(s string) *http.Request { return issuerPost("", "", "Cookie", cookie(s)+"; "+cookie("x")) }, 400, "invalid_request", false, ""},
		{"cookie of another name", func(s string) *http.Request { return issuerPost("", "", "Cookie", "refresh="+s) }, 400, "invalid_request", false, ""},
		{"cookie with a bad token", func(string) *http.Request { return issuerPost("", "", "Cookie", cookie("x")) }, 400, "invalid_grant", false, ""},
		{"nothing", func(string) *http.Request { return issuerPost("", "") }, 400, "invalid_request", false, ""},
		{"empty form", func(string) *http.Request { return issuerForm("") }, 400, "invalid_request", false, ""},
		{"query", func(s string) *http.Request {
			r := issuerForm("grant_type=refresh_token")
			r.URL.RawQuery = "refresh_token=" + s
			return r
		}, 400, "invalid_request", false, ""},
		{"header", func(s string) *http.Request { return issuerForm("", "Authorization", "Bearer "+s) }, 400, "invalid_request", false, ""},
		{"form sent as JSON", func(s string) *http.Request { return issuerPost(issuerJSONType, "refresh_token="+s) }, 400, "invalid_request", false, ""},
		{"JSON sent as a form", func(s string) *http.Request { return issuerForm(`{"refresh_token":"` + s + `"}`) }, 400, "invalid_request", false, ""},
		{"text", func(s string) *http.Request { return issuerPost("text/plain", "refresh_token="+s) }, 400, "invalid_request", false, ""},
		{"text that is JSON, cross-site", func(s string) *http.Request {
			return issuerPost("text/plain", "{}", "Cookie", cookie(s), "Sec-Fetch-Site", "cross-site")
		}, 400, "invalid_request", false, ""},
		{"multipart", func(s string) *http.Request { return issuerPost("multipart/form-data; boundary=x", "refresh_token="+s) }, 400, "invalid_request", false, ""},
		{"no content type", func(s string) *http.Request { return issuerPost("", "refresh_token="+s) }, 400, "invalid_request", false, ""},
		{"token twice", func(s string) *http.Request { return issuerForm("refresh_token=" + s + "&refresh_token=" + s) }, 400, "invalid_request", false, ""},
		{"unknown parameter twice", func(s string) *http.Request { return issuerForm("x=1&x=2&refresh_token=" + s) }, 400, "invalid_request", false, ""},
		{"token twice in JSON", func(s string) *http.Request {
			return issuerPost(issuerJSONType, `{"refresh_token":"`+s+`","refresh_token":"`+s+`"}`)
		}, 400, "invalid_request", false, ""},
		{"token in two cases in JSON", func(s string) *http.Request {
			return issuerPost(issuerJSONType, `{"refresh_token":"`+s+`","Refresh_Token":"x"}`)
		}, 400, "invalid_request", false, ""},
		{"JSON of a number", func(string) *http.Request { return issuerPost(issuerJSONType, `{"refresh_token":7}`) }, 400, "invalid_request", false, ""},
		{"JSON of a scope that is a list", func(s string) *http.Request {
			return issuerPost(issuerJSONType, `{"refresh_token":"`+s+`","scope":["orders:read"]}`)
		}, 400, "invalid_request", false, ""},
		{"JSON of a client that is a number", func(s string) *http.Request {
			return issuerPost(issuerJSONType, `{"refresh_token":"`+s+`","client_id":7}`)
		}, 400, "invalid_request", false, ""},
		{"JSON of a token that is null, with a cookie", func(s string) *http.Request {
			return issuerPost(issuerJSONType, `{"refresh_token":null}`, "Cookie", cookie(s))
		}, 400, "invalid_request", false, ""},
		{"JSON list", func(string) *http.Request { return issuerPost(issuerJSONType, `["x"]`) }, 400, "invalid_request", false, ""},
		{"two JSON objects", func(s string) *http.Request { return issuerPost(issuerJSONType, `{"refresh_token":"`+s+`"}{}`) }, 400, "invalid_request", false, ""},
		{"NUL in a parameter", func(s string) *http.Request { return issuerForm("client_id=%00&refresh_token=" + s) }, 400, "invalid_request", false, ""},
		{"invalid UTF-8", func(s string) *http.Request { return issuerForm("client_id=%ff&refresh_token=" + s) }, 400, "invalid_request", false, ""},
		{"bad escape", func(s string) *http.Request { return issuerForm("x=%zz&refresh_token=" + s) }, 400, "invalid_request", false, ""},
		{"body of 16 KiB", func(s string) *http.Request {
			body := "refresh_token=" + s + "&x="
			return issuerForm(body + strings.Repeat("y", 16<<10-len(body)))
		}, 200, "", false, ""},
		{"larger body", func(s string) *http.Request {
			body := "refresh_token=" + s + "&x="
			return issuerForm(body + strings.Repeat("y", 16<<10-len(body)+1))
		}, 400, "invalid_request", false, ""},
		{"larger body, and a cookie", func(s string) *http.Request {
			return issuerForm("x="+strings.Repeat("y", 16<<10), "Cookie", cookie(s))
		}, 400, "invalid_request", false, ""},
		{"no content type, and a cookie", func(s string) *http.Request {
			return issuerPost("", "scope=orders%3Aread", "Cookie", cookie(s))
		}, 400, "invalid_request", false, ""},
		{"bad escape, and a cookie", func(s string) *http.Request {
			return issuerForm("scope=%zz", "Cookie", cookie(s))
		}, 400, "invalid_request", false, ""},
		{"NUL in a parameter, and a cookie", func(s string) *http.Request { return issuerForm("x=%00", "Cookie", cookie(s)) }, 400, "invalid_request", false, ""},
		{"invalid UTF-8, and a cookie", func(s string) *http.Request { return issuerForm("x=%ff", "Cookie", cookie(s)) }, 400, "invalid_request", false, ""},
		{"another grant_type", func(s string) *http.Request { return issuerForm("grant_type=password&refresh_token=" + s) }, 400, "unsupported_grant_type", false, ""},
		{"grant_type in another case", func(s string) *http.Request { return issuerForm("grant_type=Refresh_Token&refresh_token=" + s) }, 400, "unsupported_grant_type", false, ""},
		{"another client", func(s string) *http.Request { return issuerForm("client_id=app&refresh_token=" + s) }, 400, "invalid_grant", false, ""},
		{"a client with a secret", func(s string) *http.Request { return issuerForm("client_id=partner&refresh_token=" + s) }, 400, "unauthorized_client", false, ""},
		{"foreign scope", func(s string) *http.Request { return issuerForm("scope=admin&refresh_token=" + s) }, 400, "invalid_scope", false, ""},
		{"long client", func(s string) *http.Request {
			return issuerForm("client_id=" + strings.Repeat("x", 300) + "&refresh_token=" + s)
		}, 400, "invalid_request", false, ""},
		{"newline in the client", func(s string) *http.Request { return issuerForm("client_id=a%0Ab&refresh_token=" + s) }, 400, "invalid_request", false, ""},
		{"two Authorizations", func(s string) *http.Request {
			return issuerForm("refresh_token="+s, "Authorization", "Bearer a.b.c", "Authorization", "Basic x")
		}, 400, "invalid_request", false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := w.login()
			rec := issuerServe(h, tt.request(set.Refresh.Reveal()))
			b := issuerAnswer(t, rec)
			if rec.Code != tt.status || tt.code != "" && b.Error != tt.code {
				t.Fatalf("%d %s, want %d %s", rec.Code, rec.Body, tt.status, tt.code)
			}
			if rec.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("header %v", rec.Header())
			}
			if tt.status != 200 {
				if rec.Header()["Set-Cookie"] != nil || b.AccessToken+b.RefreshToken != "" {
					t.Errorf("a refusal with %v %s", rec.Header(), rec.Body)
				}
				if strings.Contains(rec.Body.String(), set.Refresh.Reveal()) {
					t.Error("a refusal that shows the token")
				}
				w.refresh(set) // it was not spent
				return
			}
			access, refresh := b.AccessToken, b.RefreshToken
			if got := issuerCookiesOf(rec); tt.cookies {
				if access+refresh != "" || len(got) != 2 {
					t.Fatalf("cookies %v, body %s", got, rec.Body)
				}
				access, refresh = got["__Host-access"].Value, got["__Secure-refresh"].Value
			} else if len(got) != 0 {
				t.Errorf("cookies %v", got)
			}
			if refresh == set.Refresh.Reveal() || issuerReason(w.issuer.Verifier(), access) != "" {
				t.Errorf("body %s", rec.Body)
			}
			scope := tt.scope
			if scope == "" {
				scope = "orders:read orders:write"
			}
			if b.TokenType != "Bearer" || b.ExpiresIn != 900 || b.Scope != scope || rec.Header().Get("Content-Type") != "application/json" {
				t.Errorf("body %s, header %v", rec.Body, rec.Header())
			}
		})
	}
}

// J23: a trusted origin may use the cookies.
func TestTrustedOriginMayRefresh(t *testing.T) {
	w := newIssuerWorld(t, func(cfg *jwtauth.IssuerConfig) {
		issuerWithCookies(cfg)
		cfg.CrossOrigin = http.NewCrossOriginProtection()
		if err := cfg.CrossOrigin.AddTrustedOrigin("https://app.example"); err != nil {
			t.Fatal(err)
		}
	})
	for origin, want := range map[string]int{"https://app.example": 200, "https://app.example.evil": 403} {
		r := issuerPost("", "", "Cookie", "__Secure-refresh="+w.login().Refresh.Reveal(), "Sec-Fetch-Site", "cross-site", "Origin", origin)
		if rec := issuerServe(w.issuer.RefreshHandler(), r); rec.Code != want {
			t.Errorf("%s: %d", origin, rec.Code)
		}
	}
}

// J23: without Cookies none is looked at.
func TestCookiesAreOptIn(t *testing.T) {
	w := newIssuerWorld(t, nil)
	rec := issuerServe(w.issuer.RefreshHandler(), issuerPost("", "", "Cookie", "__Secure-refresh="+w.login().Refresh.Reveal()))
	if rec.Code != 400 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// J23: only POST, and that is not cached either.
func TestHandlersWantPOST(t *testing.T) {
	w := newIssuerWorld(t, issuerWithCookies)
	for name, h := range map[string]http.Handler{"refresh": w.issuer.RefreshHandler(), "logout": w.issuer.LogoutHandler()} {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "post", ""} {
			set := w.login()
			w.st.reset(0, false)
			r := issuerForm("refresh_token=" + set.Refresh.Reveal())
			r.Method = method
			rec := issuerServe(h, r)
			if rec.Code != 405 || rec.Header().Get("Allow") != "POST" || rec.Header().Get("Cache-Control") != "no-store" || len(w.st.called()) != 0 {
				t.Errorf("%s %q: %d %v", name, method, rec.Code, rec.Header())
			}
		}
	}
}

// J21, J23: two tabs: the one that comes second, within the grace, gets the
// same refresh cookie; a lost race takes no cookies away.
func TestTwoTabs(t *testing.T) {
	w := newIssuerWorld(t, issuerWithCookies)
	h := w.issuer.RefreshHandler()
	set := w.login()
	tab := func() *http.Request {
		return issuerPost("", "", "Cookie", "__Secure-refresh="+set.Refresh.Reveal(), "Sec-Fetch-Site", "same-origin")
	}
	first, second := issuerCookiesOf(issuerServe(h, tab())), issuerCookiesOf(issuerServe(h, tab()))
	if a, b := first["__Secure-refresh"], second["__Secure-refresh"]; a == nil || b == nil || a.Value != b.Value {
		t.Errorf("cookies %v and %v", a, b)
	}
	if a, b := first["__Host-access"], second["__Host-access"]; a == nil || b == nil || a.Value == b.Value {
		t.Errorf("cookies %v and %v", a, b)
	}
	w.clock.advance(time.Minute)
	for range 2 {
		rec := issuerServe(h, tab())
		if rec.Code != 400 || issuerAnswer(t, rec).Error != "invalid_grant" || rec.Header()["Set-Cookie"] != nil {
			t.Errorf("a lost race: %d %s %v", rec.Code, rec.Body, rec.Header())
		}
	}
}

// J11, J23: a store that is down is 503, keeps the cookies, and says when to
// try again.
func TestRefreshHandlerStoreDown(t *testing.T) {
	w := newIssuerWorld(t, issuerWithCookies)
	set := w.login()
	w.st.down(true)
	rec := issuerServe(w.issuer.RefreshHandler(), issuerPost("", "", "Cookie", "__Secure-refresh="+set.Refresh.Reveal()))
	if rec.Code != 503 || rec.Header()["Set-Cookie"] != nil || rec.Header().Get("Retry-After") == "" || strings.Contains(rec.Body.String(), "refused") {
		t.Errorf("%d %s %v", rec.Code, rec.Body, rec.Header())
	}
	w.st.down(false)
	w.refresh(set)
}

// J10, J13: what WriteTokens writes (RFC 6749 §5.1), of a pair, of an access
// token and of half a login.
func TestWriteTokens(t *testing.T) {
	w := newIssuerWorld(t, nil)
	pair, alone := w.login(), w.issue()
	half := w.issue(issuerBy(func(id *authn.Identity) { id.Pending = []string{"otp"} }))
	for _, tt := range []struct {
		name string
		set  jwtauth.TokenSet
		want issuerBody
		keys []string
	}{
		{"pair", pair, issuerBody{pair.Access.Reveal(), "Bearer", 900, pair.Refresh.Reveal(), "orders:read orders:write", nil, ""}, []string{"access_token", "expires_in", "refresh_token", "scope", "token_type"}},
		{"alone", alone, issuerBody{alone.Access.Reveal(), "Bearer", 900, "", "orders:read orders:write", nil, ""}, []string{"access_token", "expires_in", "scope", "token_type"}},
		{"half", half, issuerBody{half.Access.Reveal(), "Bearer", 600, "", "", []string{"otp"}, ""}, []string{"access_token", "expires_in", "pending", "token_type"}},
	} {
		rec := httptest.NewRecorder()
		if err := jwtauth.WriteTokens(rec, tt.set); err != nil {
			t.Fatal(err)
		}
		got := issuerAnswer(t, rec)
		var members map[string]any
		_ = json.Unmarshal(rec.Body.Bytes(), &members)
		keys := make([]string, 0, len(members))
		for k := range members {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		if !slices.Equal(keys, tt.keys) || got.AccessToken != tt.want.AccessToken || got.RefreshToken != tt.want.RefreshToken || got.TokenType != tt.want.TokenType ||
			got.ExpiresIn != tt.want.ExpiresIn || got.Scope != tt.want.Scope || !slices.Equal(got.Pending, tt.want.Pending) {
			t.Errorf("%s: %s", tt.name, rec.Body)
		}
		if h := rec.Header(); h.Get("Cache-Control") != "no-store" || h.Get("Pragma") != "no-cache" || h.Get("Content-Type") != "application/json" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: header %v", tt.name, h)
		}
	}
}

// J23: a client that is gone is the caller's to notice.
func TestWriteTokensToAClientThatIsGone(t *testing.T) {
	if err := jwtauth.WriteTokens(gone{httptest.NewRecorder()}, newIssuerWorld(t, nil).issue()); !errors.Is(err, errIssuerDown) {
		t.Errorf("%v", err)
	}
}

type gone struct{ http.ResponseWriter }

func (gone) Write([]byte) (int, error) { return 0, errIssuerDown }

// J26: logging out ends the login and its access tokens and takes the cookies
// away; it may be repeated, and by whatever the client has left.
func TestLogout(t *testing.T) {
	cookies := func(set jwtauth.TokenSet) string {
		return "__Secure-refresh=" + set.Refresh.Reveal() + "; __Host-access=" + set.Access.Reveal()
	}
	expired := func(w *issuerWorld, set jwtauth.TokenSet) { w.clock.advance(20 * time.Minute) }
	for _, tt := range []struct {
		name    string
		before  func(w *issuerWorld, set jwtauth.TokenSet)
		request func(set jwtauth.TokenSet) *http.Request
		ends    bool // the login
	}{
		{"both cookies", nil, func(set jwtauth.TokenSet) *http.Request { return issuerPost("", "", "Cookie", cookies(set)) }, true},
		{"refresh cookie", nil, func(set jwtauth.TokenSet) *http.Request {
			return issuerPost("", "", "Cookie", "__Secure-refresh="+set.Refresh.Reveal())
		}, true},
		{"access cookie", nil, func(set jwtauth.TokenSet) *http.Request {
			return issuerPost("", "", "Cookie", "__Host-access="+set.Access.Reveal())
		}, true},
		{"header", nil, func(set jwtauth.TokenSet) *http.Request {
			return issuerPost("", "", "Authorization", "Bearer "+set.Access.Reveal())
		}, true},
		{"form", nil, func(set jwtauth.TokenSet) *http.Request { return issuerForm("refresh_token=" + set.Refresh.Reveal()) }, true},
		{"form and header", nil, func(set jwtauth.TokenSet) *http.Request {
			return issuerForm("refresh_token="+set.Refresh.Reveal(), "Authorization", "Bearer "+set.Access.Reveal())
		}, true},
		{"JSON", nil, func(set jwtauth.TokenSet) *http.Request {
			return issuerPost(issuerJSONType, `{"refresh_token":"`+set.Refresh.Reveal()+`"}`)
		}, true},
		{"cookies, the access token expired", expired, func(set jwtauth.TokenSet) *http.Request { return issuerPost("", "", "Cookie", cookies(set)) }, true},
		{"refresh cookie, and an expired access token in the header", expired, func(set jwtauth.TokenSet) *http.Request {
			return issuerPost("", "", "Cookie", "__Secure-refresh="+set.Refresh.Reveal(), "Authorization", "Bearer "+set.Access.Reveal())
		}, true},
		{"refresh cookie, and another's token in the header", nil, func(set jwtauth.TokenSet) *http.Request {
			return issuerPost("", "", "Cookie", "__Secure-refresh="+set.Refresh.Reveal(), "Authorization", "Bearer a.b.c")
		}, true},
		{"spent refresh token", func(w *issuerWorld, set jwtauth.TokenSet) { w.refresh(w.refresh(set)) }, func(set jwtauth.TokenSet) *http.Request {
			return issuerForm("refresh_token=" + set.Refresh.Reveal())
		}, true},
		{"nothing", nil, func(jwtauth.TokenSet) *http.Request { return issuerPost("", "") }, false},
		{"nonsense", nil, func(jwtauth.TokenSet) *http.Request {
			return issuerPost("", "", "Cookie", "__Secure-refresh=x; __Host-access=y")
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newIssuerWorld(t, issuerWithCookies)
			set, other := w.login(), w.login()
			if tt.before != nil {
				tt.before(w, set)
			}
			for range 2 {
				rec := issuerServe(w.issuer.LogoutHandler(), tt.request(set))
				want := []string{
					"__Host-access=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
					"__Secure-refresh=; Path=/token/refresh; Max-Age=0; HttpOnly; Secure; SameSite=Strict",
				}
				if rec.Code != 204 || !slices.Equal(rec.Header()["Set-Cookie"], want) || rec.Header().Get("Cache-Control") != "no-store" || rec.Body.Len() != 0 {
					t.Errorf("%d %v %s", rec.Code, rec.Header(), rec.Body)
				}
			}
			if _, err := w.issuer.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{}); (err != nil) != tt.ends {
				t.Errorf("the refresh token: %v", err)
			}
			if reason := w.alive(set); tt.ends && reason == "" || !tt.ends && reason != "" {
				t.Errorf("the access token: %q", reason)
			}
			w.refresh(other)
		})
	}
}

// J26: an access token without login is ended, too, and half a login.
func TestLogoutOfAnAccessToken(t *testing.T) {
	w := newIssuerWorld(t, nil)
	half := w.issue(issuerBy(func(id *authn.Identity) { id.Pending = []string{"otp"} }))
	for _, set := range []jwtauth.TokenSet{w.issue(), half} {
		rec := issuerServe(w.issuer.LogoutHandler(), issuerPost("", "", "Authorization", "Bearer "+set.Access.Reveal()))
		if reason := w.alive(set); rec.Code != 204 || reason != "token revoked" || rec.Header()["Set-Cookie"] != nil {
			t.Errorf("%d %v, %q", rec.Code, rec.Header(), reason)
		}
	}
}

// J24, J26: a login that the store has forgotten is at its end: to revoke it or to
// log out of it is no error.
func TestEndOfAForgottenLogin(t *testing.T) {
	w := newIssuerWorld(t, issuerWithCookies)
	p := strings.Split(w.login().Refresh.Reveal(), ".")
	token := issuerMAC(t, w.kc, "refresh", p[3], strings.Join([]string{p[0], strings.Repeat("A", 22), "1", p[3]}, "."))
	rec := issuerServe(w.issuer.LogoutHandler(), issuerPost("", "", "Cookie", "__Secure-refresh="+token))
	if rec.Code != 204 || len(rec.Header()["Set-Cookie"]) != 2 {
		t.Errorf("%d %v", rec.Code, rec.Header())
	}
	if err := w.issuer.RevokeToken(issuerCtx, token, ""); err != nil {
		t.Error(err)
	}
	if n := len(w.events.Events(authn.EventLogout, authn.EventRevoked, authn.EventOutage)); n != 0 {
		t.Errorf("%d events", n)
	}
}

// J26: a store that is down is 503, and the cookies stay: they are needed to
// try again.
func TestLogoutStoreDown(t *testing.T) {
	refresh := func(set jwtauth.TokenSet) string { return "__Secure-refresh=" + set.Refresh.Reveal() }
	access := func(set jwtauth.TokenSet) string { return "__Host-access=" + set.Access.Reveal() }
	logoutStoreDown(t, refresh)
	logoutStoreDown(t, access)
	logoutStoreDown(t, func(set jwtauth.TokenSet) string { return refresh(set) + "; " + access(set) })
}

func logoutStoreDown(t *testing.T, cookies func(set jwtauth.TokenSet) string) {
	t.Helper()
	for n := 1; ; n++ {
		w := newIssuerWorld(t, issuerWithCookies)
		set := w.login()
		logout := func() *http.Request { return issuerPost("", "", "Cookie", cookies(set)) }
		w.st.reset(n, false)
		rec := issuerServe(w.issuer.LogoutHandler(), logout())
		if len(w.st.called()) < n {
			if n < 3 {
				t.Errorf("a logout has %d calls", n-1)
			}
			return
		}
		if rec.Code != 503 || rec.Header()["Set-Cookie"] != nil {
			t.Errorf("call %d: %d %v", n, rec.Code, rec.Header())
		}
		if e := w.events.Events(authn.EventOutage); len(e) != 1 || e[0].Reason != "store" {
			t.Errorf("call %d: events %+v", n, e)
		}
		w.st.reset(0, false)
		if rec := issuerServe(w.issuer.LogoutHandler(), logout()); rec.Code != 204 {
			t.Errorf("again: %d", rec.Code)
		}
		w.refuses(set, "invalid_grant", "revoked")
	}
}

// J23, J26: another site can neither end a login nor take its cookies away.
func TestLogoutCrossSite(t *testing.T) {
	w := newIssuerWorld(t, issuerWithCookies)
	set := w.login()
	both := "__Secure-refresh=" + set.Refresh.Reveal() + "; __Host-access=" + set.Access.Reveal()
	refresh, access, _ := strings.Cut(both, "; ")
	for _, tt := range []struct {
		name   string
		r      *http.Request
		status int
	}{
		{"cookies", issuerPost("", "", "Cookie", both), 403},
		{"the refresh cookie", issuerPost("", "", "Cookie", refresh), 403},
		{"the access cookie", issuerPost("", "", "Cookie", access), 403},
		{"cookies, and a form", issuerForm("x=y", "Cookie", both), 403},
		{"a form with a token", issuerForm("refresh_token=x", "Cookie", both), 204},
		{"a header", issuerPost("", "", "Cookie", both, "Authorization", "Bearer a.b.c"), 204},
		{"a form, SameSite kept cookies", issuerForm("refresh_token=x", "Origin", "https://evil.example"), 204},
		{"nothing, SameSite kept cookies", issuerForm("", "Origin", "https://evil.example"), 204},
	} {
		before := len(w.events.Events(authn.EventRefused))
		tt.r.Header.Set("Sec-Fetch-Site", "cross-site")
		rec := issuerServe(w.issuer.LogoutHandler(), tt.r)
		if rec.Header()["Set-Cookie"] != nil || rec.Code != tt.status {
			t.Errorf("%s: %d, cookies %q", tt.name, rec.Code, rec.Header()["Set-Cookie"])
		}
		if refused := len(w.events.Events(authn.EventRefused)) > before; refused != (tt.status == 403) {
			t.Errorf("%s: an event of a refusal: %v", tt.name, refused)
		}
	}
	if reason := w.alive(set); reason != "" {
		t.Error(reason)
	}
	w.refresh(set)
}

// J24, J26: without a store nothing can be ended but the cookies.
func TestLogoutWithoutStore(t *testing.T) {
	w := newIssuerWorld(t, nil)
	issuer, err := jwtauth.NewIssuer(w.ring, nil, w.kc, jwtauth.IssuerConfig{
		Issuer: issuerURL, Audience: []string{issuerAPI}, SkipRevocation: true, Now: w.clock.Now,
		Cookies: &jwtauth.Cookies{RefreshPath: issuerRefreshPath},
	})
	if err != nil {
		t.Fatal(err)
	}
	alone, err := issuer.Issue(issuerCtx, jwtauth.Grant{Identity: w.ada()})
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*http.Request{
		"access token":              issuerPost("", "", "Authorization", "Bearer "+alone.Access.Reveal()),
		"access cookie":             issuerPost("", "", "Cookie", "__Host-access="+alone.Access.Reveal()),
		"of an instance with store": issuerPost("", "", "Authorization", "Bearer "+w.login().Access.Reveal()),
		"its refresh token":         issuerForm("refresh_token=" + w.login().Refresh.Reveal()),
	} {
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("%s: panic: %v", name, p)
				}
			}()
			if rec := issuerServe(issuer.LogoutHandler(), r); rec.Code != 204 || len(rec.Header()["Set-Cookie"]) != 2 {
				t.Errorf("%s: %d %v", name, rec.Code, rec.Header())
			}
		}()
	}
}

// J10, J23: a browser with a cookie jar: the refresh cookie goes to the refresh
// path and below, and nowhere else.
func TestBrowserSendsTheRefreshCookieBelowItsPathOnly(t *testing.T) {
	w := newIssuerWorld(t, issuerWithCookies)
	c := issuerCookies(w.issuer, w.login())["__Secure-refresh"]
	for path, want := range map[string]bool{
		"/token/refresh": true, "/token/refresh/logout": true, "/token": false, "/token/refreshed": false, "/orders": false, "/": false,
	} {
		u := authn.Must(url.Parse("https://auth.example" + path))
		// RFC 6265 §5.1.4
		sent := u.Path == c.Path || strings.HasPrefix(u.Path, c.Path+"/")
		if sent != want {
			t.Errorf("%s: %v", path, sent)
		}
	}
}
