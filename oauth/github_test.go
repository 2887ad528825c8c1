package oauth_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/oauth"
)

// githubUser is what GET /user answers to a public account (from the REST API's
// documentation, in part).
const githubUser = `{
  "login": "octocat", "id": 583231, "node_id": "MDQ6VXNlcjE=", "avatar_url": "https://avatars.githubusercontent.com/u/583231?v=4",
  "gravatar_id": "", "url": "https://api.github.com/users/octocat", "html_url": "https://github.com/octocat", "type": "User", "site_admin": false,
  "name": "monalisa octocat", "company": "GitHub", "blog": "https://github.com/blog", "location": "San Francisco",
  "email": "octocat@public.example", "hireable": false, "bio": "There once was...", "public_repos": 2, "followers": 20,
  "created_at": "2008-01-14T04:33:35Z", "updated_at": "2008-01-14T04:33:35Z", "two_factor_authentication": true
}`

// githubToken is the token endpoint's answer: a form, unless one asks for JSON.
func githubToken(*http.Request) (int, string, string) {
	return http.StatusOK, "application/x-www-form-urlencoded; charset=utf-8", "access_token=gho_16C7e42F292c6912E7710c838347Ae178B4a&scope=read%3Auser%2Cuser%3Aemail&token_type=bearer"
}

func github(user, emails answer) *standIn {
	return &standIn{answers: map[string]answer{
		"POST github.com/login/oauth/access_token": githubToken, "GET api.github.com/user": user, "GET api.github.com/user/emails": emails,
	}}
}

func githubProvider() oauth.Provider {
	return oauth.GitHub("Iv1.8a61f9b3a7aba766", authn.NewSecret("github-secret"))
}

// visits is a whole login at GitHub's stand-in, whose events h has.
func visits(t *testing.T, s *standIn) (*host, int) {
	t.Helper()
	s.t = t
	h := newHostOf(t, []oauth.Provider{githubProvider()}, func(cfg *oauth.Config) { cfg.Transport = s })
	b := h.browser()
	q := b.starts("github", "").Query()
	if q.Get("code_challenge_method") != "S256" || q.Get("scope") != "read:user user:email" || q.Has("nonce") {
		t.Errorf("GitHub is asked %v", q)
	}
	return h, b.get(base + "/github/callback?code=x&state=" + q.Get("state")).Code
}

// O1, O5: GitHub's own answers make a login. Its key is the number, and only an
// address that is primary and verified is told.
func TestGitHub(t *testing.T) {
	for _, c := range []struct {
		name, emails, want string
	}{
		{"primary and verified", `[{"email":"octocat@github.com","verified":true,"primary":true,"visibility":"public"}]`, "octocat@github.com"},
		{"among others", `[{"email":"a@b.example","verified":true,"primary":false,"visibility":null},
			{"email":"octocat@github.com","verified":true,"primary":true,"visibility":"private"}]`, "octocat@github.com"},
		{"primary and unverified", `[{"email":"victim@corp.example","verified":false,"primary":true,"visibility":null},
			{"email":"mine@b.example","verified":true,"primary":false,"visibility":null}]`, ""},
		{"verified without primary", `[{"email":"octocat@github.com","verified":true,"visibility":"public"}]`, ""},
		{"primary without verified", `[{"email":"octocat@github.com","primary":true}]`, ""},
		{"none", `[]`, ""},
	} {
		s := github(asJSON(githubUser), asJSON(c.emails))
		h, status := visits(t, s)
		if status != http.StatusSeeOther {
			t.Fatalf("%s: %d, %v", c.name, status, h.refused)
		}
		p := h.profiles[0]
		if p.Issuer != "https://github.com" || p.Subject != "583231" || p.Name != "monalisa octocat" || p.Picture != "https://avatars.githubusercontent.com/u/583231?v=4" ||
			p.Claims["login"] != "octocat" || !p.IDToken.IsZero() || p.Token.AccessToken != "gho_16C7e42F292c6912E7710c838347Ae178B4a" || !p.Token.Expiry.IsZero() {
			t.Errorf("%s: the profile is %+v", c.name, p)
		}
		// The public "email" of /user is of nobody knows whom.
		if p.Email != c.want || p.EmailVerified != (c.want != "") {
			t.Errorf("%s: the address is %q, verified: %v; want %q", c.name, p.Email, p.EmailVerified, c.want)
		}
		if got := s.made(); got != "POST github.com/login/oauth/access_token, GET api.github.com/user, GET api.github.com/user/emails" {
			t.Errorf("%s: asked %s", c.name, got)
		}
		if f := s.lastForm(); f.Get("client_id") != "Iv1.8a61f9b3a7aba766" || f.Get("client_secret") != "github-secret" || len(f.Get("code_verifier")) != 43 {
			t.Errorf("%s: the token request is %v", c.name, f)
		}
		if got := s.lastHead().Get("Authorization"); got != "Bearer gho_16C7e42F292c6912E7710c838347Ae178B4a" {
			t.Errorf("%s: /user/emails has Authorization %q", c.name, got)
		}
	}
}

