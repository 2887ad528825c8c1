package oauth_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/oauth"
	"github.com/gatehouse-go/authn/store"
)

// desk is a Login whose provider is Google's stand-in, and whose tokens are kept.
type desk struct {
	*oauth.Login
	*standIn
	t     *testing.T
	kc    *authn.Keychain
	table *tokenTable
	rec   authntest.Recorder
	now   time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{standIn: google(), t: t, kc: authn.GenerateKeychain(), table: &tokenTable{}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	d.standIn.t = t
	d.Login = d.instance()
	return d
}

// instance is another Login over the same store.
func (d *desk) instance() *oauth.Login {
	d.t.Helper()
	l, err := oauth.NewLogin(d.kc, oauth.Config{
		BaseURL: base, Providers: []oauth.Provider{googleProvider(), githubProvider()}, Transport: d.standIn,
		OnLogin: func(http.ResponseWriter, *http.Request, oauth.Profile) error { return nil },
		Once:    d.table, Tokens: d.table, OnEvent: d.rec.OnEvent, Now: func() time.Time { return d.now },
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return l
}

// saves a token of ada's at Google that lives so long.
func (d *desk) saves(access, refresh string, life time.Duration) {
	d.t.Helper()
	p := oauth.Profile{
		Provider: "google", Issuer: "https://accounts.google.com", Subject: "107", IDToken: authn.NewSecret("h.p.s"),
		Token: &oauth2.Token{AccessToken: access, RefreshToken: refresh, Expiry: d.now.Add(life)},
	}
	if err := d.SaveToken(d.t.Context(), "ada", p); err != nil {
		d.t.Fatal(err)
	}
}

const tokenCall = "POST oauth2.googleapis.com/token"

// refreshes is what Google answers to a refresh.
func (d *desk) refreshes(a answer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answers[tokenCall] = a
}

func says(status int, body string) answer {
	return func(*http.Request) (int, string, string) { return status, "application/json", body }
}

// token is ada's at Google.
func (d *desk) token() (*oauth2.Token, error) {
	return d.TokenSource(d.t.Context(), "ada", "google").Token()
}

// wantToken says when the token is another, or err is answered otherwise.
func (d *desk) wantToken(access string, status int, why string) {
	d.t.Helper()
	got, err := d.token()
	switch {
	case status != 0:
		if e := authn.AsError(err); got != nil || e == nil || e.Status != status {
			d.t.Errorf("%s: %v, %v; want %d", why, got, err, status)
		}
	case err != nil || got.AccessToken != access:
		d.t.Errorf("%s: %v, %v; want %s", why, got, err, access)
	}
}

// O9: what is saved is sealed for its subject and provider, and is answered while it
// lives, without a request.
func TestTokenIsKeptSealed(t *testing.T) {
	d := newDesk(t)
	d.saves("at-1", "rt-1", time.Hour)
	d.wantToken("at-1", 0, "it lives")
	d.now = d.now.Add(time.Hour - 11*time.Second)
	d.wantToken("at-1", 0, "it lives for 11 s")
	if got := d.made(); got != "" {
		t.Errorf("asked %s", got)
	}
	stored := d.table.sealed["ada\x00google"]
	for _, secret := range []string{"at-1", "rt-1", "h.p.s"} {
		if bytes.Contains(stored, []byte(secret)) {
			t.Errorf("%s is stored as it is", secret)
		}
	}
	d.table.sealed["eve\x00google"], d.table.sealed["ada\x00github"] = stored, stored
	for _, c := range []struct{ subject, provider string }{{"eve", "google"}, {"ada", "github"}} {
		if _, err := d.TokenSource(t.Context(), c.subject, c.provider).Token(); authn.AsError(err).Status != 503 {
			t.Errorf("another's token serves %s at %s: %v", c.subject, c.provider, err)
		}
	}
	if _, err := d.TokenSource(t.Context(), "bob", "google").Token(); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("nothing is kept: %v", err)
	}
}

// O9: a token that has ended is refreshed, with the rotated refresh token kept, and
// whatever the provider leaves out stays.
func TestTokenIsRefreshed(t *testing.T) {
	d := newDesk(t)
	d.saves("at-1", "rt-1", time.Minute)
	d.now = d.now.Add(51 * time.Second)
	d.refreshes(says(200, `{"access_token":"at-2","expires_in":3600,"token_type":"Bearer","refresh_token":"rt-2"}`))
	d.wantToken("at-2", 0, "refreshed")
	if f := d.lastForm(); f.Get("grant_type") != "refresh_token" || f.Get("refresh_token") != "rt-1" {
		t.Errorf("the request is %v", f)
	}
	if id, secret, ok := (&http.Request{Header: d.lastHead()}).BasicAuth(); !ok || id != "1234987819200.apps.googleusercontent.com" || secret != "GOCSPX-secret" {
		t.Errorf("the client is %s, %v", id, ok)
	}
	d.wantToken("at-2", 0, "kept")
	d.now = d.now.Add(time.Hour)
	d.refreshes(says(200, `{"access_token":"at-3","expires_in":3600,"token_type":"Bearer"}`))
	d.wantToken("at-3", 0, "refreshed again")
	if f := d.lastForm(); f.Get("refresh_token") != "rt-2" {
		t.Errorf("the rotated token was not kept: %v", f)
	}
	d.now = d.now.Add(time.Hour)
	d.wantToken("at-3", 0, "without rotation")
	if f := d.lastForm(); f.Get("refresh_token") != "rt-2" {
		t.Errorf("the token that was not rotated is gone: %v", f)
	}
	if got := d.made(); strings.Count(got, tokenCall) != 3 {
		t.Errorf("asked %s", got)
	}
	if n := len(d.rec.Events(authn.EventRefreshed)); n != 3 {
		t.Errorf("%d events", n)
	}
	if to, err := d.LogoutURL(t.Context(), "ada", "google", "/"); err != nil || to != "" {
		t.Errorf("Google has no logout, and it is at %q, %v", to, err)
	}
}

// O9: a refusal is final until the user comes again; an outage is not.
func TestRefreshFails(t *testing.T) {
	d := newDesk(t)
	d.saves("at-1", "rt-1", 0)
	d.refreshes(says(503, ""))
	d.wantToken("", 503, "the provider is down")
	d.refreshes(says(401, `{"error":"invalid_client"}`))
	d.wantToken("", 503, "our secret has expired")
	d.refreshes(says(200, `{"access_token":"at-2","expires_in":3600,"token_type":"mac"}`))
	d.wantToken("", 401, "no bearer token")
	d.saves("at-1", "rt-1", 0)
	d.refreshes(says(400, `{"error":"invalid_grant","error_description":"Token has been expired or revoked."}`))
	d.made()
	d.wantToken("", 401, "revoked")
	d.wantToken("", 401, "revoked, again")
	if got := d.made(); got != tokenCall {
		t.Errorf("asked %s, want once", got)
	}
	if events := d.rec.Events(authn.EventRefused); len(events) != 2 || events[1].Subject != "ada" || events[1].SubjectKind != authn.KindUser || events[1].Reason != "refresh" {
		t.Errorf("events %+v", events)
	}
	for _, e := range d.rec.Events() {
		if e.Err != nil && strings.Contains(e.Err.Error(), "rt-1") {
			t.Errorf("an event has the token: %v", e.Err)
		}
	}
	d.saves("at-9", "", time.Hour)
	d.now = d.now.Add(time.Hour)
	d.wantToken("", 401, "no refresh token")
}

// O9: who logs in again without a new refresh token keeps the old one, if it is of
// the same account there.
func TestSaveTokenKeepsTheRefreshToken(t *testing.T) {
	d := newDesk(t)
	d.saves("at-1", "rt-1", time.Hour)
	d.saves("at-2", "", time.Hour)
	d.now = d.now.Add(time.Hour)
	d.refreshes(says(200, `{"access_token":"at-3","expires_in":3600,"token_type":"Bearer"}`))
	d.wantToken("at-3", 0, "carried over")

	other := oauth.Profile{Provider: "google", Issuer: "https://accounts.google.com", Subject: "108", Token: &oauth2.Token{AccessToken: "of-108", Expiry: d.now}}
	if err := d.SaveToken(t.Context(), "ada", other); err != nil {
		t.Fatal(err)
	}
	d.wantToken("", 401, "another account's")
}

// O9: SaveToken and TokenSource of what cannot be are mistakes of the host's, and a
// store that is down is 503.
func TestTokensMisused(t *testing.T) {
	d := newDesk(t)
	good := oauth.Profile{Provider: "google", Token: &oauth2.Token{AccessToken: "x"}}
	for name, c := range map[string]struct {
		subject string
		change  func(p *oauth.Profile)
		status  int
	}{
		"no subject":          {"", func(*oauth.Profile) {}, 500},
		"no token":            {"ada", func(p *oauth.Profile) { p.Token = nil }, 500},
		"no provider":         {"ada", func(p *oauth.Profile) { p.Provider = "nobody" }, 500},
		"a huge token":        {"ada", func(p *oauth.Profile) { p.Token = &oauth2.Token{AccessToken: strings.Repeat("x", 33<<10)} }, 500},
		"a date that is none": {"ada", func(p *oauth.Profile) { p.Token = &oauth2.Token{AccessToken: "x", Expiry: d.now.AddDate(8000, 0, 0)} }, 500},
		"an empty token":      {"ada", func(p *oauth.Profile) { p.Token = &oauth2.Token{} }, 500},
		"a store ahead":       {"ada", func(*oauth.Profile) { d.table.down = "put" }, 503},
		"no store":            {"ada", func(*oauth.Profile) { d.table.down = "read" }, 503},
	} {
		p := good
		c.change(&p)
		if err := d.SaveToken(t.Context(), c.subject, p); authn.AsError(err) == nil || authn.AsError(err).Status != c.status {
			t.Errorf("%s: %v, want %d", name, err, c.status)
		}
		d.table.down = ""
	}
	if events := d.rec.Events(authn.EventOutage); len(events) != 2 || events[0].Subject != "ada" || events[0].SubjectKind != authn.KindUser || !errors.Is(events[0].Err, errDown) {
		t.Errorf("events %+v", events)
	}
	_, err := d.TokenSource(t.Context(), "ada", "nobody").Token()
	_, logoutErr := d.LogoutURL(t.Context(), "ada", "nobody", "/")
	none := newHostOf(t, []oauth.Provider{googleProvider()}).login
	_, noneErr := none.TokenSource(t.Context(), "ada", "google").Token()
	for i, err := range []error{err, logoutErr, d.Unlink(t.Context(), "ada", "nobody"), noneErr, none.SaveToken(t.Context(), "ada", good), none.Unlink(t.Context(), "ada", "google")} {
		if authn.AsError(err) == nil || authn.AsError(err).Status != 500 {
			t.Errorf("%d: %v, want 500", i, err)
		}
	}
	d.saves("at-1", "rt-1", 0)
	for _, call := range []string{"read", "claim", "replace"} {
		d.refreshes(says(200, `{"access_token":"at-2","expires_in":3600,"token_type":"Bearer"}`))
		d.table.down = call
		d.wantToken("", 503, "the store is down: "+call)
	}
}

// O9: a sealed token has 32 KiB at most.
func TestLargestToken(t *testing.T) {
	d := newDesk(t)
	save := func(n int) error {
		return d.SaveToken(t.Context(), "ada", oauth.Profile{Provider: "google", Token: &oauth2.Token{AccessToken: strings.Repeat("x", n)}})
	}
	if err := save(1); err != nil {
		t.Fatal(err)
	}
	most := 32<<10 - len(d.table.sealed["ada\x00google"]) + 1
	if err := save(most); err != nil || len(d.table.sealed["ada\x00google"]) != 32<<10 {
		t.Errorf("%d bytes: %v", len(d.table.sealed["ada\x00google"]), err)
	}
	if err := save(most + 1); authn.AsError(err) == nil || authn.AsError(err).Status != 500 {
		t.Errorf("a byte more: %v", err)
	}
}

// O9: a login takes the refresh token that is there when it is saved, not the one that
// was there a moment before; a record that nobody can open stands in no one's way.
func TestSaveTokenWhileOthersWrite(t *testing.T) {
	d := newDesk(t)
	d.saves("at-1", "rt-1", time.Hour)
	writes := 1
	d.table.before = func(call string) {
		if call == "replace" && writes > 0 {
			writes--
			d.saves("at-x", "rt-x", time.Hour)
		}
	}
	d.saves("at-2", "", 0)
	d.refreshes(says(200, `{"access_token":"at-3","expires_in":3600,"token_type":"Bearer"}`))
	d.wantToken("at-3", 0, "refreshed")
	if got := d.lastForm().Get("refresh_token"); got != "rt-x" {
		t.Errorf("by %s", got)
	}
	writes = 100
	p := oauth.Profile{Provider: "google", Issuer: "https://accounts.google.com", Subject: "107", Token: &oauth2.Token{AccessToken: "at-9"}}
	before := d.table.made("replace")
	if err := d.SaveToken(t.Context(), "ada", p); authn.AsError(err) == nil || authn.AsError(err).Status != 503 || d.table.made("replace") != before+5 {
		t.Errorf("others keep writing: %v, tried %d times", err, d.table.made("replace")-before)
	}
	d.table.before = nil
	d.table.sealed["ada\x00google"] = []byte("damaged")
	d.saves("at-4", "", time.Hour)
	d.wantToken("at-4", 0, "over a damaged one")
}

// O9: what fails while an account is unlinked can be done again, and no event says that
// it was done.
func TestUnlinkFails(t *testing.T) {
	d := newDesk(t)
	d.saves("at-1", "rt-1", time.Hour)
	revoked := 0
	d.answers["POST oauth2.googleapis.com/revoke"] = func(*http.Request) (int, string, string) {
		revoked++
		return 200, "application/json", ""
	}
	unlink := func(why string, status int) {
		t.Helper()
		err := d.Unlink(t.Context(), "ada", "google")
		if status == 0 && err != nil || status != 0 && (authn.AsError(err) == nil || authn.AsError(err).Status != status) {
			t.Errorf("%s: %v, want %d", why, err, status)
		}
	}
	for _, call := range []string{"read", "replace", "delete"} {
		d.table.fail(call)
		unlink("the store is down: "+call, 503)
		d.table.fail("")
	}
	d.saves("at-1", "rt-1", time.Hour)
	d.table.before = func(call string) {
		if call == "replace" {
			d.saves("at-1", "rt-1", time.Hour)
		}
	}
	was := revoked
	unlink("others keep writing", 503)
	if revoked != was+5 {
		t.Errorf("revoked %d times, want 5", revoked-was)
	}
	d.table.before = nil
	if n := len(d.rec.Events(authn.EventRevoked)); n != 0 {
		t.Errorf("%d events", n)
	}
	unlink("at last", 0)
	unlink("again", 0)
	if n := len(d.rec.Events(authn.EventRevoked)); n != 1 {
		t.Errorf("%d events", n)
	}
	d.table.sealed["ada\x00google"] = []byte("damaged")
	was = revoked
	unlink("a damaged one", 0)
	if len(d.table.sealed) != 0 || revoked != was {
		t.Errorf("a damaged token: %d are left, revoked %d", len(d.table.sealed), revoked-was)
	}
}

// O9: a token is revoked as this client, in the provider's way of authentication; one
// that revokes nothing is not asked, and one that is not known yet and down is an outage.
func TestRevocationAuthenticates(t *testing.T) {
	const conf, revoke = "GET accounts.google.com/.well-known/openid-configuration", "POST oauth2.googleapis.com/revoke"
	for _, tt := range []struct {
		old, new string
		header   bool
	}{
		{"", "", true},
		{`["client_secret_post", "client_secret_basic"]`, `["client_secret_post"]`, false},
		{`["client_secret_post", "client_secret_basic"]`, `["client_secret_basic"]`, true},
	} {
		d := newDesk(t)
		d.answers[conf], d.answers[revoke] = asJSON(strings.Replace(googleDiscovery, tt.old, tt.new, 1)), says(200, "")
		d.saves("at-1", "rt-1", time.Hour)
		if err := d.Unlink(t.Context(), "ada", "google"); err != nil {
			t.Fatal(err)
		}
		id, secret, ok := (&http.Request{Header: d.lastHead()}).BasicAuth()
		if f := d.lastForm(); !tt.header {
			id, secret = f.Get("client_id"), f.Get("client_secret")
		} else if f.Has("client_id") || f.Has("client_secret") {
			t.Errorf("%s: the body has the client, too", tt.new)
		}
		if ok != tt.header || id != "1234987819200.apps.googleusercontent.com" || secret != "GOCSPX-secret" || d.lastHead().Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("%s: %v by %s, %s", tt.new, d.lastHead(), id, secret)
		}
	}
	d := newDesk(t)
	d.answers[conf] = asJSON(strings.Replace(googleDiscovery, `"revocation_endpoint"`, `"other_endpoint"`, 1))
	d.saves("at-1", "rt-1", time.Hour)
	if err := d.Unlink(t.Context(), "ada", "google"); err != nil || d.made() != conf {
		t.Errorf("nothing to revoke at: %v", err)
	}
	d = newDesk(t)
	d.answers[conf] = says(503, "")
	d.saves("at-1", "rt-1", time.Hour)
	if err := d.Unlink(t.Context(), "ada", "google"); authn.AsError(err) == nil || authn.AsError(err).Status != 503 || len(d.table.sealed) != 1 {
		t.Errorf("a provider that is down: %v", err)
	}
	if _, err := d.LogoutURL(t.Context(), "ada", "google", "/"); authn.AsError(err) == nil || authn.AsError(err).Status != 503 {
		t.Errorf("logout at a provider that is down: %v", err)
	}
}

// O9: unlinking revokes at the provider and forgets; where the provider is down it
// can be called again.
func TestUnlink(t *testing.T) {
	d := newDesk(t)
	const revoke = "POST oauth2.googleapis.com/revoke"
	d.saves("at-1", "rt-1", time.Hour)
	for _, down := range []answer{says(503, ""), says(401, `{"error":"invalid_client"}`), says(400, `{"error":"invalid_client"}`), says(400, ""), says(404, ""), says(307, "")} {
		d.answers[revoke] = down
		if err := d.Unlink(t.Context(), "ada", "google"); authn.AsError(err) == nil || authn.AsError(err).Status != 503 {
			t.Errorf("the provider is down: %v", err)
		}
	}
	d.wantToken("at-1", 0, "kept while it is down")
	d.answers[revoke] = says(200, "")
	if err := d.Unlink(t.Context(), "ada", "google"); err != nil {
		t.Fatal(err)
	}
	if f := d.lastForm(); f.Get("token") != "rt-1" || f.Get("token_type_hint") != "refresh_token" {
		t.Errorf("revoked: %v", f)
	}
	if _, err := d.token(); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("forgotten: %v", err)
	}
	if n := len(d.rec.Events(authn.EventRevoked)); n != 1 {
		t.Errorf("%d events", n)
	}
	if err := d.Unlink(t.Context(), "ada", "google"); err != nil {
		t.Errorf("again: %v", err)
	}
	d.saves("at-1", "", time.Hour)
	d.answers[revoke] = says(400, `{"error":"invalid_token"}`) // Google's answer for one that is gone
	if err := d.Unlink(t.Context(), "ada", "google"); err != nil || d.lastForm().Get("token_type_hint") != "access_token" {
		t.Errorf("gone already: %v", err)
	}

	// GitHub's way is another: the grant of the user ends.
	if err := d.SaveToken(t.Context(), "ada", oauth.Profile{Provider: "github", Token: &oauth2.Token{AccessToken: "gho_1"}}); err != nil {
		t.Fatal(err)
	}
	const grant = "DELETE api.github.com/applications/Iv1.8a61f9b3a7aba766/grant"
	for _, status := range []int{500, 401, 400} {
		d.answers[grant] = says(status, "")
		if err := d.Unlink(t.Context(), "ada", "github"); authn.AsError(err) == nil || authn.AsError(err).Status != 503 {
			t.Errorf("GitHub says %d: %v", status, err)
		}
	}
	for _, status := range []int{404, 422, 200, 204} {
		if err := d.SaveToken(t.Context(), "ada", oauth.Profile{Provider: "github", Token: &oauth2.Token{AccessToken: "gho_1"}}); err != nil {
			t.Fatal(err)
		}
		d.answers[grant] = says(status, "")
		if err := d.Unlink(t.Context(), "ada", "github"); err != nil {
			t.Errorf("GitHub says %d: %v", status, err)
		}
	}
	if h := d.lastHead(); h.Get("Content-Type") != "application/json" || h.Get("Accept") != "application/vnd.github+json" {
		t.Errorf("GitHub is sent %v", h)
	}
	if id, secret, _ := (&http.Request{Header: d.lastHead()}).BasicAuth(); id != "Iv1.8a61f9b3a7aba766" || secret != "github-secret" {
		t.Errorf("GitHub's client is %s", id)
	}
}

