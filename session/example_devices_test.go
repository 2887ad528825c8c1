package session_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// A page of devices: what is signed in, and the way to end the others.
func ExampleManager_List() {
	sessions := authn.Must(session.New(memstore.New(memstore.Config{}), session.Config{}))

	site := http.NewServeMux()
	site.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		ada := authn.User("ada", "password", authn.Factor{Name: "pwd", At: time.Now()})
		if _, err := sessions.Login(w, r, ada, session.LoginOptions{}); err != nil {
			authn.WriteError(w, r, err)
		}
	})
	private := func(pattern string, h http.HandlerFunc) { site.Handle(pattern, authn.Require(sessions)(h)) }
	private("GET /devices", func(w http.ResponseWriter, r *http.Request) {
		id, _ := authn.FromContext(r.Context())
		list, _, err := sessions.List(r.Context(), id.Subject, store.Page{})
		if err != nil {
			authn.WriteError(w, r, err)
			return
		}
		for _, s := range list {
			fmt.Fprintf(w, "[%s, this one: %v]", s.UserAgent, s.Current)
		}
	})
	private("POST /devices/others/revoke", func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.RevokeOthers(r.Context()); err != nil {
			authn.WriteError(w, r, err)
		}
	})
	server := httptest.NewTLSServer(sessions.Protect(site))
	defer server.Close()

	phone, laptop := newBrowser(server), newBrowser(server)
	phone.post("/login", nil)
	laptop.post("/login", nil)
	laptop.get("/devices")
	laptop.post("/devices/others/revoke", nil)
	laptop.get("/devices")
	phone.get("/devices")
	// Output:
	// POST /login: 200 OK
	// POST /login: 200 OK
	// GET /devices: 200 OK, [Go-http-client/1.1, this one: true][Go-http-client/1.1, this one: false]
	// POST /devices/others/revoke: 200 OK
	// GET /devices: 200 OK, [Go-http-client/1.1, this one: true]
	// GET /devices: 401 Unauthorized
}
