package authn_test

import (
	"fmt"
	"net/http"

	"github.com/gatehouse-go/authn"
)

// CORS stands outside of Require: a preflight carries no credentials, and a
// 401 needs the CORS fields, too, for the page to read it. A real service
// takes a library, such as rs/cors.
func ExampleRequire_cors() {
	cors := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Vary", "Origin")
			if r.Header.Get("Origin") == "https://app.example" {
				w.Header().Set("Access-Control-Allow-Origin", "https://app.example")
			}
			if r.Method == http.MethodOptions {
				w.Header().Set("Access-Control-Allow-Headers", "X-API-Key")
				w.WriteHeader(http.StatusNoContent)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	h := cors(authn.Require(header("X-Api-Key"))(http.HandlerFunc(orders)))

	for _, method := range []string{"OPTIONS", "GET"} {
		r := authn.Must(http.NewRequest(method, "/orders", nil))
		r.Header.Set("Origin", "https://app.example")
		w := serve(h, r)
		fmt.Println(method, w.Code, w.Header().Get("Access-Control-Allow-Origin"), w.Header()["Vary"])
	}
	// Output:
	// OPTIONS 204 https://app.example [Origin]
	// GET 401 https://app.example [Origin X-Api-Key]
}
