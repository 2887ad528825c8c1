package jwtauth

import (
	"context"
	"errors"
	"net/http"

	"github.com/gatehouse-go/authn"
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
// invalid_request, invalid_grant, invalid_scope, unsupported_grant_type.
// Answers are not to be cached. It is for clients without a secret (RFC 6749
// §2.1); those that have one refresh at a token endpoint.
func (i *Issuer) RefreshHandler() http.Handler {
	return i.post(func(w http.ResponseWriter, r *http.Request, req tokenRequest) error {
		if req.refresh == "" {
			return authn.Malformed("no refresh token", nil)
		}
		set, err := i.Refresh(r.Context(), req.refresh, Grant{ClientID: req.clientID, Scopes: req.scopes, cert: i.cfg.ClientCert(r)})
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
// when nothing of it was good any more. Mount it below RefreshHandler's path,
// or browsers do not send the refresh cookie: "/token/refresh/logout".
func (i *Issuer) LogoutHandler() http.Handler {
	return i.post(func(w http.ResponseWriter, r *http.Request, req tokenRequest) error {
		if err := i.logout(r.Context(), req); err != nil {
			return i.refusal(r, err)
		}
		// Also where no cookie came: SameSite keeps them from another site's
		// form, which must not take them away either.
		if i.cfg.Cookies != nil && crossorigin.Check(i.cfg.CrossOrigin, r) == nil {
			i.clearCookies(w)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

func (i *Issuer) logout(ctx context.Context, req tokenRequest) error {
	if i.st == nil {
		return nil // SkipRevocation: there is nothing that could be ended
	}
	ended := ""
	if req.refresh != "" {
		rt, err := parseRefreshToken(req.refresh, i.kc)
		if err == nil {
			ended = rt.ref().ID
			_, err = i.endFamily(ctx, rt.ref(), anyFamily, authn.EventLogout)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
	}
	if req.access == "" {
		return nil
	}
	t, e := i.verifier.check(ctx, req.access, i.cfg.Now(), maxLeeway)
	switch {
	case e != nil && e.Status >= http.StatusInternalServerError:
		return e
	case e != nil:
		return nil
	case t.claims.family != "" && t.claims.family != ended:
		ref := store.FamilyRef{Tag: store.TagOf(t.identity.Subject), ID: t.claims.family}
		if _, err := i.endFamily(ctx, ref, anyFamily, authn.EventLogout); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return i.revokeParsed(ctx, t)
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
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		r = r.WithContext(authn.WithClient(r.Context(), authn.ClientOf(r)))
		req, err := i.readTokenRequest(w, r)
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
