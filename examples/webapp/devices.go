package main

import (
	"net/http"

	"github.com/gatehouse-go/authn/store"
)

// devices are where one is signed in.
func (a *app) devices(w http.ResponseWriter, r *http.Request) {
	list, next, err := a.sessions.List(r.Context(), who(r).Subject, store.Page{Cursor: r.FormValue("after")})
	if a.failed(w, r, err) {
		return
	}
	a.show(w, r, http.StatusOK, "devices", map[string]any{"Sessions": list, "Next": next})
}

func (a *app) revokeDevice(w http.ResponseWriter, r *http.Request) {
	a.done(w, r, "/devices?done=device", a.sessions.Revoke(r.Context(), who(r).Subject, r.PathValue("id")))
}

func (a *app) revokeOthers(w http.ResponseWriter, r *http.Request) {
	a.done(w, r, "/devices?done=others", a.sessions.RevokeOthers(r.Context()))
}

// revokeAll ends this session, too, and takes its cookie away.
func (a *app) revokeAll(w http.ResponseWriter, r *http.Request) {
	if !a.failed(w, r, a.sessions.RevokeSubject(r.Context(), who(r).Subject)) {
		a.done(w, r, "/?done=signed-out", a.sessions.Logout(w, r))
	}
}
