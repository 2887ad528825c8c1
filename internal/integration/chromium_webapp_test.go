package integration_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/gatehouse-go/authn/internal/integration/servers"
)

const (
	adasAddress  = "ada@example.com"
	adasPassword = "violet harbour mistake lantern"
)

// E2, E6: a person registers, sets up a second step, loses the phone, uses keys,
// ends sessions and resets the password, in a real browser, without a script. Every
// page is checked for accessibility in light and dark, on a phone and on a desk.
func TestWebappInABrowser(t *testing.T) {
	app := startWebapp(t, nil, "-breaches", breaches(t, "summer in the northern city"))
	axe := axeSource(t)
	seen := map[string]bool{}
	ada := app.person(axe, seen)

	ada.open("/")
	ada.reads("welcome", "Create an account")
	ada.open("/register")
	ada.reads("register", "12 characters at least")
	for password, words := range map[string]string{
		"password1234":                "among the first that a guesser tries",
		"ada@example.com!":            "too much like your address",
		"summer in the northern city": "breaches of other services",
	} {
		if status := ada.fill("/register", "email", adasAddress, "password", password); status != http.StatusUnprocessableEntity {
			t.Errorf("%q: %d", password, status)
		}
		ada.reads("register-refused", words)
	}
	ada.fill("/register", "email", adasAddress, "password", adasPassword)
	ada.reads("mailed", "Look into your mail")
	link := app.mail(adasAddress)

	ada.open("/login")
	ada.reads("login", "Sign in")
	ada.fill("/login", "email", adasAddress, "password", adasPassword)
	ada.reads("mailed", "Look into your mail") // not before the address is confirmed
	_ = app.mail(adasAddress)
	ada.visit(link)
	ada.reads("verify", "Type the password that you chose")
	ada.fill("/verify", "password", adasPassword)
	ada.reads("login-verified", "Your address is confirmed")
	ada.visit(link)
	ada.reads("error", "This link was used already")

	ada.open("/keys") // leads to the login, and back
	ada.fill("/login", "email", adasAddress, "password", "not the password")
	ada.reads("login-wrong", "That is not right")
	ada.fill("/login", "email", adasAddress, "password", adasPassword, "remember", "on")
	if ada.location() != "/keys" {
		t.Errorf("after the login: %s", ada.location())
	}
	ada.reads("keys-none", "No keys yet")
	ada.open("/")
	ada.reads("notes-none", "No notes yet")
	ada.fill("/notes", "text", "Water <the> ferns")
	ada.reads("notes", "Water <the> ferns")

	// The second step.
	ada.open("/security")
	ada.reads("security", "Two-step sign-in off")
	ada.click("form[action='/security/totp'] button")
	ada.reads("enrol", "Scan this")
	secret := eval[string](ada.tab, `document.querySelector("#key").textContent`)
	ada.fill("/security/totp/confirm", "code", "000000")
	ada.reads("enrol-wrong", "That code is not right")
	ada.fill("/security/totp/confirm", "code", oathtool(t, secret, 0))
	ada.reads("recovery", "Keep these codes")
	recovery := strings.Fields(eval[string](ada.tab, `document.querySelector(".codes").innerText`))
	if len(recovery) != 10 {
		t.Fatalf("%d recovery codes", len(recovery))
	}
	ada.click("a.button.main")
	ada.reads("security-on", "Two-step sign-in on", "10 recovery codes left")

	// Half a login is none.
	ada.click("form[action='/logout'] button")
	ada.reads("welcome", "You are signed out")
	ada.open("/login?return_to=/devices")
	ada.fill("/login", "email", adasAddress, "password", adasPassword)
	ada.reads("code", "Enter a code")
	ada.open("/")
	ada.reads("welcome", "Create an account")
	ada.open("/login/otp?return_to=/devices")
	ada.fill("/login/otp", "code", "123 456")
	ada.reads("code-wrong", "That code is not right")
	ada.fill("/login/otp", "code", oathtool(t, secret, 30), "trust_device", "on")
	if ada.location() != "/devices" {
		t.Errorf("after the code: %s", ada.location())
	}
	ada.reads("devices", "this one")

	// A trusted browser is asked for no code, but before something dangerous.
	ada.click("form[action='/logout'] button")
	ada.open("/login")
	ada.fill("/login", "email", adasAddress, "password", adasPassword)
	ada.reads("notes", "Water <the> ferns")
	ada.open("/security")
	ada.click("form[action='/security/totp/recovery'] button")
	ada.reads("code", "Enter a code")
	ada.fill("/login/otp", "code", strings.ToUpper(recovery[0]))
	ada.open("/security")
	ada.reads("security-on", "9 recovery codes left")
	ada.click("form[action='/security/totp/recovery'] button")
	ada.reads("recovery", "Keep these codes")
	recovery = strings.Fields(eval[string](ada.tab, `document.querySelector(".codes").innerText`))

	// Another device, which ends.
	phone := app.person(axe, seen)
	phone.open("/login")
	phone.fill("/login", "email", adasAddress, "password", adasPassword)
	phone.fill("/login/otp", "code", recovery[1])
	phone.reads("notes", "Water <the> ferns")
	ada.open("/devices")
	if n := strings.Count(ada.text(), "Chrome on Linux"); n != 2 {
		t.Errorf("%d devices are listed:\n%s", n, ada.text())
	}
	ada.click("form[action='/devices/others'] button")
	ada.reads("devices", "All other sessions have ended.")
	phone.open("/devices")
	phone.reads("login", "Sign in")

	// Keys.
	ada.open("/keys")
	ada.fill("/keys", "name", "backup", "scope", "on")
	if key := ada.find(".secret"); call(t, app.url, key) != http.StatusForbidden { // the box of notes:read was on, now it is off
		t.Error("a key without the scope reads notes")
	}
	ada.fill("/keys", "name", "reader")
	ada.reads("key-new", "Your new key “reader”", "shown this once")
	old := ada.find(".secret")
	if status := call(t, app.url, old); status != http.StatusOK {
		t.Errorf("a new key: %d", status)
	}
	ada.click("button[aria-label='Rotate reader']")
	fresh := ada.find(".secret")
	if fresh == old || call(t, app.url, fresh) != http.StatusOK || call(t, app.url, old) != http.StatusOK {
		t.Error("after a rotation both keys are good for a day")
	}
	ada.open("/keys")
	ada.reads("keys", "backup", "reader", "replaced", "notes:read")
	ada.click("button[aria-label='Revoke reader']")
	ada.reads("keys", "The key has ended.", "revoked")
	if status := call(t, app.url, fresh); status != http.StatusUnauthorized {
		t.Errorf("a revoked key: %d", status)
	}

	// Somebody guesses; ada's own browser gets in all the same.
	thief := app.person(axe, seen)
	thief.open("/login")
	n := 1
	for n <= 12 && thief.fill("/login", "email", adasAddress, "password", "letmein letmein") != http.StatusTooManyRequests {
		n++
	}
	// A later one only where the store was not there in time to count some.
	if n < 6 || n > 6 && !strings.Contains(app.log.String(), "event=outage") {
		t.Errorf("attempt %d is the first that is locked, want the sixth", n)
	}
	if status := thief.fill("/login", "email", adasAddress, "password", adasPassword); status != http.StatusTooManyRequests {
		t.Errorf("the right password after a lock: %d", status)
	}
	thief.reads("login-locked", "There were too many attempts. Try again in a minute.")
	ada.click("form[action='/logout'] button")
	ada.open("/login")
	ada.fill("/login", "email", adasAddress, "password", adasPassword)
	ada.reads("notes", "Water <the> ferns")

	// A forgotten password.
	lost := app.person(axe, seen)
	lost.open("/forgot")
	lost.reads("forgot", "We send you a link")
	lost.fill("/forgot", "email", "nobody@example.com")
	lost.reads("mailed", "Look into your mail")
	lost.open("/forgot")
	lost.fill("/forgot", "email", adasAddress)
	lost.visit(app.mail(adasAddress))
	lost.reads("reset", "Choose a new password")
	lost.fill("/reset", "password", "password1234")
	lost.reads("reset-refused", "among the first that a guesser tries")
	const next = "seven otters under the bridge"
	lost.fill("/reset", "password", next)
	lost.reads("login-reset", "Your password is changed")
	ada.open("/")
	ada.reads("welcome", "Create an account") // every session ended
	lost.fill("/login", "email", adasAddress, "password", next)
	lost.reads("code", "Enter a code") // a reset skips no factor
	lost.fill("/login/otp", "code", recovery[2])
	lost.reads("notes", "Water <the> ferns")

	// What happened, and the end.
	lost.open("/activity")
	lost.reads("activity", "Signed in", "Wrong password", "Wrong code", "Used a recovery code", "Turned two-step sign-in on",
		"Created an API key", "Rotated an API key", "Revoked an API key", "Locked after too many attempts", "Changed the password", "127.0.0.1")
	lost.open("/devices")
	lost.click("form[action='/devices/all'] button")
	lost.reads("welcome", "You are signed out")
}

