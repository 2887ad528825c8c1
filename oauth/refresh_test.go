package oauth_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/oauth"
	"github.com/gatehouse-go/authn/store"
)

// O9: whoever asks at once, on whichever instance, one request refreshes the token
// and all get the new one.
func TestRefreshIsOnceAcrossInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.saves("at-1", "rt-1", 0)
		d.refreshes(func(*http.Request) (int, string, string) {
			time.Sleep(2 * time.Second)
			return 200, "application/json", `{"access_token":"at-2","expires_in":3600,"token_type":"Bearer","refresh_token":"rt-2"}`
		})
		instances := []*oauth.Login{d.Login, d.instance(), d.instance()}
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() {
				got, err := instances[i%3].TokenSource(t.Context(), "ada", "google").Token()
				if err != nil || got.AccessToken != "at-2" {
					t.Errorf("%v, %v", got, err)
				}
			})
		}
		wg.Wait()
		if got := d.made(); strings.Count(got, tokenCall) != 1 {
			t.Errorf("asked %s", got)
		}
	})
}

// O9: when the instance that refreshes is gone, another one does after 30 s; who
// waits, waits no longer than its context.
func TestRefreshOfAnInstanceThatDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		began := time.Now()
		d.now = began
		d.saves("at-1", "rt-1", 0)
		l, err := oauth.NewLogin(d.kc, oauth.Config{
			BaseURL: base, Providers: []oauth.Provider{googleProvider()}, Transport: d.standIn, Once: d.table, Tokens: d.table, Now: time.Now,
			OnLogin: func(http.ResponseWriter, *http.Request, oauth.Profile) error { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		claimed := store.DigestOf(string(d.table.sealed["ada\x00google"]))
		if err := d.table.ClaimOnce(t.Context(), "authn/oauth refresh", claimed, began.Add(30*time.Second), began); err != nil {
			t.Fatal(err)
		}
		d.refreshes(says(200, `{"access_token":"at-2","expires_in":3600,"token_type":"Bearer"}`))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := l.TokenSource(ctx, "ada", "google").Token(); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 4*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		got, err := l.TokenSource(t.Context(), "ada", "google").Token()
		if err != nil || got.AccessToken != "at-2" {
			t.Fatalf("%v, %v", got, err)
		}
		if waited := time.Since(began); waited < 30*time.Second || waited > 40*time.Second {
			t.Errorf("the claim of another was broken after %v", waited)
		}
	})
}

// O9: a caller that leaves does not lose what the provider has given for it.
func TestRefreshSurvivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.saves("at-1", "rt-1", 0)
		ctx, leave := context.WithCancel(t.Context())
		d.refreshes(func(*http.Request) (int, string, string) {
			leave()
			return 200, "application/json", `{"access_token":"at-2","expires_in":3600,"token_type":"Bearer","refresh_token":"rt-2"}`
		})
		if _, err := d.TokenSource(ctx, "ada", "google").Token(); err != nil {
			t.Errorf("%v", err)
		}
		d.wantToken("at-2", 0, "kept")
	})
}

// O9: a token that is unlinked while it is refreshed does not come back.
func TestUnlinkedWhileRefreshing(t *testing.T) {
	d := newDesk(t)
	d.saves("at-1", "rt-1", 0)
	d.refreshes(func(*http.Request) (int, string, string) {
		if err := d.table.DeleteProviderToken(t.Context(), "ada", "google"); err != nil {
			t.Error(err)
		}
		return 200, "application/json", `{"access_token":"at-2","expires_in":3600,"token_type":"Bearer"}`
	})
	d.wantToken("", 404, "unlinked")
	if len(d.table.sealed) != 0 || d.table.made("replace") != 1 {
		t.Errorf("it is back, or was written %d times", d.table.made("replace"))
	}
}

