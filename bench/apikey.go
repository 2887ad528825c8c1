package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

var peers = []string{
	"github.com/alexedwards/scs/goredisstore",
	"github.com/alexedwards/scs/pgxstore",
	"github.com/alexedwards/scs/v2",
	"github.com/auth0/go-jwt-middleware/v3",
	"github.com/go-chi/httprate",
	"github.com/go-redis/redis_rate/v10",
	"github.com/golang-jwt/jwt/v5",
	"github.com/gorilla/sessions",
	"github.com/jackc/pgx/v5",
	"github.com/labstack/echo/v4",
	"github.com/lestrrat-go/jwx/v3",
	"github.com/pquerna/otp",
	"github.com/redis/go-redis/v9",
	"github.com/sethvargo/go-limiter",
	"github.com/throttled/throttled/v2",
	"github.com/ulule/limiter/v3",
}

// rows are those that are wanted, without whole requests.
func rows(wanted func(name string) bool) []row {
	all := slices.Concat(contract(), apiKeys(), tokens(), sessions(), limits(), passwords(), codes(), certificates(), idTokens(), tokenRequests())
	all = slices.DeleteFunc(all, func(r row) bool { return !wanted(r.name) })
	return slices.Concat(all, storedSessions(wanted), storedLimits(wanted))
}

// sink is a ResponseWriter that costs nothing.
type sink struct{ h http.Header }

func (s sink) Header() http.Header         { return s.h }
func (s sink) Write(b []byte) (int, error) { return len(b), nil }
func (s sink) WriteHeader(int)             {}

// handle serves r again and again. The fields that a middleware may set are
// taken back by emptying their values, the same for every contender: clearing
// the map would cost most for who sets most, and a real response has a new one.
func handle(h http.Handler, r *http.Request) func() {
	once := httptest.NewRecorder()
	if h.ServeHTTP(once, r); once.Header().Get("Content-Type") != text[0] {
		panic(fmt.Sprint("a good request is answered by ", once.Code))
	}
	w := sink{http.Header{"Vary": nil, "Cache-Control": nil, "Content-Type": nil}}
	return func() {
		w.h["Vary"], w.h["Cache-Control"] = nil, nil
		h.ServeHTTP(w, r)
	}
}

var text = []string{"text/plain"}

// bare is the least that a handler does.
var bare = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header()["Content-Type"] = text })

type fixed struct{ id *authn.Identity }

func (f fixed) Verify(*http.Request) (*authn.Identity, error) { return f.id, nil }

// contract is Require around a verifier that costs nothing.
func contract() []row {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	return []row{{
		name: "Require, fixed Identity", contenders: []contender{
			{"bare handler", handle(bare, r)},
			{"authn.Require", handle(authn.Require(fixed{authn.User("ada", "fixed")})(bare), r)},
		},
		promises:  []promise{{line: "C14", of: "authn.Require", most: 1}},
		surpluses: []surplus{{"C14", "authn.Require", "bare handler", "", 500}},
	}}
}

// apiKeys is a request with a good key, and one with a mistyped one.
func apiKeys() []row {
	keys := authn.Must(apikey.New(memstore.New(memstore.Config{}), apikey.Config{Prefix: "acme_live"}))
	known := map[store.Digest]bool{}
	var raw string
	for i := range 100 {
		key, err := keys.Create(context.Background(), fmt.Sprint("owner", i), apikey.Spec{})
		if err != nil {
			panic(err)
		}
		raw = key.Secret.Reveal()
		known[store.DigestOf(raw)] = true
	}
	good, bad := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRequest(http.MethodGet, "/", nil)
	good.Header.Set("X-API-Key", raw)
	bad.Header.Set("X-API-Key", raw[:len(raw)-1]+"~")

	// What no verification can do without, as one writes it down; and the same
	// without the copy of the key on the heap.
	floor := contender{"SHA-256 + map lookup", func() { _ = known[sha256.Sum256([]byte(raw))] }}
	strict := contender{"the same, no allocation", func() { _ = known[store.DigestOf(raw)] }}

	// Echo's middleware, with the same validator.
	e := echo.New()
	e.Use(middleware.KeyAuthWithConfig(middleware.KeyAuthConfig{
		KeyLookup: "header:X-API-Key",
		Validator: func(key string, c echo.Context) (bool, error) {
			_, err := keys.Verify(c.Request())
			return err == nil, nil
		},
	}))
	e.GET("/", func(c echo.Context) error {
		c.Response().Header()["Content-Type"] = text
		return nil
	})

	return []row{
		{name: "API key, memstore", contenders: []contender{
			floor,
			strict,
			{"apikey.Keys.Verify", func() { _, _ = keys.Verify(good) }},
			{"apikey.Keys.Middleware", handle(keys.Middleware(bare), good)},
			{"echo KeyAuth, same validator", handle(e, good)},
		}, promises: []promise{
			{"K17", "apikey.Keys.Verify", floor.name, 4.5},
			{"K17", "apikey.Keys.Verify", "", 1},
			{"K17", "apikey.Keys.Middleware", floor.name, 7},
			{"K17", "apikey.Keys.Middleware", "", 2},
			{"K17", "apikey.Keys.Middleware", "echo KeyAuth, same validator", 1},
		}},
		{name: "API key, mistyped", contenders: []contender{
			floor,
			{"apikey.Keys.Verify", func() { _, _ = keys.Verify(bad) }},
		}, promises: []promise{{line: "K17", of: "apikey.Keys.Verify", most: 1}}},
	}
}
