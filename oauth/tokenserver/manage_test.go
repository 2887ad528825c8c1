package tokenserver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"math/big"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/oauth/tokenserver"
	"github.com/gatehouse-go/authn/store"
)

// O13: a secret has 256 random bits, a prefix and a checksum, and the store has its
// SHA-256 only.
func TestSecretsHaveTheirFormat(t *testing.T) {
	w := newWorld(t, nil)
	pattern := regexp.MustCompile(tokenserver.SecretPattern())
	seen := map[string]bool{}
	bits := 0
	for range 100 {
		c, secret := w.create(tokenserver.Client{})
		parts := strings.Split(strings.TrimPrefix(secret, "authncs_"), "_")
		if len(secret) != 58 || len(parts) != 2 || pattern.FindString("x="+secret+"&") != secret || seen[secret] {
			t.Fatalf("secret %q", secret)
		}
		seen[secret] = true
		n, ok := new(big.Int).SetString(parts[0], 62)
		sum, ok2 := new(big.Int).SetString(parts[1], 62)
		if !ok || !ok2 || n.BitLen() > 256 || sum.Uint64() != uint64(crc32.ChecksumIEEE([]byte("authncs_"+parts[0]))) {
			t.Fatalf("secret %q", secret)
		}
		bits = max(bits, n.BitLen())
		rec, err := w.st.Store.OAuthClient(t.Context(), c.ID)
		if err != nil || len(rec.Secrets) != 1 || rec.Secrets[0].Digest != store.DigestOf(secret) {
			t.Fatalf("%+v, %v", rec, err)
		}
		if text := fmt.Sprintf("%+v", rec); strings.Contains(text, secret) {
			t.Fatalf("the record has the secret: %s", text)
		}
		if !strings.HasPrefix(c.ID, "client-") || len(c.ID) < 30 {
			t.Errorf("made-up id %q", c.ID)
		}
	}
	if bits != 256 {
		t.Errorf("at most %d bits", bits)
	}
}

// O13: a secret is shown once: not in events, logs or lists.
func TestSecretsAreShownOnce(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(cfg *tokenserver.Config, icfg *jwtauth.IssuerConfig) {
		cfg.OnEvent = authn.Tee(cfg.OnEvent, authn.Slog(slog.New(slog.NewTextHandler(&log, nil))))
		icfg.OnEvent = cfg.OnEvent
	})
	c, first := w.create(tokenserver.Client{ID: "worker"})
	second, err := w.RotateSecret(t.Context(), "worker", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w.ask("worker", first, "scope", "admin")
	w.ask("worker", mistype(first))
	w.ask("nobody", second.Reveal())
	w.do("/token", nil, "client_id", "worker", "client_secret", first, "client_secret", second.Reveal())
	token := w.get("worker", second.Reveal())
	w.do("/revoke", basic("worker", first), "token", token)
	cs, _, err := w.Clients(t.Context(), store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%+v %+v %+v %v %s", c, cs, w.events.Events(), second, log.String())
	for _, secret := range []string{first, mistype(first), second.Reveal(), token} {
		if strings.Contains(text, secret) || strings.Contains(text, secret[8:40]) {
			t.Errorf("%s is in %s", secret, text)
		}
	}
	kinds := []authn.EventKind{}
	for _, e := range w.events.Events(authn.EventCreated, authn.EventRotated) {
		if e.Method == "client" && e.Subject == "worker" && e.SubjectKind == authn.KindClient {
			kinds = append(kinds, e.Kind)
		}
	}
	if want := []authn.EventKind{authn.EventCreated, authn.EventRotated}; !reflect.DeepEqual(kinds, want) {
		t.Errorf("events %v, want %v", kinds, want)
	}
}

// O13: while the grace lasts both secrets are good, to the microsecond; a third is
// refused until one has ended, and a grace of 0 ends all others.
func TestRotation(t *testing.T) {
	w := newWorld(t, nil)
	_, first := w.create(tokenserver.Client{ID: "worker"})
	rotate := func(grace time.Duration) string {
		t.Helper()
		secret, err := w.RotateSecret(t.Context(), "worker", grace)
		if err != nil {
			t.Fatal(err)
		}
		return secret.Reveal()
	}
	good := func(when string, want map[string]bool) {
		t.Helper()
		for secret, want := range want {
			if got := w.ask("worker", secret).status == http.StatusOK; got != want {
				t.Errorf("%s: %s is good: %v", when, secret, got)
			}
		}
	}
	second := rotate(time.Hour)
	good("rotated", map[string]bool{first: true, second: true})
	if _, err := w.RotateSecret(t.Context(), "worker", time.Hour); !errors.Is(err, store.ErrLimit) {
		t.Errorf("a third: %v", err)
	}
	w.forward(time.Hour - time.Microsecond)
	good("before the end", map[string]bool{first: true, second: true})
	w.forward(time.Microsecond)
	good("at the end", map[string]bool{first: false, second: true})
	third := rotate(time.Hour)
	good("again", map[string]bool{first: false, second: true, third: true})
	fourth := rotate(0)
	good("at once", map[string]bool{second: false, third: false, fourth: true})
}

// O13: of a hundred rotations of one secret with a grace one wins; without one, all
// do and one secret is left.
func TestConcurrentRotations(t *testing.T) {
	for _, grace := range []time.Duration{time.Hour, 0} {
		w := newWorld(t, nil)
		_, first := w.create(tokenserver.Client{ID: "worker"})
		var mu sync.Mutex
		var wg sync.WaitGroup
		var secrets []string
		for range 100 {
			wg.Go(func() {
				secret, err := w.RotateSecret(context.Background(), "worker", grace)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					secrets = append(secrets, secret.Reveal())
				case grace == 0 || !errors.Is(err, store.ErrLimit):
					t.Errorf("grace %s: %v", grace, err)
				}
			})
		}
		wg.Wait()
		live := 0
		for _, secret := range append(secrets, first) {
			if w.ask("worker", secret).status == http.StatusOK {
				live++
			}
		}
		if grace > 0 && (len(secrets) != 1 || live != 2) || grace == 0 && (len(secrets) != 100 || live != 1) {
			t.Errorf("grace %s: %d rotated, %d live", grace, len(secrets), live)
		}
	}
}

