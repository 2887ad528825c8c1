package authntest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/oauth"
)

// newShop is the service under test, at url, whose users come from the provider
// at issuer.
func newShop(url, issuer, clientID string, secret authn.Secret) (http.Handler, error) {
	return oauth.NewLogin(authn.GenerateKeychain(), oauth.Config{
		BaseURL:   url + "/auth",
		Providers: []oauth.Provider{oauth.OIDC("company", issuer, clientID, secret)},
		OnLogin: func(w http.ResponseWriter, _ *http.Request, p oauth.Profile) error {
			_, err := fmt.Fprintf(w, "Hello %s <%s>", p.Subject, p.Email)
			return err
		},
	})
}

// testLogin is a host's test: its whole login, at a provider of its own.
func testLogin(t *testing.T) {
	provider := authntest.NewProvider(t)
	shop := httptest.NewUnstartedServer(nil)
	shop.StartTLS() // flow cookies are Secure
	defer shop.Close()
	shop.Config.Handler = authn.Must(newShop(shop.URL, provider.URL, provider.ClientID, provider.ClientSecret))

	login := func() (status int, page string) {
		browser := browserOf(shop)
		resp, err := browser.Get(shop.URL + "/auth/company/login")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}

	provider.Claims = map[string]any{"sub": "7", "name": "Grace", "email": "grace@example.com"}
	if _, page := login(); page != "Hello 7 <grace@example.com>" {
		t.Errorf("the page says %q", page)
	}

	provider.Claims = nil // who says no
	if status, _ := login(); status != http.StatusUnauthorized {
		t.Errorf("who says no is answered by %d", status)
	}

	provider.Claims = map[string]any{"sub": "7"}
	provider.OnToken = func(_, claims map[string]any) { claims["aud"] = "another service" }
	if status, _ := login(); status != http.StatusUnauthorized {
		t.Errorf("another service's token is answered by %d", status)
	}

	provider.OnToken = nil
	provider.OnRequest = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/token" {
			return false
		}
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	if status, _ := login(); status != http.StatusServiceUnavailable {
		t.Errorf("an outage is answered by %d", status)
	}
}

func ExampleNewProvider() {
	// In a _test.go of the host:
	// func TestLogin(t *testing.T) { … }
	_ = testLogin
}
