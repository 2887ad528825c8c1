package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/oauth"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store/memstore"
)

// oidcProvider is npm's oidc-provider, which is certified, at 127.0.0.1 with one
// client.
type oidcProvider struct {
	url, id string
	secret  authn.Secret
}

// startOIDC starts one whose client is a service at site.
func startOIDC(t *testing.T, site string) oidcProvider {
	t.Helper()
	node, script := installedNode(t, "oidc")
	port, err := servers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	p := oidcProvider{url: fmt.Sprint("http://127.0.0.1:", port), id: "shop", secret: authn.NewSecret("s3cr3t: & 100%")}
	var redirects []string
	for name := range oidcProviders(p) {
		redirects = append(redirects, site+"/auth/"+name+"/callback")
	}
	client := map[string]any{
		"client_id": p.id, "client_secret": p.secret.Reveal(), "redirect_uris": redirects,
		"post_logout_redirect_uris": []string{site + "/bye"},
	}
	config := authn.Must(json.Marshal(map[string]any{"port": port, "client": client}))
	process, err := servers.StartProcess(exec.Command(node, script, string(config)), t.TempDir())
	if err == nil {
		t.Cleanup(process.Kill)
		err = process.Ready(func(ctx context.Context) error {
			req := authn.Must(http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/.well-known/openid-configuration", nil))
			resp, err := http.DefaultClient.Do(req)
			if err == nil {
				resp.Body.Close()
			}
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	servers.Case(t, "oidc-provider")
	return p
}

// rotate puts a new signing key first; only says that the others are gone.
func (p oidcProvider) rotate(t *testing.T, only bool) {
	t.Helper()
	query := ""
	if only {
		query = "?only"
	}
	resp, err := http.Post(p.url+"/test/keys"+query, "", nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
}

// oidcProviders are ways to log in at p, by name.
func oidcProviders(p oidcProvider) map[string]oauth.Provider {
	all := map[string]oauth.Provider{}
	for name, params := range map[string]url.Values{
		"op":      nil,
		"sso":     nil, // of examples/webapp
		"silent":  {"prompt": {"none"}},
		"post":    {"response_mode": {"form_post"}},
		"offline": {"prompt": {"consent"}},
	} {
		o := oauth.OIDC(name, p.url, p.id, p.secret)
		if o.Params = params; name == "offline" {
			o.Scopes = []string{"openid", "profile", "email", "offline_access"}
		}
		all[name] = o
	}
	return all
}

// oidcSite is a service whose users log in at a provider.
type oidcSite struct {
	*oauth.Login
	twin     *oauth.Login // another instance of the service
	provider oidcProvider
	sessions *session.Manager
	url      string
	client   *http.Client // that trusts its certificate
	events   authntest.Recorder

	ahead    atomic.Int64 // of its clock
	mu       sync.Mutex
	profiles []oauth.Profile
	linked   []oauth.Profile
	asked    map[string]int // requests to the provider by path
}

func (s *oidcSite) now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

func (s *oidcSite) count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[path]
}

const forClients = "https://127.0.0.1"

// newOIDCSite is at that origin without a port, for browsers, or at
// https://127.0.0.1 for clients.
func newOIDCSite(t *testing.T, origin string) *oidcSite {
	t.Helper()
	s := &oidcSite{asked: map[string]int{}}
	mux := http.NewServeMux()
	secure := strings.HasPrefix(origin, "https:")
	if origin != forClients {
		s.url = origin + ":" + serveTo(t, mux, secure)
	} else {
		server := httptest.NewTLSServer(mux)
		t.Cleanup(server.Close)
		s.url, s.client = server.URL, server.Client()
	}
	s.provider = startOIDC(t, s.url)
	offset := func() time.Duration { return time.Duration(s.ahead.Load()) }
	st := memstore.New(memstore.Config{ClockOffset: offset})
	s.sessions = authn.Must(session.New(st, session.Config{Now: s.now, InsecureDevelopmentCookie: !secure}))
	cfg := oauth.Config{
		BaseURL: s.url + "/auth", OnLogin: s.onLogin, SignedIn: s.sessions, Once: st, Tokens: st, Now: s.now, OnEvent: s.events.OnEvent,
		Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
			s.mu.Lock()
			s.asked[r.URL.Path]++
			s.mu.Unlock()
			return http.DefaultTransport.RoundTrip(r)
		}),
	}
	for _, p := range oidcProviders(s.provider) {
		cfg.Providers = append(cfg.Providers, p)
	}
	keychain := authn.GenerateKeychain()
	s.Login, s.twin = authn.Must(oauth.NewLogin(keychain, cfg)), authn.Must(oauth.NewLogin(keychain, cfg))
	s.routes(mux)
	return s
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (s *oidcSite) routes(mux *http.ServeMux) {
	guard := authn.Guard{Verifier: s.sessions, OnError: authn.Pages{Login: "/login"}.OnError}
	mux.Handle("/auth/", s.Login)
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		back := "?return_to=" + url.QueryEscape(authn.ReturnTo(r, "/"))
		page("login", fmt.Sprintf(`<a id=op href="/auth/op/login%s">op</a> <a id=post href="/auth/post/login%[1]s">post</a>`, back))(w, r)
	})
	mux.HandleFunc("GET /bye", page("bye", "Bye"))
	mux.Handle("/", guard.Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := authn.FromContext(r.Context())
		page("home", "Hello "+id.Subject+` at `+r.URL.Path+`<form method=post action=/logout><button id=logout>Log out</button></form>
			<form method=post action=/link><button id=link>Link</button></form>`)(w, r)
	})))
	mux.Handle("POST /link", guard.Require()(s.Link("post")))
	mux.Handle("POST /logout", guard.Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := authn.FromContext(r.Context())
		to, err := s.LogoutURL(r.Context(), id.Subject, "op", "/bye")
		if err == nil {
			err = s.sessions.Logout(w, r)
		}
		if err != nil {
			authn.WriteError(w, r, err)
			return
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	})))
}

