package oauth_test

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/oauth"
)

// base is where hosts mount their Login.
const base = "https://app.example/auth"

// host is a service whose users log in at providers.
type host struct {
	t     *testing.T
	login *oauth.Login
	kc    *authn.Keychain
	cfg   oauth.Config

	mu       sync.Mutex
	now      time.Time
	events   authntest.Recorder
	profiles []oauth.Profile // that logged in
	refused  []*authn.Error
	asked    map[string]int // requests to the providers by path
}

// newHost is one for a single provider, "op".
func newHost(t *testing.T, p *authntest.Provider, change ...func(*oauth.Config)) *host {
	t.Helper()
	return newHostOf(t, []oauth.Provider{openID("op", p)}, change...)
}

func newHostOf(t *testing.T, providers []oauth.Provider, change ...func(*oauth.Config)) *host {
	t.Helper()
	h := &host{t: t, now: time.Now(), asked: map[string]int{}}
	cfg := oauth.Config{
		BaseURL: base, Providers: providers,
		OnLogin: func(w http.ResponseWriter, r *http.Request, p oauth.Profile) error {
			h.mu.Lock()
			h.profiles = append(h.profiles, p)
			h.mu.Unlock()
			http.Redirect(w, r, p.ReturnTo, http.StatusSeeOther)
			return nil
		},
		OnError: func(w http.ResponseWriter, r *http.Request, err *authn.Error) {
			h.mu.Lock()
			h.refused = append(h.refused, err)
			h.mu.Unlock()
			authn.WriteError(w, r, err)
		},
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			h.mu.Lock()
			h.asked[r.URL.Path]++
			h.mu.Unlock()
			return http.DefaultTransport.RoundTrip(r)
		}),
		OnEvent: h.events.OnEvent,
		Now: func() time.Time {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.now
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	h.kc, h.cfg = authn.GenerateKeychain(), cfg
	h.login = h.instance()
	return h
}

