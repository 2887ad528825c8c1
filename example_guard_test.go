package authn_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
)

// A Guard answers in the host's own words and writes the audit log; what it
// refuses stays the same.
func ExampleGuard() {
	ada := authn.User("ada", "session")
	guard := authn.Guard{
		Verifier: authntest.Verifier(ada, nil), // in a real service: apikey.Keys, FirstOf(…)
		Rules:    []authn.Rule{authn.OfKind(authn.KindUser)},
		OnError: func(w http.ResponseWriter, r *http.Request, err *authn.Error) {
			w.WriteHeader(err.Status)
			fmt.Fprintln(w, "sorry:", err.Code)
		},
		OnEvent: func(_ context.Context, e authn.Event) {
			fmt.Fprintln(os.Stdout, "audit:", e.Kind, e.Subject, e.Reason)
		},
	}
	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard.Require()(http.HandlerFunc(orders)))
	mux.Handle("GET /admin", guard.Require(authn.AnyRole("admin"))(http.HandlerFunc(orders)))

	try(mux, "GET", "/orders")
	try(mux, "GET", "/admin")
	// Output:
	// 200 orders of ada, by session
	// audit: denied ada missing role
	// 403 sorry: forbidden
}

// A browser that is refused is sent to the page that helps, and comes back.
func ExamplePages() {
	pages := authn.Pages{Login: "/login", Factor: map[string]string{"otp": "/login/otp"}}
	nobody := authntest.Verifier(nil, authn.ErrNoCredential)
	h := authn.Guard{Verifier: nobody, OnError: pages.OnError}.Require()(http.HandlerFunc(orders))

	w := serve(h, request("Sec-Fetch-Mode", "navigate"))
	fmt.Println(w.Code, w.Header().Get("Location"))

	// The login form posts to its own URL. Afterwards:
	login := authn.Must(http.NewRequest("POST", w.Header().Get("Location"), nil))
	ada := authn.User("ada", "password")
	fmt.Println(pages.Next(ada, authn.ReturnTo(login, "/")))
	ada.Pending = []string{"otp"} // by the session, for who has a second factor
	fmt.Println(pages.Next(ada, authn.ReturnTo(login, "/")))
	// Output:
	// 303 /login?return_to=%2Forders%3Fid%3D7
	// /orders?id=7
	// /login/otp?return_to=%2Forders%3Fid%3D7
}

// The host looks at its own users at each request: who is switched off is out
// at once, and roles are those of now.
func ExampleEnrich() {
	roles := map[string][]string{"ada": {"editor"}}
	users := func(_ context.Context, id *authn.Identity) (*authn.Identity, error) {
		r, active := roles[id.Subject]
		if !active {
			return nil, authn.Refused("inactive", nil)
		}
		id.Roles = r
		return id, nil
	}
	v := authn.Enrich(authntest.Verifier(authn.User("ada", "session"), nil), users)
	h := authn.Require(v, authn.AnyRole("editor"))(http.HandlerFunc(orders))

	try(h, "GET", "/orders")
	delete(roles, "ada")
	w := serve(h, request())
	fmt.Println(w.Code)
	// Output:
	// 200 orders of ada, by session
	// 401
}

// A dangerous action wants a factor that was proven just now (RFC 9470).
func ExampleWithin() {
	ada := authn.User("ada", "session", authn.Factor{Name: "otp", At: time.Now().Add(-time.Hour)})
	_, err := authn.Check(authntest.Verifier(ada, nil), request(), authn.Within(10*time.Minute, "otp"))
	e := authn.AsError(err)
	fmt.Println(e.Status, e.Code, e.Factor, e.MaxAge)
	// Output: 401 insufficient_user_authentication otp 10m0s
}

// What has no http.Handler takes Check's decision: gRPC, websockets.
func ExampleCheck() {
	down := authntest.Verifier(nil, errors.New("connection refused"))
	_, err := authn.Check(down, request())
	fmt.Println(authn.AsError(err).Status, errors.Is(err, authn.ErrNoCredential))
	_, err = authn.Check(authntest.Verifier(nil, authn.ErrNoCredential), request())
	fmt.Println(authn.AsError(err).Status, errors.Is(err, authn.ErrNoCredential))
	// Output:
	// 503 false
	// 401 true
}
