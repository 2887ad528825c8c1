package migrating_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gatehouse-go/authn"
)

// account is a page of the host's, behind Require.
var account = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	id, _ := authn.FromContext(r.Context())
	fmt.Fprintf(w, "%s by %s", id.Subject, id.Method)
})

// visitor is a client's cookies, by name.
type visitor map[string]string

// get prints who the account's page is shown to, and keeps the cookies.
func (v visitor) get(h http.Handler, header ...string) {
	v.send(h, http.MethodGet, "/account", "", header...)
}

func (v visitor) send(h http.Handler, method, path, form string, header ...string) {
	r := httptest.NewRequest(method, "https://app.example"+path, strings.NewReader(form))
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, field := range header {
		name, value, _ := strings.Cut(field, ": ")
		r.Header.Set(name, value)
	}
	for name, value := range v {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if v[c.Name] = c.Value; c.MaxAge < 0 {
			delete(v, c.Name)
		}
	}
	if w.Code == http.StatusOK {
		fmt.Println(w.Body)
	} else {
		fmt.Println(w.Code)
	}
}
