package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
)

// Login is the http.Handler of /{provider}/login and /{provider}/callback below
// Config.BaseURL. It is safe for concurrent use.
type Login struct {
	kc        *authn.Keychain
	cfg       Config
	base      *url.URL
	providers map[string]*provider
	log       audit.Log
}

// NewLogin refuses a Config that is unsafe or contradicts itself. It makes no
// request: a provider that is down answers 503 on its own routes until it is back.
// The Keychain seals flow cookies and tokens, and is the same on all instances.
func NewLogin(kc *authn.Keychain, cfg Config) (*Login, error) {
	base, err := cfg.check(kc)
	if err != nil {
		return nil, fmt.Errorf("authn/oauth: %w", err)
	}
	l := &Login{
		kc: kc, cfg: cfg, base: base, providers: make(map[string]*provider, len(cfg.Providers)),
		log: audit.Log{Method: method, OnEvent: cfg.OnEvent, Now: cfg.Now},
	}
	client := newClient(cfg.Transport)
	for _, p := range cfg.Providers {
		p, err := p.checked()
		if err != nil {
			return nil, fmt.Errorf("authn/oauth: %w", err)
		}
		if l.providers[p.Name] != nil {
			return nil, fmt.Errorf("authn/oauth: two providers are named %q", p.Name)
		}
		l.providers[p.Name] = newProvider(p, base.JoinPath(p.Name, "callback").String(), client, cfg.Now)
	}
	return l, nil
}

// ServeHTTP answers GET and POST of /{provider}/login?return_to=/path, and of
// /{provider}/callback what the provider's way of answering is.
func (l *Login) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	noTraces(w)
	p, action := l.route(r.URL.EscapedPath())
	switch {
	case p != nil && action == "login":
		if l.allow(w, r, http.MethodGet, http.MethodPost) {
			l.start(w, r, p, nil)
		}
	case p != nil && action == "callback" && p.formPost() && r.Method == http.MethodPost:
		l.forward(w, r, p)
	case p != nil && action == "callback":
		methods := []string{http.MethodGet}
		if p.formPost() {
			methods = append(methods, http.MethodPost)
		}
		if l.allow(w, r, methods...) {
			l.callback(w, r, p)
		}
	default:
		l.cfg.OnError(w, r, &authn.Error{Status: http.StatusNotFound, Code: "not_found", Reason: "no such page"})
	}
}

// route is the provider and the last segment of a path, as it was sent: none of
// ours has anything to escape.
func (l *Login) route(path string) (*provider, string) {
	rest, ok := strings.CutPrefix(path, l.base.Path+"/")
	if !ok {
		return nil, ""
	}
	name, action, _ := strings.Cut(rest, "/")
	return l.providers[name], action
}

// allow answers other methods.
func (l *Login) allow(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	for _, m := range methods {
		if r.Method == m {
			return true
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	l.cfg.OnError(w, clean(r, "/"), &authn.Error{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Reason: r.Method})
	return false
}

// noTraces keeps codes and states out of caches and of other sites' logs.
func noTraces(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
}

// refuse answers err, with its event unless that was sent. OnError's r is not the
// callback's, which has the code and the state in it.
func (l *Login) refuse(w http.ResponseWriter, r *http.Request, back string, err error) {
	e := *authn.AsError(err)
	if !e.Reported {
		_ = l.log.Refusal(r, &e)
	}
	l.cfg.OnError(w, clean(r, back), &e)
}

// clean is r as if it were for back, without the code and the state.
func clean(r *http.Request, back string) *http.Request {
	u, err := url.ParseRequestURI(back)
	if err != nil {
		back, u = "/", &url.URL{Path: "/"}
	}
	c := *r
	c.URL, c.RequestURI, c.Form, c.PostForm = u, back, nil, nil
	return &c
}

// The refusals of a flow. What was wrong goes to the event only.

func malformed(reason string) *authn.Error { return authn.Malformed(reason, nil) }

func expired(reason string) *authn.Error { return flowError("login_expired", reason, nil) }

func failed(reason string, err error) *authn.Error { return flowError("login_failed", reason, err) }

func flowError(code, reason string, err error) *authn.Error {
	return &authn.Error{Status: http.StatusUnauthorized, Code: code, Reason: reason, Err: err}
}

// outage is 503, or what err is from 500.
func outage(reason string, err error) *authn.Error {
	if e, ok := errors.AsType[*authn.Error](err); ok && e.Status >= http.StatusInternalServerError {
		return e
	}
	return audit.Outage(reason, err)
}
