package apikey_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

// api is Handler as a host mounts it.
func (w *world) api(id *authn.Identity) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/keys/", http.StripPrefix("/keys", authn.Require(verifier{id})(w.keys.Handler())))
	return mux
}

// ada has just signed in.
func (w *world) ada() *authn.Identity {
	return &authn.Identity{
		Subject: "ada", Kind: authn.KindUser, Method: "session", VerifiedAt: w.clock.Now(), Scopes: []string{"orders:read"},
		Factors: []authn.Factor{{Name: "pwd", At: w.clock.Now()}},
	}
}

// call sends one request and answers what came back, with the body as JSON.
func call(t *testing.T, h http.Handler, method, path, body string) (int, map[string]any, http.Header) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var v map[string]any
	if raw := authn.Must(io.ReadAll(w.Body)); len(raw) > 0 && strings.Contains(w.Header().Get("Content-Type"), "json") {
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Errorf("body %q: %v", raw, err)
		}
	}
	return w.Code, v, w.Header()
}

// K14: an owner's whole round, over HTTP.
func TestHandlerManagesKeys(t *testing.T) {
	w := newWorld(t, nil)
	h := w.api(w.ada())
	end := w.clock.Now().Add(30 * day).Format(time.RFC3339)
	code, made, head := call(t, h, "POST", "/keys/", `{"name":"ci","scopes":["orders:read"],"expires_at":"`+end+`"}`)
	secret, _ := made["secret"].(string)
	id, _ := made["id"].(string)
	if code != 201 || made["owner"] != "ada" || made["ends_at"] != end || status(w.keys, "X-API-Key", secret) != 200 {
		t.Fatalf("create: %d %v", code, made)
	}
	if head.Get("Cache-Control") != "no-store" || head.Get("Content-Type") != "application/json" || head.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("header %v", head)
	}
	w.clock.advance(time.Second)
	code, next, _ := call(t, h, "POST", "/keys/"+id+"/rotate", `{"grace_seconds":60}`)
	if code != 201 || next["secret"] == "" || next["id"] == id || next["name"] != "ci" {
		t.Fatalf("rotate: %d %v", code, next)
	}
	if code, v, _ := call(t, h, "POST", "/keys/"+id+"/rotate", ""); code != 409 || v["error"] != "conflict" {
		t.Errorf("rotate again: %d %v", code, v)
	}
	w.clock.advance(59 * time.Second)
	if got := status(w.keys, "X-API-Key", secret); got != 200 {
		t.Errorf("in the grace period: %d", got)
	}
	w.clock.advance(time.Second)
	if got := status(w.keys, "X-API-Key", secret); got != 401 {
		t.Errorf("after it: %d", got)
	}
	for range 2 {
		if code, _, _ := call(t, h, "DELETE", "/keys/"+next["id"].(string), ""); code != 204 {
			t.Errorf("revoke: %d", code)
		}
	}
	if got := status(w.keys, "X-API-Key", next["secret"].(string)); got != 401 {
		t.Errorf("revoked: %d", got)
	}
	code, first, head := call(t, h, "GET", "/keys/?limit=1", "")
	cursor, _ := first["next"].(string)
	if code != 200 || cursor == "" || head.Get("Cache-Control") != "no-store" || len(first["keys"].([]any)) != 1 {
		t.Fatalf("list: %d %v", code, first)
	}
	code, rest, _ := call(t, h, "GET", "/keys/?cursor="+cursor, "")
	keys := rest["keys"].([]any)
	if code != 200 || len(keys) != 1 || rest["next"] != nil || keys[0].(map[string]any)["replaced_by"] != next["id"] {
		t.Errorf("list: %d %v", code, rest)
	}
	for _, e := range w.events.Events(authn.EventCreated, authn.EventRotated, authn.EventRevoked) {
		if e.Actor != "ada" || e.Addr.String() != "192.0.2.1" {
			t.Errorf("event %+v", e)
		}
	}
}

