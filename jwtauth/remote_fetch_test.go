package jwtauth_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/jwtauth"
)

// J16: keys come by https, or by http from this machine.
func TestSetURL(t *testing.T) {
	tests := []struct{ url, want string }{
		{"https://idp.example/jwks.json", ""},
		{"HTTPS://idp.example", ""},
		{"https://idp.example:8443/keys?p=1", ""},
		{"https://192.0.2.1/", ""},
		{"http://localhost:8080/jwks", ""},
		{"http://LOCALHOST/", ""},
		{"http://127.0.0.1/", ""},
		{"http://127.8.9.10:80/", ""},
		{"http://[::1]:80/", ""},
		{"", "host"},
		{"idp.example/jwks.json", "host"},
		{"/jwks.json", "host"},
		{"https:", "host"},
		{"https:idp.example", "host"},
		{"https:///jwks.json", "host"},
		{"https://:443/", "host"},
		{"http://idp.example/", "scheme"},
		{"http://localhost.example/", "scheme"},
		{"http://notlocalhost/", "scheme"},
		{"http://127.0.0.1.example/", "scheme"},
		{"http://127.1/", "scheme"},
		{"http://2130706433/", "scheme"},
		{"http://0.0.0.0/", "scheme"},
		{"http://[::]/", "scheme"},
		{"http://[::1].example/", "parse"},
		{"http://10.0.0.1/", "scheme"},
		{"ftp://localhost/", "scheme"},
		{"file://localhost/etc/jwks.json", "scheme"},
		{"//idp.example/", "scheme"},
		{"https://user:hunter2@idp.example/", "password"},
		{"https://user@idp.example/", "password"},
		{"https://@idp.example/", "password"},
		{"http://localhost@idp.example/", "password"},
		{"https://idp.example/#keys", "fragment"},
		{"https://idp.example/#", "fragment"},
		{"https://user:hunter2@idp.example:x/", "parse"},
		{"https://idp.example/%zz", "parse"},
		{"https://idp.example\n/", "parse"},
	}
	for _, tt := range tests {
		_, err := jwtauth.NewRemoteKeys(tt.url, jwtauth.RemoteConfig{})
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%q: %v", tt.url, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%q: %v, want an error about the %s", tt.url, err, tt.want)
		case err != nil && (strings.Contains(err.Error(), "hunter2") || !strings.HasPrefix(err.Error(), "authn/jwtauth: ")):
			t.Errorf("%q: %v", tt.url, err)
		}
	}
}

// fetchFrom looks kid up at a server with this handler, once.
func fetchFrom(t *testing.T, h http.HandlerFunc, kid string) (jwtauth.Key, *authntest.Recorder, error) {
	t.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close()
	var events authntest.Recorder
	keys, err := jwtauth.NewRemoteKeys(srv.URL, jwtauth.RemoteConfig{OnEvent: events.OnEvent})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := keys.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	key, err := keys.VerificationKey(context.Background(), kid)
	return key, &events, err
}

// J16: what a fetch sends.
func TestFetchIsAPlainRequest(t *testing.T) {
	key, _, err := fetchFrom(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.ContentLength != 0 || !strings.Contains(r.Header.Get("Accept"), "application/jwk-set+json") ||
			r.Header.Get("User-Agent") != "authn-jwtauth" || len(r.Cookies()) != 0 || !r.Close {
			t.Errorf("%s %v", r.Method, r.Header)
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		fmt.Fprint(w, remoteSet(remoteJWK("a")))
	}, "a")
	if err != nil || key.ID() != "a" || key.Algorithm() != jwtauth.EdDSA {
		t.Errorf("%v, %v", key, err)
	}
}

