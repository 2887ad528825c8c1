package main

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/examples/internal/tour"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/password"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
)

// service is what the host has, whatever step the migration is at.
type service struct {
	people   *password.Authenticator
	sessions *session.Manager
	issuer   *jwtauth.Issuer
	once     store.Once
	audit    authn.EventFunc
	end      time.Time // of the old way
	link     string    // to what a client is to do instead
}

// step is a part of the migration. The next one is a release, or a setting.
type step struct {
	name  string
	takes authn.Verifier // who comes in
	gives give           // at a login, or in place of one of the way that ends
	ends  string         // the method that is to go, "" for none
}

// give starts a login of id, in place of r's own, and answers.
type give func(w http.ResponseWriter, r *http.Request, id *authn.Identity) error

func (s *service) steps() []step {
	tokens := s.issuer.Verifier()
	both := authn.FirstOf(tokens, s.sessions)
	return []step{
		{"sessions", s.sessions, s.giveSession, ""},
		{"sessions to tokens", both, s.giveTokens, "session"},
		{"tokens", tokens, s.giveTokens, ""},
		{"tokens to sessions", both, s.giveSession, "jwt"},
		{"sessions again", s.sessions, s.giveSession, ""},
	}
}

func (s *service) giveTokens(w http.ResponseWriter, r *http.Request, id *authn.Identity) error {
	tokens, err := s.issuer.Issue(r.Context(), jwtauth.Grant{Identity: id, Refresh: true, Request: r})
	if err != nil {
		return err
	}
	if err := s.sessions.Logout(w, r); err != nil { // one login stays one
		return err
	}
	_ = jwtauth.WriteTokens(w, tokens) // a client that is gone is nobody's error
	return nil
}

func (s *service) giveSession(w http.ResponseWriter, r *http.Request, id *authn.Identity) error {
	if _, err := s.sessions.Login(w, r, id, session.LoginOptions{}); err != nil {
		return err
	}
	if id.Method == "jwt" {
		s.issuer.LogoutHandler().ServeHTTP(w, r) // of the token that r came with: 204
		return nil
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// routes are those of a step.
func (s *service) routes(at step, count authn.AcceptFunc) http.Handler {
	guard := authn.Guard{Verifier: at.takes, OnEvent: s.audit, OnAccept: count}
	if at.ends != "" {
		sunset := authn.Sunset(at.ends, s.end, s.link, s.audit) // the log says who still comes this way
		guard.OnAccept = func(w http.ResponseWriter, r *http.Request, id *authn.Identity) {
			count(w, r, id)
			sunset(w, r, id)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard.Require()(http.HandlerFunc(orders)))
	mux.Handle("POST /login", s.sessions.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := s.people.Authenticate(r, "ada", tour.Password(w, r))
		if err == nil {
			err = at.gives(w, r, id)
		}
		answerError(w, r, err)
	})))
	// Only a login of the way that ends moves: else a token that was stolen
	// would be good for the next one, again and again.
	leaving := authn.RuleFunc(func(_ *http.Request, id *authn.Identity) error {
		if id.Method != at.ends {
			return authn.Forbidden("has moved", nil)
		}
		return nil
	})
	mux.Handle("POST /move", guard.Require(leaving)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := authn.FromContext(r.Context())
		err := s.claim(r, id)
		if err == nil {
			err = at.gives(w, r, id)
		}
		answerError(w, r, err)
	})))
	if at.takes != authn.Verifier(s.sessions) { // but tokens
		mux.Handle("/token/refresh", s.issuer.RefreshHandler())
	}
	return mux
}

// claim lets a login move once, also of requests at the same time. It comes first:
// who loses its answer signs in again.
func (s *service) claim(r *http.Request, id *authn.Identity) error {
	login := id.CredentialID
	if id.Method == "jwt" { // a login that is refreshed has many tokens
		claims, err := jwtauth.Claims[struct{ SID string }](r.Context())
		if err != nil {
			return err
		}
		login = cmp.Or(claims.SID, login)
	}
	now := time.Now()
	err := s.once.ClaimOnce(r.Context(), "move", store.DigestOf(id.Method+" "+login), now.Add(24*time.Hour), now) // no login lives longer
	if errors.Is(err, store.ErrExists) {
		return authn.Forbidden("has moved", err)
	}
	return err
}

func orders(w http.ResponseWriter, r *http.Request) {
	id, _ := authn.FromContext(r.Context()) // Require has made sure of one
	tour.JSON(w, map[string]any{"orders": []string{"tea", "ink"}, "subject": id.Subject, "method": id.Method})
}

func answerError(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		authn.WriteError(w, r, err)
	}
}