// K14: the owner is the Identity's Subject, whatever the body or the path says.
func TestHandlerServesOwnKeysOnly(t *testing.T) {
	w := newWorld(t, nil)
	_, hers := w.create()
	eve := w.ada()
	eve.Subject = "eve"
	h := w.api(eve)
	for _, req := range [][2]string{{"DELETE", "/keys/" + hers.ID}, {"POST", "/keys/" + hers.ID + "/rotate"}, {"GET", "/keys/?cursor=" + hers.ID}} {
		if code, v, _ := call(t, h, req[0], req[1], ""); code != 404 || v["error"] != "not_found" {
			t.Errorf("%v: %d %v", req, code, v)
		}
	}
	if code, v, _ := call(t, h, "POST", "/keys/", `{"owner":"ada"}`); code != 400 {
		t.Errorf("owner in the body: %d %v", code, v)
	}
	if code, v, _ := call(t, h, "GET", "/keys/", ""); code != 200 || len(v["keys"].([]any)) != 0 {
		t.Errorf("list: %d %v", code, v)
	}
}

// K14: who may manage keys.
func TestHandlerWantsAFreshFactor(t *testing.T) {
	w := newWorld(t, nil)
	with := func(change func(id *authn.Identity)) *authn.Identity {
		id := w.ada()
		change(id)
		return id
	}
	old := with(func(id *authn.Identity) { id.Factors[0].At = w.clock.Now().Add(-15*time.Minute - 1) })
	edge := with(func(id *authn.Identity) { id.Factors[0].At = w.clock.Now().Add(-15 * time.Minute) })
	service := &authn.Identity{Subject: "ada", Kind: authn.KindClient}
	program := &authn.Identity{Subject: "ada", Kind: authn.KindKey}
	pending := with(func(id *authn.Identity) { id.Pending = []string{"otp"} })
	managers := w.instance(func(cfg *apikey.Config) { cfg.Managers = []authn.Kind{authn.KindClient} })
	tests := []struct {
		name string
		keys *apikey.Keys
		id   *authn.Identity
		want int
	}{
		{"fresh", w.keys, w.ada(), 200},
		{"15 minutes", w.keys, edge, 200},
		{"over 15 minutes", w.keys, old, 401},
		{"no factor", w.keys, with(func(id *authn.Identity) { id.Factors = nil }), 401},
		{"half a login", w.keys, pending, 401},
		{"service", w.keys, service, 403},
		{"program", w.keys, program, 403},
		{"service that manages", managers, service, 200},
		{"program, not named", managers, program, 403},
		{"user beside it", managers, w.ada(), 200},
		{"user beside it, too old", managers, old, 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := authn.Guard{Verifier: verifier{tt.id}, Rules: []authn.Rule{authn.AllowPending("otp")}}.Require()(tt.keys.Handler())
			for _, req := range [][2]string{{"GET", "/"}, {"POST", "/"}, {"DELETE", "/x"}, {"POST", "/x/rotate"}} {
				code, v, _ := call(t, h, req[0], req[1], "")
				refused := code == 401 || code == 403
				if refused != (tt.want != 200) || refused && code != tt.want {
					t.Errorf("%v: %d %v, want %d", req, code, v, tt.want)
				}
			}
		})
	}
	if code, _, _ := call(t, w.keys.Handler(), "GET", "/", ""); code != 401 {
		t.Errorf("without a Require: %d", code)
	}
	if code, _, _ := call(t, authn.Optional(authntest.Verifier(nil, authn.ErrNoCredential))(w.keys.Handler()), "GET", "/", ""); code != 401 {
		t.Errorf("anonymous behind an Optional: %d", code)
	}
}