// O9: logging out at the provider says who it is about, and comes back to a path of
// this host only.
func TestLogoutURL(t *testing.T) {
	d := newDesk(t)
	d.answers["GET accounts.google.com/.well-known/openid-configuration"] = asJSON(strings.Replace(googleDiscovery, `"issuer"`, `"end_session_endpoint": "https://accounts.google.com/logout?x=1", "issuer"`, 1))
	for _, saved := range []bool{false, true} {
		if saved {
			d.saves("at", "rt", time.Hour)
		}
		for path, back := range map[string]string{"/bye?x=1": "https://app.example/bye?x=1", "//evil.example": "https://app.example/", "https://evil.example": "https://app.example/"} {
			to, err := d.LogoutURL(t.Context(), "ada", "google", path)
			u, parseErr := url.Parse(to)
			if err != nil || parseErr != nil || u.Host != "accounts.google.com" || u.Path != "/logout" {
				t.Fatalf("%q, %v", to, err)
			}
			q := u.Query()
			if q.Get("x") != "1" || q.Get("post_logout_redirect_uri") != back || q.Get("client_id") != "1234987819200.apps.googleusercontent.com" || q.Has("id_token_hint") != saved {
				t.Errorf("%s: %v", path, q)
			}
		}
	}
	hint := func(subject string) (string, error) {
		to, err := d.LogoutURL(t.Context(), subject, "google", "/")
		return authn.Must(url.Parse(to)).Query().Get("id_token_hint"), err
	}
	p := oauth.Profile{Provider: "google", Token: &oauth2.Token{AccessToken: "x"}}
	if err := d.SaveToken(t.Context(), "bob", p); err != nil {
		t.Fatal(err)
	}
	d.table.sealed["eve\x00google"] = []byte("damaged")
	for _, subject := range []string{"bob", "eve", "", "nobody"} {
		if got, err := hint(subject); got != "" || err != nil {
			t.Errorf("%q: hint %q, %v", subject, got, err)
		}
	}
	d.table.fail("read")
	if _, err := hint("ada"); authn.AsError(err) == nil || authn.AsError(err).Status != 503 {
		t.Errorf("the store is down: %v", err)
	}
	d.table.fail("")
	none := newHostOf(t, []oauth.Provider{googleProvider()}, func(cfg *oauth.Config) { cfg.Transport = d.standIn }).login
	if to, err := none.LogoutURL(t.Context(), "ada", "google", "/"); to == "" || strings.Contains(to, "hint") || err != nil {
		t.Errorf("no tokens are kept: %q, %v", to, err)
	}
	if to, err := d.LogoutURL(t.Context(), "ada", "github", "/"); to != "" || err != nil {
		t.Errorf("GitHub: %q, %v", to, err)
	}
}