// O5, O8: what GitHub does not answer, or answers otherwise than documented, is an
// outage or no address, and never a login of somebody else.
func TestGitHubAnswersOtherwise(t *testing.T) {
	const good = `[{"email":"octocat@github.com","verified":true,"primary":true}]`
	is := func(status int, body string) answer {
		return func(*http.Request) (int, string, string) { return status, "application/json", body }
	}
	forbidden := is(403, `{"message":"Resource not accessible by integration"}`)
	for _, c := range []struct {
		name   string
		s      *standIn
		status int
		code   string // "" of a login, which then has no address
	}{
		{"an App without the permission", github(asJSON(githubUser), forbidden), 303, ""},
		{"no scope user:email", github(asJSON(githubUser), is(404, `{"message":"Not Found"}`)), 303, ""},
		{"emails are down", github(asJSON(githubUser), is(502, "")), 503, "unavailable"},
		{"emails are no list", github(asJSON(githubUser), asJSON(`{"email":"x"}`)), 503, "unavailable"},
		{"no id", github(asJSON(strings.Replace(githubUser, `"id": 583231`, `"id": null`, 1)), asJSON(good)), 503, "unavailable"},
		{"an id of text", github(asJSON(strings.Replace(githubUser, `"id": 583231`, `"id": "583231"`, 1)), asJSON(good)), 503, "unavailable"},
		{"an id of 0", github(asJSON(strings.Replace(githubUser, `"id": 583231`, `"id": 0`, 1)), asJSON(good)), 503, "unavailable"},
		{"an id with a fraction", github(asJSON(strings.Replace(githubUser, `"id": 583231`, `"id": 583231.5`, 1)), asJSON(good)), 503, "unavailable"},
		{"the user is unauthorized", github(is(401, `{"message":"Bad credentials"}`), asJSON(good)), 503, "unavailable"},
		{"a wrong code, by 200", badCode("bad_verification_code"), 401, "login_failed"},
		{"a wrong secret, by 200", badCode("incorrect_client_credentials"), 503, "unavailable"},
	} {
		h, status := visits(t, c.s)
		if status != c.status {
			t.Errorf("%s: %d, want %d: %v", c.name, status, c.status, h.refused)
			continue
		}
		if c.code == "" {
			if p := h.profiles[0]; p.Email != "" || p.EmailVerified {
				t.Errorf("%s: %q", c.name, p.Email)
			}
		} else if len(h.profiles) > 0 || h.refused[0].Code != c.code {
			t.Errorf("%s: %d logins, %v", c.name, len(h.profiles), h.refused)
		}
	}
}

// O5: that GitHub counts requests is no reason to log in without an address.
func TestGitHubLimits(t *testing.T) {
	forbidden := says(403, `{"message":"API rate limit exceeded"}`)
	for _, tt := range []struct {
		name, value string
		in          bool
	}{{"X-RateLimit-Remaining", "0", false}, {"Retry-After", "60", false}, {"X-RateLimit-Remaining", "59", true}} {
		s := github(asJSON(githubUser), forbidden)
		h := newHostOf(t, []oauth.Provider{githubProvider()}, func(cfg *oauth.Config) {
			cfg.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				resp, err := s.RoundTrip(r)
				resp.Header.Set(tt.name, tt.value)
				return resp, err
			})
		})
		b := h.browser()
		w := b.get(base + "/github/callback?code=x&state=" + b.starts("github", "").Query().Get("state"))
		if tt.in {
			h.wantIn(t, w, 1)
		} else {
			h.wantRefused(t, w, 503, "unavailable", "status 403")
		}
	}
}

// O5: who tells GitHub no name is called by the login name.
func TestGitHubWithoutAName(t *testing.T) {
	for _, name := range []string{`null`, `""`, `7`} {
		h, _ := visits(t, github(asJSON(strings.Replace(githubUser, `"monalisa octocat"`, name, 1)), asJSON(`[]`)))
		if len(h.profiles) != 1 || h.profiles[0].Name != "octocat" {
			t.Errorf("%s: %+v", name, h.profiles)
		}
	}
}

func badCode(code string) *standIn {
	s := github(nil, nil)
	s.answers["POST github.com/login/oauth/access_token"] = func(*http.Request) (int, string, string) {
		return http.StatusOK, "application/x-www-form-urlencoded", "error=" + code + "&error_description=The+code+passed+is+incorrect+or+expired."
	}
	return s
}
