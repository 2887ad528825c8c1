package main

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/store"
)

// scopes are what a key may do.
var scopes = []string{"notes:read", "notes:write"}

// grantable says that a user may give a key everything.
func grantable(_ context.Context, id *authn.Identity) ([]string, error) {
	if id.Kind != authn.KindUser {
		return nil, nil
	}
	return slices.Clone(scopes), nil
}

func (a *app) listKeys(w http.ResponseWriter, r *http.Request) { a.showKeys(w, r, http.StatusOK, nil) }

// showKeys lists the keys, and a new one with its secret, this once.
func (a *app) showKeys(w http.ResponseWriter, r *http.Request, status int, issued *apikey.Issued) {
	list, next, err := a.keys.List(r.Context(), who(r).Subject, store.Page{Cursor: r.FormValue("after")})
	if a.failed(w, r, err) {
		return
	}
	a.show(w, r, status, "keys", map[string]any{"Keys": list, "Next": next, "Scopes": scopes, "Issued": issued, "URL": a.url, "Now": time.Now()})
}

func (a *app) createKey(w http.ResponseWriter, r *http.Request) {
	spec := apikey.Spec{Name: r.PostFormValue("name")}
	spec.Scopes = r.PostForm["scope"] // parsed by the line above
	if days, err := strconv.Atoi(r.PostFormValue("days")); err == nil && days > 0 {
		spec.ExpiresAt = time.Now().AddDate(0, 0, min(days, 366))
	}
	issued, err := a.keys.Create(r.Context(), who(r).Subject, spec)
	if !a.failed(w, r, err) {
		a.showKeys(w, r, http.StatusCreated, &issued)
	}
}

// rotateKey lets the old one live for a day, so that nobody has to switch at once.
func (a *app) rotateKey(w http.ResponseWriter, r *http.Request) {
	issued, err := a.keys.Rotate(r.Context(), who(r).Subject, r.PathValue("id"), 24*time.Hour)
	if !a.failed(w, r, err) {
		a.showKeys(w, r, http.StatusCreated, &issued)
	}
}

func (a *app) revokeKey(w http.ResponseWriter, r *http.Request) {
	a.done(w, r, "/keys?done=revoked", a.keys.Revoke(r.Context(), who(r).Subject, r.PathValue("id")))
}
