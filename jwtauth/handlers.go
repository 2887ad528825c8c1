package jwtauth

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/cookies"
	"github.com/gatehouse-go/authn/internal/crossorigin"
	"github.com/gatehouse-go/authn/store"
)

// RefreshHandler exchanges refresh tokens, by POST, as of [Issuer.Refresh]:
//
//	refresh_token=…&client_id=…&scope=…                      a form (RFC 6749 §6)
//	{"refresh_token": "…", "client_id": "…", "scope": "…"}   JSON
//	                                                         the cookie, if the body has no refresh_token
//
// client_id is the login's, and left out if that has none; scope narrows the
// access token; grant_type may be there, too. A token that came in a body is
// answered as by [WriteTokens]. One that came in the cookie is answered by new
// cookies and a body without tokens, also to a second tab that asks within
// RefreshGrace; that request must come from this origin or one of CrossOrigin,
// else it is 403. A refusal takes no cookies away: another tab may have won.
//
// Errors are as of [authn.WriteError], with the names of RFC 6749 §5.2:
// invalid_request, invalid_grant, invalid_scope, unsupported_grant_type, and
// unauthorized_client for a client_id that is not one of PublicClients.
// Answers are not to be cached.
func (i *Issuer) RefreshHandler() http.Handler {
	return i.post(func(w http.ResponseWriter, r *http.Request, req tokenRequest) error {
		e := i.readRefreshCookie(r, &req)
		switch {
		case e != nil:
			return i.refusal(r, e)
		case req.refresh == "":
			return authn.Malformed("no refresh token", nil)
		case req.clientID != "" && !slices.Contains(i.cfg.PublicClients, req.clientID):
			return i.refusal(r, &authn.Error{Status: http.StatusBadRequest, Code: "unauthorized_client", Reason: "client is not public"})
		}
		set, err := i.Refresh(r.Context(), req.refresh, Grant{ClientID: req.clientID, Scopes: req.scopes, ClientCert: i.cfg.ClientCert(r)})
		if err != nil {
			return err
		}
		if !req.cookie {
			_ = WriteTokens(w, set) // a client that is gone is nobody's error
			return nil
		}
		if err := i.SetCookies(w, set); err != nil {
			return err
		}
		_ = set.response().write(w)
		return nil
	})
}

// LogoutHandler ends the login of a refresh token, which comes as to
// RefreshHandler, and the access token in Authorization or in its cookie, with
// the login that this is of. It takes the cookies away and answers 204, also
// when nothing of it was good any more; cookies count in requests of this
// origin, or one of CrossOrigin. Mount it below RefreshHandler's path, or
// browsers do not send the refresh cookie: "/token/refresh/logout".
func (i *Issuer) LogoutHandler() http.Handler {
	return i.post(func(w http.ResponseWriter, r *http.Request, req tokenRequest) error {
		l := logout{refresh: []string{req.refresh}, access: []string{req.access}}
		ours := false // the cookies, to read and to take away
		if i.cfg.Cookies != nil {
			e := crossorigin.Check(i.cfg.CrossOrigin, r)
			ours = e == nil
			refresh, access := cookies.All(r.Header, i.cfg.Cookies.Refresh), cookies.All(r.Header, i.cfg.Cookies.Access)
			switch {
			case ours: // all of a name: another host of the domain may have set one of them
				l.refresh, l.access = append(l.refresh, refresh...), append(l.access, access...)
			case req.refresh == "" && req.access == "" && len(refresh)+len(access) > 0:
				return i.refusal(r, e)
			}
		}
		if err := i.logout(r.Context(), l); err != nil {
			return i.refusal(r, err)
		}
		if ours {
			i.clearCookies(w)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

// logout is what to end: "" is nothing.
type logout struct{ refresh, access []string }

func (i *Issuer) logout(ctx context.Context, l logout) error {
	if i.st == nil {
		return nil // SkipRevocation: there is nothing that could be ended
	}
	ended := make(map[store.FamilyRef]bool)
	end := func(ref store.FamilyRef) error {
		if ended[ref] {
			return nil
		}
		ended[ref] = true
		if _, err := i.endFamily(ctx, ref, anyFamily, authn.EventLogout); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return nil
	}
	for _, token := range l.refresh {
		rt, err := parseRefreshToken(token, i.kc, i.cfg.Issuer)
		if err != nil {
			continue // a forged one costs no call of the store
		}
		if err := end(rt.ref()); err != nil {
			return err
		}
	}
	for _, token := range l.access {
		t, e := i.verifier.check(ctx, token, i.cfg.Now(), maxLeeway)
		switch {
		case e != nil && e.Status >= http.StatusInternalServerError:
			return e
		case e != nil:
			continue
		case t.claims.family != "":
			if err := end(store.FamilyRef{Tag: store.TagOf(t.identity.Subject), ID: t.claims.family}); err != nil {
				return err
			}
		}
		if err := i.revokeParsed(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func anyFamily(*store.RefreshFamily) bool { return true }

// refusal sends the event of err, which may be shared.
func (i *Issuer) refusal(r *http.Request, err error) error {
	e := *authn.AsError(err)
	return i.log.Refusal(r, &e)
}

// post is a handler of token requests. Whatever it answers is not to be cached.
func (i *Issuer) post(serve func(w http.ResponseWriter, r *http.Request, req tokenRequest) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noStore(w)
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			authn.WriteError(w, r, &authn.Error{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed"})
			return
		}
		r = r.WithContext(authn.WithClient(r.Context(), authn.ClientOf(r)))
		req, err := readTokenRequest(w, r)
		if err == nil {
			err = serve(w, r, req)
		} else {
			err = i.refusal(r, err)
		}
		if err != nil {
			authn.WriteError(w, r, err)
		}
	})
}
