package oauth

import (
	"crypto/sha256"
	"net/http"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/crossorigin"
)

// Link starts a flow whose Profile has LinkTo: who is signed in adds an account at
// provider. It takes POST of the same origin only, or another site could link its
// own account to a visitor's, and its callback wants the same session again. Put it
// behind Require with Within, since who links can log in from then on:
//
//	mux.Handle("POST /account/link/google", authn.Require(sessions, authn.Within(15*time.Minute))(login.Link("google")))
//
// The session's cookie must be SameSite=Lax, or it is not there at the callback. Link
// panics if there is no such provider, or no Config.SignedIn.
func (l *Login) Link(provider string) http.Handler {
	p := l.providers[provider]
	switch {
	case p == nil:
		panic("authn/oauth: Link: there is no provider " + provider)
	case l.cfg.SignedIn == nil:
		panic("authn/oauth: Link needs Config.SignedIn, such as a session.Manager")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noTraces(w)
		if !l.allow(w, r, http.MethodPost) {
			return
		}
		if e := crossorigin.Check(nil, r); e != nil {
			l.refuse(w, r, "/", e)
			return
		}
		id, err := l.signedIn(r)
		if err != nil {
			l.refuse(w, r, authn.ReturnTo(r, "/"), err)
			return
		}
		l.start(w, r, p, linkDigest(id))
	})
}

// signedIn is the person of r.
func (l *Login) signedIn(r *http.Request) (*authn.Identity, error) {
	return authn.Check(l.cfg.SignedIn, r, authn.OfKind(authn.KindUser))
}

// linkDigest stands for a session: its ID stays when its token changes.
func linkDigest(id *authn.Identity) []byte {
	sum := sha256.Sum256([]byte(id.CredentialID + "\x00" + id.Subject))
	return sum[:flowLink]
}

// start sends the browser to the provider, for a login or, with link, for that
// session.
func (l *Login) start(w http.ResponseWriter, r *http.Request, p *provider, link []byte) {
	back := authn.ReturnTo(r, "/")
	m, err := p.metadata(r.Context())
	if err != nil {
		l.refuse(w, r, back, err)
		return
	}
	f := newFlow(p.Name, back, link, l.cfg.Now())
	if err := l.setFlow(w, r, f); err != nil {
		l.refuse(w, r, back, err)
		return
	}
	w.Header().Set("Location", p.authorizationURL(m, f))
	w.WriteHeader(http.StatusSeeOther)
}

// authorizationURL is of OpenID Connect Core §3.1.2.1 and RFC 7636 §4.3.
func (p *provider) authorizationURL(m *metadata, f *flow) string {
	c := oauth2.Config{
		ClientID: p.spec.id, RedirectURL: p.redirect, Scopes: p.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: m.Authorization},
	}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(f.verifier())}
	if m.keys != nil {
		options = append(options, oauth2.SetAuthURLParam("nonce", f.nonce()))
	}
	for name := range p.Params {
		options = append(options, oauth2.SetAuthURLParam(name, p.Params.Get(name)))
	}
	return c.AuthCodeURL(f.state(), options...)
}

// queryOf is a URL whose return_to is path, for authn.ReturnTo.
func queryOf(path string) *url.URL {
	return &url.URL{RawQuery: url.Values{"return_to": {path}}.Encode()}
}
