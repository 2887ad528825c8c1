package integration_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store/memstore"
	"github.com/gatehouse-go/authn/totp"
)

const (
	totpStep = 30
	// totpEnd is the last time of RFC 6238, appendix B: the year 2603.
	totpEnd = 20_000_000_000
	// totpPairs is for how many secrets, each at a time of its own, one process
	// of node makes codes, of each kind.
	totpPairs = 5_000
	// oathtool is a process for each secret, and makes codes of many steps.
	oathtoolSecrets, oathtoolSteps = 100, 50
)

// totpKinds are of six digits over SHA-1, and of eight over SHA-256.
var totpKinds = []totp.Config{{Issuer: "Acme"}, {Issuer: "Acme", Digits: 8, SHA256: true}}

// enroller enrols phones at any time.
type enroller struct {
	*totp.Manager
	kept *memstore.Store
	now  time.Time
	n    int
	// alike are codes that two steps share.
	alike int
}

func newEnroller(t *testing.T, cfg totp.Config) *enroller {
	t.Helper()
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	keys, err := authn.ParseKeychain(base64.StdEncoding.EncodeToString(secret))
	if err != nil {
		t.Fatal(err)
	}
	e := &enroller{kept: memstore.New(memstore.Config{})}
	cfg.Now = func() time.Time { return e.now }
	if e.Manager, err = totp.New(e.kept, keys, cfg); err != nil {
		t.Fatal(err)
	}
	return e
}

// phone has scanned a code at a time, in seconds, and waits to be confirmed.
type phone struct {
	URI      string `json:"uri"`
	At       int64  `json:"at"`
	subject  string
	enrolled totp.Enrollment
}

func (e *enroller) begin(t *testing.T, account string, at int64) phone {
	t.Helper()
	e.n++
	p := phone{At: at, subject: strconv.Itoa(e.n)}
	e.now = time.Unix(at, 0)
	id := &authn.Identity{Subject: p.subject, Kind: authn.KindUser, Method: "password"}
	var err error
	if p.enrolled, err = e.Begin(t.Context(), id, account); err != nil {
		t.Fatal(err)
	}
	p.URI = p.enrolled.URI.Reveal()
	return p
}

// wantStep says when code, which is p's at that time by tool, is not taken for
// the one of that very step, by a clock that is that many steps ahead: one or
// none, or one behind. One of a million is that of a later step as well, and is
// taken for that; then the answer is false.
func (e *enroller) wantStep(t *testing.T, p phone, at int64, ahead int, tool, code string) bool {
	t.Helper()
	e.now = time.Unix(at+int64(ahead)*totpStep, 0)
	var err error
	if at == p.At {
		_, _, err = e.Confirm(t.Context(), p.subject, code)
	} else {
		_, err = e.Verify(t.Context(), p.subject, code)
	}
	row, readErr := e.kept.TOTP(t.Context(), p.subject)
	want := at / totpStep
	if err == nil && row.Step > want && e.alike < 2 {
		e.alike++
		return false
	}
	if err != nil || readErr != nil || row.Step != want {
		t.Fatalf("%s makes %s of %s at %d, which is %d steps behind: %v, the step is %d, want %d, %v",
			tool, code, p.URI, at, ahead, err, row.Step, want, readErr)
	}
	return true
}

// randomTimes are from 1970 on.
func randomTimes(n int) []int64 {
	r := mathrand.New(mathrand.NewPCG(1, 2))
	times := []int64{2 * totpStep, 3*totpStep - 1, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, totpEnd}
	for len(times) < n {
		times = append(times, 2*totpStep+r.Int64N(totpEnd-2*totpStep))
	}
	return times
}

// appView is what an app makes of a URI.
type appView struct{ Issuer, Account, Code string }

// askApps has npm's libraries read the URIs of phones.
func askApps(t *testing.T, phones []phone) map[string][]appView {
	t.Helper()
	var views map[string][]appView
	askNode(t, "totp", map[string]any{"phones": phones}, &views)
	for _, app := range []string{"otpauth", "otplib"} {
		if len(views[app]) != len(phones) {
			t.Fatalf("%s read %d of %d URIs", app, len(views[app]), len(phones))
		}
	}
	return views
}

// T9: codes of npm's otpauth and otplib, which read our URIs, are those of the same
// step here.
func TestTOTPInteropNode(t *testing.T) {
	for _, cfg := range totpKinds {
		e := newEnroller(t, cfg)
		var phones []phone
		for _, at := range randomTimes(totpPairs) {
			phones = append(phones, e.begin(t, "ada@example.com", at))
		}
		views := askApps(t, phones)
		for i, p := range phones {
			ours := appView{"Acme", "ada@example.com", views["otpauth"][i].Code}
			if got := []appView{views["otpauth"][i], views["otplib"][i]}; got[0] != ours || got[1] != ours {
				t.Fatalf("otpauth and otplib read %+v in %s at %d", got, p.URI, p.At)
			}
			e.wantStep(t, p, p.At, i%3-1, "npm", ours.Code)
		}
		t.Logf("%d secrets of %d digits", len(phones), len(views["otpauth"][0].Code))
	}
}