// onLogin makes users as they come.
func (s *oidcSite) onLogin(w http.ResponseWriter, r *http.Request, p oauth.Profile) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.LinkTo != "" {
		s.linked = append(s.linked, p)
		http.Redirect(w, r, p.ReturnTo, http.StatusSeeOther)
		return nil
	}
	s.profiles = append(s.profiles, p)
	id := p.Identity("user:" + p.Subject)
	if err := s.SaveToken(r.Context(), id.Subject, p); err != nil {
		return err
	}
	if _, err := s.sessions.Login(w, r, id, session.LoginOptions{}); err != nil {
		return err
	}
	http.Redirect(w, r, p.ReturnTo, http.StatusSeeOther)
	return nil
}

// visitor is a browser without scripts: it keeps cookies, follows redirects and
// sends forms.
type visitor struct {
	t      *testing.T
	client *http.Client
	at     *url.URL
	status int
	page   string
}

func (s *oidcSite) visitor(t *testing.T) *visitor {
	jar := authn.Must(cookiejar.New(nil))
	return &visitor{t: t, client: &http.Client{Transport: s.client.Transport, Jar: jar, Timeout: patience}}
}

func (v *visitor) loads(resp *http.Response, err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	v.at, v.status, v.page = resp.Request.URL, resp.StatusCode, string(authn.Must(io.ReadAll(resp.Body)))
}

func (v *visitor) visit(url string) {
	v.t.Helper()
	req := authn.Must(http.NewRequestWithContext(v.t.Context(), http.MethodGet, url, nil))
	req.Header.Set("Accept", "text/html")
	v.loads(v.client.Do(req))
}

var (
	formAction = regexp.MustCompile(`<form[^>]* action="?([^" >]*)`)
	formHidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
)