// E2, E6, T7: who comes by another provider owes the code, too; and an account with
// a password links one.
func TestWebappLogsInAtACertifiedProvider(t *testing.T) {
	port, err := servers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprint("http://localhost:", port)
	op := startOIDC(t, url)
	env := []string{"OIDC_ISSUER=" + op.url, "OIDC_CLIENT_ID=" + op.id, "OIDC_CLIENT_SECRET=" + op.secret.Reveal(), "OIDC_NAME=Acme ID"}
	app := startWebapp(t, env, "-addr", fmt.Sprint("127.0.0.1:", port))
	seen, axe := map[string]bool{}, axeSource(t)
	bob := app.person(axe, seen)
	bob.open("/login?return_to=/security")
	bob.reads("login-provider", "Sign in with Acme ID")
	bob.click(".button.block")
	bob.provides("bob")
	if bob.location() != "/security" {
		t.Errorf("after the login: %s", bob.location())
	}
	bob.reads("security-provider", "Two-step sign-in off", "Acme ID")
	bob.click("form[action='/security/totp'] button")
	secret := eval[string](bob.tab, `document.querySelector("#key").textContent`)
	bob.fill("/security/totp/confirm", "code", oathtool(t, secret, 0))
	bob.click("form[action='/logout'] button")
	bob.open("/login")
	bob.click(".button.block")
	bob.provides("bob")
	bob.reads("code-provider", "Enter a code")
	bob.fill("/login/otp", "code", oathtool(t, secret, 30))
	bob.reads("notes-none", "No notes yet")

	ada := app.person(axe, seen)
	ada.open("/register")
	ada.fill("/register", "email", adasAddress, "password", adasPassword)
	ada.visit(app.mail(adasAddress))
	ada.fill("/verify", "password", adasPassword)
	ada.fill("/login", "email", adasAddress, "password", adasPassword)
	ada.open("/security")
	ada.click("form[action='/security/link'] button")
	ada.provides("ada")
	ada.reads("security-linked", "The account is linked.", op.url)
	ada.click("form[action='/logout'] button")
	ada.open("/login")
	ada.click(".button.block")
	ada.provides("ada")
	ada.open("/security")
	ada.reads("security-password", "Change the password") // it is the account that has one
	ada.click("form[action='/security/unlink'] button")
	ada.reads("security-unlinked", "The account is no longer linked.", "Link Acme ID")
}