// O13: SecretTTL ends a secret, the first one and one that was rotated to.
func TestSecretTTL(t *testing.T) {
	w := newWorld(t, func(cfg *tokenserver.Config, _ *jwtauth.IssuerConfig) { cfg.SecretTTL = 24 * time.Hour })
	_, first := w.create(tokenserver.Client{ID: "worker"})
	w.forward(12 * time.Hour)
	second, err := w.RotateSecret(t.Context(), "worker", 20*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w.forward(12*time.Hour - time.Microsecond)
	w.ask("worker", first).is(t, "before", 200, "")
	w.forward(time.Microsecond)
	w.ask("worker", first).is(t, "at the end, before that of the grace", 401, "invalid_client")
	w.forward(12*time.Hour - time.Microsecond)
	w.ask("worker", second.Reveal()).is(t, "before", 200, "")
	w.forward(time.Microsecond)
	w.ask("worker", second.Reveal()).is(t, "at the end", 401, "invalid_client")
}

// O13: disabling a client ends it and its tokens, for good: also those that are being
// issued to a request that has authenticated already. Other clients live on.
func TestDisabledClients(t *testing.T) {
	w := newWorld(t, nil)
	_, secret := w.create(tokenserver.Client{ID: "worker"})
	_, other := w.create(tokenserver.Client{ID: "other"})
	mine, theirs := w.get("worker", secret), w.get("other", other)
	disable := func() {
		if err := w.DisableClient(context.Background(), "worker"); err != nil {
			t.Error(err)
		}
	}
	// Between its authentication and its token.
	var once sync.Once
	w.st.before = func(call string) {
		if call == "version" {
			once.Do(disable)
		}
	}
	w.ask("worker", secret).is(t, "meanwhile", 503, "temporarily_unavailable")
	w.st.before = nil
	disable() // may be repeated
	w.ask("worker", secret).is(t, "later", 401, "invalid_client")
	if _, err := w.issuer.Introspect(t.Context(), mine); authn.AsError(err).Status != 401 {
		t.Errorf("its token: %v", err)
	}
	if !w.active("other", other, theirs) {
		t.Error("another client's token is revoked")
	}
	if _, err := w.RotateSecret(t.Context(), "worker", time.Hour); !errors.Is(err, store.ErrConflict) {
		t.Errorf("RotateSecret: %v", err)
	}
	if _, _, err := w.CreateClient(t.Context(), tokenserver.Client{ID: "worker"}); !errors.Is(err, store.ErrExists) {
		t.Errorf("CreateClient: %v", err)
	}
	if c, err := w.Client(t.Context(), "worker"); err != nil || !c.DisabledAt.Equal(w.now()) {
		t.Errorf("%+v, %v", c, err)
	}
	if events := w.events.Events(authn.EventRevoked); len(events) < 1 || events[0].Subject != "worker" {
		t.Errorf("%+v", events)
	}
	w.st.fail("revoke all")
	if err := w.DisableClient(t.Context(), "other"); err == nil || authn.AsError(err).Status != 503 {
		t.Errorf("half of it: %v", err)
	}
	w.st.fail("")
	w.ask("other", other).is(t, "half disabled", 401, "invalid_client")
	if err := w.DisableClient(t.Context(), "other"); err != nil {
		t.Error(err)
	}
	if _, err := w.issuer.Introspect(t.Context(), theirs); authn.AsError(err).Status != 401 {
		t.Errorf("its token: %v", err)
	}
}

// O13: when all tokens of a client are revoked it may get new ones a second later, and
// is told to come again before.
func TestRevokedSubjectComesAgain(t *testing.T) {
	w := newWorld(t, nil)
	_, secret := w.create(tokenserver.Client{ID: "worker"})
	old := w.get("worker", secret)
	if err := w.issuer.RevokeSubject(t.Context(), "worker"); err != nil {
		t.Fatal(err)
	}
	a := w.ask("worker", secret)
	a.is(t, "at once", 503, "temporarily_unavailable")
	if got := a.header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After %q", got)
	}
	w.forward(2 * time.Second)
	if token := w.get("worker", secret); !w.active("worker", secret, token) || w.active("worker", secret, old) {
		t.Error("the new token is not good, or the old one is")
	}
}

