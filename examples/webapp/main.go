// Webapp is a small application with everything that people expect of an account:
// registration, two-step sign-in, recovery, devices, API keys, "log in with", and a
// page of what happened. From the repository's root:
//
//	go run ./examples/webapp                              # SQLite, in the folder webapp-data
//	go run ./examples/webapp -store=postgres://…          # or redis://…
//	OIDC_ISSUER=https://… OIDC_CLIENT_ID=… OIDC_CLIENT_SECRET=… go run ./examples/webapp
//
// Mails are printed. It works without JavaScript. SQLite needs a C compiler.
package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/clientip"
	"github.com/gatehouse-go/authn/examples/internal/stores"
	"github.com/gatehouse-go/authn/password"
)

// options are the flags.
type options struct {
	addr, url, store, data, proxy, breaches string
	mail                                    func(to, subject, link string)
	ready                                   func(url string)
}

func main() {
	var o options
	flag.StringVar(&o.addr, "addr", "localhost:8080", "where to listen; port 0 takes a free one")
	flag.StringVar(&o.url, "url", "", "what browsers call it, https://… behind a proxy; defaults to -addr by http")
	flag.StringVar(&o.store, "store", "", stores.Usage+"; defaults to SQLite in -data")
	flag.StringVar(&o.data, "data", "webapp-data", "`folder` of the keys and, unless -store is PostgreSQL, of the users")
	flag.StringVar(&o.proxy, "proxy", "", "`network` of trusted proxies, which set X-Forwarded-For: 10.0.0.0/8")
	flag.StringVar(&o.breaches, "breaches", "", "`URL` of a Have I Been Pwned range API, such as https://api.pwnedpasswords.com; defaults to the common passwords only")
	flag.Parse()
	o.mail = func(to, subject, link string) { fmt.Printf("\n  Mail to %s: %s\n  %s\n\n", to, subject, link) }
	o.ready = func(url string) { fmt.Printf("\n  %s is at %s\n\n", service, url) }
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, o); err != nil {
		log.Fatal("webapp: ", err)
	}
}

func run(ctx context.Context, o options) error {
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return err
	}
	local := "sqlite:" + filepath.Join(o.data, "webapp.db")
	if o.store == "" {
		o.store = local
	}
	st, closeStore, err := stores.Open(ctx, o.store)
	if err != nil {
		return err
	}
	defer func() { _ = closeStore() }()
	tables := local // the application's own
	if strings.HasPrefix(o.store, "postgres") {
		tables = o.store
	}
	db, _, err := stores.DB(tables)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	u := &users{db: db}
	if err := u.open(ctx); err != nil {
		return err
	}
	kc, err := keychain(o.data)
	if err != nil {
		return err
	}
	var breached password.BreachList
	if o.breaches != "" {
		if breached, err = password.HIBP(password.HIBPConfig{BaseURL: o.breaches}); err != nil {
			return err
		}
	}
	events := authn.Slog(slog.Default())
	behind := clientip.Config{InsecureLoopback: true, OnEvent: events}
	if o.proxy != "" {
		network, err := netip.ParsePrefix(o.proxy)
		if err != nil {
			return fmt.Errorf("-proxy: %w", err)
		}
		behind.TrustedProxies, behind.Header = []netip.Prefix{network}, clientip.XForwardedFor
	}
	clients, err := clientip.New(behind)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", o.addr)
	if err != nil {
		return err
	}
	if o.url == "" {
		o.url = "http://localhost:" + l.Addr().String()[strings.LastIndexByte(l.Addr().String(), ':')+1:]
	}
	o.url = strings.TrimRight(o.url, "/")
	a, err := newApp(o.url, st, u, kc, breached, events, o.mail)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	o.ready(o.url)
	return serve(ctx, l, clients.Middleware(clients.HTTPSOnly(365*24*time.Hour)(a.handler)), st.Run, a.keys.Run)
}

// serve runs what is to be done beside the server until ctx ends, then ends both.
func serve(ctx context.Context, l net.Listener, h http.Handler, beside ...func(context.Context) error) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	ctx, stop := context.WithCancelCause(ctx)
	var running sync.WaitGroup
	for _, run := range beside {
		running.Go(func() {
			if err := run(ctx); err != nil {
				log.Print(err) // requests go on
			}
		})
	}
	running.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			stop(err)
		}
	})
	<-ctx.Done()
	last, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := server.Shutdown(last)
	stop(nil)
	running.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		err = errors.Join(err, cause)
	}
	return err
}

// keychain is that of APP_KEYS, as a service has it, or else of a file, so that this
// example runs without set-up.
func keychain(dir string) (*authn.Keychain, error) {
	if keys := os.Getenv("APP_KEYS"); keys != "" {
		return authn.ParseKeychain(keys)
	}
	file := filepath.Join(dir, "keys")
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		secret := make([]byte, 32)
		_, _ = rand.Read(secret) // never fails (crypto/rand)
		b = []byte(base64.StdEncoding.EncodeToString(secret))
		err = os.WriteFile(file, b, 0o600)
	}
	if err != nil {
		return nil, err
	}
	return authn.ParseKeychain(strings.TrimSpace(string(b)))
}
