package oauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/oauth"
	sessions "github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store/memstore"
)

// Somebody comes by an account elsewhere, and is a user of this service from then on.
func Example() {
	st, keychain := memstore.New(memstore.Config{}), authn.GenerateKeychain() // in a real service: authn.ParseKeychain
	site := http.NewServeMux()
	server := httptest.NewTLSServer(site)
	defer server.Close()
	acme := startAcme()
	defer acme.Close()

	// The service: in a real one, oauth.Google(id, secret) and the like.
	browsers := authn.Must(sessions.New(st, sessions.Config{}))
	users := map[[2]string]string{} // (issuer, subject) to the host's user: a table with both as its key
	login := authn.Must(oauth.NewLogin(keychain, oauth.Config{
		BaseURL:   server.URL + "/auth",
		Providers: []oauth.Provider{acmeProvider(acme.URL)},
		Once:      st,
		OnLogin: func(w http.ResponseWriter, r *http.Request, p oauth.Profile) error {
			key := [2]string{p.Issuer, p.Subject}
			if users[key] == "" {
				users[key] = fmt.Sprint("user-", len(users)+1)
			}
			id, err := browsers.Login(w, r, p.Identity(users[key]), sessions.LoginOptions{})
			if err == nil {
				http.Redirect(w, r, authn.Pages{}.Next(id, p.ReturnTo), http.StatusSeeOther)
			}
			return err
		},
	}))
	site.Handle("/auth/", login)
	site.Handle("GET /account", authn.Require(browsers)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := authn.FromContext(r.Context())
		fmt.Fprint(w, "welcome, ", id.Subject)
	})))

	browser := server.Client()
	browser.Jar = authn.Must(cookiejar.New(nil))
	for _, path := range []string{"/account", "/auth/acme/login?return_to=/account", "/account", "/auth/acme/callback?code=x&state=y"} {
		resp := authn.Must(browser.Get(server.URL + path))
		body := string(authn.Must(io.ReadAll(resp.Body)))
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			body = errorCode(body)
		}
		fmt.Printf("GET %s: %s at %s, %s\n", path, resp.Status, resp.Request.URL.Path, body)
	}
	// Output:
	// GET /account: 401 Unauthorized at /account, -
	// GET /auth/acme/login?return_to=/account: 200 OK at /account, welcome, user-1
	// GET /account: 200 OK at /account, welcome, user-1
	// GET /auth/acme/callback?code=x&state=y: 401 Unauthorized at /auth/acme/callback, login_expired
}

// A provider without OpenID Connect needs a function that asks its API.
func ExampleOAuth2() {
	provider := oauth.OAuth2("acme", oauth2.Config{
		ClientID: "id", ClientSecret: "secret", Scopes: []string{"read_user"},
		Endpoint: oauth2.Endpoint{AuthURL: "https://acme.example/authorize", TokenURL: "https://acme.example/token", AuthStyle: oauth2.AuthStyleInHeader},
	}, func(ctx context.Context, c *http.Client) (oauth.Profile, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://acme.example/me", nil)
		if err != nil {
			return oauth.Profile{}, err
		}
		resp, err := c.Do(req)
		if err != nil {
			return oauth.Profile{}, err
		}
		defer resp.Body.Close()
		var me struct{ ID, Name string }
		err = json.NewDecoder(resp.Body).Decode(&me)
		return oauth.Profile{Subject: me.ID, Name: me.Name}, err
	})
	fmt.Println(provider.Name)
	// Output: acme
}

// acmeProvider is of startAcme.
func acmeProvider(at string) oauth.Provider {
	return oauth.OAuth2("acme", oauth2.Config{
		ClientID: "id", ClientSecret: "secret",
		Endpoint: oauth2.Endpoint{AuthURL: at + "/authorize", TokenURL: at + "/token", AuthStyle: oauth2.AuthStyleInHeader},
	}, func(context.Context, *http.Client) (oauth.Profile, error) { return oauth.Profile{Subject: "4711"}, nil })
}

// startAcme is a provider whose user says yes.
func startAcme() *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		back := url.Values{"code": {"c0de"}, "state": {r.FormValue("state")}}
		http.Redirect(w, r, r.FormValue("redirect_uri")+"?"+back.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"t0ken","token_type":"bearer"}`)
	})
	return httptest.NewServer(mux)
}

// errorCode is "error" of a problem+json body.
func errorCode(body string) string {
	if _, rest, ok := strings.Cut(body, `"error":"`); ok {
		code, _, _ := strings.Cut(rest, `"`)
		return code
	}
	return "-"
}
