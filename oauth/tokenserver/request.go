package tokenserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-go/authn"
)

// What a request may have at most.
const (
	maxBody       = 64 << 10 // bytes
	maxParameters = 100
	maxScopes     = 1000
)

// form is the parameters of a request.
type form struct {
	parameters []parameter
	resources  []string // the one that may be there several times (RFC 8707 §2)
}

type parameter struct{ name, value string }

// get is "" for a parameter that is not there, or is there without a value (RFC
// 6749 §3.1).
func (f form) get(name string) string {
	for _, p := range f.parameters {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// post is an endpoint: whatever it answers is not to be cached, which writeJSON,
// revoke and jwtauth.WriteTokens each say.
func (s *Server) post(serve func(w http.ResponseWriter, r *http.Request, f form, c *caller) *refusal) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, e := readForm(w, r)
		if e == nil {
			var c *caller
			if c, e = s.authenticate(r, f); e == nil {
				if e = serve(w, r, f, c); e != nil {
					e.client = c.ID
				}
			}
		}
		if e != nil {
			s.refuse(w, r, e)
		}
	})
}

// eventContext is r's with the address that the issuer's events say. Issue finds it
// in Grant.Request.
func eventContext(r *http.Request) context.Context {
	return authn.WithClient(r.Context(), authn.ClientOf(r))
}

// readForm takes POST with a form in the body, and nothing in the URL (RFC 6749
// §2.3.1, §3.2).
func readForm(w http.ResponseWriter, r *http.Request) (form, *refusal) {
	switch kinds := r.Header["Content-Type"]; {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		e := malformed("method", nil)
		e.status = http.StatusMethodNotAllowed
		return form{}, e
	case r.URL.RawQuery != "":
		return form{}, malformed("parameters in the URL", nil)
	case len(kinds) != 1 || !isForm(kinds[0]) || len(r.Header["Content-Encoding"]) > 0:
		return form{}, malformed("not a form", nil)
	}
	body, err := readBody(http.MaxBytesReader(w, r.Body, maxBody), r.ContentLength)
	if err != nil {
		return form{}, malformed("body", err)
	}
	f, err := parseForm(body)
	if err != nil {
		return form{}, malformed("body", err)
	}
	return f, nil
}

// readBody is [io.ReadAll] with room for what is announced.
func readBody(r io.Reader, announced int64) (string, error) {
	size := int64(bytes.MinRead)
	if announced > 0 && announced <= maxBody {
		size = announced + 1 // for the read that finds the end
	}
	b := make([]byte, 0, size)
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case errors.Is(err, io.EOF):
			return string(b), nil
		case err != nil:
			return "", err
		case len(b) == cap(b):
			b = slices.Grow(b, len(b))
		}
	}
}

const formType = "application/x-www-form-urlencoded"

func isForm(contentType string) bool {
	if contentType == formType {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == formType
}

// parseForm refuses what two readers could understand differently. It reads as
// [url.ParseQuery] does.
func parseForm(body string) (form, error) {
	f := form{parameters: make([]parameter, 0, 8)}
	for more := true; more; {
		var part string
		if part, body, more = strings.Cut(body, "&"); part == "" {
			continue
		}
		if err := f.add(part); err != nil {
			return form{}, err
		}
	}
	return f, nil
}

func (f *form) add(part string) error {
	name, value, _ := strings.Cut(part, "=")
	name, err := url.QueryUnescape(name)
	if err == nil {
		value, err = url.QueryUnescape(value)
	}
	switch {
	case err != nil || strings.IndexByte(part, ';') >= 0: // err quotes it
		return errors.New("not a form")
	case !utf8.ValidString(value) || strings.IndexByte(value, 0) >= 0:
		return errors.New("a parameter that is not text")
	case len(f.parameters)+len(f.resources) == maxParameters:
		return errors.New("too many parameters")
	case name == "resource":
		if value != "" && !slices.Contains(f.resources, value) {
			f.resources = append(f.resources, value)
		}
		return nil
	case slices.ContainsFunc(f.parameters, func(p parameter) bool { return p.name == name }):
		return errors.New("a parameter is there twice")
	}
	f.parameters = append(f.parameters, parameter{name, value})
	return nil
}

// scopes are those of the request, each once, nil if it names none.
func (f form) scopes() ([]string, error) {
	text := f.get("scope")
	if text == "" {
		return nil, nil
	}
	var scopes []string
	for more := true; more; {
		var scope string
		scope, text, more = strings.Cut(text, " ")
		switch {
		case !isScope(scope):
			return nil, errors.New("not a list of RFC 6749 §3.3")
		case slices.Contains(scopes, scope):
		case len(scopes) == maxScopes:
			return nil, errors.New("too many")
		default:
			scopes = append(scopes, scope)
		}
	}
	return scopes, nil
}
