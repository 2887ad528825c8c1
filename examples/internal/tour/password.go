package tour

import (
	"encoding/json"
	"net/http"
)

// Password is that of a small body: of a form or of JSON. "" if there is none.
func Password(w http.ResponseWriter, r *http.Request) string {
	var in struct{ Password string }
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	if in.Password = r.PostFormValue("password"); in.Password == "" {
		_ = json.NewDecoder(r.Body).Decode(&in) // what is no JSON has no password
	}
	return in.Password
}
