package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/loopback"
	"github.com/gatehouse-go/authn/store"
)

// Config of NewLogin. BaseURL, Providers and OnLogin are required.
type Config struct {
	// BaseURL is where browsers find the Login: "https://app.example/auth". It is
	// mounted there without http.StripPrefix. http is for loopback hosts only.
	BaseURL string
	// Providers have different Names.
	Providers []Provider
	// OnLogin logs the user in.
	OnLogin LoginFunc
	// OnError answers logins that fail. Cache-Control: no-store is set already.
	// Defaults to authn.WriteError.
	OnError authn.ErrorHandler
	// SignedIn says who may [Login.Link]: the session.Manager. nil: nobody.
	SignedIn authn.Verifier
	// Once makes a copied flow cookie work once, on whichever instance, and is
	// required with Tokens. nil: a copy may be used as well, for 10 min, as long as
	// the provider takes the code.
	Once store.Once
	// Tokens are for SaveToken. nil: none are kept.
	Tokens store.ProviderTokens
	// Transport makes the requests to providers: for a proxy or a private CA. Here
	// they are limited to 10 s and 1 MiB each, and follow no redirect. nil is
	// http.DefaultTransport.
	Transport http.RoundTripper
	// OnEvent gets refusals, outages, refreshes and revocations. That somebody is
	// logged in is an event of session or jwtauth.
	OnEvent authn.EventFunc
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// LoginFunc finds or creates the host's user, logs it in, and redirects to
// p.ReturnTo:
//
//	user, err := users.ByExternal(r.Context(), p.Issuer, p.Subject)
//	…
//	id, err := sessions.Login(w, r, p.Identity(user.ID), session.LoginOptions{})
//	…
//	http.Redirect(w, r, pages.Next(id, p.ReturnTo), http.StatusSeeOther)
//
// With p.LinkTo it only keeps (Issuer, Subject) for that user, unless another one
// has it. Its error goes to Config.OnError, as authn.AsError reads it; then it must
// not have written a body.
type LoginFunc func(w http.ResponseWriter, r *http.Request, p Profile) error

// check reads BaseURL.
func (cfg *Config) check(kc *authn.Keychain) (*url.URL, error) {
	if kc.KeyID() == "" {
		return nil, errors.New("NewLogin needs a Keychain: make one by authn.ParseKeychain")
	}
	base, err := url.Parse(cfg.BaseURL)
	switch {
	case cfg.BaseURL == "":
		return nil, errors.New(`Config.BaseURL is missing: "https://app.example/auth"`)
	case err != nil:
		return nil, errors.New("Config.BaseURL does not parse")
	case !secure(base) || strings.ContainsAny(cfg.BaseURL, "?#") || base.User != nil:
		return nil, fmt.Errorf(`Config.BaseURL is %q, not like "https://app.example/auth" (http is for localhost only)`, base.Redacted())
	case len(cfg.Providers) == 0:
		return nil, errors.New("Config.Providers is empty")
	case cfg.OnLogin == nil:
		return nil, errors.New("Config.OnLogin is missing: who came would be nobody")
	case cfg.Tokens != nil && cfg.Once == nil:
		return nil, errors.New("Config.Tokens needs Once: two instances would refresh one token, and providers end a token whose refresh comes twice")
	}
	base.Path = strings.TrimRight(base.Path, "/")
	if base.EscapedPath() != base.Path || base.Path != "" && path.Clean(base.Path) != base.Path {
		return nil, fmt.Errorf("Config.BaseURL is %q: its path has no escapes, no dots and no empty segments", cfg.BaseURL)
	}
	if cfg.OnError == nil {
		cfg.OnError = func(w http.ResponseWriter, r *http.Request, err *authn.Error) { authn.WriteError(w, r, err) }
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return base, nil
}

// secure is of https, and of http to this very machine.
func secure(u *url.URL) bool {
	return u.Hostname() != "" && u.Opaque == "" && (u.Scheme == "https" || u.Scheme == "http" && loopback.Host(u.Host))
}