// T9: codes of oathtool are those of the same step here.
func TestTOTPInteropOathtool(t *testing.T) {
	oathtool, ok := servers.Binary("oathtool")
	if !ok {
		servers.Missing(t, "oathtool")
	}
	for _, cfg := range totpKinds {
		mode, digits := "--totp=SHA1", "6"
		if cfg.SHA256 {
			mode, digits = "--totp=SHA256", "8"
		}
		e := newEnroller(t, cfg)
		for _, at := range randomTimes(oathtoolSecrets) {
			p := e.begin(t, "ada@example.com", at)
			codes := strings.Fields(peerOutput(t, p.enrolled.Secret.Reveal()+"\n", oathtool, mode, "--base32", "--digits="+digits,
				fmt.Sprint("--now=@", at), fmt.Sprint("--window=", oathtoolSteps-1), "-"))
			if len(codes) != oathtoolSteps {
				t.Fatalf("oathtool prints %d codes, want %d", len(codes), oathtoolSteps)
			}
			for i, code := range codes {
				if !e.wantStep(t, p, at+int64(i)*totpStep, i%3-1, "oathtool", code) {
					break
				}
			}
		}
		t.Logf("%d codes of %s digits", oathtoolSecrets*oathtoolSteps, digits)
	}
}

// totpLabels are issuers and accounts that have broken readers, and writers, of
// URIs.
var totpLabels = []struct{ issuer, account string }{
	{"Acme", "ada@example.com"},
	{"Ben & Jerry's", "a&b=c"},
	{"100% legal %26", "ada%40example.com"},
	{"C++ + C#", "ada+otp@example.com"},
	{"Müller 🍨 Söhne", "ada 🔑 lovelace"},
	{`"quoted" <b>`, "/?#[]@!$'()*,;="},
	{strings.Repeat("🍨", 16), strings.Repeat("é", 64)}, // as long as they may be
}

// labelled are phones of these kinds with each of totpLabels.
func labelled(t *testing.T, kinds ...totp.Config) (phones []phone) {
	t.Helper()
	for _, l := range totpLabels {
		for _, cfg := range kinds {
			cfg.Issuer = l.issuer
			phones = append(phones, newEnroller(t, cfg).begin(t, l.account, totpEnd))
		}
	}
	return phones
}

// T2: npm's otpauth and otplib read issuer and account as they are.
func TestTOTPURIInteropNode(t *testing.T) {
	for app, views := range askApps(t, labelled(t, totpKinds...)) {
		for i, v := range views {
			if l := totpLabels[i/len(totpKinds)]; v.Issuer != l.issuer || v.Account != l.account {
				t.Errorf("%s reads issuer %q and account %q, want %+v", app, v.Issuer, v.Account, l)
			}
		}
	}
}

// wantScanned says when zbarimg does not read uri in a picture.
func wantScanned(t *testing.T, picture []byte, uri, what string) {
	t.Helper()
	zbarimg, ok := servers.Binary("zbarimg")
	if !ok {
		servers.Missing(t, "zbar-tools")
	}
	file := filepath.Join(t.TempDir(), "code.png")
	if err := os.WriteFile(file, picture, 0o600); err != nil {
		t.Fatal(err)
	}
	got := peerOutput(t, "", zbarimg, "--quiet", "--raw", "--nodbus", "--set", "disable", "--set", "qrcode.enable", file)
	if got != uri+"\n" {
		t.Errorf("zbarimg reads %q in %s, want %q", got, what, uri)
	}
}

// T1, T2: zbarimg reads the URI in a PNG of any size, from the smallest on.
func TestTOTPPNGIsReadByZbarimg(t *testing.T) {
	for _, p := range labelled(t, totpKinds...) {
		for _, size := range []int{128, 200, 333, 1024} {
			picture, err := p.enrolled.PNG(size)
			if err != nil {
				t.Fatal(err)
			}
			wantScanned(t, picture, p.URI, fmt.Sprintf("a PNG of %d pixels", size))
		}
	}
}

// T1, T2: zbarimg reads the URI in what a browser shows of an SVG and of a data
// URI.
func TestTOTPPictureInABrowserIsReadByZbarimg(t *testing.T) {
	b := newBrowser(t)
	for _, p := range labelled(t, totpKinds[1]) { // whose URIs are longer
		svg, err := p.enrolled.SVG()
		if err != nil {
			t.Fatal(err)
		}
		src, err := p.enrolled.DataURI(256)
		if err != nil {
			t.Fatal(err)
		}
		for what, html := range map[string]string{
			"an SVG":     string(svg),
			"a data URI": `<img src="` + src + `">`,
		} {
			page := `<div id="code" style="width: 256px">` + html + `</div>`
			b.do(chromedp.Navigate("data:text/html;base64," + base64.StdEncoding.EncodeToString([]byte(page))))
			picture, err := chromedp.Run(b.ctx, chromedp.Screenshot(chromedp.CSS("#code")))
			if err != nil {
				t.Fatal(err)
			}
			wantScanned(t, picture, p.URI, what)
		}
	}
}
