package main

import (
	"context"
	"embed"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/examples/internal/tour"
	"github.com/gatehouse-go/authn/oauth/tokenserver"
	"github.com/gatehouse-go/authn/store"
)

//go:embed tour.http
var tourFile embed.FS

// house is all of it, and what a visitor gets.
type house struct {
	auth     *auth
	services []*service
	worker   *worker
	orders   string                  // where it is
	clients  map[string]*http.Client // by whose certificate they show; "" shows none
	calls    tour.Calls
	ahead    atomic.Int64 // of the clock, in nanoseconds
	quiet    atomic.Bool  // no events in the log
}

func newHouse(ctx context.Context, ln net.Listener, dir string, st store.Store, rev store.Revocations, kc *authn.Keychain) (*house, error) {
	h := &house{clients: map[string]*http.Client{}}
	if err := h.build(ctx, ln, dir, st, rev, kc); err != nil {
		return nil, errors.Join(err, h.close(ctx))
	}
	return h, nil
}

func (h *house) build(ctx context.Context, ln net.Listener, dir string, st store.Store, rev store.Revocations, kc *authn.Keychain) error {
	ca, err := newAuthority(dir)
	if err != nil {
		return err
	}
	at := map[string]*service{}
	for _, name := range []string{"auth", "orders", "ledger", "operator", ""} {
		f, err := ca.issue(name)
		if err != nil {
			return err
		}
		client, err := f.client()
		if err != nil {
			return err
		}
		if h.clients[name] = client; name == "operator" || name == "" {
			continue // they serve nothing
		}
		s, err := newService(f, ln, client, h.now, h.audit)
		if err != nil {
			return err
		}
		ln, at[name], h.services = nil, s, append(h.services, s) // -addr is where auth is
	}
	h.orders = at["orders"].url
	if h.auth, err = newAuth(at["auth"], st, kc); err != nil {
		return err
	}
	if err := newLedger(at["ledger"], rev, h.auth.url); err != nil {
		return err
	}
	if err := newOrders(at["orders"], rev, h.auth.url, at["ledger"].url); err != nil {
		return err
	}
	return h.welcome(ctx, ca, at)
}

// now is what the walkthrough puts ahead: it does not wait. A service has time.Now.
func (h *house) now() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }

func (h *house) audit(ctx context.Context, e authn.Event) {
	if !h.quiet.Load() {
		authn.Slog(nil)(ctx, e)
	}
}

// welcome makes the accounts, and what a visitor needs to try them.
func (h *house) welcome(ctx context.Context, ca *authority, at map[string]*service) error {
	clients := h.auth.clients
	_, secret, err := clients.CreateClient(ctx, tokenserver.Client{
		ID: "worker", Scopes: []string{"orders:read", "orders:write"}, Audience: []string{forOrders},
	})
	if errors.Is(err, store.ErrExists) { // from an earlier run
		secret, err = clients.RotateSecret(ctx, "worker", 0)
	}
	if err != nil {
		return err
	}
	_, _, err = clients.CreateClient(ctx, tokenserver.Client{
		ID: "orders", AuthMethod: tokenserver.TLSClientAuth, CertSubject: "CN=orders", // no secret
		Scopes: []string{"ledger:write"}, Audience: []string{forLedger}, Serves: []string{forOrders},
	})
	if err != nil && !errors.Is(err, store.ErrExists) {
		return err
	}
	h.worker = newWorker("worker", secret, h.clients[""], h.auth.url, h.orders)
	token, err := h.worker.config.Token(h.worker.context(ctx))
	if err != nil {
		return err
	}
	bound, err := bookkeeper(h.auth.url).Token(context.WithValue(ctx, oauth2.HTTPClient, at["orders"].client))
	if err != nil {
		return err
	}
	h.calls, err = tour.Read(tourFile, "tour.http", map[string]string{
		"Auth": h.auth.url, "Orders": h.orders, "Ledger": at["ledger"].url,
		"Basic": base64.StdEncoding.EncodeToString([]byte("worker:" + secret.Reveal())),
		"Guess": base64.StdEncoding.EncodeToString([]byte("worker:" + tour.Typo(secret.Reveal()))),
		"Token": token.AccessToken, "Bound": bound.AccessToken,
	})
	for i := range h.calls {
		c := &h.calls[i]
		c.Client, c.Options = h.clients[c.Browser], ca.of(c.Browser).curl() // the name is whose certificate it sends
		c.Browser = ""
	}
	return err
}

func (h *house) close(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, c := range h.clients {
		c.CloseIdleConnections() // Shutdown would wait for them
	}
	for _, s := range h.services {
		err = errors.Join(err, s.close(ctx))
	}
	return err
}
