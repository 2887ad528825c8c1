package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

// LogoutURL is where to send a browser that is to be logged out at the provider,
// too, and comes back to returnTo, a path of this host, which as a whole URL is
// registered there (OpenID Connect RP-Initiated Logout). "" when the provider has no
// such place. It may ask the user, unless SaveToken has kept an id_token. Ask for the
// URL first, then end the session:
//
//	to, err := login.LogoutURL(r.Context(), id.Subject, "google", "/")
//	err = sessions.Logout(w, r)
func (l *Login) LogoutURL(ctx context.Context, subject, provider, returnTo string) (string, error) {
	p := l.providers[provider]
	if p == nil {
		return "", fault("there is no provider %.40q", provider)
	}
	m, err := p.metadata(ctx)
	if err != nil {
		return "", err
	}
	if m.EndSession == "" {
		return "", nil
	}
	u, err := url.Parse(m.EndSession)
	if err != nil {
		return "", outage("discovery", err) // cannot be: it was parsed when it came
	}
	v := u.Query()
	v.Set("client_id", p.spec.id)
	back := *l.base
	back.Path = ""
	v.Set("post_logout_redirect_uri", back.String()+authn.Pages{}.Next(nil, returnTo))
	if l.cfg.Tokens != nil && isSubject(subject) {
		k, _, err := l.load(ctx, subject, provider)
		switch {
		case err == nil && k.IDToken != "":
			v.Set("id_token_hint", k.IDToken)
		case err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, errUnreadable):
			return "", err
		}
	}
	u.RawQuery = v.Encode()
	return u.String(), nil
}

// revoke ends what k is at the provider (RFC 7009), where it says how: the refresh
// token, which takes the access tokens with it.
func (p *provider) revoke(ctx context.Context, k *kept) error {
	token, hint := k.Refresh, "refresh_token"
	if token == "" {
		token, hint = k.Access, "access_token"
	}
	if p.spec.revoke != nil {
		return p.spec.revoke(ctx, p.client, k.Access)
	}
	m, err := p.metadata(ctx)
	if err != nil || m.Revocation == "" {
		return err
	}
	c, err := p.config(m)
	if err != nil {
		return err
	}
	form := url.Values{"token": {token}, "token_type_hint": {hint}}
	if m.style == oauth2.AuthStyleInParams {
		form.Set("client_id", c.ClientID)
		form.Set("client_secret", c.ClientSecret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.Revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if m.style == oauth2.AuthStyleInHeader {
		req.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(c.ClientSecret))
	}
	resp, err := p.client.Do(req)
	return revoked(resp, err)
}