// J16: TLS is checked, with the roots of the Transport.
func TestFetchChecksTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, remoteSet(remoteJWK("a")))
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that fails
	srv.StartTLS()
	defer srv.Close()
	for _, tt := range []struct {
		transport http.RoundTripper
		good      bool
	}{{nil, false}, {srv.Client().Transport, true}} {
		keys, err := jwtauth.NewRemoteKeys(srv.URL, jwtauth.RemoteConfig{Transport: tt.transport})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keys.VerificationKey(context.Background(), "a"); (err == nil) != tt.good {
			t.Errorf("%v, want good: %v", err, tt.good)
		}
		if err := keys.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// J16: an answer that is no set is a failed fetch, and says why.
func TestAnswersThatAreNoSet(t *testing.T) {
	good := remoteSet(remoteJWK("a"))
	answer := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/" {
				t.Errorf("the redirect was followed to %s", r.URL)
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
			if code != http.StatusNoContent {
				fmt.Fprint(w, good)
			}
		}
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := z.Write(append([]byte(good), bytes.Repeat([]byte(" "), 4<<20)...)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"redirect 301", status(301), "status 301"},
		{"redirect 302", status(302), "status 302"},
		{"redirect 303", status(303), "status 303"},
		{"redirect 307", status(307), "status 307"},
		{"redirect 308", status(308), "status 308"},
		{"created", status(201), "status 201"},
		{"no content", status(204), "status 204"},
		{"not found", status(404), "status 404"},
		{"too many requests", status(429), "status 429"},
		{"server error", status(500), "status 500"},
		{"2 MiB", answer(good + strings.Repeat(" ", 2<<20)), "more than 1048576 bytes"},
		{"1 MiB and a byte", answer(good + strings.Repeat(" ", 1<<20+1-len(good))), "more than 1048576 bytes"},
		{"endless", func(w http.ResponseWriter, _ *http.Request) {
			for spaces := bytes.Repeat([]byte(" "), 64<<10); ; {
				if _, err := w.Write(spaces); err != nil {
					return
				}
			}
		}, "more than 1048576 bytes"},
		{"gzip bomb", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		}, "more than 1048576 bytes"},
		{"truncated", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(good)+1))
			fmt.Fprint(w, good)
		}, "unexpected EOF"},
		{"closed", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		{"HTML", answer("<!doctype html><title>Sign in</title>"), "not JSON"},
		{"nothing", answer(""), "not JSON"},
		{"two sets", answer(good + good), "not JSON"},
		{"half a set", answer(good[:len(good)-1]), "not JSON"},
		{"invalid UTF-8", answer(`{"` + "\xff" + `":1,` + good[1:]), "not JSON"},
		{"a byte order mark", answer("\uFEFF" + good), "not JSON"},
		{"deeply nested", answer(`{"keys":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`), "not JSON"},
		{"null", answer("null"), "no JSON object"},
		{"an array", answer("[" + remoteJWK("a") + "]"), "no JSON object"},
		{"a key", answer(remoteJWK("a")), `no member "keys"`},
		{"another case", answer(`{"Keys":[` + remoteJWK("a") + `]}`), `no member "keys"`},
		{"keys within", answer(`{"a":` + good + `}`), `no member "keys"`},
		{"keys twice", answer(`{"keys":[],` + good[1:]), `two members "keys"`},
		{"keys null", answer(`{"keys":null}`), "no array"},
		{"keys an object", answer(`{"keys":` + remoteJWK("a") + `}`), "no array"},
		{"no keys", answer(remoteSet()), "no key that can be used"},
		{"one key that cannot be used", answer(remoteSet(`{"kty":"oct","kid":"s","k":"AAAA"}`)), `no key that can be used: "s": a published JWK is symmetric`},
		{"101 keys", answer(remoteSet(manyJWKs(101)...)), "more than 100 keys"},
		{"many empty keys", answer(`{"keys":[` + strings.Repeat("0,", 500_000) + `0]}`), "more than 100 keys"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, events, err := fetchFrom(t, tt.handler, "a")
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, jwtauth.ErrUnknownKey) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if got := events.Events(); len(got) != 1 || got[0].Kind != authn.EventOutage || got[0].Err.Error() != err.Error() {
				t.Errorf("events %v, want an outage", got)
			}
		})
	}
}

