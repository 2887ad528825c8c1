// Quickstart protects a small JSON API with API keys and JWTs, without set-up. From the repository's root:
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
	"os"
	"os/signal"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/examples/internal/stores"
	"github.com/gatehouse-go/authn/examples/internal/tour"
	"github.com/gatehouse-go/authn/jwtauth"
)

//go:embed page.html tour.http assets
var files embed.FS

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
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%w (-addr localhost:0 takes a free port)", err)
	}
	base, audit := tour.URL(ln.Addr()), authn.Slog(nil) // events go to slog.Default: text on stderr
	keys, err1 := apikey.New(st, apikey.Config{
		Prefix: "acme_dev", Scopes: []string{"orders:read", "orders:write", "keys:manage"}, OnEvent: audit,
		Managers:      []authn.Kind{authn.KindKey}, // else it takes a person with a fresh login
		FlushInterval: time.Microsecond,            // the page shows each use at once; a service keeps the default
	})
	key, err2 := jwtauth.GenerateKey(jwtauth.ES256) // ends with the process: a service has ParsePEM or OpenKeyRing
	ring, err3 := jwtauth.NewKeyRing(key)
	issuer, err4 := jwtauth.NewIssuer(ring, st, authn.GenerateKeychain(), // a service has ParseKeychain
		jwtauth.IssuerConfig{Issuer: base, Audience: []string{base}, OnEvent: audit})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	d, err := newDemo(ctx, keys, issuer, base)
	if err != nil {
		return err
	}
	return d.Calls.Serve(ctx, ln, routes(keys, issuer, audit, d), walk, keys.Close) // Close writes the last uses
}

func routes(keys *apikey.Keys, issuer *jwtauth.Issuer, audit authn.EventFunc, d *demo) http.Handler {
	guard := authn.Guard{Verifier: authn.FirstOf(keys, issuer.Verifier()), OnEvent: audit}
	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard.Require(authn.Scopes("orders:read"))(http.HandlerFunc(orders)))
	mux.Handle("POST /orders", guard.Require(authn.Scopes("orders:write"))(http.HandlerFunc(orders)))
	mux.Handle("/keys/", http.StripPrefix("/keys", guard.Require(authn.Scopes("keys:manage"))(keys.Handler())))
	mux.Handle("POST /token", login(issuer))
	mux.Handle("/token/refresh", issuer.RefreshHandler())
	mux.Handle("/token/refresh/logout", issuer.LogoutHandler())
	mux.Handle("GET /{$}", tour.Page{Template: template.Must(template.ParseFS(files, "page.html")), Data: d, URL: d.URL})
	mux.Handle("GET /assets/app.js", http.FileServerFS(files))
	mux.Handle("GET /assets/style.css", http.FileServerFS(files))
	return mux
}

func orders(w http.ResponseWriter, r *http.Request) {
	id, _ := authn.FromContext(r.Context()) // Require has made sure of one
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"orders": []string{"tea", "ink"}, "subject": id.Subject, "method": id.Method})
}

// login exchanges the demo password, in a form or as JSON, for an access token and a refresh token.
func login(issuer *jwtauth.Issuer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user := ada() // before the password is looked at: what is revoked from now on voids this login
		var in struct{ Password string }
		r.Body = http.MaxBytesReader(w, r.Body, 4096)
		if in.Password = r.PostFormValue("password"); in.Password == "" {
			_ = json.NewDecoder(r.Body).Decode(&in) // what is no JSON has no password
		}
		if in.Password != "quickstart" { // a service asks its own users' table
			authn.WriteError(w, r, authn.Refused("wrong password", nil))
			return
		}
		if tokens, err := issuer.Issue(r.Context(), jwtauth.Grant{Identity: user, Refresh: true, Request: r}); err != nil {
			authn.WriteError(w, r, err)
		} else {
			_ = jwtauth.WriteTokens(w, tokens) // a client that is gone is nobody's error
		}
	}
}

// ada has just proven her password.
func ada() *authn.Identity {
	id := authn.User("ada", "password", authn.Factor{Name: "pwd", At: time.Now()})
	id.Scopes = []string{"orders:read"}
	return id
}

// demo is what a visitor gets: live keys and tokens, and what to try with them.
type demo struct {
	URL, Typo, SpareID                      string
	Reader, Spare, Manager, Access, Refresh authn.Secret
	Calls                                   tour.Calls
}

func newDemo(ctx context.Context, keys *apikey.Keys, issuer *jwtauth.Issuer, base string) (d *demo, err error) {
	if err := keys.RevokeSubject(ctx, "ada"); err != nil { // of an earlier run, on a store that keeps
		return nil, err
	}
	reader, err1 := keys.Create(ctx, "ada", apikey.Spec{Name: "reader", Scopes: []string{"orders:read"}})
	spare, err2 := keys.Create(ctx, "ada", apikey.Spec{Name: "spare", Scopes: []string{"orders:read"}})
	manager, err3 := keys.Create(ctx, "ada", apikey.Spec{Name: "manager", Scopes: []string{"orders:read", "keys:manage"}})
	tokens, err4 := issuer.Issue(ctx, jwtauth.Grant{Identity: ada(), Refresh: true, TTL: 24 * time.Hour}) // to paste all day
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	d = &demo{
		URL: base, Typo: tour.Typo(reader.Secret.Reveal()), SpareID: spare.ID,
		Reader: reader.Secret, Spare: spare.Secret, Manager: manager.Secret, Access: tokens.Access, Refresh: tokens.Refresh,
	}
	d.Calls, err = tour.Read(files, "tour.http", d)
	return d, err
}
