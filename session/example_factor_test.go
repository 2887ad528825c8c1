package session_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store/memstore"
)

// Who owes a second factor is nobody until it is proven, whichever way they
// came in.
func ExampleManager_AddFactor() {
	sessions := authn.Must(session.New(memstore.New(memstore.Config{}), session.Config{
		// As totp.Manager.Owed does.
		Owed: func(_ context.Context, _ *http.Request, id *authn.Identity) ([]string, error) {
			if _, proven := id.FactorAt("otp"); proven {
				return nil, nil
			}
			return []string{"otp"}, nil
		},
	}))

	site := http.NewServeMux()
	site.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		id, err := sessions.Login(w, r, authn.User("ada", "password", authn.Factor{Name: "pwd", At: time.Now()}), session.LoginOptions{})
		if err != nil {
			authn.WriteError(w, r, err)
			return
		}
		fmt.Fprint(w, "owes ", id.Pending)
	})
	site.Handle("POST /login/otp", authn.Require(sessions, authn.AllowPending("otp"))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("code") != "123456" { // see package totp
			authn.WriteError(w, r, authn.Refused("wrong code", nil))
			return
		}
		id, err := sessions.AddFactor(w, r, authn.Factor{Name: "otp", At: time.Now()})
		if err != nil {
			authn.WriteError(w, r, err)
			return
		}
		fmt.Fprint(w, "owes ", id.Pending)
	})))
	site.Handle("GET /account", authn.Require(sessions)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "welcome")
	})))
	server := httptest.NewTLSServer(sessions.Protect(site))
	defer server.Close()

	b := newBrowser(server)
	b.post("/login", nil)
	b.get("/account")
	b.post("/login/otp", url.Values{"code": {"123456"}})
	b.get("/account")
	// Output:
	// POST /login: 200 OK, owes [otp]
	// GET /account: 401 Unauthorized
	// POST /login/otp: 200 OK, owes []
	// GET /account: 200 OK, welcome
}