func manyJWKs(n int) []string {
	jwks := make([]string, n)
	for i := range jwks {
		jwks[i] = remoteJWK(fmt.Sprint("k", i))
	}
	return jwks
}

// J16: what is a set, in every form that providers send.
func TestAnswersThatAreASet(t *testing.T) {
	good := remoteSet(remoteJWK("k1"))
	tests := []struct{ name, contentType, body string }{
		{"JSON", "application/json; charset=utf-8", good},
		{"JWK Set", "application/jwk-set+json", good},
		{"text", "text/plain", good},
		{"1 MiB", "application/json", good + strings.Repeat(" ", 1<<20-len(good))},
		{"100 keys", "application/json", remoteSet(manyJWKs(100)...)},
		{"other members", "application/json", `{"a":{"keys":[1]},"b":[[]],` + good[1:len(good)-1] + `,"keyz":null}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key, events, err := fetchFrom(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				fmt.Fprint(w, tt.body)
			}, "k1")
			if err != nil || key.ID() != "k1" || len(events.Events()) != 0 {
				t.Errorf("%v, %v, events %v", key, err, events.Events())
			}
		})
	}
}

// J16, J4: a key that cannot be used is skipped, with a warning, and harms
// no other.
func TestUnusableKeysAreSkippedOneByOne(t *testing.T) {
	a := remoteJWK("a")
	with := func(members string) string { return strings.Replace(a, `{`, `{`+members+`,`, 1) }
	tests := []struct {
		name string
		keys []string
		want string
	}{
		{"no object", []string{`7`, `null`, `[]`, `""`}, "not a JSON object"},
		{"empty", []string{`{}`}, "kty"},
		{"unknown type", []string{`{"kty":"AKP","kid":"a","alg":"ML-DSA-44","pub":"AAAA"}`}, "key type"},
		{"unknown curve", []string{strings.Replace(a, "Ed25519", "Ed448", 1)}, "curve"},
		{"unknown algorithm", []string{strings.Replace(a, "EdDSA", "ES512", 1)}, "algorithm"},
		{"none", []string{strings.Replace(a, "EdDSA", "none", 1)}, "algorithm"},
		{"symmetric", []string{`{"kty":"oct","kid":"a","alg":"HS256","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}`}, "published"},
		{"an algorithm of HMAC", []string{strings.Replace(a, "EdDSA", "HS256", 1)}, "HS256"},
		{"private", []string{with(`"d":"AAAA"`)}, `"d"`},
		{"for encryption", []string{with(`"use":"enc"`)}, "use"},
		{"not for verifying", []string{with(`"key_ops":["encrypt"]`)}, "key_ops"},
		{"broken coordinate", []string{strings.Replace(a, `"x":"`, `"x":"!`, 1)}, `"x"`},
		{"a kid that is no string", []string{strings.Replace(a, `"kid":"a"`, `"kid":7`, 1)}, "kid"},
		{"a long kid", []string{strings.Replace(a, `"kid":"a"`, `"kid":"`+strings.Repeat("a", 129)+`"`, 1)}, "129 bytes"},
		{"a member twice", []string{with(`"kid":"b"`)}, "twice"},
		{"20 KiB", []string{with(`"x5c":["` + strings.Repeat("A", 20<<10) + `"]`)}, "bytes"},
		{"weak RSA", []string{`{"kty":"RSA","kid":"a","alg":"RS256","e":"AQAB","n":"` + strings.Repeat("_", 171) + `w"}`}, "bits"},
		{"a kid twice", []string{a, remoteJWK("a", 1)}, "same kid"},
		{"a kid three times", []string{a, remoteJWK("a", 1), a}, "same kid"},
		{"a key twice", []string{a, a}, "same kid"},
		{"private under the same kid", []string{a, with(`"d":"AAAA"`)}, `"d"`},
		{"private under the same kid, before it", []string{with(`"d":"AAAA"`), a}, `"d"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := remoteSet(append(append([]string{remoteJWK("first")}, tt.keys...), remoteJWK("last"))...)
			for kid, want := range map[string]error{"first": nil, "last": nil, "a": jwtauth.ErrUnknownKey, "b": jwtauth.ErrUnknownKey, "": jwtauth.ErrUnknownKey} {
				key, events, err := fetchFrom(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, set) }, kid)
				if !errors.Is(err, want) || want == nil && key.ID() != kid {
					t.Errorf("%q: %v, %v, want %v", kid, key, err, want)
				}
				got := events.Events()
				if len(got) != 1 || got[0].Kind != authn.EventWarning || !strings.Contains(got[0].Err.Error(), tt.want) || len(got[0].Err.Error()) > 1500 {
					t.Errorf("events %v, want a warning of %q", got, tt.want)
				}
			}
		})
	}
}

// J16: a warning is short, however many keys there are and whatever they say.
func TestWarningIsBounded(t *testing.T) {
	bad := make([]string, 99)
	for i := range bad {
		bad[i] = fmt.Sprintf(`{"kty":%q,"kid":%q}`, strings.Repeat("é", 1000), strings.Repeat("\U0001F600", 500))
	}
	_, events, err := fetchFrom(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, remoteSet(append(bad, remoteJWK("a"))...))
	}, "a")
	if err != nil {
		t.Fatal(err)
	}
	got := events.Events()
	if len(got) != 1 || len(got[0].Err.Error()) > 2000 || !strings.Contains(got[0].Err.Error(), "and 94 more") {
		t.Errorf("events %v", got)
	}
	_, events, err = fetchFrom(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, remoteSet(append(bad[:5:5], remoteJWK("a"))...))
	}, "a")
	if got := events.Events(); err != nil || len(got) != 1 || strings.Contains(got[0].Err.Error(), "more") {
		t.Errorf("five keys: events %v, %v", got, err)
	}
}

// J16: a key that is public, and not for signatures, may have the kid of one that is
// (RFC 7517 §4.5), and what is no key at all burns none.
func TestUnusableKeysBurnNoKid(t *testing.T) {
	a := remoteJWK("a")
	nameless := strings.Replace(a, `"kid":"a",`, "", 1)
	for _, tt := range []struct{ name, kid, set string }{
		{"for encryption", "a", remoteSet(a, strings.Replace(a, `{`, `{"use":"enc",`, 1))},
		{"of an unknown type", "a", remoteSet(`{"kty":"AKP","kid":"a","alg":"ML-DSA-44","pub":"AAAA"}`, a)},
		{"no object, beside a key without kid", "", remoteSet(nameless, `7`)},
		{"an empty object, beside a key without kid", "", remoteSet(nameless, `{}`)},
	} {
		key, _, err := fetchFrom(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, tt.set) }, tt.kid)
		if err != nil || key.ID() != tt.kid {
			t.Errorf("%s: %v, %v", tt.name, key, err)
		}
	}
}

// J17: on the wire, too, a lookup ends with its context, and Close ends the
// request that runs on.
func TestCloseEndsTheRequestOnTheWire(t *testing.T) {
	asked, gone := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush() // the body is what hangs
		close(asked)
		<-r.Context().Done()
		close(gone)
	}))
	defer srv.Close()
	keys, err := jwtauth.NewRemoteKeys(srv.URL, jwtauth.RemoteConfig{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-asked; cancel() }()
	if _, err := keys.VerificationKey(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	if err := keys.Close(context.Background()); err != nil {
		t.Error(err)
	}
	<-gone
}

// A query may hold a secret, which the error of a fetch does not show.
func TestErrorsDoNotShowTheQuery(t *testing.T) {
	srv := httptest.NewServer(nil)
	srv.Close()
	keys, err := jwtauth.NewRemoteKeys(srv.URL+"/?token=hunter2", jwtauth.RemoteConfig{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = keys.VerificationKey(context.Background(), "a")
	u := authn.Must(url.Parse(srv.URL))
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), u.Host) {
		t.Errorf("%v, want an error with the host and without the query", err)
	}
	if err := keys.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
