package migrating_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/oauth"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// A link of before leads through the provider to the account, whose user is
// found by issuer and subject, and is not by an address.
func TestGoth(t *testing.T) {
	google := authntest.NewProvider(t)
	provider := oauth.OIDC("google", google.URL, google.ClientID, google.ClientSecret)
	users := gothUsers{{google.URL, "ada"}: "user-7"}
	keychain, st, mux := authn.GenerateKeychain(), memstore.New(memstore.Config{}), http.NewServeMux()
	server := httptest.NewTLSServer(mux)
	defer server.Close()
	base := server.URL + "/auth"
	sessions := authn.Must(session.New(st, session.Config{}))

	//doc:begin
	login := authn.Must(oauth.NewLogin(keychain, oauth.Config{
		BaseURL: base, Providers: []oauth.Provider{provider}, Once: st,
		OnLogin: func(w http.ResponseWriter, r *http.Request, p oauth.Profile) error {
			userID, err := users.byAccount(r.Context(), p.Issuer, p.Subject)
			if err != nil {
				return err
			}
			if _, err := sessions.Login(w, r, p.Identity(userID), session.LoginOptions{}); err != nil {
				return err
			}
			http.Redirect(w, r, p.ReturnTo, http.StatusSeeOther)
			return nil
		},
	}))
	mux.Handle("/auth/", login)
	mux.Handle("GET /auth/google", http.RedirectHandler("/auth/google/login?return_to=/account", http.StatusSeeOther))
	mux.Handle("GET /account", authn.Require(sessions)(account))
	//doc:end

	for sub, want := range map[string]string{"ada": "user-7 by session", "eve": ""} {
		google.Claims = map[string]any{"sub": sub, "email": "ada@example.com", "email_verified": true}
		browser := server.Client()
		browser.Jar = authn.Must(cookiejar.New(nil))
		resp, err := browser.Get(server.URL + "/auth/google")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || (resp.StatusCode == http.StatusOK) != (want != "") || want != "" && string(body) != want {
			t.Errorf("%s: %d %s, %v", sub, resp.StatusCode, body, err)
		}
	}
}

// gothUsers is the host's table, by issuer and subject.
type gothUsers map[[2]string]string

func (u gothUsers) byAccount(_ context.Context, issuer, subject string) (string, error) {
	if id, ok := u[[2]string{issuer, subject}]; ok {
		return id, nil
	}
	return "", authn.Refused("no user", store.ErrNotFound)
}
