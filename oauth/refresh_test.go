package oauth_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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
	if len(d.table.sealed) != 0 {
		t.Error("it is back")
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
		d.answers["GET www.googleapis.com/oauth2/v3/certs"] = c.keys
		d.saves("at-1", "rt-1", 0)
		d.refreshes(reply(c.change))
		d.wantToken("at-2", c.status, c.why)
		if c.status != 0 {
			d.wantToken("", 401, c.why+", again")
		}
	}
}
