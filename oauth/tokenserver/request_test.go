package tokenserver_test

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn/oauth/tokenserver"
)

// O11: POST with a form, in the body and nowhere else, at most 64 KiB, without
// duplicates: of each endpoint, before a client is looked for.
func TestMalformedRequests(t *testing.T) {
	w := newWorld(t, nil)
	_, secret := w.create(tokenserver.Client{ID: "worker"})
	body := "grant_type=client_credentials&token=x"
	pad := func(n int) string { return body + "&pad=" + strings.Repeat("x", n-len(body)-len("&pad=")) }
	w.st.made()
	for _, tt := range []struct {
		name, body string
		set        func(r *http.Request)
		status     int // 0: it is none of these errors
	}{
		{"good", body, nil, 0},
		{"no body", "", nil, 0}, // but what is in it
		{"charset", body, field("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8"), 0},
		{"type in capitals", body, field("Content-Type", "Application/X-WWW-Form-Urlencoded"), 0},
		{"GET", body, func(r *http.Request) { r.Method = http.MethodGet }, 405},
		{"PUT", body, func(r *http.Request) { r.Method = http.MethodPut }, 405},
		{"HEAD", body, func(r *http.Request) { r.Method = http.MethodHead }, 405},
		{"OPTIONS", body, func(r *http.Request) { r.Method = http.MethodOptions }, 405},
		{"a parameter in the URL", body, func(r *http.Request) { r.URL.RawQuery = "scope=orders:read" }, 400},
		{"the secret in the URL", body, func(r *http.Request) { r.URL.RawQuery = "client_secret=" + secret }, 400},
		{"no type", body, func(r *http.Request) { r.Header.Del("Content-Type") }, 400},
		{"two types", body, func(r *http.Request) { r.Header.Add("Content-Type", "application/x-www-form-urlencoded") }, 400},
		{"JSON", `{"grant_type":"client_credentials"}`, field("Content-Type", "application/json"), 400},
		{"multipart", body, field("Content-Type", "multipart/form-data; boundary=x"), 400},
		{"text", body, field("Content-Type", "text/plain"), 400},
		{"bad type", body, field("Content-Type", "application/x-www-form-urlencoded; ="), 400},
		{"gzip", body, field("Content-Encoding", "gzip"), 400},
		{"64 KiB", pad(64 << 10), nil, 0},
		{"64 KiB and a byte", pad(64<<10 + 1), nil, 400},
		{"grant_type twice", body + "&grant_type=client_credentials", nil, 400},
		{"scope twice", body + "&scope=a&scope=b", nil, 400},
		{"scope twice, once empty", body + "&scope=&scope=a", nil, 400},
		{"token twice", body + "&token=x", nil, 400},
		{"an unknown one twice", body + "&x=1&x=1", nil, 400},
		{"100 parameters", body + many(98), nil, 0},
		{"101 parameters", body + many(99), nil, 400},
		{"an unknown one", body + "&x=1", nil, 0},
		{"twice by escapes", body + "&sc%6fpe=a&scope=b", nil, 400},
		{"semicolon", body + ";scope=a", nil, 400},
		{"semicolon first", body + "&;scope=a", nil, 400},
		{"half an escape", body + "&scope=%4", nil, 400},
		{"no escape", body + "&scope=%zz", nil, 400},
		{"not UTF-8", body + "&scope=%ff", nil, 400},
		{"NUL", body + "&scope=%00", nil, 400},
		{"resource not UTF-8", body + "&resource=%ff", nil, 400},
	} {
		for _, path := range []string{"/token", "/introspect", "/revoke"} {
			r := httptest.NewRequest(http.MethodPost, issuerURL+path, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			basic("worker", secret)(r)
			if tt.set != nil {
				tt.set(r)
			}
			a := w.serve(r)
			asked := w.st.made() != ""
			if tt.status == 0 {
				if !asked || a.status == 401 || a.status == 405 {
					t.Errorf("%s %s: %d %s", path, tt.name, a.status, a.raw)
				}
				continue
			}
			a.is(t, path+" "+tt.name, tt.status, "invalid_request")
			if asked || tt.status == 405 && a.header.Get("Allow") != "POST" {
				t.Errorf("%s %s: asked the store: %v; %v", path, tt.name, asked, a.header)
			}
		}
	}
}

// O11: the length that a client announces decides nothing: what it sends is read, and
// no room is made for what it only says.
func TestAnnouncedLength(t *testing.T) {
	w := newWorld(t, nil)
	_, secret := w.create(tokenserver.Client{ID: "worker"})
	for _, announced := range []int64{-1, 0, 1, 64<<10 + 1, math.MaxInt64} {
		set := func(r *http.Request) {
			basic("worker", secret)(r)
			r.ContentLength = announced
		}
		w.do("/token", set, "grant_type", "client_credentials", "pad", strings.Repeat("x", 2000)).is(t, fmt.Sprint(announced), 200, "")
	}
}

// many are n parameters of different names.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "&x%d=", i)
	}
	return b.String()
}

