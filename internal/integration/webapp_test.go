package integration_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/gatehouse-go/authn/internal/integration/servers"
)

// webapp is examples/webapp as a process of its own.
type webapp struct {
	t     *testing.T
	url   string
	mails chan [2]string // to whom, and the link
	log   lockedBuilder
}

var buildWebapp = sync.OnceValues(func() (program string, err error) {
	dir, err := servers.Dir("webapp")
	if err != nil {
		return "", err
	}
	program = filepath.Join(dir, "webapp")
	build := exec.Command("go", "build", "-o", program, "./webapp")
	build.Dir = filepath.Join("..", "..", "examples")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
})

func startWebapp(t *testing.T, env []string, args ...string) *webapp {
	t.Helper()
	program, err := buildWebapp()
	if err != nil {
		t.Fatal(err)
	}
	a := &webapp{t: t, mails: make(chan [2]string, 16)}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, program, append([]string{"-addr", "127.0.0.1:0", "-data", t.TempDir()}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stderr = &a.log
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	at := make(chan string, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(at)
		to := ""
		for in := bufio.NewScanner(out); in.Scan(); {
			line := strings.TrimSpace(in.Text())
			if _, url, ok := strings.Cut(line, " is at "); ok {
				at <- url
			} else if rest, ok := strings.CutPrefix(line, "Mail to "); ok {
				to, _, _ = strings.Cut(rest, ":")
			} else if strings.HasPrefix(line, "http") {
				a.mails <- [2]string{to, line}
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-read
		if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() != 0 {
			t.Errorf("webapp: %v", err)
		}
		if t.Failed() {
			t.Logf("webapp said:\n%s", a.log.String())
		}
	})
	var ok bool
	if a.url, ok = <-at; !ok {
		t.Fatalf("webapp did not start:\n%s", a.log.String())
	}
	return a
}

// mail is the link that was sent to somebody last.
func (a *webapp) mail(to string) (link string) {
	a.t.Helper()
	select {
	case m := <-a.mails:
		if m[0] != to {
			a.t.Fatalf("a mail went to %s, want %s", m[0], to)
		}
		return m[1]
	case <-time.After(patience):
		a.t.Fatalf("no mail to %s", to)
		return ""
	}
}

// lockedBuilder is a strings.Builder that a process writes to.
type lockedBuilder struct {
	mu sync.Mutex
	strings.Builder
}

func (b *lockedBuilder) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Builder.Write(p)
}

func (b *lockedBuilder) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Builder.String()
}

// person is somebody in front of a browser, who fills forms by their labels'
// fields and reads what stands there.
type person struct {
	tab
	app  *webapp
	axe  string
	seen map[string]bool
}

func (a *webapp) person(axe string, seen map[string]bool) person {
	p := person{newBrowser(a.t), a, axe, seen}
	p.setScripts(false)
	return p
}

func (p person) open(path string) int {
	p.t.Helper()
	return p.visit(p.app.url + path)
}

// fill types into the fields of the form with this action, and sends it.
func (p person) fill(action string, fields ...string) int {
	p.t.Helper()
	form := fmt.Sprintf("form:is([action=%q],[action^=%q])", action, action+"?")
	for i := 0; i+1 < len(fields); i += 2 {
		css := fmt.Sprintf("%s [name=%q]", form, fields[i])
		if fields[i+1] == "on" {
			p.do(chromedp.Click(chromedp.CSS(css)))
			continue
		}
		eval[bool](p.tab, fmt.Sprintf("document.querySelector(%q).value = '', true", css))
		p.do(chromedp.SendKeys(chromedp.CSS(css), fields[i+1]))
	}
	return p.click(form + " button")
}

// reads fails unless the page says all of these, and checks it for accessibility.
func (p person) reads(name string, wants ...string) {
	p.t.Helper()
	text := p.text()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			p.t.Errorf("%s at %s: want %q in\n%s", name, p.location(), want, text)
		}
	}
	if p.seen[name] {
		return
	}
	p.seen[name] = true
	p.look(name)
}

// look checks a page by axe-core, in light and dark, and keeps what it looks like
// on a phone and on a desk.
func (p person) look(name string) {
	p.t.Helper()
	p.setScripts(true) // axe's own; the pages have none
	defer p.setScripts(false)
	for _, scheme := range []string{"light", "dark"} {
		for device, width := range map[string]int64{"phone": 390, "desk": 1280} {
			p.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
				if _, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
					Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
				}); err != nil {
					return err
				}
				_, err := cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
					Width: width, Height: 800, DeviceScaleFactor: 1, Mobile: device == "phone",
				})
				return err
			}))
			if wide := eval[bool](p.tab, `document.documentElement.scrollWidth > innerWidth`); wide {
				p.t.Errorf("%s is wider than a %s", name, device)
			}
			shot, err := chromedp.Run(p.ctx, func(ctx context.Context, t *chromedp.Target) (cdppage.CaptureScreenshotResult, error) {
				return cdp.Call(ctx, t, cdppage.CaptureScreenshot, cdppage.CaptureScreenshotParams{CaptureBeyondViewport: new(true)})
			})
			if err == nil {
				err = os.WriteFile(filepath.Join(p.t.ArtifactDir(), name+"-"+device+"-"+scheme+".png"), shot.Data, 0o600)
			}
			if err != nil {
				p.t.Fatal(err)
			}
		}
		eval[bool](p.tab, p.axe+"; true")
		var found []struct {
			ID    string `json:"id"`
			Help  string `json:"help"`
			Nodes []struct {
				HTML string `json:"html"`
			} `json:"nodes"`
		}
		result := eval[string](p.tab, `axe.run().then(r => JSON.stringify(r.violations))`)
		if err := json.Unmarshal([]byte(result), &found); err != nil {
			p.t.Fatal(err)
		}
		for _, v := range found {
			p.t.Errorf("%s, %s: %s: %s: %v", name, scheme, v.ID, v.Help, v.Nodes)
		}
	}
}
