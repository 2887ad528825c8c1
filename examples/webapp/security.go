package main

import (
	"errors"
	"html/template"
	"net/http"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/password"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/totp"
)

// security is the page of everything by which one gets in.
func (a *app) security(w http.ResponseWriter, r *http.Request) {
	a.showSecurity(w, r, http.StatusOK, form{})
}

func (a *app) showSecurity(w http.ResponseWriter, r *http.Request, status int, f form) {
	u, err := a.users.byID(r.Context(), who(r).Subject)
	if a.failed(w, r, err) {
		return
	}
	codes, err := a.codes.Status(r.Context(), u.ID)
	if a.failed(w, r, err) {
		return
	}
	links, err := a.users.linksOf(r.Context(), u.ID)
	if a.failed(w, r, err) {
		return
	}
	a.show(w, r, status, "security", map[string]any{"User": u, "Codes": codes, "Links": links, "Form": f})
}

// changePassword ends all other sessions, and begins this one anew.
func (a *app) changePassword(w http.ResponseWriter, r *http.Request) {
	u, err := a.users.byID(r.Context(), who(r).Subject)
	if a.failed(w, r, err) {
		return
	}
	id, err := a.people.Change(r, u.ID, r.PostFormValue("current"), r.PostFormValue("password"), password.About{Email: u.Email, Service: service})
	var weak *password.PolicyError
	switch {
	case errors.As(err, &weak):
		a.showSecurity(w, r, http.StatusUnprocessableEntity, form{Field: "password", Problem: a.problem(err)})
	case errors.Is(err, password.ErrWrong):
		a.showSecurity(w, r, http.StatusUnauthorized, form{Field: "current", Problem: a.problem(err)})
	case !a.failed(w, r, err):
		for _, f := range who(r).Factors { // a code that this session has proven stands
			if f.Name == "otp" {
				id = id.WithFactor(f)
			}
		}
		a.failed(w, r, a.start(w, r, id, "/security?done=password", session.LoginOptions{}))
	}
}

func (a *app) beginTOTP(w http.ResponseWriter, r *http.Request) {
	u, err := a.users.byID(r.Context(), who(r).Subject)
	if a.failed(w, r, err) {
		return
	}
	e, err := a.codes.Begin(r.Context(), who(r), label(u.Name))
	if a.failed(w, r, err) {
		return
	}
	svg, err := e.SVG()
	if a.failed(w, r, err) {
		return
	}
	a.show(w, r, http.StatusOK, "enrol", map[string]any{
		"QR": template.HTML(svg), "Secret": e.Secret.Reveal(), "URI": template.URL(e.URI.Reveal()), // both are made by totp
	})
}

func (a *app) confirmTOTP(w http.ResponseWriter, r *http.Request) {
	f, recovery, err := a.codes.Confirm(r.Context(), who(r).Subject, r.PostFormValue("code"))
	if errors.Is(err, totp.ErrWrong) {
		a.show(w, r, http.StatusUnauthorized, "enrol", map[string]any{"Form": form{Problem: a.problem(err)}})
		return
	}
	if a.failed(w, r, err) {
		return
	}
	if _, err := a.sessions.AddFactor(w, r, f); a.failed(w, r, err) {
		return
	}
	if a.failed(w, r, a.sessions.RevokeOthers(r.Context())) { // they began without a code
		return
	}
	a.showRecovery(w, r, recovery)
}

func (a *app) newRecovery(w http.ResponseWriter, r *http.Request) {
	recovery, err := a.codes.Regenerate(r.Context(), who(r))
	if !a.failed(w, r, err) {
		a.showRecovery(w, r, recovery)
	}
}

func (a *app) showRecovery(w http.ResponseWriter, r *http.Request, codes []authn.Secret) {
	plain := make([]string, len(codes))
	for i, c := range codes {
		plain[i] = c.Reveal()
	}
	a.show(w, r, http.StatusOK, "recovery", plain)
}

func (a *app) disableTOTP(w http.ResponseWriter, r *http.Request) {
	a.done(w, r, "/security?done=totp-off", a.codes.Disable(r.Context(), who(r)))
}

func (a *app) forgetDevices(w http.ResponseWriter, r *http.Request) {
	a.done(w, r, "/security?done=devices", a.codes.ForgetDevices(r.Context(), who(r).Subject))
}

// deleteAccount ends first what could make more, then takes the user away.
func (a *app) deleteAccount(w http.ResponseWriter, r *http.Request) {
	subject := who(r).Subject
	err := errors.Join(a.sessions.Logout(w, r),
		authn.Revokers{a.sessions, a.keys, a.links, authn.RevokerFunc(a.codes.Reset)}.RevokeSubject(r.Context(), subject))
	if err == nil {
		err = a.users.delete(r.Context(), subject)
	}
	a.done(w, r, "/?done=deleted", err)
}
