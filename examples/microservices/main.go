// Microservices are four that trust each other's tokens and certificates. From the
// repository's root:
//
//	go run ./examples/microservices               # curl lines to paste
//	go run ./examples/microservices -walkthrough  # sends those requests itself, then changes keys and revokes under load
//
// auth.go makes tokens and publishes its keys; orders.go verifies them by these;
// worker.go gets one for its client id and secret; ledger.go takes them over mutual
// TLS only, from who has the certificate that they are bound to. They run in one
// process, to be tried, and share nothing in it but the store, where auth says what
// was revoked. certs.go is in the place of your authority, house.go of your
// deployment, and walk.go of your load.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/examples/internal/stores"
	"github.com/gatehouse-go/authn/examples/internal/tour"
	"github.com/gatehouse-go/authn/mtls"
	"github.com/gatehouse-go/authn/store"
)

func main() { tour.MainAt("localhost:0", "microservices", run) }

func run(ctx context.Context, o tour.Options) error {
	st, closeStore, err := stores.Open(ctx, o.Store)
	if err != nil {
		return err
	}
	defer func() { _ = closeStore() }()
	return demo(ctx, o, st, st)
}

// demo runs the services, of which auth has a store, and the others read there
// what was revoked.
func demo(ctx context.Context, o tour.Options, st store.Store, rev store.Revocations) (err error) {
	kc := authn.GenerateKeychain() // ends with the process, as the store does
	if o.Store != "memory" {
		if kc, err = authn.ParseKeychain(os.Getenv("AUTH_KEYS")); err != nil {
			return fmt.Errorf("a store that keeps its keys needs AUTH_KEYS: %w", err)
		}
	}
	dir, err := os.MkdirTemp("", "microservices-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	h, err := newHouse(ctx, o.Listener, dir, st, rev, kc)
	if err != nil {
		return err
	}
	background, stop := context.WithCancel(ctx)
	defer stop()
	go func() { _ = h.auth.keys.Run(background) }() // makes a new key every 30 days
	go func() { _ = st.Run(background) }()          // deletes what expired
	switch err = h.worker.work(ctx); {
	case err != nil:
	case o.Walk:
		err = h.walk(ctx, os.Stdout)
	default:
		fmt.Printf("Paste these lines, in this order:\n\n%sCtrl-C ends it.\n", h.calls.Lines())
		<-ctx.Done()
	}
	return errors.Join(err, h.close(context.WithoutCancel(ctx)))
}

// service is what each of them has.
type service struct {
	url    string
	certs  *mtls.Verifier // who calls
	client *http.Client   // calls others, by this service's own certificate
	now    func() time.Time
	audit  authn.EventFunc
	server *http.Server
	ln     net.Listener
	closes []func(context.Context) error
}

// newService is at ln, or at a free port where that is nil.
func newService(f files, ln net.Listener, client *http.Client, now func() time.Time, audit authn.EventFunc) (s *service, err error) {
	s = &service{client: client, now: now, audit: audit, ln: ln}
	if ln == nil {
		if s.ln, err = net.Listen("tcp", "localhost:0"); err != nil {
			return nil, err
		}
	}
	s.url = "https" + tour.URL(s.ln.Addr())[len("http"):]
	if s.certs, err = f.verifier(audit); err != nil {
		return nil, err
	}
	cfg, err := s.certs.ServerTLS(f.cert, f.key)
	if err != nil {
		return nil, err
	}
	s.server = &http.Server{TLSConfig: cfg, ReadHeaderTimeout: 10 * time.Second}
	return s, nil
}

// serve answers by h until close.
func (s *service) serve(h http.Handler) {
	s.server.Handler = h
	go func() { _ = s.server.ServeTLS(s.ln, "", "") }() // ends by Shutdown
}

func (s *service) close(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	for _, f := range s.closes {
		err = errors.Join(err, f(ctx))
	}
	return err
}