// instance is another Login of the service.
func (h *host) instance(change ...func(*oauth.Config)) *oauth.Login {
	h.t.Helper()
	cfg := h.cfg
	for _, c := range change {
		c(&cfg)
	}
	login, err := oauth.NewLogin(h.kc, cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	return login
}

func openID(name string, p *authntest.Provider) oauth.Provider {
	return oauth.OIDC(name, p.URL, p.ClientID, p.ClientSecret)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (h *host) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// requests are how often the providers were asked at path, or at all.
func (h *host) requests(path string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for at, times := range h.asked {
		if path == "" || at == path {
			n += times
		}
	}
	return n
}

// browser is one of a user of h. It keeps cookies as browsers do.
type browser struct {
	h   *host
	jar map[string]*http.Cookie
}

func (h *host) browser() *browser { return &browser{h, map[string]*http.Cookie{}} }

// copied has the same cookies now, and not later.
func (b *browser) copied() *browser {
	c := b.h.browser()
	for name, cookie := range b.jar {
		c.jar[name] = cookie
	}
	return c
}

// get is a navigation that another site may have begun; it follows no redirect.
func (b *browser) get(target string) *httptest.ResponseRecorder {
	b.h.t.Helper()
	return b.send(httptest.NewRequest(http.MethodGet, target, nil), http.SameSiteLaxMode, http.SameSiteNoneMode)
}

// post sends a form that another site has made.
func (b *browser) post(target string, form url.Values) *httptest.ResponseRecorder {
	b.h.t.Helper()
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	return b.send(r, http.SameSiteNoneMode)
}

// send adds the cookies of such a SameSite.
func (b *browser) send(r *http.Request, sameSite ...http.SameSite) *httptest.ResponseRecorder {
	b.h.t.Helper()
	for _, c := range b.jar {
		if slices.Contains(sameSite, c.SameSite) {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
	w := httptest.NewRecorder()
	b.h.login.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if strings.HasPrefix(c.Name, "__Host-") && (!c.Secure || c.Path != "/" || c.Domain != "") {
			b.h.t.Errorf("no browser takes the cookie %v", c)
		}
		if c.MaxAge < 0 {
			delete(b.jar, c.Name)
			continue
		}
		b.jar[c.Name] = c
	}
	return w
}

// starts begins a flow, and answers where at the provider it leads.
func (b *browser) starts(provider, query string) *url.URL {
	b.h.t.Helper()
	w := b.get(base + "/" + provider + "/login" + query)
	to, err := w.Result().Location()
	if err != nil {
		b.h.t.Fatalf("the login is answered by %d: %s", w.Code, w.Body)
	}
	return to
}

var (
	noRedirects = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	hiddenInput = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// wayBack is how the provider sends the browser back: by a redirect, or by a
// form if there is one.
type wayBack struct {
	url  string
	form url.Values
}

// provides asks the provider at to.
func (b *browser) provides(to *url.URL) wayBack {
	b.h.t.Helper()
	resp := authn.Must(noRedirects.Get(to.String()))
	defer resp.Body.Close()
	if back := resp.Header.Get("Location"); back != "" {
		return wayBack{url: back}
	}
	page := authn.Must(io.ReadAll(resp.Body))
	form := url.Values{}
	for _, m := range hiddenInput.FindAllSubmatch(page, -1) {
		form.Add(html.UnescapeString(string(m[1])), html.UnescapeString(string(m[2])))
	}
	if len(form) == 0 {
		b.h.t.Fatalf("the provider answers %d: %s", resp.StatusCode, page)
	}
	return wayBack{to.Query().Get("redirect_uri"), form}
}

// comes goes the way back, and follows what the host answers to a form.
func (b *browser) comes(back wayBack) *httptest.ResponseRecorder {
	b.h.t.Helper()
	if back.form == nil {
		return b.get(back.url)
	}
	w := b.post(back.url, back.form)
	if to, err := w.Result().Location(); err == nil && strings.HasPrefix(to.String(), base) {
		return b.get(to.String())
	}
	return w
}

// logsIn is a whole login at "op".
func (b *browser) logsIn() *httptest.ResponseRecorder {
	b.h.t.Helper()
	return b.comes(b.provides(b.starts("op", "")))
}

// wantIn checks that w is the end of a login, and that it is the n-th.
func (h *host) wantIn(t *testing.T, w *httptest.ResponseRecorder, n int) oauth.Profile {
	t.Helper()
	if w.Code != http.StatusSeeOther || len(h.profiles) != n {
		t.Fatalf("the callback is answered by %d, want a login: %d of %d: %s: %v", w.Code, len(h.profiles), n, w.Body, h.refused)
	}
	wantQuiet(t, w)
	return h.profiles[n-1]
}

// wantRefused checks that w is a refusal by this status and code, that the event
// knows why and the page does not, and that nobody has logged in.
func (h *host) wantRefused(t *testing.T, w *httptest.ResponseRecorder, status int, code, why string) {
	t.Helper()
	if w.Code != status || len(h.profiles) != 0 || len(h.refused) == 0 {
		t.Errorf("answered by %d, want %d; %d logins: %s", w.Code, status, len(h.profiles), w.Body)
		return
	}
	err := h.refused[len(h.refused)-1]
	if cause := fmt.Sprint(err.Reason, ": ", err.Err); err.Code != code || !strings.Contains(cause, why) {
		t.Errorf("it is %s because of %q, want %s because of %s", err.Code, cause, code, why)
	}
	fixed := httptest.NewRecorder()
	authn.WriteError(fixed, httptest.NewRequest(http.MethodGet, "/", nil), &authn.Error{Status: status, Code: code})
	if !bytes.Equal(w.Body.Bytes(), fixed.Body.Bytes()) {
		t.Errorf("the page says %s, want %s", w.Body, fixed.Body)
	}
	wantQuiet(t, w)
}

// wantQuiet checks what all answers say of caches and of referrers.
func wantQuiet(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if cache, referrer := w.Header().Get("Cache-Control"), w.Header().Get("Referrer-Policy"); !strings.Contains(cache, "no-store") || referrer != "no-referrer" {
		t.Errorf("Cache-Control %q, Referrer-Policy %q", cache, referrer)
	}
}
