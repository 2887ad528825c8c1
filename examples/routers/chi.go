package main

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/examples/internal/tour"
)

// Chi has the library's own shape of middleware. A group verifies once, and
// Allow adds what one of its routes wants.
func Chi(g Guards) http.Handler {
	show := func(w http.ResponseWriter, r *http.Request) {
		id, _ := authn.FromContext(r.Context())
		tour.JSON(w, Answer{ID: chi.URLParam(r, "id"), Subject: id.Subject, Method: id.Method})
	}

	r := chi.NewRouter()
	r.With(g.Programs.Require(authn.Scopes("orders:read"))).Get("/orders/{id}", show)
	r.Group(func(r chi.Router) {
		r.Use(g.People.Require())
		r.Get("/me", show)
		r.With(authn.Allow(admins...)).Delete("/users/{id}", show)
	})
	return r
}
