package integration_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/gatehouse-go/authn/internal/integration/servers"
)

// tab is one of a browser. What fails in it ends the test.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// newBrowser is the first tab of a browser that nobody has used: it shares no
// cookie, and no cache, with another.
func newBrowser(t *testing.T) tab {
	t.Helper()
	b := servers.Chromium(t)
	servers.Case(t, b.Version)
	ctx, cancel := context.WithTimeout(b.Context, patience)
	t.Cleanup(cancel)
	return tab{t, b.Context}.open(chromedp.NewContext(ctx, chromedp.WithNewBrowserContext()))
}

// another is a further tab of b's browser.
func (b tab) another() tab {
	b.t.Helper()
	return b.open(chromedp.NewContext(b.ctx))
}

func (b tab) open(ctx context.Context, closes context.CancelFunc) tab {
	b.t.Helper()
	b.t.Cleanup(closes)
	b.ctx = ctx
	b.do()
	return b
}

func (b tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// loads waits until steps have loaded a page, and answers its status.
func (b tab) loads(steps ...chromedp.Action[chromedp.Void]) int {
	b.t.Helper()
	resp, err := chromedp.RunResponse(b.ctx, steps...)
	if err != nil {
		b.t.Fatal(err)
	}
	if resp == nil {
		b.t.Fatal("no page was loaded")
	}
	return int(resp.Status)
}

// visit loads a page and answers its status.
func (b tab) visit(url string) int {
	b.t.Helper()
	return b.loads(chromedp.Navigate(url))
}

// click follows a link, or sends a form, and answers the status of the page
// that comes.
func (b tab) click(css string) int {
	b.t.Helper()
	return b.loads(chromedp.Click(chromedp.CSS(css)))
}

// location is the path, and the query, of the page.
func (b tab) location() string {
	b.t.Helper()
	return eval[string](b, `location.pathname + location.search`)
}

// text is what the page says.
func (b tab) text() string {
	b.t.Helper()
	return strings.TrimSpace(eval[string](b, `document.body.innerText`))
}

// eval is what a script says in the page, once its promise is kept.
func eval[T any](b tab, script string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", script, err)
	}
	return v
}

// cookies are those that the browser sends to url.
func (b tab) cookies(url string) []*network.Cookie {
	b.t.Helper()
	got, err := chromedp.Run(b.ctx, func(ctx context.Context, t *chromedp.Target) (network.GetCookiesResult, error) {
		return cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{URLs: []string{url}})
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return got.Cookies
}

// setScripts lets pages have scripts, or not; what a test evaluates runs anyway.
func (b tab) setScripts(on bool) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
		return err
	}))
}

// setCookie puts one there.
func (b tab) setCookie(c network.SetCookieParams) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, network.SetCookie, c)
		return err
	}))
}

// serveTo is the port at which h is served to browsers, by TLS with the
// certificate that they trust, or without.
func serveTo(t *testing.T, h http.Handler, secure bool) (port string) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	t.Cleanup(s.Close)
	if secure {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{servers.Chromium(t).Certificate}}
		s.StartTLS()
	} else {
		s.Start()
	}
	return s.URL[strings.LastIndexByte(s.URL, ':')+1:]
}
