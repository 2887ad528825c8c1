package migrating_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/password"
	"github.com/gatehouse-go/authn/ratelimit"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

func Example_authboss() {
	ctx, ab, mux := context.Background(), authbossPackage{}, http.NewServeMux()
	st, keychain := memstore.New(memstore.Config{}), authn.GenerateKeychain()
	hash := authn.Must(authn.Must(password.NewHasher(password.HasherConfig{BcryptCost: 10})).Hash(ctx, "correct horse"))
	users := store.PasswordTable(st) // the host's own table in its place
	if err := users.CreatePassword(ctx, store.Password{Subject: "ada@example.com", Name: "ada@example.com", Hash: hash}, time.Now()); err != nil {
		fmt.Println(err)
	}

	sessions := authn.Must(session.New(st, session.Config{}))

	//doc:begin
	attempts := authn.Must(ratelimit.NewAttempts(st, keychain, ratelimit.AttemptsConfig{}))
	people := authn.Must(password.New(users, attempts, password.Config{Revoke: sessions}))
	adopt := sessions.Adopt(func(w http.ResponseWriter, r *http.Request) (*authn.Identity, error) {
		pid, ok := authboss.GetSession(r, authboss.SessionKey)
		if !ok || !authboss.IsFullyAuthed(r) {
			return nil, authn.ErrNoCredential
		}
		authboss.DelKnownSession(w)
		authboss.DelKnownCookie(w)
		return authn.User(pid, "authboss"), nil
	})
	mux.Handle("POST /auth/login", sessions.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, err := people.Authenticate(r, r.PostFormValue("email"), r.PostFormValue("password"))
		if err == nil {
			_, err = sessions.Login(w, r, user, session.LoginOptions{})
		}
		answer(w, r, err)
	})))
	mux.Handle("GET /account", authn.Require(sessions)(account))
	handler := ab.LoadClientStateMiddleware(adopt(mux)) // in the end: mux
	//doc:end

	ada := visitor{"ab_session": "ada@example.com"}
	ada.get(handler)
	ada.get(mux)
	visitor{"ab_session": "ada@example.com", "ab_halfauth": "true"}.get(handler)
	laptop := visitor{}
	laptop.send(handler, http.MethodPost, "/auth/login", "email=Ada@example.com&password=wrong")
	laptop.send(handler, http.MethodPost, "/auth/login", "email=Ada@example.com&password=correct+horse")
	laptop.get(handler)
	record := authn.Must(users.PasswordBySubject(ctx, "ada@example.com"))
	fmt.Println(hash[:4], "is", strings.Split(record.Hash, "$")[1], "now")
	// Output:
	// ada@example.com by session
	// ada@example.com by session
	// 401
	// 401
	// 303
	// ada@example.com by session
	// $2a$ is argon2id now
}

// answer is of a login form.
func answer(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		authn.Pages{Login: "/login?wrong=1"}.OnError(w, r, authn.AsError(err))
		return
	}
	http.Redirect(w, r, authn.ReturnTo(r, "/"), http.StatusSeeOther)
}

// authboss stands in for github.com/aarondl/authboss/v3, and ab for its
// Authboss: values of a session by name, each in a cookie.
var authboss = authbossPackage{SessionKey: "session"}

type authbossPackage struct{ SessionKey string }

func (authbossPackage) LoadClientStateMiddleware(next http.Handler) http.Handler { return next }

func (authbossPackage) GetSession(r *http.Request, key string) (string, bool) {
	c, err := r.Cookie("ab_" + key)
	if err != nil {
		return "", false
	}
	return c.Value, true
}

func (p authbossPackage) IsFullyAuthed(r *http.Request) bool {
	_, half := p.GetSession(r, "halfauth")
	return !half
}

func (p authbossPackage) DelKnownSession(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: "ab_" + p.SessionKey, MaxAge: -1})
}

func (authbossPackage) DelKnownCookie(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: "rm", MaxAge: -1})
}
