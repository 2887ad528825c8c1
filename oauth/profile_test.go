package oauth_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/oauth"
)

// O1, O5: of plain OAuth 2 the host's function says who came: somebody, or an error as
// it is, or an outage.
func TestPlainProfiles(t *testing.T) {
	for _, tt := range []struct {
		name    string
		profile oauth.Profile
		err     error
		status  int
		code    string
		issuer  string
	}{
		{"somebody", oauth.Profile{Subject: "7"}, nil, 303, "", "https://x.example"},
		{"of another issuer", oauth.Profile{Subject: "7", Issuer: "https://y.example"}, nil, 303, "", "https://y.example"},
		{"nobody", oauth.Profile{Email: "a@x.example"}, nil, 401, "login_failed", ""},
		{"a subject that is too long", oauth.Profile{Subject: strings.Repeat("7", 256)}, nil, 401, "login_failed", ""},
		{"an error", oauth.Profile{Subject: "7"}, errDown, 503, "unavailable", ""},
		{"a refusal", oauth.Profile{Subject: "7"}, authn.Forbidden("not of us", nil), 403, "forbidden", ""},
	} {
		s := &standIn{t: t, answers: map[string]answer{"POST x.example/t": says(200, `{"access_token":"at","token_type":"Bearer"}`)}}
		p := oauth.OAuth2("x", oauth2.Config{ClientID: "id", ClientSecret: "s", Endpoint: oauth2.Endpoint{
			AuthURL: "https://x.example/a", TokenURL: "https://x.example/t", AuthStyle: oauth2.AuthStyleInParams,
		}}, func(context.Context, *http.Client) (oauth.Profile, error) { return tt.profile, tt.err })
		h := newHostOf(t, []oauth.Provider{p}, func(cfg *oauth.Config) { cfg.Transport = s })
		b := h.browser()
		w := b.get(base + "/x/callback?code=x&state=" + b.starts("x", "").Query().Get("state"))
		if tt.code != "" {
			h.wantRefused(t, w, tt.status, tt.code, "")
			if tt.err != nil && !errors.Is(h.refused[0], tt.err) && h.refused[0].Reason != "not of us" {
				t.Errorf("%s: %v", tt.name, h.refused[0])
			}
			continue
		}
		if who := h.wantIn(t, w, 1); who.Issuer != tt.issuer || who.Subject != "7" {
			t.Errorf("%s: %+v", tt.name, who)
		}
	}
}

// O5: userinfo adds to the id_token and changes nothing of it. Where the access token
// is for another API, the id_token is all there is.
func TestUserinfoAdds(t *testing.T) {
	p := authntest.NewProvider(t)
	p.Claims = map[string]any{"sub": "s1", "team": "a"}
	p.OnToken = func(_, c map[string]any) {
		maps.DeleteFunc(c, func(name string, _ any) bool { return strings.HasPrefix(name, "email") })
		c["team"], c["name"] = "a", "Ada"
	}
	for status, code := range map[int]string{200: "", 401: "", 403: "", 404: "unavailable", 500: "unavailable"} {
		p.OnAnswer = func(r *http.Request, a map[string]any) {
			if r.URL.Path == "/userinfo" {
				a["team"], a["name"], a["email"], a["more"] = "b", "Mallory", "ada@x.example", "x"
			}
		}
		p.OnRequest = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/userinfo" || status == 200 {
				return false
			}
			w.WriteHeader(status)
			return true
		}
		h := newHost(t, p)
		w := h.browser().logsIn()
		if code != "" {
			h.wantRefused(t, w, 503, code, "userinfo")
			continue
		}
		who := h.wantIn(t, w, 1)
		if who.Name != "Ada" || who.Claims["team"] != "a" || who.Subject != "s1" || (who.Claims["more"] == "x") != (status == 200) || (who.Email == "ada@x.example") != (status == 200) {
			t.Errorf("%d: %+v", status, who)
		}
	}
}
