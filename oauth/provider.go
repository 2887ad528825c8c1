package oauth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/gatehouse-go/authn"
)

// Provider is one way to log in. Its fields may be set before NewLogin.
type Provider struct {
	// Name is its place in URLs: 1 to 32 of [a-z0-9-].
	Name string
	// Scopes replace those that a Profile needs. nil: these.
	Scopes []string
	// Params are added to the authorization request: "prompt", "login_hint".
	// "response_mode" may be "form_post". "max_age" is held against the id_token's
	// auth_time. Those of the protocol are refused.
	Params url.Values

	spec spec
}

// spec is what a constructor knows of its provider.
type spec struct {
	err       error // what was wrong with the arguments
	id        string
	secret    func(now time.Time) (string, error)
	issuer    string                    // of OpenID Connect: where discovery is; of plain OAuth 2 the Issuer of profiles
	published string                    // the issuer that discovery has, if it is another
	issuers   func(iss string) string   // the Issuer of an id_token's iss, "" if it is none of them; nil: issuer only
	keyIssuer func(of, iss string) bool // whether a key of that "issuer" signs for iss; nil: keys have none
	scopes    []string
	adjust    func(p *Profile)
	names     func(user string) string // reads what the browser says of the user; nil: it is not asked

	// Of plain OAuth 2.
	endpoint oauth2.Endpoint
	profile  func(ctx context.Context, c *http.Client) (Profile, error)
	revoke   func(ctx context.Context, c *http.Client, token string) error
}

// OIDC is any OpenID provider: its issuer is an https URL below which
// /.well-known/openid-configuration is. It is asked when the first login starts,
// and again after 24 h.
func OIDC(name, issuer, id string, secret authn.Secret) Provider {
	return Provider{Name: name, spec: spec{
		id: id, secret: fixedSecret(secret), issuer: issuer, scopes: []string{"openid", "profile", "email"},
	}}
}

// OAuth2 is a provider without OpenID Connect, by c's ClientID, ClientSecret,
// Endpoint and Scopes; c.Endpoint.AuthStyle must be set. profile asks the
// provider's API who it is: c carries the token, and is limited as all requests
// are. It sets Subject at least; Issuer defaults to the origin of
// c.Endpoint.AuthURL: set it where that origin has several realms, or their users are
// the same. Its error is an outage unless it is an *authn.Error.
func OAuth2(name string, c oauth2.Config, profile func(ctx context.Context, c *http.Client) (Profile, error)) Provider {
	p := Provider{Name: name, spec: spec{
		id: c.ClientID, secret: fixedSecret(authn.NewSecret(c.ClientSecret)), endpoint: c.Endpoint,
		scopes: slices.Clone(c.Scopes), profile: profile,
	}}
	u, err := url.Parse(c.Endpoint.AuthURL)
	if err != nil || !secure(u) {
		p.spec.err = errors.New("Endpoint.AuthURL is no https URL")
		return p
	}
	p.spec.issuer = u.Scheme + "://" + u.Host
	token, err := url.Parse(c.Endpoint.TokenURL)
	switch {
	case err != nil || !secure(token):
		p.spec.err = errors.New("Endpoint.TokenURL is no https URL")
	case c.Endpoint.AuthStyle != oauth2.AuthStyleInHeader && c.Endpoint.AuthStyle != oauth2.AuthStyleInParams:
		p.spec.err = errors.New("Endpoint.AuthStyle is not set: finding out would cost a second token request, and codes work once; say oauth2.AuthStyleInHeader or AuthStyleInParams")
	case profile == nil:
		p.spec.err = errors.New("profile is nil")
	}
	return p
}

func fixedSecret(s authn.Secret) func(time.Time) (string, error) {
	if s.IsZero() {
		return nil
	}
	return func(time.Time) (string, error) { return s.Reveal(), nil }
}

// ours are the parameters of the authorization request that Params may not have.
var ours = []string{
	"client_id", "client_secret", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
	"request", "request_uri",
}

const (
	maxName = 32
	maxAge  = "max_age"
)

func isSeconds(s string) bool {
	_, err := strconv.ParseUint(s, 10, 31)
	return err == nil
}

// checked is p with copies of its own, or what is wrong with it.
func (p Provider) checked() (Provider, error) {
	if p.Name == "" || len(p.Name) > maxName || strings.Trim(p.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return p, fmt.Errorf("Provider.Name %q is not 1 to %d of [a-z0-9-]", p.Name, maxName)
	}
	fail := func(format string, args ...any) (Provider, error) {
		return p, fmt.Errorf("provider %s: %w", p.Name, fmt.Errorf(format, args...))
	}
	switch {
	case p.spec.err != nil:
		return fail("%w", p.spec.err)
	case p.spec.id == "":
		return fail("the client id is empty")
	case p.spec.secret == nil:
		return fail("the client secret is empty")
	}
	if p.spec.profile == nil {
		if err := checkIssuer(p.spec.issuer); err != nil {
			return fail("%w", err)
		}
		if p.Scopes != nil && !slices.Contains(p.Scopes, "openid") {
			return fail(`Scopes lack "openid": there would be no id_token`)
		}
	}
	if p.spec.names != nil && !p.formPost() {
		return fail(`Params lack "response_mode": "form_post": Apple tells name and address by nothing else`)
	}
	if p.Scopes == nil {
		p.Scopes = p.spec.scopes
	}
	p.Scopes = slices.Clone(p.Scopes)
	p.Params = maps.Clone(p.Params)
	for name, values := range p.Params {
		switch {
		case slices.Contains(ours, name):
			return fail("Params may not have %q", name)
		case len(values) != 1:
			return fail("Params has %q %d times", name, len(values))
		case name == maxAge && !isSeconds(values[0]):
			return fail("Params has a max_age that is no number of seconds")
		case name == "response_mode" && values[0] != "query" && values[0] != "form_post":
			return fail("Params has a response_mode other than query and form_post")
		}
	}
	return p, nil
}

// checkIssuer is OpenID Connect Discovery §3.
func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || !secure(u) || u.User != nil || strings.ContainsAny(issuer, "?# ") {
		return errors.New("the issuer is no https URL without query and fragment (http is for localhost only)")
	}
	return nil
}

// formPost is of providers that answer by a POST.
func (p Provider) formPost() bool { return p.Params.Get("response_mode") == "form_post" }
