package oauth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/oauth"
)

const configuration = "/.well-known/openid-configuration"

// O7: a configuration counts for a day. While a new one cannot be had the old one
// serves on; the pauses between requests grow, and begin anew after a good one.
func TestConfigurationServesOn(t *testing.T) {
	p := authntest.NewProvider(t)
	h := newHost(t, p)
	for i, step := range []struct {
		pass   time.Duration
		down   bool
		asked  int
		status int
	}{
		{0, true, 1, 503},
		{time.Second - 1, false, 1, 503},
		{1, true, 2, 503},
		{2*time.Second - 1, false, 2, 503},
		{1, true, 3, 503},
		{4 * time.Second, false, 4, 303},
		{24*time.Hour - 1, true, 4, 303},
		{1, true, 5, 303},
		{time.Second - 1, true, 5, 303},
		{1, true, 6, 303},
		{2*time.Second - 1, false, 6, 303},
		{1, false, 7, 303},
		{time.Hour, true, 7, 303},
	} {
		p.OnRequest = func(w http.ResponseWriter, r *http.Request) bool {
			if step.down && r.URL.Path == configuration {
				w.WriteHeader(http.StatusBadGateway)
			}
			return step.down
		}
		h.advance(step.pass)
		w := h.browser().get(base + "/op/login")
		if n := h.requests(configuration); w.Code != step.status || n != step.asked {
			t.Errorf("%d: answered by %d, want %d; asked %d times, want %d", i, w.Code, step.status, n, step.asked)
		}
	}
}

// O4, O7: a new configuration keeps the keys, if they are where they were.
func TestConfigurationKeepsTheKeys(t *testing.T) {
	p := authntest.NewProvider(t)
	h := newHost(t, p)
	h.wantIn(t, h.browser().logsIn(), 1)
	later := func(d time.Duration) {
		h.advance(d)
		p.OnToken = func(_, c map[string]any) { c["iat"], c["exp"] = h.now.Unix(), h.now.Unix()+60 }
	}
	later(24*time.Hour - time.Minute)
	h.wantIn(t, h.browser().logsIn(), 2)
	later(time.Minute)
	h.wantIn(t, h.browser().logsIn(), 3)
	if asked, keys := h.requests(configuration), h.requests("/jwks"); asked != 2 || keys != 2 {
		t.Errorf("asked %d times for the configuration and %d times for keys, want 2 each", asked, keys)
	}
	answers(configuration, func(p *authntest.Provider, a map[string]any) { a["jwks_uri"] = p.URL + "/elsewhere" })(p)
	later(24 * time.Hour)
	if w := h.browser().logsIn(); w.Code != http.StatusServiceUnavailable || h.requests("/elsewhere") != 1 {
		t.Errorf("keys are elsewhere: %d, asked there %d times", w.Code, h.requests("/elsewhere"))
	}
}

// O7: those who come at once share one request for the configuration. Who leaves waits
// no longer, and where one is known nobody waits for the next.
func TestConfigurationIsAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := google()
		s.t = t
		const call = "GET accounts.google.com" + configuration
		known, release := s.answers[call], make(chan struct{})
		s.answers[call] = func(r *http.Request) (int, string, string) {
			<-release
			return known(r)
		}
		h := newHostOf(t, []oauth.Provider{googleProvider()}, func(cfg *oauth.Config) { cfg.Transport = s })
		login := func() int { return h.browser().get(base + "/google/login").Code }
		statuses := make(chan int, 10)
		for range cap(statuses) {
			go func() { statuses <- login() }()
		}
		synctest.Wait()
		gone, leave := context.WithCancel(t.Context())
		leave()
		w := httptest.NewRecorder()
		h.login.ServeHTTP(w, httptest.NewRequest(http.MethodGet, base+"/google/login", nil).WithContext(gone))
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("who has left is answered by %d", w.Code)
		}
		close(release)
		for range cap(statuses) {
			if got := <-statuses; got != http.StatusSeeOther {
				t.Errorf("who has waited is answered by %d", got)
			}
		}
		if got := s.made(); got != call {
			t.Errorf("asked %s", got)
		}
		h.advance(24 * time.Hour)
		release = make(chan struct{})
		go func() { statuses <- login() }()
		synctest.Wait()
		if got := login(); got != http.StatusSeeOther {
			t.Errorf("a day later: %d", got)
		}
		close(release)
		if got := <-statuses; got != http.StatusSeeOther || s.made() != call {
			t.Errorf("who has asked a day later is answered by %d", got)
		}
	})
}

