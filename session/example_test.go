package session_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store/memstore"
)

// A login form, a page behind it, and the way out.
func Example() {
	sessions := authn.Must(session.New(memstore.New(memstore.Config{}), session.Config{}))

	site := http.NewServeMux()
	site.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()                             // before the proof is looked at
		if r.FormValue("password") != "correct horse" { // see package password
			authn.WriteError(w, r, authn.Refused("wrong password", nil))
			return
		}
		ada := authn.User("ada", "password", authn.Factor{Name: "pwd", At: began})
		ada.VerifiedAt = began
		if _, err := sessions.Login(w, r, ada, session.LoginOptions{}); err != nil {
			authn.WriteError(w, r, err)
			return
		}
		http.Redirect(w, r, "/account", http.StatusSeeOther)
	})
	site.Handle("GET /account", authn.Require(sessions)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := authn.FromContext(r.Context())
		fmt.Fprint(w, "hello ", id.Subject)
	})))
	site.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.Logout(w, r); err != nil {
			authn.WriteError(w, r, err)
		}
	})
	server := httptest.NewTLSServer(sessions.Protect(site))
	defer server.Close()

	b := newBrowser(server)
	b.get("/account")
	b.post("/login", url.Values{"password": {"correct horse"}})
	b.get("/account")
	b.post("/logout", nil)
	b.get("/account")
	// Output:
	// GET /account: 401 Unauthorized
	// POST /login: 200 OK, hello ada
	// GET /account: 200 OK, hello ada
	// POST /logout: 200 OK
	// GET /account: 401 Unauthorized
}

// browser keeps cookies and says what it is answered.
type browser struct {
	client *http.Client
	base   string
}

func newBrowser(server *httptest.Server) *browser {
	client := *server.Client()
	client.Jar = authn.Must(cookiejar.New(nil))
	return &browser{&client, server.URL}
}

func (b *browser) get(path string) { b.show("GET", path)(b.client.Get(b.base + path)) }

func (b *browser) post(path string, form url.Values) {
	b.show("POST", path)(b.client.PostForm(b.base+path, form))
}

func (b *browser) show(method, path string) func(*http.Response, error) {
	return func(resp *http.Response, err error) {
		if err != nil {
			fmt.Println(err)
			return
		}
		defer resp.Body.Close()
		body := authn.Must(io.ReadAll(resp.Body))
		fmt.Printf("%s %s: %s", method, path, resp.Status)
		if resp.StatusCode == http.StatusOK && len(body) > 0 {
			fmt.Printf(", %s", body)
		}
		fmt.Println()
	}
}