// O9: while the provider is down nobody waits for a refresh that has failed already,
// and the next one tries again.
func TestRefreshWhileTheProviderIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.saves("at-1", "rt-1", 0)
		d.refreshes(func(*http.Request) (int, string, string) {
			time.Sleep(time.Second)
			return 503, "text/plain", ""
		})
		began := time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := d.token(); authn.AsError(err) == nil || authn.AsError(err).Status != 503 {
					t.Errorf("%v", err)
				}
			})
		}
		wg.Wait()
		if asked, took := strings.Count(d.made(), tokenCall), time.Since(began); asked > 2 || took > 5*time.Second {
			t.Errorf("asked %d times, in %v", asked, took)
		}
		d.refreshes(says(200, `{"access_token":"at-2","expires_in":3600,"token_type":"Bearer"}`))
		d.wantToken("at-2", 0, "it is back")
	})
}

// O9: an id_token that comes with a refresh is of the same user, or nothing of the
// answer counts. One that cannot be looked at is not kept.
func TestRefreshOfAnotherUser(t *testing.T) {
	reply := func(change map[string]any) answer {
		return func(*http.Request) (int, string, string) {
			claims := googleClaims("")
			delete(claims, "nonce")
			delete(claims, "at_hash")
			claims["sub"] = "107"
			for name, value := range change {
				claims[name] = value
			}
			body := authn.Must(marshal(map[string]any{"access_token": "at-2", "expires_in": 3600, "token_type": "Bearer", "id_token": signedBy(claims)}))
			return 200, "application/json", body
		}
	}
	for _, c := range []struct {
		why    string
		change map[string]any
		keys   answer
		status int
	}{
		{"the same", nil, asJSON(certs()), 0},
		{"another sub", map[string]any{"sub": "108"}, asJSON(certs()), 401},
		{"another iss", map[string]any{"iss": "https://evil.example"}, asJSON(certs()), 401},
		{"another aud", map[string]any{"aud": "x"}, asJSON(certs()), 401},
		{"another signature", map[string]any{"sub": "107"}, asJSON(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`), 401},
		{"keys that are down", map[string]any{"sub": "108"}, says(503, ""), 0},
	} {
		d := newDesk(t)
		d.now = time.Now()
		d.answers["GET accounts.google.com"+configuration] = asJSON(strings.Replace(googleDiscovery, `"issuer"`, `"end_session_endpoint": "https://accounts.google.com/logout", "issuer"`, 1))
		d.answers["GET www.googleapis.com/oauth2/v3/certs"] = c.keys
		d.saves("at-1", "rt-1", 0)
		d.refreshes(reply(c.change))
		d.wantToken("at-2", c.status, c.why)
		if c.status != 0 {
			d.wantToken("", 401, c.why+", again")
		}
		// The id_token is the new one's, if it is good.
		to, err := d.LogoutURL(t.Context(), "ada", "google", "/")
		if err != nil || strings.Contains(to, "id_token_hint=h.p.s") == (c.why == "the same") {
			t.Errorf("%s: %s, %v", c.why, to, err)
		}
	}
}

// ada is where her token at Google is kept.
const ada = "ada\x00google"

// O9: who gets the claim after somebody else was done takes what that one got, and asks
// nobody.
func TestRefreshThatCameLate(t *testing.T) {
	for _, tt := range []struct {
		why    string
		then   func(d *desk)
		status int
	}{
		{"another's token lives", func(d *desk) { d.saves("at-other", "rt-other", time.Hour) }, 0},
		{"another's token has ended", func(d *desk) { d.saves("at-other", "rt-other", 0) }, 503},
		{"it is gone", func(d *desk) { delete(d.table.sealed, ada) }, 404},
		{"the store is down", func(d *desk) { d.table.fail("read") }, 503},
	} {
		d := newDesk(t)
		d.saves("at-1", "rt-1", 0)
		d.table.before = func(call string) {
			if call == "claim" {
				tt.then(d)
			}
		}
		d.wantToken("at-other", tt.status, tt.why)
		if got := d.made(); got != "" {
			t.Errorf("%s: asked %s", tt.why, got)
		}
	}
}

const newTokens = `{"access_token":"at-2","refresh_token":"rt-2","expires_in":3600,"token_type":"Bearer"}`

// O9: new tokens are written until the store takes them, six times in 1.5 s; then the
// caller is told, and nothing is lost that is there.
func TestNewTokensAreWritten(t *testing.T) {
	for _, tt := range []struct {
		why    string
		fails  int
		slow   time.Duration
		status int
		writes int
	}{
		{"at once", 0, 0, 0, 1},
		{"at last", 5, 0, 0, 6},
		{"never", 6, 0, 503, 6},
		{"a store that takes its time", 1, 26 * time.Second, 503, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t)
			d.saves("at-1", "rt-1", 0)
			d.refreshes(says(200, newTokens))
			failed := 0
			d.table.before = func(call string) {
				if call != "replace" {
					return
				}
				time.Sleep(tt.slow)
				if d.table.fail(""); failed < tt.fails {
					d.table.fail("replace")
				}
				failed++
			}
			d.wantToken("at-2", tt.status, tt.why)
			if got := d.table.made("replace"); got != tt.writes {
				t.Errorf("%s: written %d times, want %d", tt.why, got, tt.writes)
			}
		})
	}
}

// O9: what a login puts there while its token is refreshed counts. It gets the new
// refresh token only if it has carried over the one that was used up, of the same
// account.
func TestLoginsWhileRefreshing(t *testing.T) {
	login := func(d *desk, issuer, of, access, refresh, idToken string, life time.Duration) {
		p := oauth.Profile{
			Provider: "google", Issuer: issuer, Subject: of, IDToken: authn.NewSecret(idToken),
			Token: &oauth2.Token{AccessToken: access, RefreshToken: refresh, Expiry: d.now.Add(life)},
		}
		if err := d.SaveToken(d.t.Context(), "ada", p); err != nil {
			d.t.Error(err)
		}
	}
	const google = "https://accounts.google.com"
	for _, tt := range []struct {
		why    string
		reply  string
		then   func(d *desk)
		access string
		status int
		next   string // the refresh token that is used later
		writes int
	}{
		{"carried over", newTokens, func(d *desk) { login(d, google, "107", "at-login", "rt-1", "", time.Hour) }, "at-login", 0, "rt-2", 2},
		{"its own", newTokens, func(d *desk) { login(d, google, "107", "at-login", "rt-login", "", time.Hour) }, "at-login", 0, "rt-login", 1},
		{"another account", newTokens, func(d *desk) { login(d, google, "108", "at-login", "rt-1", "", time.Hour) }, "at-login", 0, "rt-1", 1},
		{"another issuer", newTokens, func(d *desk) { login(d, "https://x.example", "107", "at-login", "rt-1", "", time.Hour) }, "at-login", 0, "rt-1", 1},
		{
			"not rotated", `{"access_token":"at-2","expires_in":3600,"token_type":"Bearer"}`,
			func(d *desk) { login(d, google, "107", "at-login", "rt-1", "", time.Hour) }, "at-login", 0, "rt-1", 1,
		},
		{"over already", newTokens, func(d *desk) { login(d, google, "107", "at-login", "rt-1", "", 0) }, "at-2", 0, "rt-2", 2},
		{"over already, and its own", newTokens, func(d *desk) { login(d, google, "107", "at-login", "rt-login", "", 0) }, "", 503, "rt-login", 1},
		{
			"too much together", strings.Replace(newTokens, "rt-2", strings.Repeat("r", 20<<10), 1),
			func(d *desk) { login(d, google, "107", "at-login", "rt-1", strings.Repeat("i", 20<<10), time.Hour) }, "", 500, "rt-1", 1,
		},
		{"a store that is down then", newTokens, func(d *desk) {
			login(d, google, "107", "at-login", "rt-1", "", time.Hour)
			d.table.before = func(call string) {
				if call == "replace" && d.table.made("replace") == 1 {
					d.table.fail("replace")
				}
			}
		}, "", 503, "rt-1", 2},
		{"another login then", newTokens, func(d *desk) {
			login(d, google, "107", "at-login", "rt-1", "", time.Hour)
			d.table.before = func(call string) {
				if call == "replace" && d.table.made("replace") == 1 {
					login(d, google, "107", "at-again", "rt-again", "", time.Hour)
				}
			}
		}, "at-again", 0, "rt-again", 2},
		{"a login again and again", newTokens, func(d *desk) {
			login(d, google, "107", "at-login", "rt-1", "", time.Hour)
			d.table.before = func(call string) {
				if call == "replace" {
					login(d, google, "107", "at-login", "rt-1", "", time.Hour)
				}
			}
		}, "", 503, "rt-1", 6},
	} {
		d := newDesk(t)
		d.saves("at-1", "rt-1", 0)
		d.refreshes(func(*http.Request) (int, string, string) {
			tt.then(d)
			return 200, "application/json", tt.reply
		})
		d.wantToken(tt.access, tt.status, tt.why)
		if got := d.table.made("replace"); got != tt.writes {
			t.Errorf("%s: written %d times, want %d", tt.why, got, tt.writes)
		}
		d.table.before = nil
		d.table.fail("")
		d.now = d.now.Add(2 * time.Hour)
		d.refreshes(says(200, newTokens))
		d.wantToken("at-2", 0, tt.why+", later")
		if got := d.lastForm().Get("refresh_token"); got != tt.next {
			t.Errorf("%s: refreshed by %s, want %s", tt.why, got, tt.next)
		}
	}
}

// O9: tokens that are too large are the host's to know of; a provider that cannot be
// asked costs nothing.
func TestRefreshThatCannotBe(t *testing.T) {
	d := newDesk(t)
	d.saves("at-1", "rt-1", 0)
	d.refreshes(says(200, strings.Replace(newTokens, "at-2", strings.Repeat("x", 33<<10), 1)))
	d.wantToken("", 500, "a huge token")
	d = newDesk(t)
	d.saves("at-1", "rt-1", 0)
	sealed := d.table.sealed[ada]
	known := d.answers["GET accounts.google.com"+configuration]
	d.answers["GET accounts.google.com"+configuration] = says(503, "")
	d.wantToken("", 503, "a provider that is not known")
	if bytes.Equal(sealed, d.table.sealed[ada]) {
		t.Error("who waits is not told")
	}
	d.answers["GET accounts.google.com"+configuration] = known
	d.now = d.now.Add(time.Minute)
	d.refreshes(says(200, newTokens))
	d.wantToken("at-2", 0, "later")
	if got := d.lastForm().Get("refresh_token"); got != "rt-1" {
		t.Errorf("by %s", got)
	}
}

// O9: a Transport's mistake of the host's costs no refresh token, and of an answer whose
// id_token cannot be looked at the tokens are kept.
func TestRefreshByABrokenTransport(t *testing.T) {
	for path, status := range map[string]int{"/token": 500, "/oauth2/v3/certs": 0} {
		d := newDesk(t)
		d.saves("at-1", "rt-1", 0)
		d.refreshes(says(200, strings.Replace(newTokens, `{`, `{"id_token":"`+signedBy(googleClaims(""))+`",`, 1)))
		broken := authn.Must(oauth.NewLogin(d.kc, oauth.Config{
			BaseURL: base, Providers: []oauth.Provider{googleProvider()}, Once: d.table, Tokens: d.table, Now: func() time.Time { return d.now },
			OnLogin: func(http.ResponseWriter, *http.Request, oauth.Profile) error { return nil },
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == path {
					return nil, &authn.Error{Status: 500, Code: "internal"}
				}
				return d.RoundTrip(r)
			}),
		}))
		_, err := broken.TokenSource(t.Context(), "ada", "google").Token()
		if got := authn.AsError(err); (got == nil) != (status == 0) || got != nil && got.Status != status {
			t.Errorf("%s: %v", path, err)
		}
		d.refreshes(says(200, newTokens))
		d.wantToken("at-2", 0, path)
	}
}
