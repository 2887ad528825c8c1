package main

import (
	"net/http"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/examples/internal/tour"
)

// NetHTTP is the standard library's: the middleware goes around each handler.
func NetHTTP(g Guards) http.Handler {
	show := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := authn.FromContext(r.Context()) // Require has made sure of one
		tour.JSON(w, Answer{ID: r.PathValue("id"), Subject: id.Subject, Method: id.Method})
	})

	mux := http.NewServeMux()
	mux.Handle("GET /orders/{id}", g.Programs.Require(authn.Scopes("orders:read"))(show))
	mux.Handle("GET /me", g.People.Require()(show))
	mux.Handle("DELETE /users/{id}", g.People.Require(admins...)(show))
	return mux
}
