package apikey_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// A key is made, used, rotated without downtime, and revoked.
func ExampleNew() {
	ctx := context.Background()
	keys, err := apikey.New(memstore.New(memstore.Config{}), apikey.Config{
		Prefix: "acme_live",
		Scopes: []string{"orders:read"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	orders := authn.Require(keys, authn.Scopes("orders:read"))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := authn.FromContext(r.Context())
		key, _ := apikey.FromContext(r.Context())
		fmt.Fprintf(w, "orders of %s, by the key %q", id.Subject, key.Name)
	}))
	get := func(secret authn.Secret) {
		r := httptest.NewRequest("GET", "/orders", nil)
		r.Header.Set("X-API-Key", secret.Reveal())
		w := httptest.NewRecorder()
		orders.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			fmt.Println(w.Code)
			return
		}
		fmt.Println(w.Code, w.Body)
	}

	key, err := keys.Create(ctx, "ada", apikey.Spec{Name: "ci", Scopes: []string{"orders:read"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("shown once:", len(key.Secret.Reveal()), "characters; in a log:", key.Secret)
	get(key.Secret)

	next, err := keys.Rotate(ctx, "ada", key.ID, time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}
	get(key.Secret) // for an hour
	get(next.Secret)

	if err := keys.Revoke(ctx, "ada", next.ID); err != nil {
		fmt.Println(err)
		return
	}
	get(next.Secret)
	// Output:
	// shown once: 60 characters; in a log: [redacted]
	// 200 orders of ada, by the key "ci"
	// 200 orders of ada, by the key "ci"
	// 200 orders of ada, by the key "ci"
	// 401
}

// Owners manage their keys over HTTP, behind any method that knows people.
func ExampleKeys_Handler() {
	keys := authn.Must(apikey.New(memstore.New(memstore.Config{}), apikey.Config{Prefix: "acme_live", Scopes: []string{"orders:read"}}))
	ada := authn.User("ada", "session", authn.Factor{Name: "pwd", At: time.Now()})
	ada.Scopes = []string{"orders:read"}
	people := authn.Guard{Verifier: verifier{ada}} // in a real service: sessions

	mux := http.NewServeMux()
	mux.Handle("/keys/", http.StripPrefix("/keys", people.Require()(keys.Handler())))

	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/keys/", strings.NewReader(`{"name": "ci"}`))
	r.Header.Set("Content-Type", "application/json")
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("Cache-Control"))
	list, _, err := keys.List(context.Background(), "ada", store.Page{})
	fmt.Println(len(list), err)
	// Output:
	// 201 no-store
	// 1 <nil>
}

// The keys of an older system go on working while clients move.
func ExampleKeys_Adopt() {
	ctx := context.Background()
	keys := authn.Must(apikey.New(memstore.New(memstore.Config{}), apikey.Config{
		Prefix: "acme_live",
		Legacy: []apikey.Legacy{{
			Prefix: "sk_live_", Alphabet: "0123456789abcdef", Length: 32,
			Until: time.Now().Add(90 * 24 * time.Hour),
		}},
	}))
	// The old table has the SHA-256 of each key, or the keys themselves.
	digest := store.DigestOf("sk_live_0123456789abcdef0123456789abcdef")
	if _, err := keys.Adopt(ctx, "ada", digest, apikey.Spec{Name: "from before"}); err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer sk_live_0123456789abcdef0123456789abcdef")
	id, err := keys.Verify(r)
	fmt.Println(id.Subject, err)
	// Output: ada <nil>
}
