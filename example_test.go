package authn_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/store/memstore"
)

// orders is the handler that the examples protect.
func orders(w http.ResponseWriter, r *http.Request) {
	id, _ := authn.FromContext(r.Context())
	fmt.Fprintf(w, "orders of %s, by %s\n", id.Subject, id.Method)
}

// try sends one request and prints the answer. fields are names and values.
func try(h http.Handler, method, path string, fields ...string) {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, _ := io.ReadAll(w.Body)
	fmt.Println(w.Code, strings.TrimSpace(string(body)))
	for _, challenge := range w.Header()["Www-Authenticate"] {
		fmt.Println("  ", challenge)
	}
}

// C15: API keys protect a route. The store is the one line to change.
func Example() {
	keys := authn.Must(apikey.New(memstore.New(memstore.Config{}), apikey.Config{
		Prefix: "acme_live", Scopes: []string{"orders:read", "orders:write"},
	}))
	key, err := keys.Create(context.Background(), "ada", apikey.Spec{Name: "ci", Scopes: []string{"orders:read"}})
	if err != nil {
		fmt.Println(err)
		return
	}

	mux := http.NewServeMux()
	mux.Handle("GET /orders", authn.Require(keys, authn.Scopes("orders:read"))(http.HandlerFunc(orders)))
	mux.Handle("POST /orders", authn.Require(keys, authn.Scopes("orders:write"))(http.HandlerFunc(orders)))

	try(mux, "GET", "/orders", "X-API-Key", key.Secret.Reveal())
	try(mux, "GET", "/orders")
	try(mux, "POST", "/orders", "X-API-Key", key.Secret.Reveal())
	// Output:
	// 200 orders of ada, by apikey
	// 401 {"type":"about:blank","title":"Unauthorized","status":401,"detail":"Authentication is required."}
	//    ApiKey realm="api"
	// 403 {"type":"about:blank","title":"Forbidden","status":403,"detail":"The credential lacks a scope that is needed here.","error":"insufficient_scope","scope":"orders:write"}
	//    ApiKey realm="api", error="insufficient_scope", error_description="The credential lacks a scope that is needed here.", scope="orders:write"
}
