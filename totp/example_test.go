package totp_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/pquerna/otp"
	reference "github.com/pquerna/otp/totp"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store/memstore"
	"github.com/gatehouse-go/authn/totp"
)

// Whoever is enrolled is nobody after the password, until the code is proven.
func Example() {
	st, keychain := memstore.New(memstore.Config{}), authn.GenerateKeychain() // in a real service: authn.ParseKeychain
	codes := authn.Must(totp.New(st, keychain, totp.Config{Issuer: "Acme"}))
	sessions := authn.Must(session.New(st, session.Config{Owed: codes.Owed}))
	adasPhone := enrolExample(codes)

	site := http.NewServeMux()
	site.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		// Once the password is right:
		id, err := sessions.Login(w, r, authn.User("ada", "password", authn.Factor{Name: "pwd", At: time.Now()}), session.LoginOptions{})
		if err != nil {
			authn.WriteError(w, r, err)
			return
		}
		fmt.Fprint(w, "owes ", id.Pending)
	})
	page := func(w http.ResponseWriter, _ *http.Request, err error) {
		if err != nil {
			w.WriteHeader(authn.AsError(err).Status)
		}
		fmt.Fprint(w, `<form method="post">code: <input name="code" autocomplete="one-time-code">`)
	}
	site.Handle("/login/otp", authn.Require(sessions, authn.AllowPending("otp"))(codes.Challenge(sessions, page)))
	site.Handle("GET /account", authn.Require(sessions)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "welcome")
	})))
	server := httptest.NewTLSServer(sessions.Protect(site))
	defer server.Close()

	b := newExampleBrowser(server)
	b.post("/login", nil)
	b.get("/account")
	b.post("/login/otp?return_to=/account", url.Values{"code": {"what?"}})
	b.post("/login/otp?return_to=/account", url.Values{"code": {adasPhone.code()}})
	// Output:
	// POST /login: 200 OK, owes [otp]
	// GET /account: 401 Unauthorized
	// POST /login/otp: 401 Unauthorized
	// POST /login/otp: 200 OK, welcome
}

// A user enrols by a QR code and a first code. Recovery codes are shown once.
func ExampleManager_Begin() {
	ctx := context.Background()
	codes := authn.Must(totp.New(memstore.New(memstore.Config{}), authn.GenerateKeychain(), totp.Config{Issuer: "Acme"}))

	ada := authn.User("ada", "session", authn.Factor{Name: "pwd", At: time.Now()}) // of a guarded request
	e := authn.Must(codes.Begin(ctx, ada, "ada@example.com"))
	img := authn.Must(e.DataURI(256)) // for <img src>, with e.Secret beside it to type
	fmt.Println(img[:22])
	fmt.Println(e)

	_, recovery, err := codes.Confirm(ctx, "ada", examplePhone(e).code())
	fmt.Println(len(recovery), "recovery codes,", err)
	_, err = codes.Verify(ctx, "ada", recovery[0].Reveal())
	fmt.Println("recovery code:", err)
	_, err = codes.Verify(ctx, "ada", recovery[0].Reveal())
	fmt.Println("again:", err)
	fmt.Println(authn.Must(codes.Status(ctx, "ada")).RecoveryCodes, "left")

	_, err = codes.Begin(ctx, ada, "ada@example.com") // another phone
	fmt.Println("replace:", err)
	// Output:
	// data:image/png;base64,
	// {[redacted] [redacted]}
	// 10 recovery codes, <nil>
	// recovery code: <nil>
	// again: authn: wrong recovery code: authn/totp: wrong code
	// 9 left
	// replace: authn: step-up otp
}

// app is what a user has in the hand.
type app struct{ key *otp.Key }

func examplePhone(e totp.Enrollment) *app {
	return &app{authn.Must(otp.NewKeyFromURL(e.URI.Reveal()))}
}

func (a *app) code() string { return authn.Must(reference.GenerateCode(a.key.Secret(), time.Now())) }

// enrolExample enrols ada, a minute ago, so that the code of now is a new one.
func enrolExample(codes *totp.Manager) *app {
	ctx, at := context.Background(), time.Now().Add(-30*time.Second)
	a := examplePhone(authn.Must(codes.Begin(ctx, authn.User("ada", "password"), "ada@example.com")))
	if _, _, err := codes.Confirm(ctx, "ada", authn.Must(reference.GenerateCode(a.key.Secret(), at))); err != nil {
		panic(err)
	}
	return a
}

// exampleBrowser keeps cookies, follows redirects and says what it is answered.
type exampleBrowser struct {
	client *http.Client
	base   string
}

func newExampleBrowser(server *httptest.Server) *exampleBrowser {
	client := *server.Client()
	client.Jar = authn.Must(cookiejar.New(nil))
	return &exampleBrowser{&client, server.URL}
}

func (b *exampleBrowser) get(path string) { b.show("GET", path)(b.client.Get(b.base + path)) }

func (b *exampleBrowser) post(path string, form url.Values) {
	b.show("POST", path)(b.client.PostForm(b.base+path, form))
}

func (b *exampleBrowser) show(method, path string) func(*http.Response, error) {
	return func(resp *http.Response, err error) {
		if err != nil {
			fmt.Println(err)
			return
		}
		defer resp.Body.Close()
		body := authn.Must(io.ReadAll(resp.Body))
		u := authn.Must(url.Parse(path))
		fmt.Printf("%s %s: %s", method, u.Path, resp.Status)
		if resp.StatusCode == http.StatusOK && len(body) > 0 {
			fmt.Printf(", %s", body)
		}
		fmt.Println()
	}
}
