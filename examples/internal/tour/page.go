package tour

import (
	"html/template"
	"log"
	"net/http"
	"net/url"
)

// Page shows a visitor live credentials: Data in Template. It answers under
// this computer's own names only: any web site could have its name resolve to
// 127.0.0.1 (DNS rebinding), and then read what stands on the page.
type Page struct {
	Template *template.Template
	Data     any
	// URL is where the page is.
	URL string
}

// ServeHTTP answers the page, which may load scripts and styles of this server
// and nothing else.
func (p Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if name := (&url.URL{Host: r.Host}).Hostname(); name != "localhost" && name != "127.0.0.1" && name != "::1" {
		http.Error(w, "This page shows live keys: open it on the computer that it runs on, as "+p.URL, http.StatusForbidden)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "+
		"img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if err := p.Template.Execute(w, p.Data); err != nil {
		log.Print("page: ", err)
	}
}
