package session_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store/memstore"
)

// A basket that is filled before the login and kept through it.
func Example_data() {
	sessions := authn.Must(session.New(memstore.New(memstore.Config{}), session.Config{}))
	basket := session.NewKey[[]string]("basket")

	site := http.NewServeMux()
	site.HandleFunc("POST /basket", func(w http.ResponseWriter, r *http.Request) {
		// What another tab adds meanwhile is not lost: the func then runs again.
		err := sessions.Update(w, r, func(d *session.Data) error {
			items, _, err := basket.Get(d)
			if err != nil {
				return err
			}
			return basket.Set(d, append(items, r.FormValue("item")))
		})
		if err != nil {
			authn.WriteError(w, r, err)
		}
	})
	site.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		ada := authn.User("ada", "password", authn.Factor{Name: "pwd", At: time.Now()})
		if _, err := sessions.Login(w, r, ada, session.LoginOptions{KeepData: true}); err != nil {
			authn.WriteError(w, r, err)
		}
	})
	site.HandleFunc("GET /basket", func(w http.ResponseWriter, r *http.Request) {
		data, err := sessions.Data(r)
		if err != nil {
			authn.WriteError(w, r, err)
			return
		}
		items, _, _ := basket.Get(data)
		fmt.Fprint(w, items)
	})
	server := httptest.NewTLSServer(sessions.Protect(site))
	defer server.Close()

	b := newBrowser(server)
	b.get("/basket")
	b.post("/basket", url.Values{"item": {"tea"}})
	b.post("/basket", url.Values{"item": {"milk"}})
	b.post("/login", nil)
	b.get("/basket")
	// Output:
	// GET /basket: 200 OK, []
	// POST /basket: 200 OK
	// POST /basket: 200 OK
	// POST /login: 200 OK
	// GET /basket: 200 OK, [tea milk]
}
