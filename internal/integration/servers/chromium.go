package servers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
)

// Browser is a Chromium without a window. It takes all hosts of the top-level
// domain "test" to be 127.0.0.1.
type Browser struct {
	// Context is chromedp's, with a first tab that nobody uses.
	Context context.Context
	// Certificate is what https://*.test and https://localhost may serve: it is
	// trusted in this browser, and by nobody else.
	Certificate tls.Certificate
	// Version is for the summary: "Chromium 120.0.6099.224".
	Version string
}

var chromium struct {
	once sync.Once
	*Browser
	err error
}

// Chromium is the browser that the tests share, each with a profile of its own
// (chromedp.WithNewBrowserContext).
func Chromium(tb testing.TB) *Browser {
	tb.Helper()
	path, ok := Binary("chromium")
	if !ok {
		Missing(tb, "chromium")
	}
	chromium.once.Do(func() { chromium.Browser, chromium.err = startChromium(path) })
	if chromium.err != nil {
		tb.Fatal(chromium.err)
	}
	return chromium.Browser
}

func startChromium(path string) (*Browser, error) {
	cert, pin, err := newCertificate()
	if err != nil {
		return nil, err
	}
	dir, err := Dir("chromium")
	if err != nil {
		return nil, err
	}
	b := &Browser{Certificate: cert}
	// As people have it: other sites' images have cookies, except in private windows.
	if err := os.MkdirAll(filepath.Join(dir, "Default"), 0o700); err != nil {
		return nil, err
	}
	preferences := []byte(`{"profile":{"cookie_controls_mode":0}}`)
	if err := os.WriteFile(filepath.Join(dir, "Default", "Preferences"), preferences, 0o600); err != nil {
		return nil, err
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.WSURLReadTimeout(readyWithin),
		chromedp.UserDataDir(dir),
		chromedp.NoSandbox, // which root cannot have; all pages are the tests' own
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors-spki-list", pin),
		chromedp.Flag("disable-component-update", true),
	)...)
	b.Context, _ = chromedp.NewContext(ctx)
	onStop(func() {
		gently, cancel := context.WithTimeout(b.Context, 10*time.Second)
		defer cancel()
		_ = chromedp.Cancel(gently) // kills it when the time is over
		stop()
	})
	// The browser lasts as long as the context of its first call, so that one
	// has no deadline of its own.
	late := time.AfterFunc(readyWithin, stop)
	defer late.Stop()
	v, err := chromedp.Run(b.Context, func(ctx context.Context, t *chromedp.Target) (browser.GetVersionResult, error) {
		return cdp.Call(ctx, t, browser.GetVersion, cdp.Empty{})
	})
	if err != nil {
		stop()
		return nil, err
	}
	_, number, _ := strings.Cut(v.Product, "/")
	b.Version = "Chromium " + number
	return b, nil
}

// newCertificate is one for the hosts of the tests, and the pin by which a
// browser is told to trust it.
func newCertificate() (cert tls.Certificate, pin string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return cert, "", err
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authn tests"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost", "shop.test", "*.shop.test", "evil.test"},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return cert, "", err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return cert, "", err
	}
	sum := sha256.Sum256(public)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, base64.StdEncoding.EncodeToString(sum[:]), nil
}
