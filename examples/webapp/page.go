package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log"
	"math"
	"net/http"
	"net/mail"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/examples/internal/tour"
	"github.com/gatehouse-go/authn/password"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/totp"
)

//go:embed templates assets
var files embed.FS

// form is what a page shows of a form that came back.
type form struct {
	// Name is what was typed and may be shown again; Field is the input that
	// Problem is about.
	Name, Field string
	Problem     []string
}

// view is what every page gets.
type view struct {
	Service, Path, Done, Provider string
	User                          *authn.Identity
	Query                         template.URL // of the form's own URL: it carries return_to
	Data                          any
}

// done are the words for ?done=…, so that a page can say what the one before it did.
var done = map[string]string{
	"verified": "Your address is confirmed. You can sign in now.", "reset": "Your password is changed. Sign in with the new one.",
	"signed-out": "You are signed out.", "deleted": "Your account is deleted.", "password": "Your password is changed, and every other session has ended.",
	"totp-off": "Two-step sign-in is off.", "devices": "All browsers will ask for a code again.", "linked": "The account is linked.",
	"unlinked": "The account is no longer linked.", "device": "That session has ended.", "others": "All other sessions have ended.", "revoked": "The key has ended.",
}

func parseTemplates() map[string]*template.Template {
	funcs := template.FuncMap{"device": tour.Device, "ago": ago, "date": func(t time.Time) string { return t.Local().Format("2 January 2006") }}
	base := template.Must(template.New("").Funcs(funcs).ParseFS(files, "templates/base.html"))
	pages := map[string]*template.Template{}
	list, _ := files.ReadDir("templates")
	for _, f := range list {
		name := strings.TrimSuffix(f.Name(), ".html")
		pages[name] = template.Must(template.Must(base.Clone()).ParseFS(files, "templates/"+f.Name()))
	}
	return pages
}

// show writes a page: nothing of it is kept by a cache, and it loads nothing but this server's style.
func (a *app) show(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	if f, ok := data.(form); ok && f.Field == "" {
		f.Field = "password"
		data = f
	}
	id, _ := authn.FromContext(r.Context())
	v := view{
		Service: service, Path: r.URL.Path, Done: done[r.URL.Query().Get("done")], Provider: a.provider, User: id, Data: data,
	}
	if back := authn.ReturnTo(r, ""); back != "" {
		v.Query = template.URL("?return_to=" + template.URLQueryEscaper(back))
	}
	var b bytes.Buffer
	if err := a.html[name].ExecuteTemplate(&b, "base", v); err != nil {
		log.Print("page: ", err)
		http.Error(w, "The page is broken.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // a client that is gone is nobody's error
}

// headers are on every answer. A form that links an account is sent on to the
// provider, which form-action has to allow.
func (a *app) headers(next http.Handler) http.Handler {
	policy := strings.TrimSpace("default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' " + a.issuer)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "same-origin") // with no-referrer a form would come from the origin "null"
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// refused shows the form again with what its user can mend, and answers everything else.
func (a *app) refused(w http.ResponseWriter, r *http.Request, page, name string, err error) bool {
	problem := a.problem(err)
	if problem == nil {
		return a.failed(w, r, err)
	}
	e := authn.AsError(err)
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(math.Ceil(e.RetryAfter.Seconds())))
	}
	a.show(w, r, e.Status, page, form{Name: name, Problem: problem})
	return true
}

// problem is err in the words of people, nil where they can do nothing about it.
func (a *app) problem(err error) []string {
	var weak *password.PolicyError
	switch e := authn.AsError(err); {
	case err == nil:
		return nil
	case errors.As(err, &weak):
		var list []string
		for _, v := range weak.Violations {
			list = append(list, violation(v))
		}
		return list
	case errors.Is(err, password.ErrWrong):
		return []string{"That is not right. Check both and try again."}
	case errors.Is(err, totp.ErrStopped):
		return []string{"There were too many wrong codes. Use a recovery code."}
	case errors.Is(err, totp.ErrWrong):
		return []string{"That code is not right, or was used already. Wait for the next one."}
	case e.Status == http.StatusTooManyRequests:
		return []string{"There were too many attempts. Try again in " + wait(e.RetryAfter) + "."}
	}
	return nil
}

func violation(v password.Violation) string {
	switch v.Code {
	case "too_short":
		return fmt.Sprintf("It needs %v characters at least. Four random words make a good one.", v.Args["min"])
	case "too_long":
		return fmt.Sprintf("It may have %v bytes at most.", v.Args["max"])
	case "common":
		return "It is among the first that a guesser tries."
	case "similar":
		return fmt.Sprintf("It is too much like your %v.", map[any]string{"email": "address", "name": "name", "service": "service's name"}[v.Args["to"]])
	case "breached":
		return fmt.Sprintf("It was in %v breaches of other services, so others know it.", v.Args["count"])
	}
	return "It cannot be used."
}

// failed answers an error: on a page, if that is a browser.
func (a *app) failed(w http.ResponseWriter, r *http.Request, err error) bool {
	if err != nil {
		a.onError(w, r, authn.AsError(err))
	}
	return err != nil
}

// onError is an authn.ErrorHandler.
func (a *app) onError(w http.ResponseWriter, r *http.Request, err *authn.Error) {
	if err.Status == http.StatusUnauthorized && !errors.Is(err, password.ErrToken) || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		a.pages.OnError(w, r, err)
		return
	}
	text := "Something went wrong here. Try again in a minute."
	switch {
	case errors.Is(err, password.ErrToken):
		text = "This link was used already, or is too old. Ask for a new one."
	case errors.Is(err, store.ErrNotFound):
		text = "There is no such thing here."
	case errors.Is(err, store.ErrExists):
		text = "It belongs to another account already."
	case err.Status == http.StatusTooManyRequests:
		text = "There were too many requests. Try again in " + wait(err.RetryAfter) + "."
	case err.Status < http.StatusInternalServerError:
		text = "This is not possible."
	}
	if err.RetryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(math.Ceil(err.RetryAfter.Seconds())))
	}
	a.show(w, r, err.Status, "error", text)
}

// done leads on, or answers what went wrong.
func (a *app) done(w http.ResponseWriter, r *http.Request, to string, err error) {
	if !a.failed(w, r, err) {
		http.Redirect(w, r, to, http.StatusSeeOther)
	}
}

// form is a page with an empty form.
func (a *app) form(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { a.show(w, r, http.StatusOK, name, form{}) }
}

// who is the Identity that the guard has put there.
func who(r *http.Request) *authn.Identity {
	id, _ := authn.FromContext(r.Context())
	return id
}

func isAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && len(s) <= 128 && !strings.ContainsAny(s, ": ")
}

// label is a name as an authenticator app may show it.
func label(name string) string {
	name = strings.Map(func(c rune) rune {
		if c == ':' || c < ' ' {
			return ' '
		}
		return c
	}, name)
	return strings.ToValidUTF8(name[:min(len(name), 128)], "")
}

func wait(d time.Duration) string {
	if d <= time.Minute {
		return "a minute"
	}
	return fmt.Sprintf("%.0f minutes", math.Ceil(d.Minutes()))
}

// ago is how long ago t was.
func ago(t time.Time) string {
	switch d := time.Since(t); {
	case t.IsZero():
		return "never"
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%.0f min ago", d.Minutes())
	case d < 24*time.Hour:
		return fmt.Sprintf("%.0f h ago", d.Hours())
	}
	return t.Local().Format("2 Jan 2006")
}
