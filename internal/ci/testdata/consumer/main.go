// Consumer is a program of somebody who has this library as any other
// dependency: internal/ci/release-check.sh builds it against a played release.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
	"github.com/gatehouse-go/authn/store/redisstore"
	"github.com/gatehouse-go/authn/store/sqlstore"
	"github.com/redis/go-redis/v9"
)

var (
	_ store.Store = (*redisstore.Store)(nil)
	_ store.Store = (*sqlstore.Store)(nil)
)

func main() {
	client := redis.NewClient(&redis.Options{Addr: "localhost:0", ContextTimeoutEnabled: true})
	authn.Must(redisstore.New(client, redisstore.Config{})) // connects to nothing

	keys := authn.Must(apikey.New(memstore.New(memstore.Config{}), apikey.Config{Prefix: "acme"}))
	key := authn.Must(keys.Create(context.Background(), "ada", apikey.Spec{Name: "laptop"}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-API-Key", key.Secret.Reveal())
	id, err := keys.Verify(r)
	if err != nil || id.Subject != "ada" {
		log.Fatal(id, err)
	}
	fmt.Println("consumer: a key is verified")
}