// provides says at the provider who it is, and agrees, where it is asked.
func (p person) provides(who string) {
	p.t.Helper()
	for range 3 {
		p.do(chromedp.WaitReady(chromedp.CSS("body#login, body#consent, main#main")))
		switch eval[string](p.tab, `document.body.id`) {
		case "login":
			p.do(chromedp.SendKeys(chromedp.CSS("[name=login]"), who))
			p.click("#go")
		case "consent":
			p.click("#go")
		default:
			return
		}
	}
}

// find is the text of an element.
func (p person) find(css string) string {
	p.t.Helper()
	return strings.TrimSpace(eval[string](p.tab, fmt.Sprintf("document.querySelector(%q)?.textContent ?? ''", css)))
}

// call asks the API with a key.
func call(t *testing.T, url, key string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/notes", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// oathtool is the code that another implementation shows, so many seconds ahead.
func oathtool(t *testing.T, secret string, ahead int) string {
	t.Helper()
	program, ok := servers.Binary("oathtool")
	if !ok {
		servers.Missing(t, "oathtool")
	}
	out, err := exec.CommandContext(t.Context(), program, "--totp", "--base32", "--now", fmt.Sprintf("now + %d seconds", ahead), secret).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// breaches is a range API that knows one password.
func breaches(t *testing.T, password string) (url string) {
	t.Helper()
	sum := sha1.Sum([]byte(password))
	digest := strings.ToUpper(hex.EncodeToString(sum[:]))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		fmt.Fprintf(&b, "%035X:0\r\n", 1)
		if strings.HasSuffix(r.URL.Path, "/"+digest[:5]) {
			fmt.Fprintf(&b, "%s:4711\r\n", digest[5:])
		}
		_, _ = w.Write(b.Bytes())
	}))
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
}

// axeSource is the script of axe-core.
func axeSource(t *testing.T) string {
	t.Helper()
	npm, ok := servers.Binary("npm")
	if !ok {
		servers.Missing(t, "npm")
	}
	dir, err := installNode(npm, "axe")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// E2: the same application over each store; its users are in PostgreSQL or SQLite.
func TestWebappOnEveryStore(t *testing.T) {
	for name, url := range map[string]func(t *testing.T) string{
		"SQLite":     func(*testing.T) string { return "" },
		"PostgreSQL": func(t *testing.T) string { return servers.PostgreSQL(t).DSN("") },
		"Redis":      func(t *testing.T) string { return "redis://" + servers.OwnRedis(t).Addr },
	} {
		t.Run(name, func(t *testing.T) {
			app := startWebapp(t, nil, "-store", url(t))
			address := strings.ToLower(name) + "@example.com"
			p := app.person("", map[string]bool{})
			p.open("/register")
			p.fill("/register", "email", address, "password", adasPassword)
			p.visit(app.mail(address))
			p.fill("/verify", "password", adasPassword)
			p.fill("/login", "email", address, "password", adasPassword)
			p.fill("/notes", "text", "kept in "+name)
			if text := p.text(); !strings.Contains(text, "kept in "+name) {
				t.Errorf("the page says %q", text)
			}
			p.open("/activity")
			if text := p.text(); !strings.Contains(text, "Signed in") {
				t.Errorf("what happened is %q", text)
			}
		})
	}
}
