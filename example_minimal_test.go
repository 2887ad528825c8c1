package authn_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/store/memstore"
)

// A whole program.
func Example_minimal() {
	keys := authn.Must(apikey.New(memstore.New(memstore.Config{}), apikey.Config{Prefix: "acme_dev", Scopes: []string{"orders:read"}}))
	key := authn.Must(keys.Create(context.Background(), "ada", apikey.Spec{Name: "laptop", Scopes: []string{"orders:read"}}))
	fmt.Println("curl -H 'X-API-Key: " + key.Secret.Reveal() + "' localhost:8080/orders")

	orders := func(w http.ResponseWriter, r *http.Request) {
		id, _ := authn.FromContext(r.Context())
		fmt.Fprintln(w, "orders of", id.Subject)
	}
	http.Handle("GET /orders", authn.Require(keys, authn.Scopes("orders:read"))(http.HandlerFunc(orders)))
	log.Fatal(http.ListenAndServe("localhost:8080", nil))
}
