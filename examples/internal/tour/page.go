package tour

import (
	"html/template"
	"io/fs"
	"log"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-go/authn"
)

// Template is that of a file, and knows how to shorten what a browser says of
// itself.
func Template(files fs.FS, name string) *template.Template {
	return template.Must(template.New(name).Funcs(template.FuncMap{"device": Device}).ParseFS(files, name))
}

// Device is the browser and the system of a User-Agent, as people know them.
func Device(agent string) string {
	first := func(of ...[2]string) string {
		for _, kind := range of {
			if strings.Contains(agent, kind[0]) {
				return kind[1]
			}
		}
		return ""
	}
	browser := first([2]string{"Edg/", "Edge"}, [2]string{"Firefox/", "Firefox"}, [2]string{"Chrome/", "Chrome"},
		[2]string{"Safari/", "Safari"}, [2]string{"curl/", "curl"}, [2]string{"Go-http-client/", "the walkthrough"})
	system := first([2]string{"Android", "Android"}, [2]string{"iPhone", "iPhone"}, [2]string{"iPad", "iPad"},
		[2]string{"Windows", "Windows"}, [2]string{"Mac OS", "Mac"}, [2]string{"Linux", "Linux"})
	switch {
	case browser == "":
		return "Another program"
	case system == "":
		return browser
	}
	return browser + " on " + system
}

// Page shows a visitor live credentials: what Data says of a request, in
// Template. It answers under
// this computer's own names only: any web site could have its name resolve to
// 127.0.0.1 (DNS rebinding), and then read what stands on the page.
type Page struct {
	Template *template.Template
	Data     func(r *http.Request) (any, error)
	// URL is where the page is.
	URL string
}

// ServeHTTP answers the page, which may load scripts and styles of this server
// and send forms to it, and nothing else.
func (p Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if name := (&url.URL{Host: r.Host}).Hostname(); name != "localhost" && name != "127.0.0.1" && name != "::1" {
		http.Error(w, "This page shows live keys: open it on the computer that it runs on, as "+p.URL, http.StatusForbidden)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "+
		"img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "same-origin") // with no-referrer a form would come from the origin "null"
	h.Set("X-Content-Type-Options", "nosniff")
	data, err := p.Data(r)
	if err != nil {
		authn.WriteError(w, r, err)
		return
	}
	if err := p.Template.Execute(w, data); err != nil {
		log.Print("page: ", err)
	}
}
