package authntest

import (
	"crypto/rand"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// authorize is OpenID Connect Core §3.1.2, with PKCE by S256 demanded (RFC 7636)
// and iss in every answer (RFC 9207).
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "not a form", http.StatusBadRequest)
		return
	}
	back, err := url.Parse(r.Form.Get("redirect_uri"))
	if err != nil || !back.IsAbs() || back.Fragment != "" || r.Form.Get("client_id") != p.ClientID {
		http.Error(w, "unknown client_id, or no redirect_uri", http.StatusBadRequest)
		return
	}
	answer := map[string]any{"iss": p.URL}
	if state := r.Form.Get("state"); state != "" {
		answer["state"] = state
	}
	scopes := strings.Fields(r.Form.Get("scope"))
	switch mode := r.Form.Get("response_mode"); {
	case repeated(r.Form):
		answer["error"], answer["error_description"] = "invalid_request", "a parameter came twice"
	case r.Form.Get("response_type") != "code", mode != "" && mode != "query" && mode != "form_post":
		answer["error"] = "unsupported_response_type"
	case !slices.Contains(scopes, "openid"):
		answer["error"], answer["error_description"] = "invalid_scope", "no openid"
	case r.Form.Get("code_challenge_method") != "S256" || len(r.Form.Get("code_challenge")) != 43:
		answer["error"], answer["error_description"] = "invalid_request", "no code_challenge by S256"
	case p.Claims == nil:
		answer["error"], answer["error_description"] = "access_denied", "the user said no"
	default:
		code := rand.Text()
		answer["code"] = code
		p.mu.Lock()
		p.codes[code] = &login{
			claims: maps.Clone(p.Claims), redirectURI: r.Form.Get("redirect_uri"), challenge: r.Form.Get("code_challenge"),
			nonce: r.Form.Get("nonce"), scope: strings.Join(scopes, " "), authTime: time.Now().Unix(),
		}
		p.mu.Unlock()
	}
	if p.OnAnswer != nil {
		p.OnAnswer(r, answer)
	}
	if r.Form.Get("response_mode") == "form_post" {
		w.Header().Set("Content-Type", "text/html")
		if err := formPost.Execute(w, map[string]any{"To": back.String(), "Answer": answer}); err != nil {
			p.t.Errorf("authntest: /authorize: %v", err)
		}
		return
	}
	query := back.Query()
	for name, value := range answer {
		query.Set(name, fmt.Sprint(value))
	}
	back.RawQuery = query.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound) //nolint:gosec // G710: a provider of tests, on loopback, that has no list
}

// formPost is OAuth 2.0 Form Post Response Mode.
var formPost = template.Must(template.New("").Parse(`<!doctype html><title>Back</title><body onload="document.forms[0].submit()">
<form method="post" action="{{.To}}">
{{range $name, $value := .Answer}}<input type="hidden" name="{{$name}}" value="{{$value}}">
{{end}}<noscript><button>Continue</button></noscript></form>
`))

// repeated reports whether a parameter came twice (RFC 6749 §3.1).
func repeated(form url.Values) bool {
	for _, values := range form {
		if len(values) > 1 {
			return true
		}
	}
	return false
}

// endSession is OpenID Connect RP-Initiated Logout §2: whoever comes is sent
// back. That id_token_hint is one of ours is not looked at.
func (p *Provider) endSession(w http.ResponseWriter, r *http.Request) {
	to := r.FormValue("post_logout_redirect_uri")
	back, err := url.Parse(to)
	if err != nil || to == "" {
		fmt.Fprintln(w, "You are logged out.")
		return
	}
	if state := r.FormValue("state"); state != "" {
		query := back.Query()
		query.Set("state", state)
		back.RawQuery = query.Encode()
	}
	http.Redirect(w, r, back.String(), http.StatusFound) //nolint:gosec // G710: a provider of tests, on loopback, that has no list
}
