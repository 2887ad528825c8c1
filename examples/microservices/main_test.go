package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/examples/internal/tour"
	"github.com/gatehouse-go/authn/oauth/tokenserver"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// roleVar makes the test binary be the program itself, so that exit codes are
// the real ones.
const roleVar = "MICROSERVICES_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case "program":
		main()
	case "program that does not see who was disabled":
		mainWith(func(rev store.Revocations) store.Revocations { return deaf{rev} })
	case "program that refuses now and then":
		mainWith(func(rev store.Revocations) store.Revocations { return &moody{Revocations: rev} })
	case "program whose store is down now and then":
		mainWith(func(rev store.Revocations) store.Revocations {
			return &moody{Revocations: rev, err: errors.New("down")}
		})
	default:
		os.Exit(m.Run())
	}
}

// mainWith is main with other revocations for who verifies.
func mainWith(change func(store.Revocations) store.Revocations) {
	tour.MainAt("localhost:0", "microservices", func(ctx context.Context, o tour.Options) error {
		st := memstore.New(memstore.Config{})
		return demo(ctx, o, st, change(st))
	})
}

// deaf knows only of the worker and orders what was revoked.
type deaf struct{ store.Revocations }

func (d deaf) TokenRevoked(ctx context.Context, ref store.TokenRef, now time.Time) (string, error) {
	if strings.HasPrefix(ref.Subject, "client-") {
		return "", nil
	}
	return d.Revocations.TokenRevoked(ctx, ref, now)
}

// moody is wrong about every hundredth token.
type moody struct {
	store.Revocations
	asked atomic.Int64
	err   error
}

func (m *moody) TokenRevoked(ctx context.Context, ref store.TokenRef, now time.Time) (string, error) {
	if m.asked.Add(1)%100 == 0 {
		return "token revoked", m.err
	}
	return m.Revocations.TokenRevoked(ctx, ref, now)
}

// runs is what a run that ends by itself printed, and its exit code.
func runs(t *testing.T, role string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, append([]string{"-walkthrough"}, args...)...)
	cmd.Env = append(os.Environ(), roleVar+"="+role, "TMPDIR="+t.TempDir())
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), log.String(), cmd.ProcessState.ExitCode()
}

// E3, J14, J24, M5: the walkthrough goes through the services over real TLS, prints
// each exchange, with no whole secret in it, then changes the key and revokes under
// load, prints what came of that, and exits 0.
func TestWalkthrough(t *testing.T) {
	stdout, stderr, code := runs(t, "program")
	if code != 0 {
		t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	for _, want := range []string{
		"worker: asked for the orders and got 200", `"alg":"ES256"`, `"tls_client_certificate_bound_access_tokens":true`,
		"an order of worker, says orders", "answers are what they have to be.", "one client disabled:",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("stdout lacks %q:\n%s", want, stdout)
		}
	}
	for _, want := range []string{`since the rotation +[1-9]\d* served`, ` +[1-9]\d* by one of the new key`, `wrongly refused +0\n`, `wrongly let in +0\n`, `not answered +0\n`} {
		if !regexp.MustCompile(want).MatchString(stdout) {
			t.Errorf("stdout lacks %s:\n%s", want, stdout)
		}
	}
	for _, want := range []string{`reason="bound to another certificate"`, `reason="token revoked"`, `reason="wrong audience"`, `reason="not operator"`} {
		if !strings.Contains(stderr, want) {
			t.Errorf("the log lacks %s:\n%s", want, stderr)
		}
	}
	secret := regexp.MustCompile(`eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{86}|Basic [\w+/=]{40,}|PRIVATE KEY`)
	if whole := secret.FindString(stdout + stderr); whole != "" {
		t.Errorf("a whole secret was printed: %s", whole)
	}
}