// O13: UpdateClient changes scopes, audiences and keys, of what was read and nobody
// has changed since; never the method, the times or the secret.
func TestUpdateClient(t *testing.T) {
	w := newWorld(t, nil)
	c, secret := w.create(tokenserver.Client{ID: "worker", Name: "Worker"})
	read := func() tokenserver.Client {
		t.Helper()
		c, err := w.Client(t.Context(), "worker")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if got := read(); !reflect.DeepEqual(got, c) || got.Revision != 1 || !got.CreatedAt.Equal(w.now()) {
		t.Errorf("read %+v, created %+v", got, c)
	}
	mine, theirs := read(), read()
	mine.Scopes, mine.Audience, mine.Serves, mine.Name = []string{"bills:read"}, []string{bills}, []string{orders}, "Biller"
	mine.CreatedAt, mine.DisabledAt = time.Time{}, w.now()
	if err := w.UpdateClient(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	if events := w.events.Events(authn.EventRotated); len(events) != 1 || events[0].Subject != "worker" || events[0].Reason != "updated" {
		t.Errorf("events %+v", events)
	}
	theirs.Name = "too late"
	if err := w.UpdateClient(t.Context(), theirs); !errors.Is(err, store.ErrConflict) {
		t.Errorf("too late: %v", err)
	}
	want := mine
	want.CreatedAt, want.DisabledAt, want.Revision = c.CreatedAt, time.Time{}, 2
	if got := read(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	w.ask("worker", secret, "scope", "orders:read").is(t, "a scope that was taken away", 400, "invalid_scope")
	w.ask("worker", secret, "scope", "bills:read", "resource", bills).is(t, "new scope", 200, "")

	other := read()
	other.AuthMethod = tokenserver.SecretPost
	if err := w.UpdateClient(t.Context(), other); err == nil || authn.AsError(err).Status != 400 {
		t.Errorf("another method: %v", err)
	}
	other = read()
	other.Name = "a\nb"
	if err := w.UpdateClient(t.Context(), other); err == nil || authn.AsError(err).Status != 400 {
		t.Errorf("another name: %v", err)
	}
	key, next := newSigner("k1"), newSigner("k2")
	s, _ := w.create(tokenserver.Client{ID: "signer", AuthMethod: tokenserver.PrivateKeyJWT, JWKS: jwks(key)})
	s.JWKS = jwks(next)
	if err := w.UpdateClient(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	w.askBy(w.assertion(key, "signer")).is(t, "the old key", 401, "invalid_client")
	w.askBy(w.assertion(next, "signer")).is(t, "the new key", 200, "")
}

// O13: what a Client or a call may not be is 400 and names the field.
func TestInvalidClients(t *testing.T) {
	w := newWorld(t, nil)
	w.create(tokenserver.Client{ID: "there"})
	key := newSigner("k1")
	private := strings.Replace(string(jwks(key)), `"kty"`, `"d":"AAAA","kty"`, 1)
	for _, tt := range []struct {
		c    tokenserver.Client
		want string
	}{
		{tokenserver.Client{ID: "a:b"}, "Client.ID"},
		{tokenserver.Client{ID: "a b"}, "Client.ID"},
		{tokenserver.Client{ID: "ä"}, "Client.ID"},
		{tokenserver.Client{ID: strings.Repeat("x", 256)}, "Client.ID"},
		{tokenserver.Client{Name: "a\nb"}, "Client.Name"},
		{tokenserver.Client{Name: strings.Repeat("x", 256)}, "Client.Name"},
		{tokenserver.Client{AuthMethod: "none"}, "Client.AuthMethod"},
		{tokenserver.Client{AuthMethod: "client_secret_jwt"}, "Client.AuthMethod"},
		{tokenserver.Client{Scopes: []string{"a b"}}, "Client.Scopes"},
		{tokenserver.Client{Scopes: []string{""}}, "Client.Scopes"},
		{tokenserver.Client{Scopes: []string{strings.Repeat("x", 64<<10), "y"}}, "Client.Scopes"},
		{tokenserver.Client{Audience: []string{"https://evil.example"}}, "Client.Audience"},
		{tokenserver.Client{Scopes: []string{"a", "b", "a"}}, "twice"},
		{tokenserver.Client{Serves: []string{"https://evil.example"}}, "Serves"},
		{tokenserver.Client{JWKS: jwks(key)}, "Client.JWKS"},
		{tokenserver.Client{CertSubject: "CN=x"}, "Client.CertSubject"},
		{tokenserver.Client{AuthMethod: tokenserver.PrivateKeyJWT}, "Client.JWKS"},
		{tokenserver.Client{AuthMethod: tokenserver.PrivateKeyJWT, JWKS: []byte(`{"keys":[]}`)}, "Client.JWKS"},
		{tokenserver.Client{AuthMethod: tokenserver.PrivateKeyJWT, JWKS: []byte(private)}, "private member"},
		{tokenserver.Client{AuthMethod: tokenserver.PrivateKeyJWT, JWKS: []byte(`{"keys":[{"kty":"oct","k":"AAAA"}]}`)}, "symmetric"},
		{tokenserver.Client{AuthMethod: tokenserver.PrivateKeyJWT, JWKS: jwks(key, key)}, "same kid"},
		{tokenserver.Client{AuthMethod: tokenserver.PrivateKeyJWT, JWKS: append(jwks(key), bytes.Repeat([]byte(" "), 64<<10)...)}, "Client.JWKS"},
		{tokenserver.Client{AuthMethod: tokenserver.TLSClientAuth}, "Client.CertSubject"},
		{tokenserver.Client{AuthMethod: tokenserver.TLSClientAuth, CertSubject: "CN=" + strings.Repeat("x", 1024)}, "Client.CertSubject"},
	} {
		_, secret, err := w.CreateClient(t.Context(), tt.c)
		if err == nil || authn.AsError(err).Status != 400 || !strings.Contains(authn.AsError(err).Err.Error(), tt.want) || !secret.IsZero() {
			t.Errorf("%+.100v: %v, want %s", tt.c, err, tt.want)
		}
	}
	s, _ := w.create(tokenserver.Client{ID: "signer", AuthMethod: tokenserver.PrivateKeyJWT, JWKS: jwks(key)})
	for name, f := range map[string]func() error{
		"negative grace":   func() error { _, err := w.RotateSecret(t.Context(), "there", -1); return err },
		"30 days and more": func() error { _, err := w.RotateSecret(t.Context(), "there", 30*24*time.Hour+1); return err },
		"no secret":        func() error { _, err := w.RotateSecret(t.Context(), s.ID, time.Hour); return err },
	} {
		if err := f(); err == nil || authn.AsError(err).Status != 400 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, id := range []string{"nobody", "", "a\x00b", "a:b"} {
		for name, f := range map[string]func() error{
			"Client":        func() error { _, err := w.Client(t.Context(), id); return err },
			"UpdateClient":  func() error { return w.UpdateClient(t.Context(), tokenserver.Client{ID: id}) },
			"RotateSecret":  func() error { _, err := w.RotateSecret(t.Context(), id, 0); return err },
			"DisableClient": func() error { return w.DisableClient(t.Context(), id) },
		} {
			if err := f(); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s(%q): %v", name, id, err)
			}
		}
	}
	if events := w.events.Events(authn.EventOutage); len(events) > 0 {
		t.Errorf("a mistake of the host's is an outage: %+v", events)
	}
}

// O13: what a Client and a call may be at most, they may be.
func TestLargestClients(t *testing.T) {
	w := newWorld(t, func(cfg *tokenserver.Config, icfg *jwtauth.IssuerConfig) {
		icfg.Audience = []string{orders, bills}
	})
	long, key := strings.Repeat("x", 255), newSigner("k1")
	lists := []string{"~", "!", strings.Repeat("x", 64<<10-2-len(orders)-len(bills))}
	for _, c := range []tokenserver.Client{
		{ID: long, Name: long, Scopes: lists, Audience: []string{orders}, Serves: []string{bills}},
		{AuthMethod: tokenserver.PrivateKeyJWT, JWKS: append(jwks(key), bytes.Repeat([]byte(" "), 64<<10-len(jwks(key)))...)},
		{AuthMethod: tokenserver.TLSClientAuth, CertSubject: "CN=" + strings.Repeat("x", 1021)},
	} {
		if _, _, err := w.CreateClient(t.Context(), c); err != nil {
			t.Errorf("%.40q %s: %v", c.ID, c.AuthMethod, authn.AsError(err).Err)
		}
	}
	if _, err := w.RotateSecret(t.Context(), long, 30*24*time.Hour); err != nil {
		t.Errorf("a grace of 30 days: %v", err)
	}
}

// O13: a store that is down while clients are managed is 503, whatever it says, and an
// event that has its words.
func TestManagementWithoutAStore(t *testing.T) {
	w := newWorld(t, nil)
	w.st.fail("all")
	for name, f := range map[string]func() error{
		"CreateClient": func() error { _, _, err := w.CreateClient(t.Context(), tokenserver.Client{}); return err },
		"Client":       func() error { _, err := w.Client(t.Context(), "there"); return err },
		"Clients":      func() error { _, _, err := w.Clients(t.Context(), store.Page{}); return err },
	} {
		for _, w.st.err = range []error{errDown, &authn.Error{Status: 500, Code: "internal", Err: errDown}} {
			told := len(w.events.Events())
			if err := f(); err == nil || authn.AsError(err).Status != 503 || !errors.Is(err, errDown) {
				t.Errorf("%s: %v", name, err)
			}
			events := w.events.Events()[told:]
			if len(events) != 1 || events[0].Kind != authn.EventOutage || events[0].Method != "client" || !errors.Is(events[0].Err, errDown) {
				t.Errorf("%s: events %+v", name, events)
			}
		}
	}
}

// O13: clients are listed by id, disabled ones, too.
func TestClientsAreListed(t *testing.T) {
	w := newWorld(t, nil)
	for _, id := range []string{"c", "a", "b"} {
		w.create(tokenserver.Client{ID: id})
	}
	if err := w.DisableClient(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	var ids []string
	p := store.Page{Limit: 2}
	for {
		cs, next, err := w.Clients(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cs {
			ids = append(ids, fmt.Sprint(c.ID, !c.DisabledAt.IsZero()))
		}
		if p.Cursor = next; next == "" {
			break
		}
	}
	if got := strings.Join(ids, " "); got != "afalse btrue cfalse" {
		t.Error(got)
	}
}
