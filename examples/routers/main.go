// Routers has the same three protected routes on five routers, a file for each.
// From the repository's root:
//
//	go run ./examples/routers -router=chi  # or nethttp, echo, gin, connect: curl lines to paste
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/examples/internal/stores"
	"github.com/gatehouse-go/authn/examples/internal/tour"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/session"
)

// Guards are what every router gets: who may come at all. A route adds rules.
type Guards struct {
	Programs authn.Guard // with an API key
	People   authn.Guard // with a token or a session
}

// admins may remove a user, within ten minutes of their second factor.
var admins = []authn.Rule{authn.AnyRole("admin"), authn.Within(10*time.Minute, "otp")}

// Answer is that of each route: what was asked for, and by whom.
type Answer struct {
	ID      string `json:"id,omitempty"`
	Subject string `json:"subject"`
	Method  string `json:"method"`
}

// Router is a way to serve the routes, and how they are called there.
type Router struct {
	New               func(Guards) http.Handler
	Order, Me, Remove tour.Call
}

var routers = map[string]Router{
	"nethttp": byPath(NetHTTP), "chi": byPath(Chi), "echo": byPath(Echo), "gin": byPath(Gin),
	"connect": {Connect, procedure("Order", `{"id": "7"}`), procedure("Me", `{}`), procedure("RemoveUser", `{"id": "bob"}`)},
}

func byPath(router func(Guards) http.Handler) Router {
	return Router{
		router,
		tour.Call{Method: http.MethodGet, URL: "/orders/7"},
		tour.Call{Method: http.MethodGet, URL: "/me"},
		tour.Call{Method: http.MethodDelete, URL: "/users/bob"},
	}
}

func procedure(name, message string) tour.Call {
	return tour.Call{Method: http.MethodPost, URL: "/shop.v1.Shop/" + name, Header: []string{"Content-Type: application/json"}, Body: message}
}

func main() {
	names := strings.Join(slices.Sorted(maps.Keys(routers)), ", ")
	name := flag.String("router", "nethttp", "one of "+names)
	tour.Main("routers", func(ctx context.Context, o tour.Options) error {
		router, ok := routers[*name]
		if !ok {
			return fmt.Errorf("-router=%s: there are %s", *name, names)
		}
		return run(ctx, o, router)
	})
}

func run(ctx context.Context, o tour.Options, router Router) error {
	st, closeStore, err := stores.Open(ctx, o.Store)
	if err != nil {
		return err
	}
	defer func() { _ = closeStore() }()
	base, audit := tour.URL(o.Listener.Addr()), authn.Slog(nil)
	keys := authn.Must(apikey.New(st, apikey.Config{Prefix: "acme_dev", Scopes: []string{"orders:read"}, OnEvent: audit}))
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.ES256))))
	issuer := authn.Must(jwtauth.NewIssuer(ring, st, authn.GenerateKeychain(), jwtauth.IssuerConfig{Issuer: base, Audience: []string{base}, OnEvent: audit}))
	sessions := authn.Must(session.New(st, session.Config{OnEvent: audit, InsecureDevelopmentCookie: true})) // on loopback only

	mux := http.NewServeMux()
	mux.Handle("/", router.New(Guards{
		Programs: authn.Guard{Verifier: keys, OnEvent: audit},
		People:   authn.Guard{Verifier: authn.FirstOf(issuer.Verifier(), sessions), OnEvent: audit},
	}))
	mux.Handle("POST /login", issuer.Verifier().Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := authn.FromContext(r.Context()) // a password is quickstart's matter: here a token starts a session
		if _, err := sessions.Login(w, r, id, session.LoginOptions{}); err != nil {
			authn.WriteError(w, r, err)
		}
	})))
	calls, err := requests(ctx, base, router, keys, issuer)
	if err != nil {
		return err
	}
	return calls.Serve(ctx, o.Listener, mux, o.Walk, keys.Close)
}

// requests are what a visitor may try, with live credentials in them.
func requests(ctx context.Context, base string, router Router, keys *apikey.Keys, issuer *jwtauth.Issuer) (tour.Calls, error) {
	token := func(subject, role string, factors ...authn.Factor) (string, error) {
		id := authn.User(subject, "password", factors...)
		id.Roles = []string{role}
		tokens, err := issuer.Issue(ctx, jwtauth.Grant{Identity: id, TTL: time.Hour})
		return "Authorization: Bearer " + tokens.Access.Reveal(), err
	}
	err0 := keys.RevokeSubject(ctx, "ada") // an earlier run's, on a store that keeps
	created, err1 := keys.Create(ctx, "ada", apikey.Spec{Name: "reader", Scopes: []string{"orders:read"}})
	ada, err2 := token("ada", "admin", authn.Factor{Name: "otp", At: time.Now()})
	bob, err3 := token("bob", "clerk")
	cay, err4 := token("cay", "admin", authn.Factor{Name: "otp", At: time.Now().Add(-time.Hour)})
	if err := errors.Join(err0, err1, err2, err3, err4); err != nil {
		return nil, err
	}
	key := "X-API-Key: " + created.Secret.Reveal()
	call := func(c tour.Call, title string, want int, says, browser string, header ...string) tour.Call {
		return tour.Call{
			Title: title, Method: c.Method, URL: base + c.URL, Header: slices.Concat(header, c.Header), Body: c.Body,
			Browser: browser, Want: want, Says: says,
		}
	}
	login := tour.Call{Method: http.MethodPost, URL: "/login"}
	return tour.Calls{
		call(router.Order, "an API key with the scope", 200, `"ada"`, "", key),
		call(router.Order, "no key", 401, `ApiKey realm="api"`, ""),
		call(router.Me, "a token", 200, `"jwt"`, "", bob),
		call(router.Me, "a key is nobody here, though it is ada's", 401, `Bearer realm="api"`, "", key),
		call(login, "a session", 200, "Set-Cookie: session=", "laptop", bob),
		call(router.Me, "its cookie", 200, `"session"`, "laptop"),
		call(router.Remove, "an admin, within ten minutes of the second factor", 200, `"ada"`, "", ada),
		call(router.Remove, "no admin", 403, `"forbidden"`, "", bob),
		call(router.Remove, "an admin whose second factor was an hour ago", 401, `max_age="600"`, "", cay),
	}, nil
}
