package integration_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/oauth"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store/memstore"
)

// O2: images of another site start flows of a form_post without end; the browser
// keeps none of their cookies, and the session stays. And the form_post works.
func TestBrowserKeepsNoFlowOfAnotherSitesImages(t *testing.T) {
	p := authntest.NewProvider(t)
	mux := http.NewServeMux()
	site := "https://shop.test:" + serveTo(t, mux, true)
	sessions := authn.Must(session.New(memstore.New(memstore.Config{}), session.Config{}))
	op := oauth.OIDC("post", p.URL, p.ClientID, p.ClientSecret)
	op.Params = url.Values{"response_mode": {"form_post"}}
	login := authn.Must(oauth.NewLogin(authn.GenerateKeychain(), oauth.Config{
		BaseURL: site + "/auth", Providers: []oauth.Provider{op},
		OnLogin: func(w http.ResponseWriter, r *http.Request, p oauth.Profile) error {
			_, err := sessions.Login(w, r, p.Identity("user:"+p.Subject), session.LoginOptions{})
			if err == nil {
				http.Redirect(w, r, p.ReturnTo, http.StatusSeeOther)
			}
			return err
		},
	}))
	mux.Handle("/auth/", login)
	mux.Handle("/", authn.Require(sessions)(page("home", "Hello")))
	images := strings.Repeat(`<img>`, 250) + `<script>
		window.done = Promise.all([...document.images].map((i, n) => new Promise(r => { i.onerror = i.onload = r; i.src = "` + site + `/auth/post/login?return_to=/` + strings.Repeat("a", 80) + `&n=" + n })))
	</script>`
	evil := "https://evil.test:" + serveTo(t, page("attack", images), true)

	b := newOrdinaryBrowser(t)
	b.visit(site + "/auth/post/login")
	b.at("home")
	if got := b.cookies(site); len(got) != 1 {
		t.Fatalf("a login leaves %d cookies", len(got))
	}
	b.visit(evil)
	eval[int](b, `window.done.then(x => x.length)`)
	size := 0
	got := b.cookies(site)
	for _, c := range got {
		size += len(c.Name) + len(c.Value)
	}
	if len(got) != 1 {
		t.Errorf("after the attack: %d cookies, %d bytes", len(got), size)
	}
	if status := b.visit(site + "/"); status != http.StatusOK {
		t.Errorf("the user is answered by %d", status)
	}
}

// newOrdinaryBrowser is not a private window, which takes no cookie in the answer to
// another site's image.
func newOrdinaryBrowser(t *testing.T) tab {
	t.Helper()
	b := servers.Chromium(t)
	servers.Case(t, b.Version)
	ctx, cancel := context.WithTimeout(b.Context, patience)
	t.Cleanup(cancel)
	return tab{t, b.Context}.open(chromedp.NewContext(ctx))
}
