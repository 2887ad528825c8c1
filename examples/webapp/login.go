package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"net/url"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/password"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
)

const purposeVerify = "verify-email"

// register answers alike whether or not the address is taken: the mail tells its owner.
func (a *app) register(w http.ResponseWriter, r *http.Request) {
	email, ok := password.NormalName(r.PostFormValue("email"))
	if !ok || !isAddress(email) {
		a.show(w, r, http.StatusUnprocessableEntity, "register", form{Name: r.PostFormValue("email"), Field: "email", Problem: []string{"This is no e-mail address."}})
		return
	}
	hash, err := a.people.Prepare(r.Context(), r.PostFormValue("password"), password.About{Email: email, Service: service})
	if a.refused(w, r, "register", email, err) {
		return
	}
	if id, err := a.users.create(r.Context(), email, hash); errors.Is(err, store.ErrExists) {
		a.mail(email, "You have an account already", a.url+"/forgot")
	} else if a.failed(w, r, err) || a.failed(w, r, a.sendVerify(r.Context(), id, email)) {
		return
	}
	a.show(w, r, http.StatusOK, "mailed", email)
}

func (a *app) sendVerify(ctx context.Context, id, email string) error {
	token, err := a.links.Issue(ctx, password.Link{Purpose: purposeVerify, Subject: id, Bound: email})
	if errors.Is(err, store.ErrLimit) {
		return nil // five are under way
	}
	if err == nil {
		a.mail(email, "Confirm your address", a.url+"/verify?token="+url.QueryEscape(token.Reveal()))
	}
	return err
}

// verifyPage uses nothing up: mail scanners open links, too.
func (a *app) verifyPage(w http.ResponseWriter, r *http.Request) {
	_, err := a.links.Peek(r.Context(), purposeVerify, r.FormValue("token"))
	if a.failed(w, r, err) {
		return
	}
	a.show(w, r, http.StatusOK, "verify", form{Name: r.FormValue("token")})
}

// verify wants the password, too. Anybody can register with somebody's address: by
// the link alone its owner would open the door for a password that is not theirs
// (account pre-hijacking). Who did not choose it takes "Forgot the password?".
func (a *app) verify(w http.ResponseWriter, r *http.Request) {
	token := r.PostFormValue("token")
	link, err := a.links.Peek(r.Context(), purposeVerify, token)
	if a.failed(w, r, err) {
		return
	}
	_, err = a.people.Confirm(r, link.Subject, r.PostFormValue("password"))
	if a.refused(w, r, "verify", token, err) {
		return
	}
	link, err = a.links.Consume(r, purposeVerify, token)
	if err == nil {
		err = a.users.verify(r.Context(), link.Subject, link.Bound)
	}
	a.done(w, r, "/login?done=verified", err)
}

func (a *app) login(w http.ResponseWriter, r *http.Request) {
	name := r.PostFormValue("email")
	id, err := a.people.Authenticate(r, name, r.PostFormValue("password"))
	if a.refused(w, r, "login", name, err) {
		return
	}
	u, err := a.users.byID(r.Context(), id.Subject)
	if a.failed(w, r, err) {
		return
	}
	if !u.Verified { // who knows the password may know that
		if !a.failed(w, r, a.sendVerify(r.Context(), u.ID, u.Email)) {
			a.show(w, r, http.StatusForbidden, "mailed", u.Email)
		}
		return
	}
	a.failed(w, r, a.start(w, r, id, authn.ReturnTo(r, "/"), session.LoginOptions{Remember: r.PostFormValue("remember") != ""}))
}

// start is the one way into a session, whatever was proven: what is owed is asked there.
func (a *app) start(w http.ResponseWriter, r *http.Request, id *authn.Identity, returnTo string, o session.LoginOptions) error {
	id, err := a.sessions.Login(w, r, id, o)
	if err != nil {
		return err
	}
	a.remember(w, r, id)
	http.Redirect(w, r, a.pages.Next(id, returnTo), http.StatusSeeOther)
	return nil
}

// AddFactor makes app an authn.FactorAdder: with the code, too, a login is complete.
func (a *app) AddFactor(w http.ResponseWriter, r *http.Request, f authn.Factor) (*authn.Identity, error) {
	id, err := a.sessions.AddFactor(w, r, f)
	if err == nil {
		a.remember(w, r, id)
	}
	return id, err
}

// remember lets this browser in while others guess, once nothing is owed.
func (a *app) remember(w http.ResponseWriter, r *http.Request, id *authn.Identity) {
	if len(id.Pending) > 0 {
		return
	}
	if err := a.attempts.Remember(w, r, id.Subject); err != nil {
		log.Print("remember: ", err) // the login stands
	}
}

// reauth asks for the password again before something dangerous.
func (a *app) reauth(w http.ResponseWriter, r *http.Request) {
	f, err := a.people.Confirm(r, who(r).Subject, r.PostFormValue("password"))
	if a.refused(w, r, "reauth", "", err) {
		return
	}
	_, err = a.sessions.AddFactor(w, r, f)
	a.done(w, r, authn.ReturnTo(r, "/security"), err)
}

// codePage is the page of totp's Challenge, for a login and for a step-up.
func (a *app) codePage(w http.ResponseWriter, r *http.Request, err error) {
	f := form{}
	status := http.StatusOK
	if err != nil {
		f.Problem, status = a.problem(err), authn.AsError(err).Status
	}
	a.show(w, r, status, "code", f)
}

// forgot answers alike whether or not there is such a user. The mail goes to the
// address that is kept, never to what was typed: another mailbox may look the same
// to store.Passwords, since "K" (U+212A, the Kelvin sign) is "k" in lower case.
func (a *app) forgot(w http.ResponseWriter, r *http.Request) {
	email := r.PostFormValue("email")
	err := a.people.Forgot(r, email, func(ctx context.Context, subject string, token authn.Secret) error {
		u, err := a.users.byID(ctx, subject)
		if err != nil {
			return err
		}
		a.mail(u.Email, "Choose a new password", a.url+"/reset?token="+url.QueryEscape(token.Reveal()))
		return nil
	})
	if a.failed(w, r, err) {
		return
	}
	a.show(w, r, http.StatusOK, "mailed", email)
}

func (a *app) resetPage(w http.ResponseWriter, r *http.Request) {
	_, err := a.links.Peek(r.Context(), password.PurposeReset, r.FormValue("token"))
	if a.failed(w, r, err) {
		return
	}
	a.show(w, r, http.StatusOK, "reset", form{Name: r.FormValue("token")})
}

func (a *app) reset(w http.ResponseWriter, r *http.Request) {
	token := r.PostFormValue("token")
	subject, err := a.people.Reset(r, token, r.PostFormValue("password"), password.About{Service: service})
	if a.refused(w, r, "reset", token, err) {
		return
	}
	u, err := a.users.byID(r.Context(), subject)
	if err == nil {
		err = a.users.verify(r.Context(), u.ID, u.Email) // the mail has proven the address
	}
	a.done(w, r, "/login?done=reset", err)
}

func (a *app) logout(w http.ResponseWriter, r *http.Request) {
	a.done(w, r, "/?done=signed-out", a.sessions.Logout(w, r))
}

// lately is how long a proof is good for what fresh guards.
const lately = 10 * time.Minute

// fresh is sudo mode: who wants to change how one gets in has proven something lately.
var fresh = authn.Within(lately)