// O7: a callback of a provider that is down, at an instance that does not know it yet,
// is an outage.
func TestOutageAtTheCallback(t *testing.T) {
	p := authntest.NewProvider(t)
	h := newHost(t, p)
	b := h.browser()
	back := b.provides(b.starts("op", ""))
	h.login = h.instance()
	p.OnRequest = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	h.wantRefused(t, b.comes(back), 503, "unavailable", "discovery of "+p.URL)
}

// O3: where nobody can say whether a flow came before, it does not pass.
func TestFlowWithoutAStore(t *testing.T) {
	h := newHost(t, authntest.NewProvider(t), func(cfg *oauth.Config) { cfg.Once = &tokenTable{down: "claim"} })
	h.wantRefused(t, h.browser().logsIn(), 503, "unavailable", errDown.Error())
	if n := h.requests("/token"); n != 0 {
		t.Errorf("%d token requests", n)
	}
}

// O3, O7: a store's mistake of the host's is 500, and whatever else it says an outage.
func TestStoreThatSaysOtherwise(t *testing.T) {
	for _, tt := range []struct {
		err    *authn.Error
		status int
		code   string
	}{
		{&authn.Error{Status: 500, Code: "internal"}, 500, "internal"},
		{&authn.Error{Status: 499, Code: "gone"}, 503, "unavailable"},
		{&authn.Error{Status: 504, Code: "unavailable"}, 504, "unavailable"},
	} {
		h := newHost(t, authntest.NewProvider(t), func(cfg *oauth.Config) { cfg.Once = &tokenTable{down: "claim", err: tt.err} })
		h.wantRefused(t, h.browser().logsIn(), tt.status, tt.code, "")
	}
}

// O8: what a provider says of an error is in the event, unless it would spoil a log.
func TestProvidersWordInEvents(t *testing.T) {
	for word, want := range map[string]string{
		"no_idea": "the provider says no_idea", "a\nb": "the provider says no: ", "a\x7f": "the provider says no: ",
		strings.Repeat("x", 65): "the provider says " + strings.Repeat("x", 64) + ": ",
	} {
		h := newHost(t, authntest.NewProvider(t))
		b := h.browser()
		back := b.provides(b.starts("op", "")).changed(func(q url.Values) {
			q.Del("code")
			q.Set("error", word)
		})
		h.wantRefused(t, b.comes(back), 401, "login_failed", want)
	}
}

// O6: what OnLogin refuses is answered by OnError, with its event.
func TestOnLoginRefuses(t *testing.T) {
	h := newHost(t, authntest.NewProvider(t), func(cfg *oauth.Config) {
		cfg.OnLogin = func(http.ResponseWriter, *http.Request, oauth.Profile) error {
			return authn.Forbidden("suspended", nil)
		}
	})
	h.wantRefused(t, h.browser().logsIn(), 403, "forbidden", "suspended")
	if events := h.events.Events(authn.EventRefused); len(events) != 1 || events[0].Reason != "suspended" {
		t.Errorf("events %+v", events)
	}
}

// O7, O8: a token endpoint's error is the user's only if it says that the code is
// wrong; the event has its word, as far as it can be shown.
func TestTokenEndpointErrors(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		want   int
		why    string
	}{
		{400, `{"error":"invalid_grant"}`, 401, "says invalid_grant"},
		{499, `{"error":"invalid_grant"}`, 401, "says invalid_grant"},
		{500, `{"error":"invalid_grant"}`, 503, "says invalid_grant"},
		{429, `{"error":"invalid_grant"}`, 503, "says invalid_grant"},
		{400, `{"error":"invalid_client"}`, 503, "says invalid_client"},
		{400, `{"error":""}`, 503, "says nothing"},
		{400, `no JSON`, 503, "says nothing"},
		{400, `{"error":"\u0001 !\u007fé~"}`, 401, "says !~"},
	} {
		s := google()
		s.t = t
		s.answers[tokenCall] = says(tt.status, tt.body)
		h := newHostOf(t, []oauth.Provider{googleProvider()}, func(cfg *oauth.Config) { cfg.Transport = s })
		b := h.browser()
		q := url.Values{"code": {"x"}, "state": {b.starts("google", "").Query().Get("state")}}
		code := map[int]string{401: "login_failed", 503: "unavailable"}[tt.want]
		w := b.get(base + "/google/callback?" + q.Encode())
		h.wantRefused(t, w, tt.want, code, tt.why)
		if got := fmt.Sprint(h.refused[0].Err); len(got) > 200 {
			t.Errorf("%s: %q", tt.body, got)
		}
	}
}