// K14: bad input is refused with nothing done.
func TestHandlerRefusesBadInput(t *testing.T) {
	w := newWorld(t, func(cfg *apikey.Config) { cfg.MaxPerOwner = 1 })
	_, key := w.create()
	writes := w.st.writes.Load()
	tests := []struct {
		name, method, path, kind, body string
		want                           int
		code                           string
	}{
		{"not JSON", "POST", "/keys/", "application/json", `name=x`, 400, "invalid_request"},
		{"a form", "POST", "/keys/", "application/x-www-form-urlencoded", `name=x`, 400, "invalid_request"},
		{"no type", "POST", "/keys/", "", `{}`, 400, "invalid_request"},
		{"JSON as text", "POST", "/keys/", "text/plain", `{"name":"x"}`, 400, "invalid_request"},
		{"a form of another site, without fields", "POST", "/keys/", "application/x-www-form-urlencoded", ``, 400, "invalid_request"},
		{"rotation by such a form", "POST", "/keys/" + key.ID + "/rotate", "text/plain", ``, 400, "invalid_request"},
		{"the host's metadata", "POST", "/keys/", "application/json", `{"metadata":{"plan":"pro"}}`, 400, "invalid_request"},
		{"long before 64 KiB", "POST", "/keys/", "application/json", `{}` + strings.Repeat(" ", 65<<10), 400, "invalid_request"},
		{"31 days of grace", "POST", "/keys/" + key.ID + "/rotate", "application/json", `{"grace_seconds":2678400}`, 400, "invalid_request"},
		{"101 years", "POST", "/keys/", "application/json", `{"expires_at":"2127-12-31T00:00:00Z"}`, 400, "invalid_request"},
		{"unknown member", "POST", "/keys/", "application/json", `{"role":"admin"}`, 400, "invalid_request"},
		{"two values", "POST", "/keys/", "application/json", `{}{}`, 400, "invalid_request"},
		{"trailing", "POST", "/keys/", "application/json", `{} x`, 400, "invalid_request"},
		{"array", "POST", "/keys/", "application/json", `[]`, 400, "invalid_request"},
		{"wrong type", "POST", "/keys/", "application/json", `{"scopes":"orders:read"}`, 400, "invalid_request"},
		{"has ended", "POST", "/keys/", "application/json", `{"expires_at":"2001-01-01T00:00:00Z"}`, 400, "invalid_request"},
		{"no time", "POST", "/keys/", "application/json", `{"expires_at":"tomorrow"}`, 400, "invalid_request"},
		{"65 KiB", "POST", "/keys/", "application/json", `{"name":"` + strings.Repeat("x", 65<<10) + `"}`, 400, "invalid_request"},
		{"scope", "POST", "/keys/", "application/json", `{"scopes":["admin"]}`, 403, "invalid_scope"},
		{"scope not granted", "POST", "/keys/", "application/json", `{"scopes":["orders:write"]}`, 403, "invalid_scope"},
		{"cap", "POST", "/keys/", "application/json", `{}`, 409, "limit_reached"},
		{"negative grace", "POST", "/keys/" + key.ID + "/rotate", "application/json", `{"grace_seconds":-1}`, 400, "invalid_request"},
		{"huge grace", "POST", "/keys/" + key.ID + "/rotate", "application/json", `{"grace_seconds":9223372036854775807}`, 400, "invalid_request"},
		{"grace that wraps", "POST", "/keys/" + key.ID + "/rotate", "application/json", `{"grace_seconds":18446744074}`, 400, "invalid_request"},
		{"negative grace that wraps", "POST", "/keys/" + key.ID + "/rotate", "application/json", `{"grace_seconds":-18446744073}`, 400, "invalid_request"},
		{"limit", "GET", "/keys/?limit=x", "", ``, 400, "invalid_request"},
		{"limit 0", "GET", "/keys/?limit=0", "", ``, 400, "invalid_request"},
		{"cursor", "GET", "/keys/?cursor=%00", "", ``, 404, "not_found"},
		{"unknown key", "DELETE", "/keys/key_none", "", ``, 404, "not_found"},
		{"unknown path", "GET", "/keys/a/b/c", "", ``, 404, ""},
		{"method", "PUT", "/keys/", "", ``, 405, ""},
	}
	h := w.api(w.ada())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body))
			if tt.kind != "" {
				r.Header.Set("Content-Type", tt.kind)
			}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			var v map[string]any
			_ = json.Unmarshal(rec.Body.Bytes(), &v)
			if rec.Code != tt.want || tt.code != "" && v["error"] != tt.code {
				t.Errorf("%d %v, want %d %s", rec.Code, v, tt.want, tt.code)
			}
			if got := rec.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control %q", got)
			}
		})
	}
	if n := w.st.writes.Load() - writes; n != 2 { // the cap and the unknown key are the store's to know
		t.Errorf("%d writes", n)
	}
	if n := len(w.events.Events(authn.EventOutage)); n != 0 {
		t.Errorf("%d outages", n)
	}
	if code, v, _ := call(t, h, "POST", "/keys/"+key.ID+"/rotate", `{"grace_seconds":2592000}`); code != 201 {
		t.Errorf("30 days of grace: %d %v", code, v)
	}
	if code, v, _ := call(t, h, "POST", "/keys/", strings.Repeat(" ", 64<<10-2)+"{}"); code != 409 {
		t.Errorf("64 KiB, at the cap: %d %v", code, v)
	}
}