func field(name, value string) func(r *http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// O11: what stands in Authorization, and beside it. One method and one client, or
// nobody is looked for.
func TestAuthorizationHeader(t *testing.T) {
	w := newWorld(t, nil)
	_, secret := w.create(tokenserver.Client{ID: "a.b~c_d-e"})
	id := "a.b~c_d-e"
	b64 := base64.StdEncoding.EncodeToString
	good := "Basic " + b64([]byte(id+":"+secret))
	with := func(values ...string) func(r *http.Request) {
		return func(r *http.Request) { r.Header["Authorization"] = values }
	}
	escaped := "%61.b%7Ec%5Fd%2De"
	w.do("/token", with("Digest "+good[6:]), "grant_type", "client_credentials").is(t, "another scheme", 401, "invalid_client")
	if w.reason() != "unknown scheme" {
		t.Errorf("another scheme: reason %q", w.reason())
	}
	for _, tt := range []struct {
		name       string
		set        func(r *http.Request)
		parameters []string
		status     int
		code       string
	}{
		{"good", with(good), nil, 200, ""},
		{"scheme in another case", with("bAsIc " + good[6:]), nil, 200, ""},
		{"two spaces", with("Basic  " + good[6:]), nil, 200, ""},
		{"halves encoded as in forms", with("Basic " + b64([]byte(escaped+":"+strings.ReplaceAll(secret, "_", "%5F")))), nil, 200, ""},
		{"the client again", with(good), []string{"client_id", id}, 200, ""},
		{"empty secret in the body", with(good), []string{"client_secret", ""}, 200, ""},
		{"another client", with(good), []string{"client_id", "other"}, 400, "invalid_request"},
		{"secret in the body, too", with(good), []string{"client_secret", secret}, 400, "invalid_request"},
		{"all in the body, too", with(good), []string{"client_id", id, "client_secret", secret}, 400, "invalid_request"},
		{"an assertion, too", with(good), []string{"client_assertion", "x", "client_assertion_type", jwtBearer}, 400, "invalid_request"},
		{"a type of assertion, too", with(good), []string{"client_assertion_type", jwtBearer}, 400, "invalid_request"},
		{"twice", with(good, good), nil, 400, "invalid_request"},
		{"Basic and Bearer", with(good, "Bearer x"), nil, 400, "invalid_request"},
		{"Bearer", with("Bearer " + secret), nil, 401, "invalid_client"},
		{"Bearer, and all in the body", with("Bearer x"), []string{"client_id", id, "client_secret", secret}, 400, "invalid_request"},
		{"empty", with(""), nil, 401, "invalid_client"},
		{"scheme alone", with("Basic"), nil, 400, "invalid_request"},
		{"nothing", with("Basic "), nil, 400, "invalid_request"},
		{"not base64", with("Basic ?"), nil, 400, "invalid_request"},
		{"base64url", with("Basic " + base64.URLEncoding.EncodeToString([]byte(id+":\xff\xfe~~"))), nil, 400, "invalid_request"},
		{"no padding", with("Basic " + strings.TrimRight(b64([]byte(id+":"+secret)), "=")), nil, 400, "invalid_request"},
		{"bits after the end", with("Basic YTpiYx=="), nil, 400, "invalid_request"},
		{"line break", with(good[:20] + "\n" + good[20:]), nil, 400, "invalid_request"},
		{"something after it", with(good + " x"), nil, 400, "invalid_request"},
		{"no colon", with("Basic " + b64([]byte(id))), nil, 400, "invalid_request"},
		{"no client", with("Basic " + b64([]byte(":"+secret))), nil, 400, "invalid_request"},
		{"half an escape", with("Basic " + b64([]byte(id+"%:"+secret))), nil, 400, "invalid_request"},
		{"half an escape in the secret", with("Basic " + b64([]byte(id+":"+secret+"%2"))), nil, 400, "invalid_request"},
		{"no secret", with("Basic " + b64([]byte(id+":"))), nil, 401, "invalid_client"},
		{"a space before the secret", with("Basic " + b64([]byte(id+":+"+secret))), nil, 401, "invalid_client"},
		{"nobody", nil, nil, 401, "invalid_client"},
		{"a client alone", nil, []string{"client_id", id}, 401, "invalid_client"},
		{"a secret alone", nil, []string{"client_secret", secret}, 401, "invalid_client"},
		{"half an assertion", nil, []string{"client_assertion", "x.y.z"}, 400, "invalid_request"},
		{"the other half", nil, []string{"client_assertion_type", jwtBearer}, 400, "invalid_request"},
		{"secret and assertion", nil, []string{"client_id", id, "client_secret", secret, "client_assertion", "x", "client_assertion_type", jwtBearer}, 400, "invalid_request"},
		{"another type of assertion", nil, []string{"client_assertion", "x", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, 401, "invalid_client"},
		{"an assertion that is none", nil, []string{"client_assertion", "x", "client_assertion_type", jwtBearer}, 401, "invalid_client"},
	} {
		for _, path := range []string{"/token", "/introspect", "/revoke"} {
			a := w.do(path, tt.set, append([]string{"grant_type", "client_credentials", "token", "x"}, tt.parameters...)...)
			a.is(t, path+" "+tt.name, tt.status, tt.code)
		}
	}
}
