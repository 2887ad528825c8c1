package jwtauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store/memstore"
)

// A mobile app exchanges its refresh token for the next pair. The host is asked
// about its user each time, so that who was switched off is logged out.
func ExampleIssuer_RefreshHandler() {
	active := true
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.EdDSA))))
	issuer := authn.Must(jwtauth.NewIssuer(ring, memstore.New(memstore.Config{}), authn.GenerateKeychain(), jwtauth.IssuerConfig{
		Issuer: "https://auth.example.com", Audience: []string{"https://api.example.com"},
		Reload: func(_ context.Context, id *authn.Identity) (*authn.Identity, error) {
			if !active { // in a real service: the table of users
				return nil, authn.Refused("inactive", nil)
			}
			id.Roles = []string{"editor"}
			return id, nil
		},
	}))
	mux := http.NewServeMux()
	mux.Handle("POST /token/refresh", issuer.RefreshHandler())

	tokens := authn.Must(issuer.Issue(context.Background(), jwtauth.Grant{Identity: authn.User("ada", "password"), Refresh: true}))
	refresh := func(token string) (next string) {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
		r := httptest.NewRequest("POST", "/token/refresh", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		var body struct {
			Token   string `json:"access_token"`
			Type    string `json:"token_type"`
			Expires int    `json:"expires_in"`
			Refresh string `json:"refresh_token"`
			Error   string `json:"error"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			fmt.Println(err)
		}
		if body.Error != "" {
			fmt.Println(w.Code, body.Error)
		} else {
			fmt.Println(w.Code, body.Type, body.Expires)
		}
		return body.Refresh
	}
	first := tokens.Refresh.Reveal()
	second := refresh(first)
	fmt.Println("the answer got lost, so again: the same one:", refresh(first) == second)
	third := refresh(second)
	refresh(first) // a thief comes late: this ends the login, for both
	refresh(third)

	tokens = authn.Must(issuer.Issue(context.Background(), jwtauth.Grant{Identity: authn.User("bob", "password"), Refresh: true}))
	active = false
	refresh(tokens.Refresh.Reveal())
	// Output:
	// 200 Bearer 900
	// 200 Bearer 900
	// the answer got lost, so again: the same one: true
	// 200 Bearer 900
	// 400 invalid_grant
	// 400 invalid_grant
	// 400 invalid_grant
}

// A browser keeps both tokens in cookies that no script reads.
func ExampleIssuer_SetCookies() {
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.ES256))))
	issuer := authn.Must(jwtauth.NewIssuer(ring, memstore.New(memstore.Config{}), authn.GenerateKeychain(), jwtauth.IssuerConfig{
		Issuer: "https://auth.example.com", Audience: []string{"https://app.example.com"},
		Cookies: &jwtauth.Cookies{RefreshPath: "/token/refresh"},
	}))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		tokens, err := issuer.Issue(r.Context(), jwtauth.Grant{Identity: authn.User("ada", "password"), Refresh: true, Request: r})
		if err == nil {
			err = issuer.SetCookies(w, tokens)
		}
		if err != nil {
			authn.WriteError(w, r, err)
		}
	})
	mux.Handle("GET /orders", authn.Require(issuer.Verifier())(http.HandlerFunc(exampleOrders)))
	mux.Handle("POST /token/refresh", issuer.RefreshHandler())
	mux.Handle("POST /token/refresh/logout", issuer.LogoutHandler()) // below it, so that its cookie comes

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("POST", "https://app.example.com/login", nil))
	var jar []*http.Cookie
	for _, c := range w.Result().Cookies() {
		fmt.Println(c.Name, c.Path, c.Secure, c.HttpOnly)
		jar = append(jar, c)
	}
	send := func(method, path, site string) {
		r := httptest.NewRequest(method, "https://app.example.com"+path, nil)
		r.Header.Set("Sec-Fetch-Site", site)
		for _, c := range jar {
			if strings.HasPrefix(path, c.Path) {
				r.AddCookie(c)
			}
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(method, path, w.Code)
	}
	send("GET", "/orders", "same-origin")
	send("POST", "/token/refresh", "cross-site") // another site's form
	send("POST", "/token/refresh", "same-origin")
	send("POST", "/token/refresh/logout", "same-origin")
	send("GET", "/orders", "same-origin")
	// Output:
	// __Host-access / true true
	// __Secure-refresh /token/refresh true true
	// GET /orders 200
	// POST /token/refresh 403
	// POST /token/refresh 200
	// POST /token/refresh/logout 204
	// GET /orders 401
}