// E3: a count that is not what it must be is exit code 1, and the last words say
// which.
func TestWrongCountExits1(t *testing.T) {
	for role, want := range map[string]string{
		"program that does not see who was disabled": "wrongly let in",
		"program that refuses now and then":          "wrongly refused",
		"program whose store is down now and then":   "not answered",
	} {
		stdout, stderr, code := runs(t, role)
		if code != 1 || !strings.HasSuffix(strings.TrimSpace(stderr), "not what it must be: "+want) || !strings.Contains(stdout, "wrongly refused") {
			t.Errorf("%s: exit code %d, want 1 and %q\n%s\n%s", role, code, want, stdout, stderr)
		}
	}
}

// E3: with a store that keeps, the accounts and keys of an earlier run do, too, and
// the keychain that opens them has to be given.
func TestStoreThatKeeps(t *testing.T) {
	t.Setenv("AUTH_KEYS", "")
	at := "sqlite:" + filepath.Join(t.TempDir(), "house.db")
	if _, stderr, code := runs(t, "program", "-store", at); code != 1 || !strings.Contains(stderr, "AUTH_KEYS") {
		t.Errorf("without AUTH_KEYS: exit code %d\n%s", code, stderr)
	}
	st, kc := memstore.New(memstore.Config{}), authn.GenerateKeychain()
	for range 2 {
		h := newTestHouse(t, st, kc)
		if err := h.calls.Walk(t.Context(), io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	if keys, err := st.ListSigningKeys(t.Context(), time.Now()); err != nil || len(keys) != 1 {
		t.Errorf("%d signing keys, want that of the first run: %v", len(keys), err)
	}
}

// E3: the lines that are printed to be pasted have the answers that they say, though
// those that need an earlier answer are left out.
func TestPrintedRequestsWork(t *testing.T) {
	h := newTestHouse(t, memstore.New(memstore.Config{}), authn.GenerateKeychain())
	var printed tour.Calls
	for _, c := range h.calls {
		if c.Says = ""; strings.Contains(h.calls.Lines(), c.Curl()+"\n") {
			printed = append(printed, c)
		}
	}
	if len(printed) < 15 {
		t.Errorf("%d lines can be pasted, want at least 15", len(printed))
	}
	if err := printed.Walk(t.Context(), io.Discard); err != nil {
		t.Error(err)
	}
}

// E3: what newcomers copy is short.
func TestFilesAreShort(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n > 150 && !strings.HasSuffix(name, "_test.go") {
			t.Errorf("%s has %d lines, over 150", name, n)
		}
	}
}

// E3, M5, J27: the ledger takes no token that is not bound, whatever certificate
// comes with it, and a bound one with its own only.
func TestLedgerWantsBoundTokens(t *testing.T) {
	h := newTestHouse(t, memstore.New(memstore.Config{}), authn.GenerateKeychain())
	account, secret, err := h.auth.clients.CreateClient(t.Context(), tokenserver.Client{Scopes: []string{"ledger:write"}, Audience: []string{forLedger}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		gets, sends string // whose certificate goes with the request for the token, and with the token
		want        int
	}{
		{"", "", 403},
		{"", "orders", 403},
		{"orders", "", 401},
		{"orders", "operator", 401},
		{"orders", "orders", 200},
	} {
		w := newWorker(account.ID, secret, h.clients[tt.gets], h.auth.url, "")
		token, err := w.config.Token(w.context(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.services[2].url+"/entries", strings.NewReader("an entry"))
		if err != nil {
			t.Fatal(err)
		}
		token.SetAuthHeader(req)
		resp, err := h.clients[tt.sends].Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != tt.want {
			t.Errorf("got by %q, sent by %q: %d, want %d", tt.gets, tt.sends, resp.StatusCode, tt.want)
		}
	}
}

func newTestHouse(t *testing.T, st *memstore.Store, kc *authn.Keychain) *house {
	t.Helper()
	ln, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	h, err := newHouse(t.Context(), ln, t.TempDir(), st, st, kc)
	if err != nil {
		t.Fatal(err)
	}
	h.quiet.Store(true)
	t.Cleanup(func() {
		if err := h.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return h
}