// sends the page's first form, with its hidden inputs and these.
func (v *visitor) sends(values url.Values) {
	v.t.Helper()
	to := *v.at
	if m := formAction.FindStringSubmatch(v.page); m != nil {
		to = *v.at.ResolveReference(authn.Must(url.Parse(html.UnescapeString(m[1]))))
	}
	form := url.Values{}
	for _, m := range formHidden.FindAllStringSubmatch(v.page, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	for name, value := range values {
		form[name] = value
	}
	req := authn.Must(http.NewRequestWithContext(v.t.Context(), http.MethodPost, to.String(), strings.NewReader(form.Encode())))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", v.at.Scheme+"://"+v.at.Host)
	v.loads(v.client.Do(req))
}

// logsIn is the whole of a login by somebody whom the provider does not know yet.
func (v *visitor) logsIn(s *oidcSite, provider, who string) {
	v.t.Helper()
	v.visit(s.url + "/auth/" + provider + "/login?return_to=/orders")
	v.on("login")
	v.sends(url.Values{"login": {who}})
	v.on("consent")
	v.sends(nil)
	v.wantIn(s, who)
}

func (v *visitor) on(page string) {
	v.t.Helper()
	if v.status != http.StatusOK || !strings.Contains(v.page, "id="+page) {
		v.t.Fatalf("%s answers %d, want the page %s: %s", v.at, v.status, page, v.page)
	}
}

// wantIn checks that the login has led to where it was to lead.
func (v *visitor) wantIn(s *oidcSite, who string) {
	v.t.Helper()
	if v.status != http.StatusOK || !strings.Contains(v.page, "Hello user:"+who+" at /orders") || !strings.HasPrefix(v.at.String(), s.url) {
		v.t.Fatalf("%s answers %d: %s", v.at, v.status, v.page)
	}
}

// wantRefused checks that the login has failed with one of our fixed answers.
func (v *visitor) wantRefused(s *oidcSite, code string) {
	v.t.Helper()
	if v.status != http.StatusUnauthorized || !strings.Contains(v.page, `"error":"`+code+`"`) || strings.Contains(v.page, "disagrees") {
		v.t.Errorf("answered by %d, want 401 %s: %s", v.status, code, v.page)
	}
	if len(s.profiles) != 0 {
		v.t.Errorf("%d logins", len(s.profiles))
	}
}

// O15: the whole login at a certified provider, without a browser: who you are,
// do you agree, and back; the second time it asks nothing.
func TestLoginAtACertifiedProvider(t *testing.T) {
	s := newOIDCSite(t, forClients)
	for i, provider := range []string{"op", "offline"} {
		v := s.visitor(t)
		v.logsIn(s, provider, "ada")
		p := s.profiles[i]
		if p.Issuer != s.provider.url || p.Subject != "ada" || p.Email != "ada@example.com" || !p.EmailVerified || p.Name != "Ada Lovelace" {
			t.Errorf("%+v", p)
		}
		if got := p.Token.RefreshToken != ""; got != (provider == "offline") {
			t.Errorf("%s: a refresh token: %t", provider, got)
		}
	}
	v := s.visitor(t)
	v.logsIn(s, "op", "grace")
	v.visit(s.url + "/auth/op/login?return_to=/orders")
	v.wantIn(s, "grace")
	// For all four, these were asked once.
	for _, path := range []string{"/.well-known/openid-configuration", "/jwks"} {
		if n := s.count(path); n > 2 { // "op" and "offline" know nothing of each other
			t.Errorf("%s was asked %d times", path, n)
		}
	}
	if n := s.count("/token"); n != 4 {
		t.Errorf("%d token requests for 4 logins", n)
	}
}

// O3, O8, O15: who disagrees gets our answer, not the provider's words; and the
// next login is a new one.
func TestDenialAtACertifiedProvider(t *testing.T) {
	s := newOIDCSite(t, forClients)
	v := s.visitor(t)
	v.visit(s.url + "/auth/op/login?return_to=/orders")
	v.sends(url.Values{"login": {"ada"}})
	v.on("consent")
	v.sends(url.Values{"no": {"1"}})
	v.wantRefused(s, "access_denied")
	if n := s.count("/token"); n != 0 {
		t.Errorf("%d token requests", n)
	}
	v.visit(s.url + "/auth/op/login?return_to=/orders")
	v.on("consent")
	v.sends(nil)
	v.wantIn(s, "ada")
}

// O8, O15: prompt=none logs in whom the provider knows, and says login_required
// of others.
func TestSilentLoginAtACertifiedProvider(t *testing.T) {
	s := newOIDCSite(t, forClients)
	v := s.visitor(t)
	v.visit(s.url + "/auth/silent/login?return_to=/orders")
	v.wantRefused(s, "login_required")
	v.logsIn(s, "op", "ada")
	v.visit(s.url + "/auth/silent/login?return_to=/orders")
	v.wantIn(s, "ada")
	if len(s.profiles) != 2 {
		t.Errorf("%d logins, want 2", len(s.profiles))
	}
}

// O4, O15: the provider changes its signing key between two logins, and later
// forgets the old one; nobody notices.
func TestRotationAtACertifiedProvider(t *testing.T) {
	s := newOIDCSite(t, forClients)
	v := s.visitor(t)
	v.logsIn(s, "op", "ada")
	for i, only := range []bool{false, true, true} {
		s.provider.rotate(t, only)
		v.visit(s.url + "/auth/op/login?return_to=/orders")
		v.wantIn(s, "ada")
		if n := s.count("/jwks"); n != i+2 {
			t.Errorf("keys were asked for %d times, want %d", n, i+2)
		}
		s.ahead.Add(int64(31 * time.Second))
	}
}

// O9, O15: a token that has expired is refreshed once, whatever number of
// goroutines on however many instances want it, and works at the provider.
func TestRefreshAtACertifiedProvider(t *testing.T) {
	s := newOIDCSite(t, forClients)
	s.visitor(t).logsIn(s, "offline", "ada")
	first := authn.Must(s.TokenSource(t.Context(), "user:ada", "offline").Token())
	for range 2 {
		s.ahead.Add(int64(2 * time.Minute))
		before := s.count("/token")
		var wg sync.WaitGroup
		got := make([]*oauth2.Token, 10)
		errs := make([]error, len(got))
		for i := range got {
			l := []*oauth.Login{s.Login, s.twin}[i%2]
			wg.Go(func() { got[i], errs[i] = l.TokenSource(t.Context(), "user:ada", "offline").Token() })
		}
		wg.Wait()
		for i, token := range got {
			if errs[i] != nil || token.AccessToken != got[0].AccessToken || token.AccessToken == first.AccessToken {
				t.Fatalf("%v, %v, at first %v", token, errs[i], first)
			}
		}
		if n := s.count("/token") - before; n != 1 {
			t.Errorf("%d refreshes, want one", n)
		}
		if who := s.provider.userinfo(t, got[0].AccessToken); who != "ada@example.com" {
			t.Errorf("the token is of %q", who)
		}
		first = got[0]
	}
}

// userinfo is whose the token is, by the provider's word; "" of nobody's.
func (p oidcProvider) userinfo(t *testing.T, token string) string {
	t.Helper()
	req := authn.Must(http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/me", nil))
	req.Header.Set("Authorization", "Bearer "+token)
	resp := authn.Must(http.DefaultClient.Do(req))
	defer resp.Body.Close()
	var who struct {
		Email string `json:"email"`
	}
	_ = json.NewDecoder(resp.Body).Decode(&who) // a refusal has no body
	return who.Email
}

// O9, O15: a logout ends at the provider, too, and comes back; the next login
// asks who it is.
func TestLogoutAtACertifiedProvider(t *testing.T) {
	s := newOIDCSite(t, forClients)
	v := s.visitor(t)
	v.logsIn(s, "op", "ada")
	v.sends(nil) // the first form is the logout's
	v.on("logout")
	v.sends(url.Values{"logout": {"yes"}})
	v.on("bye")
	if got := v.at.String(); got != s.url+"/bye" {
		t.Errorf("the logout leads to %s", got)
	}
	v.visit(s.url + "/orders")
	v.on("login")
	v.visit(s.url + "/auth/op/login")
	v.on("login")
	if v.at.Host != strings.TrimPrefix(s.provider.url, "http://") {
		t.Errorf("the provider still knows who it is: %s", v.at)
	}
}

// O9, O15: an account that is unlinked has no token left, here or there.
func TestUnlinkAtACertifiedProvider(t *testing.T) {
	s := newOIDCSite(t, forClients)
	s.visitor(t).logsIn(s, "offline", "ada")
	token := s.profiles[0].Token
	if who := s.provider.userinfo(t, token.AccessToken); who != "ada@example.com" {
		t.Fatalf("the token is of %q", who)
	}
	for range 2 { // the second time there is nothing to do
		if err := s.Unlink(t.Context(), "user:ada", "offline"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.TokenSource(t.Context(), "user:ada", "offline").Token(); err == nil {
		t.Error("there still is a token")
	}
	if who := s.provider.userinfo(t, token.AccessToken); who != "" {
		t.Errorf("the access token still works, of %q", who)
	}
	req := authn.Must(http.NewRequestWithContext(t.Context(), http.MethodPost, s.provider.url+"/token",
		strings.NewReader(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.RefreshToken}}.Encode())))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(s.provider.id), url.QueryEscape(s.provider.secret.Reveal()))
	resp := authn.Must(http.DefaultClient.Do(req))
	defer resp.Body.Close()
	if said := string(authn.Must(io.ReadAll(resp.Body))); resp.StatusCode != http.StatusBadRequest || !strings.Contains(said, "invalid_grant") {
		t.Errorf("the refresh token is answered by %d: %s", resp.StatusCode, said)
	}
}

// O1, O15: form_post at a certified provider, without scripts.
func TestFormPostAtACertifiedProvider(t *testing.T) {
	s := newOIDCSite(t, forClients)
	v := s.visitor(t)
	v.visit(s.url + "/auth/post/login?return_to=/orders")
	v.sends(url.Values{"login": {"ada"}})
	v.sends(nil) // agrees
	v.sends(nil) // what the provider's page sends by itself where there are scripts
	v.wantIn(s, "ada")
}
