package password_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/password"
	"github.com/gatehouse-go/authn/ratelimit"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// Registering, logging in, a forgotten password. Guesses are limited, and a
// changed password ends the sessions.
func Example() {
	st := memstore.New(memstore.Config{})
	sessions := authn.Must(session.New(st, session.Config{}))
	attempts := authn.Must(ratelimit.NewAttempts(st, authn.GenerateKeychain(), ratelimit.AttemptsConfig{}))
	users := authn.Must(password.New(st, attempts, password.Config{ // st: or your own table, three methods
		Revoke:  sessions,
		OneTime: authn.Must(password.NewOneTime(st, password.OneTimeConfig{})),
	}))
	var mail string

	site := http.NewServeMux()
	site.HandleFunc("POST /register", func(w http.ResponseWriter, r *http.Request) {
		email, ok := password.NormalName(r.PostFormValue("email"))
		if !ok {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		hash, err := users.Prepare(r.Context(), r.PostFormValue("password"), password.About{Email: email, Service: "acme"})
		var weak *password.PolicyError
		if errors.As(err, &weak) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			for _, v := range weak.Violations {
				fmt.Fprint(w, v.Code, " to ", v.Args["to"]) // in your users' words
			}
			return
		}
		if err == nil {
			err = st.CreatePassword(r.Context(), store.Password{Subject: "u1", Name: email, Hash: hash}, time.Now())
		}
		if err != nil && !errors.Is(err, store.ErrExists) { // who exists is told by mail, and nobody else
			authn.WriteError(w, r, err)
			return
		}
		fmt.Fprint(w, "look into your mail")
	})
	site.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		id, err := users.Authenticate(r, r.PostFormValue("email"), r.PostFormValue("password"))
		if err == nil {
			id, err = sessions.Login(w, r, id, session.LoginOptions{})
		}
		if err != nil {
			authn.WriteError(w, r, err)
			return
		}
		fmt.Fprint(w, "hello ", id.Subject)
	})
	site.HandleFunc("POST /forgot", func(w http.ResponseWriter, r *http.Request) {
		err := users.Forgot(r, r.PostFormValue("email"), func(_ context.Context, _ string, token authn.Secret) error {
			mail = token.Reveal() // hand it to a queue
			return nil
		})
		if err != nil {
			authn.WriteError(w, r, err)
			return
		}
		fmt.Fprint(w, "look into your mail")
	})
	site.HandleFunc("POST /reset", func(w http.ResponseWriter, r *http.Request) {
		if _, err := users.Reset(r, r.PostFormValue("token"), r.PostFormValue("password"), password.About{Service: "acme"}); err != nil {
			authn.WriteError(w, r, err)
			return
		}
		fmt.Fprint(w, "log in with the new one")
	})

	show := func(path string, form url.Values) {
		r := httptest.NewRequest("POST", "https://app.example"+path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		sessions.Protect(site).ServeHTTP(w, r)
		body := w.Body.String()
		if w.Header().Get("Content-Type") == "application/problem+json" {
			body = "a problem"
		}
		fmt.Printf("%s: %d, %s\n", path, w.Code, body)
	}
	ada := func(pw string) url.Values { return url.Values{"email": {"ada@example.com"}, "password": {pw}} }
	show("/register", ada("ada@example.com1"))
	show("/register", url.Values{"email": {"Ada@Example.com"}, "password": {"a lamp beside the harbour"}})
	show("/register", ada("another one for the same address"))
	show("/login", ada("a lamp beside the harbor"))
	show("/login", ada("a lamp beside the harbour"))
	show("/forgot", url.Values{"email": {"bob@example.com"}})
	show("/forgot", ada(""))
	show("/reset", url.Values{"token": {mail}, "password": {"seven kites above the quarry"}})
	show("/reset", url.Values{"token": {mail}, "password": {"fourteen doors along a hall"}})
	show("/login", ada("a lamp beside the harbour"))
	show("/login", ada("seven kites above the quarry"))
	// Output:
	// /register: 422, similar to email
	// /register: 200, look into your mail
	// /register: 200, look into your mail
	// /login: 401, a problem
	// /login: 200, hello u1
	// /forgot: 200, look into your mail
	// /forgot: 200, look into your mail
	// /reset: 200, log in with the new one
	// /reset: 400, a problem
	// /login: 401, a problem
	// /login: 200, hello u1
}
