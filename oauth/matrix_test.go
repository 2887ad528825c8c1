package oauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	reference "github.com/pquerna/otp/totp"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/oauth"
	sessions "github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store/memstore"
	"github.com/gatehouse-go/authn/totp"
)

// O6, T7: who comes by a provider and is enrolled is nobody until the code is proven,
// in a session as with a token, whatever the provider says that it has asked for; who
// is not enrolled owes nothing.
func TestProviderDoesNotReplaceTheFactor(t *testing.T) {
	st, kc := memstore.New(memstore.Config{}), authn.GenerateKeychain()
	codes := authn.Must(totp.New(st, kc, totp.Config{Issuer: "Acme"}))
	browsers := authn.Must(sessions.New(st, sessions.Config{Owed: codes.Owed}))
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.ES256))))
	issuer := authn.Must(jwtauth.NewIssuer(ring, st, kc, jwtauth.IssuerConfig{
		Issuer: "https://app.example", Audience: []string{"https://app.example"}, Owed: codes.Owed,
	}))
	e := authn.Must(codes.Begin(t.Context(), authn.User("u-ada", "session", authn.Factor{Name: "pwd", At: time.Now()}), "ada@example.com"))
	if _, _, err := codes.Confirm(t.Context(), "u-ada", authn.Must(reference.GenerateCode(e.Secret.Reveal(), time.Now()))); err != nil {
		t.Fatal(err)
	}

	p := authntest.NewProvider(t)
	p.OnToken = func(_, claims map[string]any) {
		claims["amr"], claims["acr"] = []string{"pwd", "otp", "mfa", "hwk"}, "urn:mace:incommon:iap:gold"
	}
	var access authn.Secret
	h := newHost(t, p, func(cfg *oauth.Config) {
		cfg.OnLogin = func(w http.ResponseWriter, r *http.Request, p oauth.Profile) error {
			id, err := browsers.Login(w, r, p.Identity("u-"+p.Subject), sessions.LoginOptions{})
			if err != nil {
				return err
			}
			set, err := issuer.Issue(r.Context(), jwtauth.Grant{Identity: p.Identity("u-" + p.Subject), Request: r})
			if err != nil {
				return err
			}
			access = set.Access
			pages := authn.Pages{Factor: map[string]string{"otp": "/login/otp"}}
			http.Redirect(w, r, pages.Next(id, p.ReturnTo), http.StatusSeeOther)
			return nil
		}
	})
	account := func(v authn.Verifier, r *http.Request, rules ...authn.Rule) int {
		rec := httptest.NewRecorder()
		authn.Require(v, rules...)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(rec, r)
		return rec.Code
	}
	for subject, want := range map[string]struct {
		status int
		to     string
	}{
		"ada": {http.StatusUnauthorized, "/login/otp?return_to=%2Forders"}, // enrolled
		"bob": {http.StatusOK, "/orders"},
	} {
		p.Claims = map[string]any{"sub": subject, "email": subject + "@example.com", "name": subject}
		b := h.browser()
		w := b.comes(b.provides(b.starts("op", "?return_to=/orders")))
		if got := w.Header().Get("Location"); got != want.to {
			t.Fatalf("%s is sent to %q: %d, %v", subject, got, w.Code, h.refused)
		}
		r := func() *http.Request {
			r := httptest.NewRequest(http.MethodGet, "https://app.example/orders", nil)
			for _, c := range b.jar {
				r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
			}
			return r
		}
		token := httptest.NewRequest(http.MethodGet, "https://app.example/orders", nil)
		token.Header.Set("Authorization", "Bearer "+access.Reveal())
		if got := []int{account(browsers, r()), account(issuer.Verifier(), token)}; fmt.Sprint(got) != fmt.Sprint([]int{want.status, want.status}) {
			t.Errorf("%s: the session and the token get %v, want %d", subject, got, want.status)
		}
		if got := account(browsers, r(), authn.AllowPending("otp"), authn.Within(time.Minute, "otp")); got != http.StatusUnauthorized {
			t.Errorf("%s: the provider's amr counts as a factor here: %d", subject, got)
		}
		if want.status == http.StatusOK {
			continue
		}
		done := httptest.NewRecorder()
		if _, err := browsers.AddFactor(done, r(), authn.Factor{Name: "otp", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		b.jar["__Host-session"] = done.Result().Cookies()[0]
		if got := account(browsers, r()); got != http.StatusOK {
			t.Errorf("%s, with the code: %d", subject, got)
		}
	}
}
