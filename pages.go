package authn

import (
	"net/http"
	"net/url"
	"strings"
)

// returnParam is the query parameter that carries the way back over the steps
// of a login.
const returnParam = "return_to"

// maxReturn bounds a return path, which travels in URLs and cookies.
const maxReturn = 2048

// Pages sends a browser that is refused to the page that helps, with the way
// back in the query parameter "return_to", and answers programs by
// [WriteError]. Its OnError is for [Guard], and for the handler of a login form,
// which shows what was wrong there:
//
//	authn.Pages{Login: "/login?wrong=1"}.OnError(w, r, authn.AsError(err))
//
// A browser is who navigates: by Sec-Fetch-Mode or, without that field, by an
// Accept with text/html. A page's own fetch calls are programs.
type Pages struct {
	// Login is the path for nobody, and for a bad or stale credential:
	// "/login". "" answers as to programs.
	Login string
	// Factor has the path for each factor that may be owed or too old:
	// {"otp": "/login/otp", "pwd": "/reauth"}. "" is for a [Within] that names
	// none. A factor without a path gets Login.
	Factor map[string]string
}

// OnError is an [ErrorHandler].
func (p Pages) OnError(w http.ResponseWriter, r *http.Request, err *Error) {
	page := ""
	if err.Status == http.StatusUnauthorized && navigates(r) {
		page = p.page(err)
	}
	if page == "" {
		WriteError(w, r, err)
		return
	}
	back := ""
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		back = r.RequestURI // not of r.URL, whose prefix may be stripped
		if !strings.HasPrefix(back, "/") {
			back = r.URL.RequestURI()
		}
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Location", withReturn(page, back))
	w.WriteHeader(http.StatusSeeOther)
}

func (p Pages) page(err *Error) string {
	if page := p.Factor[err.Factor]; page != "" && err.Code == codeStepUp {
		return page
	}
	return p.Login
}

// navigates reports whether a browser loads r as a page.
func navigates(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// Next is where to go after a step of a login: to the page of a factor that id
// still owes, with returnTo in its query, else to returnTo. What is no path of
// this host is "/".
func (p Pages) Next(id *Identity, returnTo string) string {
	if !isLocalPath(returnTo) {
		returnTo = "/"
	}
	if id != nil {
		for _, factor := range id.Pending {
			if page := p.Factor[factor]; page != "" {
				return withReturn(page, returnTo)
			}
		}
	}
	return returnTo
}

// ReturnTo is "return_to" of r's query if it is a path of this host, else
// fallback: what a login redirects to. It does not read the body, so a login
// form posts to its own URL, query included.
func ReturnTo(r *http.Request, fallback string) string {
	if back := r.URL.Query().Get(returnParam); isLocalPath(back) {
		return back
	}
	return fallback
}

// withReturn is page with the way back in its query, if that is a local path.
func withReturn(page, back string) string {
	if !isLocalPath(back) {
		return page
	}
	sep := "?"
	if strings.Contains(page, "?") {
		sep = "&"
	}
	return page + sep + returnParam + "=" + url.QueryEscape(back)
}

// isLocalPath reports whether a redirect to s stays on this host, in every
// reading that browsers, proxies and http.Redirect are known to give it: an
// absolute path and perhaps a query, without fragment, without backslashes
// (which browsers take for slashes) and control characters (which they drop),
// and, decoded once or twice, without empty segments.
func isLocalPath(s string) bool {
	if len(s) > maxReturn || !strings.HasPrefix(s, "/") || strings.ContainsFunc(s, isUnsafe) {
		return false
	}
	path, _, _ := strings.Cut(s, "?")
	for range 3 {
		if strings.Contains(path, "//") || strings.ContainsFunc(path, isUnsafe) {
			return false
		}
		var err error
		if path, err = url.PathUnescape(path); err != nil {
			return false
		}
	}
	return true
}

// isUnsafe is of characters that a return path never has.
func isUnsafe(c rune) bool { return c == '\\' || c == '#' || c < 0x20 || c == 0x7f }
