package oauth

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

const oncePurpose = "authn/oauth flow"

// callback ends a flow, whatever the outcome.
func (l *Login) callback(w http.ResponseWriter, r *http.Request, p *provider) {
	began := l.cfg.Now()
	back := "/"
	profile, err := l.finish(w, r, p, &back)
	if err != nil {
		l.refuse(w, r, back, err)
		return
	}
	profile.Provider, profile.ReturnTo, profile.began = p.Name, back, began
	if err := l.cfg.OnLogin(w, r, profile); err != nil {
		l.refuse(w, r, back, err)
	}
}

// finish is the checks in their order: what the browser brings comes before the
// network is asked about anything.
func (l *Login) finish(w http.ResponseWriter, r *http.Request, p *provider, back *string) (Profile, error) {
	v, err := l.query(r, p)
	if err != nil {
		return Profile{}, err
	}
	endFlows(w, v["state"])
	resp, err := readResponse(v)
	if err != nil {
		return Profile{}, err
	}
	f, err := l.flow(r, resp.state, p)
	if err != nil {
		return Profile{}, err
	}
	*back = f.path()
	linkTo, err := l.linkTo(r, f)
	if err != nil {
		return Profile{}, err
	}
	m, err := p.metadata(r.Context())
	if err != nil {
		return Profile{}, err
	}
	if err := p.checkIss(m, resp); err != nil {
		return Profile{}, err
	}
	if resp.failure != "" {
		return Profile{}, resp.refusal()
	}
	if err := l.claim(r.Context(), f); err != nil {
		return Profile{}, err
	}
	token, err := p.exchange(r.Context(), m, resp.code, f)
	if err != nil {
		return Profile{}, err
	}
	profile, err := p.profile(r.Context(), m, token, f)
	if err != nil {
		return Profile{}, err
	}
	if profile.Name == "" && p.spec.names != nil {
		profile.Name = p.spec.names(resp.user)
	}
	profile.LinkTo = linkTo
	return profile, nil
}

// flow is the one that state names, of this browser and of this provider.
func (l *Login) flow(r *http.Request, state string, p *provider) (*flow, error) {
	name, ok := cookieName(state)
	if !ok {
		return nil, expired("no state of ours")
	}
	f, ok := l.openFlow(r, name)
	switch {
	case !ok:
		return nil, expired("no flow of this browser")
	case subtle.ConstantTimeCompare([]byte(f.state()), []byte(state)) != 1:
		return nil, expired("another flow's state")
	case f.provider != p.Name: // a mix-up (RFC 9700 §4.4)
		return nil, expired("another provider's callback")
	case !l.alive(f):
		return nil, expired("expired flow")
	}
	return f, nil
}

// linkTo is who started f by Link, and is here still.
func (l *Login) linkTo(r *http.Request, f *flow) (string, error) {
	if f.link == nil {
		return "", nil
	}
	if l.cfg.SignedIn == nil {
		return "", expired("a link, and no SignedIn")
	}
	id, err := l.signedIn(r)
	switch {
	case err != nil && authn.AsError(err).Status >= http.StatusInternalServerError:
		return "", err
	case err != nil:
		return "", expired("a link, and nobody is signed in")
	case !bytes.Equal(linkDigest(id), f.link):
		return "", expired("a link of another session")
	}
	return id.Subject, nil
}

// checkIss is RFC 9207 §2.4. Plain OAuth 2 has no issuer to compare with, and a
// callback of its own instead.
func (p *provider) checkIss(m *metadata, resp response) error {
	if m.keys == nil || resp.iss == "" && !m.NamesIssuer {
		return nil
	}
	if p.issuerOf(m, resp.iss) == "" {
		return failed("iss", nil)
	}
	return nil
}

// claim lets a flow pass once.
func (l *Login) claim(ctx context.Context, f *flow) error {
	if l.cfg.Once == nil {
		return nil
	}
	now := l.cfg.Now()
	until := f.created.Add(flowFor + leeway) // as long as an instance may take it for alive
	err := l.cfg.Once.ClaimOnce(ctx, oncePurpose, store.DigestOf(f.state()), until, micros(now))
	switch {
	case errors.Is(err, store.ErrExists):
		return expired("a flow twice")
	case err != nil:
		return outage("store", err)
	}
	return nil
}

func micros(t time.Time) time.Time { return t.Truncate(time.Microsecond) }

// ourFault are the errors of a token endpoint that no user can cause: the client
// is not set up as it should be.
var ourFault = []string{
	"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
	"incorrect_client_credentials", "redirect_uri_mismatch", // GitHub's
}

// busy are errors that pass, of providers that say them by a 400.
var busy = []string{"temporarily_unavailable", "server_error", "internal_failure", "slow_down", "rate_limit_exceeded"}

// exchange is the one token request.
func (p *provider) exchange(ctx context.Context, m *metadata, code string, f *flow) (*oauth2.Token, error) {
	c, err := p.config(m)
	if err != nil {
		return nil, err
	}
	token, err := c.Exchange(p.use(ctx), code, oauth2.VerifierOption(f.verifier()))
	if err != nil {
		return nil, tokenError(err)
	}
	return p.received(token)
}

// received is token with its end by our clock.
func (p *provider) received(token *oauth2.Token) (*oauth2.Token, error) {
	if token.Type() != "Bearer" {
		return nil, failed("token_type", nil)
	}
	if token.ExpiresIn > 0 {
		token.Expiry = p.now().Add(time.Duration(token.ExpiresIn) * time.Second)
	}
	return token, nil
}

// tokenError is 401 where the code or the refresh token is wrong, else 503. Of what
// the provider said only its error code is kept.
func tokenError(err error) error {
	e, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		return outage("token endpoint", withoutURL(err))
	}
	said := errors.New("the token endpoint says " + printable(e.ErrorCode))
	status := e.Response.StatusCode
	if e.ErrorCode == "" || status >= http.StatusInternalServerError || status == http.StatusTooManyRequests || slices.Contains(slices.Concat(ourFault, busy), e.ErrorCode) {
		return outage("token endpoint", errors.Join(said, statusError{code: status}))
	}
	return failed("token endpoint", said)
}

// printable is a provider's word, for an event.
func printable(s string) string {
	clean := make([]byte, 0, 64)
	for _, c := range []byte(s[:min(len(s), 64)]) {
		if c > 0x20 && c < 0x7f {
			clean = append(clean, c)
		}
	}
	if len(clean) == 0 {
		return "nothing"
	}
	return string(clean)
}