// K15: what the service cannot do is an outage, unless the client has gone.
func TestHandlerReportsOutages(t *testing.T) {
	w := newWorld(t, nil)
	_, key := w.create()
	broken := w.instance(func(cfg *apikey.Config) {
		cfg.Grantable = func(context.Context, *authn.Identity) ([]string, error) {
			return nil, &authn.Error{Status: 500, Code: "internal", Err: errDown}
		}
	})
	gone, cancel := context.WithCancel(background)
	cancel()
	w.st.down(errDown)
	tests := []struct {
		name         string
		keys         *apikey.Keys
		ctx          context.Context
		method, path string
		want, events int
	}{
		{"store down", w.keys, background, "DELETE", "/" + key.ID, 503, 1},
		{"store down, client gone", w.keys, gone, "DELETE", "/" + key.ID, 503, 0},
		{"the host is broken", broken, background, "POST", "/", 500, 1},
		{"refused, client gone", w.keys, gone, "DELETE", "/%00", 404, 0},
		{"refused", w.keys, background, "DELETE", "/%00", 404, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(w.events.Events(authn.EventOutage))
			r := httptest.NewRequest(tt.method, tt.path, nil).WithContext(tt.ctx)
			r.Header.Set("Content-Type", "application/json")
			rec := httptest.NewRecorder()
			authn.Require(verifier{w.ada()})(tt.keys.Handler()).ServeHTTP(rec, r)
			got := w.events.Events(authn.EventOutage)[before:]
			if rec.Code != tt.want || len(got) != tt.events || len(got) > 0 && !errors.Is(got[0].Err, errDown) {
				t.Errorf("%d %s, outages %+v; want %d and %d", rec.Code, rec.Body, got, tt.want, tt.events)
			}
		})
	}
}

// K14: whatever comes, the answer is one of a few, nothing panics, and nobody
// gets or ends a key of another.
func FuzzHandler(f *testing.F) {
	ada := authn.User("ada", "session", authn.Factor{Name: "pwd", At: time.Now()})
	f.Fuzz(func(t *testing.T, method, path, body string) {
		// New ones each time: of one service ada would have 100 keys soon, and get no more.
		keys := authn.Must(apikey.New(memstore.New(memstore.Config{}), apikey.Config{Prefix: "acme_live", Scopes: []string{"orders:read"}}))
		adas, eves := authn.Must(keys.Create(background, "ada", apikey.Spec{})), authn.Must(keys.Create(background, "eve", apikey.Spec{}))
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		u, err := url.ParseRequestURI(strings.NewReplacer("ADAS", adas.ID, "EVES", eves.ID).Replace(path))
		if err != nil {
			return
		}
		r.Method, r.URL = method, u
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		authn.Require(verifier{ada})(keys.Handler()).ServeHTTP(w, r)
		switch w.Code {
		case 200, 201, 204, 307, 400, 403, 404, 405, 409:
		default:
			t.Errorf("%s %s %s: %d %s", method, path, body, w.Code, w.Body)
		}
		if w.Code == 201 && !strings.Contains(w.Body.String(), `"owner":"ada"`) {
			t.Errorf("%s %s %s: %s", method, path, body, w.Body)
		}
		all, _, err := keys.List(background, "eve", store.Page{})
		if err != nil || len(all) != 1 || all[0].ReplacedBy != "" || status(keys, "X-API-Key", eves.Secret.Reveal()) != 200 {
			t.Errorf("%s %s %s: eve has %+v, %v", method, path, body, all, err)
		}
	})
}
