package oauth

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	// maxResponse is of the parameters of a provider's answer.
	maxResponse = 4 << 10
	// maxForm is of the POST of a form_post, more of which is not read.
	maxForm         = 64 << 10
	responsePurpose = "authn/oauth response"
	responseParam   = "response"
)

// response is what a provider answers by the browser (RFC 6749 §4.1.2).
type response struct {
	state, iss, code, failure string
	user                      string // of Apple
}

// The parameters that count. Others are for others (RFC 6749 §3.1).
var responseParams = []string{"state", "iss", "code", "error", "user"}

// readResponse wants each parameter once at most, known or not.
func readResponse(v url.Values) (response, error) {
	for _, values := range v {
		if len(values) != 1 {
			return response{}, malformed("a parameter twice")
		}
	}
	resp := response{state: v.Get("state"), iss: v.Get("iss"), code: v.Get("code"), failure: v.Get("error"), user: v.Get("user")}
	switch {
	case resp.state == "":
		return response{}, malformed("no state")
	case resp.code == "" && resp.failure == "":
		return response{}, malformed("neither code nor error")
	}
	return resp, nil
}

// query is the provider's answer to r, in the URL or, of a form_post, sealed there
// by forward.
func (l *Login) query(r *http.Request, p *provider) (url.Values, error) {
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, malformed("query")
	}
	if !p.formPost() {
		return v, nil
	}
	if len(v[responseParam]) != 1 {
		return nil, malformed("no form_post")
	}
	raw, err := decodeText(v.Get(responseParam))
	if err != nil {
		return nil, malformed("form_post")
	}
	plain, _, err := l.kc.Open(responsePurpose, raw, []byte(p.Name))
	if err != nil {
		return nil, malformed("form_post")
	}
	if v, err = url.ParseQuery(string(plain)); err != nil {
		return nil, malformed("form_post")
	}
	return v, nil
}

// forward takes the POST of a form_post, which another site's page makes: cookies
// that are SameSite=Lax are not there. It sends the answer, sealed, on to the GET of
// the same path, where they are.
func (l *Login) forward(w http.ResponseWriter, r *http.Request, p *provider) {
	refuse := func(reason string) {
		endFlows(w, r.PostForm["state"])
		l.refuse(w, r, "/", malformed(reason))
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded") {
		refuse("no form")
		return
	}
	if err := r.ParseForm(); err != nil || r.URL.RawQuery != "" {
		refuse("form")
		return
	}
	resp, err := readResponse(r.PostForm)
	if _, ok := cookieName(resp.state); err == nil && !ok {
		err = expired("no state of ours")
	}
	if err != nil {
		endFlows(w, r.PostForm["state"])
		l.refuse(w, r, "/", err)
		return
	}
	kept := make(url.Values)
	for _, name := range responseParams {
		if r.PostForm.Has(name) {
			kept.Set(name, r.PostForm.Get(name))
		}
	}
	plain := kept.Encode()
	if len(plain) > maxResponse {
		refuse("form too long")
		return
	}
	value, err := l.kc.Seal(responsePurpose, []byte(plain), []byte(p.Name))
	if err != nil {
		l.refuse(w, r, "/", outage("keychain", err))
		return
	}
	w.Header().Set("Location", p.redirect+"?"+responseParam+"="+encodeText(value))
	w.WriteHeader(http.StatusSeeOther)
}

// endFlows takes the cookies of these states away.
func endFlows(w http.ResponseWriter, states []string) {
	for _, state := range states[:min(len(states), maxFlows)] {
		if name, ok := cookieName(state); ok {
			endCookie(w, name)
		}
	}
}

// loginRequired are the answers to prompt=none (OpenID Connect Core §3.1.2.6).
var loginRequired = []string{"login_required", "interaction_required", "account_selection_required", "consent_required"}

// refusal is the fixed error that a provider's stands for.
func (resp response) refusal() error {
	reason := "the provider says " + resp.failure[:min(len(resp.failure), 64)]
	if strings.ContainsFunc(reason, isControl) {
		reason = "the provider says no"
	}
	switch {
	case resp.failure == "access_denied" || resp.failure == "user_cancelled_authorize": // Apple's word
		return flowError("access_denied", reason, nil)
	case slices.Contains(loginRequired, resp.failure):
		return flowError("login_required", reason, nil)
	case resp.failure == "temporarily_unavailable" || resp.failure == "server_error":
		return outage(reason, nil)
	}
	return failed(reason, nil)
}

// appleName is what Apple's page knows of the user, by the browser.
func appleName(user string) string {
	var u struct {
		Name struct {
			First string `json:"firstName"`
			Last  string `json:"lastName"`
		} `json:"name"`
	}
	if user == "" || json.Unmarshal([]byte(user), &u) != nil {
		return ""
	}
	name := strings.TrimSpace(u.Name.First + " " + u.Name.Last)
	if len(name) > maxSubject || strings.ContainsFunc(name, isControl) {
		return ""
	}
	return name
}
