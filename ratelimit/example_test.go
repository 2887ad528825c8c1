package ratelimit_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/ratelimit"
	"github.com/gatehouse-go/authn/store/memstore"
)

// Five requests a minute from one address, exactly.
func Example() {
	limiter := authn.Must(ratelimit.New(memstore.New(memstore.Config{}), ratelimit.Config{},
		ratelimit.Window("login", 5, time.Minute, ratelimit.ByClient)))
	site := limiter.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))

	for range 6 {
		w := httptest.NewRecorder()
		site.ServeHTTP(w, httptest.NewRequest("POST", "/login", nil))
		left, _, _ := strings.Cut(w.Header().Get("RateLimit"), ";t=") // and in how many seconds it is as before
		fmt.Println(w.Code, w.Header().Get("RateLimit-Policy"), left, w.Header().Get("Retry-After") != "")
	}
	// Output:
	// 200 "login";q=5;w=60 "login";r=4 false
	// 200 "login";q=5;w=60 "login";r=3 false
	// 200 "login";q=5;w=60 "login";r=2 false
	// 200 "login";q=5;w=60 "login";r=1 false
	// 200 "login";q=5;w=60 "login";r=0 false
	// 429 "login";q=5;w=60 "login";r=0 true
}

// Guesses are counted before they are looked at. The owner's browser, which was
// remembered, gets in while others guess.
func ExampleAttempts() {
	attempts := authn.Must(ratelimit.NewAttempts(memstore.New(memstore.Config{}), authn.GenerateKeychain(), ratelimit.AttemptsConfig{}))
	login := func(w http.ResponseWriter, r *http.Request, right bool) error {
		attempt, err := attempts.Reserve(r, "ada", "ada@example.com") // password.Authenticator does this
		if err != nil || !right {
			return err
		}
		if err := attempt.Succeeded(r.Context()); err != nil {
			return err
		}
		return attempts.Remember(w, r, "ada")
	}

	home := httptest.NewRequest("POST", "/login", nil)
	w := httptest.NewRecorder()
	fmt.Println("the owner:", login(w, home, true))
	home.Header.Set("Cookie", w.Header().Get("Set-Cookie"))

	refused := 0
	for i := range 100 {
		r := httptest.NewRequest("POST", "/login", nil)
		addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
		if login(nil, r.WithContext(authn.WithClient(r.Context(), authn.NewClient(addr))), false) != nil {
			refused++
		}
	}
	fmt.Println("guesses refused:", refused)
	fmt.Println("the owner:", login(httptest.NewRecorder(), home, true))
	// Output:
	// the owner: <nil>
	// guesses refused: 80
	// the owner: <nil>
}

// K18: two plans. An API key's own quota, from its metadata, takes the place of
// the policy's.
func ExamplePolicy_quota() {
	st := memstore.New(memstore.Config{})
	keys := authn.Must(apikey.New(st, apikey.Config{Prefix: "acme_live"}))
	plan := ratelimit.GCRA("plan", 100, time.Hour, 1000, ratelimit.ByCredential)
	plan.Quota = func(r *http.Request) (int, bool) {
		key, ok := apikey.FromContext(r.Context())
		n, err := strconv.Atoi(key.Metadata["hourly"])
		return n, ok && err == nil
	}
	limiter := authn.Must(ratelimit.New(st, ratelimit.Config{}, plan))
	api := authn.Require(keys)(limiter.Middleware(http.NotFoundHandler()))

	for _, spec := range []apikey.Spec{{Name: "free"}, {Name: "paid", Metadata: map[string]string{"hourly": "5000"}}} {
		key, err := keys.Create(context.Background(), "ada", spec)
		if err != nil {
			fmt.Println(err)
			return
		}
		r := httptest.NewRequest("GET", "/orders", nil)
		r.Header.Set("X-API-Key", key.Secret.Reveal())
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Println(spec.Name, w.Header().Get("RateLimit-Policy"))
	}
	// Output:
	// free "plan";q=100;w=3600
	// paid "plan";q=5000;w=3600
}
