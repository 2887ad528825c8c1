// Quickstart protects a small JSON API with API keys, without set-up. From the repository's root:
//
//	go run ./examples/quickstart               # a page to click, and curl lines to paste
//	go run ./examples/quickstart -walkthrough  # sends those requests itself, checks the answers
package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/examples/internal/stores"
	"github.com/gatehouse-go/authn/examples/internal/tour"
)

//go:embed page.html tour.http assets
var files embed.FS

var page = template.Must(template.ParseFS(files, "page.html"))

func main() {
	addr := flag.String("addr", "localhost:8080", "where to listen; port 0 takes a free one")
	at := flag.String("store", "memory", stores.Usage)
	walk := flag.Bool("walkthrough", false, "on a free port, send every request, check the answers, exit")
	flag.Parse()
	if *walk {
		*addr = "localhost:0"
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait for open requests
	if err := run(ctx, *addr, *at, *walk); err != nil {
		log.Fatal("quickstart: ", err)
	}
}

func run(ctx context.Context, addr, at string, walk bool) error {
	st, closeStore, err := stores.Open(ctx, at) // memstore.New(memstore.Config{}): the one line to change
	if err != nil {
		return err
	}
	defer func() { _ = closeStore() }()
	audit := authn.Slog(nil) // to slog.Default: text on stderr
	keys, err := apikey.New(st, apikey.Config{
		Prefix:  "acme_dev",
		Scopes:  []string{"orders:read", "orders:write", "keys:manage"},
		OnEvent: audit,
		// Nobody can log in here yet, so a key may manage its owner's keys. Without Managers, it
		// takes a person who has logged in within the last 15 minutes.
		Managers:      []authn.Kind{authn.KindKey},
		FlushInterval: time.Microsecond, // the page shows each use at once; a service keeps the default
	})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%w (-addr localhost:0 takes a free port)", err)
	}
	d, err := newDemo(ctx, keys, tour.URL(ln.Addr()))
	if err != nil {
		return err
	}

	srv := &http.Server{Handler: routes(keys, audit, d), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	if walk {
		err = d.Calls.Walk(ctx, os.Stdout)
	} else {
		fmt.Printf("Paste these lines, in this order:\n\n%sOr open %s in a browser. Ctrl-C ends it.\n", d.Calls.Lines(), d.URL)
		select {
		case err = <-served:
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(err, srv.Shutdown(last), keys.Close(last)) // Close writes the last uses
}

func routes(keys *apikey.Keys, audit authn.EventFunc, d *demo) http.Handler {
	guard := authn.Guard{Verifier: keys, OnEvent: audit}
	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard.Require(authn.Scopes("orders:read"))(http.HandlerFunc(orders)))
	mux.Handle("POST /orders", guard.Require(authn.Scopes("orders:write"))(http.HandlerFunc(orders)))
	mux.Handle("/keys/", http.StripPrefix("/keys", guard.Require(authn.Scopes("keys:manage"))(keys.Handler())))
	mux.Handle("GET /{$}", d)
	mux.Handle("GET /assets/app.js", http.FileServerFS(files))
	mux.Handle("GET /assets/style.css", http.FileServerFS(files))
	return mux
}

func orders(w http.ResponseWriter, r *http.Request) {
	id, _ := authn.FromContext(r.Context()) // Require has made sure of one
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"orders": []string{"tea", "ink"}, "subject": id.Subject, "method": id.Method})
}

// demo is what a visitor gets: live keys, and what to try with them.
type demo struct {
	URL, Typo, SpareID     string
	Reader, Spare, Manager authn.Secret
	Calls                  tour.Calls
}

func newDemo(ctx context.Context, keys *apikey.Keys, base string) (d *demo, err error) {
	if err := keys.RevokeSubject(ctx, "ada"); err != nil { // of an earlier run, on a store that keeps
		return nil, err
	}
	reader, err1 := keys.Create(ctx, "ada", apikey.Spec{Name: "reader", Scopes: []string{"orders:read"}})
	spare, err2 := keys.Create(ctx, "ada", apikey.Spec{Name: "spare", Scopes: []string{"orders:read"}})
	manager, err3 := keys.Create(ctx, "ada", apikey.Spec{Name: "manager", Scopes: []string{"orders:read", "keys:manage"}})
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	d = &demo{URL: base, Typo: tour.Typo(reader.Secret.Reveal()), SpareID: spare.ID, Reader: reader.Secret, Spare: spare.Secret, Manager: manager.Secret}
	d.Calls, err = tour.Read(files, "tour.http", d)
	return d, err
}

// ServeHTTP shows the page under this computer's own names only. Any web site could have its
// name resolve to 127.0.0.1 (DNS rebinding), and then read the keys that stand on the page.
func (d *demo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if name := (&url.URL{Host: r.Host}).Hostname(); name != "localhost" && name != "127.0.0.1" && name != "::1" {
		http.Error(w, "This page shows live keys: open it on the computer that it runs on, as "+d.URL, http.StatusForbidden)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "+
		"img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if err := page.Execute(w, d); err != nil {
		log.Print("quickstart: page: ", err)
	}
}
