package authn_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
)

// fake reads one header field: "" is absent, "good…" is ada, "bad…" is
// refused, "down…" is an outage, and what begins otherwise is another's.
type fake struct {
	field, scheme string
	description   authn.Description
}

func header(field string) *fake {
	return &fake{field, field, authn.Description{
		Challenges: []authn.Challenge{{Scheme: field}}, Credentials: []string{field},
	}}
}

// cookie reads the Cookie field: there "bad" is a stale one.
func cookie() *fake {
	return &fake{"Cookie", "Cookie", authn.Description{
		Challenges: []authn.Challenge{{Scheme: "Cookie"}}, Vary: []string{"Cookie"},
	}}
}

func (f *fake) Describe() authn.Description { return f.description }

func (f *fake) Verify(r *http.Request) (*authn.Identity, error) {
	v := r.Header.Get(f.field)
	switch {
	case strings.HasPrefix(v, "good"):
		id := authn.User("ada", f.scheme)
		id.Scopes = strings.Fields(strings.TrimPrefix(v, "good"))
		return id, nil
	case strings.HasPrefix(v, "bad") && f.field == "Cookie":
		return nil, authn.NoCredential("expired")
	case strings.HasPrefix(v, "bad"):
		return nil, authn.Refused("revoked", nil)
	case strings.HasPrefix(v, "down"):
		return nil, errors.New("connection refused")
	default:
		return nil, authn.ErrNoCredential
	}
}

// request has the fields of pairs: name, value, name, value.
func request(pairs ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/orders?id=7", nil)
	for i := 0; i < len(pairs); i += 2 {
		r.Header.Add(pairs[i], pairs[i+1])
	}
	return r
}

// who is the handler of most tests: it writes who is calling.
var who = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	id, ok := authn.FromContext(r.Context())
	if !ok {
		fmt.Fprint(w, "nobody")
		return
	}
	fmt.Fprint(w, id.Subject+" by "+id.Method)
})

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// C1: the first credential that is present decides, good or bad, whatever the
// others would say; C3: a stale cookie is none.
func TestFirstOfLetsTheFirstCredentialDecide(t *testing.T) {
	const anyone, nobody = "200 ada by ", "401 "
	tests := []struct {
		name    string
		request *http.Request
		want    string
	}{
		{"nothing", request(), nobody},
		{"first", request("X-A", "good"), anyone + "X-A"},
		{"second", request("X-B", "good"), anyone + "X-B"},
		{"both good: the order given", request("X-A", "good", "X-B", "good"), anyone + "X-A"},
		{"first bad, second good", request("X-A", "bad", "X-B", "good"), nobody},
		{"first down, second good", request("X-A", "down", "X-B", "good"), "503 "},
		{"cookie", request("Cookie", "good"), anyone + "Cookie"},
		{"header beside a good cookie", request("Cookie", "good", "X-B", "good"), anyone + "X-B"},
		{"bad header beside a good cookie", request("Cookie", "good", "X-B", "bad"), nobody},
		{"stale cookie beside a good header", request("Cookie", "bad", "X-B", "good"), anyone + "X-B"},
		{"stale cookie", request("Cookie", "bad"), nobody},
		{"cookie store down", request("Cookie", "down"), "503 "},
		{"header beside a cookie store that is down", request("Cookie", "down", "X-B", "good"), anyone + "X-B"},
	}
	orders := map[string]authn.Verifier{
		"cookie first":  authn.FirstOf(cookie(), header("X-A"), header("X-B")),
		"cookie last":   authn.FirstOf(header("X-A"), header("X-B"), cookie()),
		"nested":        authn.FirstOf(authn.FirstOf(cookie(), header("X-A")), header("X-B")),
		"nested deeper": authn.FirstOf(authn.FirstOf(authn.FirstOf(cookie())), authn.FirstOf(header("X-A"), header("X-B"))),
	}
	for order, v := range orders {
		for _, tt := range tests {
			t.Run(order+"/"+tt.name, func(t *testing.T) {
				w := serve(authn.Require(v)(who), tt.request)
				body := w.Body.String()
				if w.Code != http.StatusOK {
					body = ""
				}
				if got := fmt.Sprint(w.Code, " ", body); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		}
	}
}

// C1: all absent is one error that wraps ErrNoCredential and asks for all.
func TestFirstOfOfNothingAsksForAllMethods(t *testing.T) {
	v := authn.FirstOf(header("X-A"), cookie(), header("X-B"), header("X-A"))
	_, err := v.Verify(request())
	var e *authn.Error
	if !errors.Is(err, authn.ErrNoCredential) || !errors.As(err, &e) {
		t.Fatalf("err = %v, want an *Error that wraps ErrNoCredential", err)
	}
	var schemes []string
	for _, c := range e.Challenges {
		schemes = append(schemes, c.Scheme)
	}
	if want := []string{"X-A", "X-B", "Cookie"}; !slices.Equal(schemes, want) {
		t.Errorf("challenges %v, want %v", schemes, want)
	}
}

// C1: what reads a header field or a cookie stands behind the fields and before
// the cookies, whatever the order given.
func TestFirstOfAsksHeaderFieldsFirst(t *testing.T) {
	either := &fake{"Cookie", "Either", authn.Description{
		Challenges: []authn.Challenge{{Scheme: "Either"}}, Credentials: []string{"X-E"}, Vary: []string{"Cookie"},
	}}
	for _, v := range []authn.Verifier{
		authn.FirstOf(cookie(), either, header("X-A")), authn.FirstOf(either, cookie(), header("X-A")), authn.FirstOf(header("X-A"), cookie(), either),
	} {
		if w := serve(authn.Require(v)(who), request("Cookie", "good")); w.Body.String() != "ada by Either" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		w := serve(authn.Require(v)(who), request())
		if got := strings.Join(w.Header()["Www-Authenticate"], " "); got != `X-A realm="api" Either realm="api" Cookie realm="api"` {
			t.Errorf("challenges %s", got)
		}
	}
}

// C1: in a carrier that several read, a value of another shape is absent, and
// one that nobody claims is refused, also under Optional.
func TestValueThatNobodyClaimsIsRefused(t *testing.T) {
	keys, jwts := header("Authorization"), header("Authorization")
	v := authn.Enrich(authn.FirstOf(keys, jwts), func(_ context.Context, id *authn.Identity) (*authn.Identity, error) { return id, nil })
	tests := []struct {
		name, value string
		want        int
	}{
		{"unclaimed", "Bearer whatever", http.StatusUnauthorized},
		{"another scheme", "Basic YTpi", http.StatusUnauthorized},
		{"only a scheme", "Bearer", http.StatusUnauthorized},
		{"empty", "", http.StatusOK},
		{"claimed", "good", http.StatusOK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var events authntest.Recorder
			w := serve(authn.Guard{Verifier: v, OnEvent: events.OnEvent}.Optional()(who), request("Authorization", tt.value))
			if w.Code != tt.want {
				t.Errorf("status %d, want %d", w.Code, tt.want)
			}
			refused := events.Events(authn.EventRefused)
			if (len(refused) == 1) != (tt.want == http.StatusUnauthorized) {
				t.Errorf("events %v", refused)
			}
		})
	}
}

// C2: a carrier of credentials that is there twice is malformed, before any
// verifier is asked.
func TestCarrierThatIsThereTwiceIsMalformed(t *testing.T) {
	v := authn.FirstOf(header("Authorization"), header("X-A"))
	for _, r := range []*http.Request{
		request("Authorization", "good", "Authorization", "good"),
		request("Authorization", "good", "Authorization", ""),
		request("Authorization", "", "Authorization", "Basic x"),
		request("X-A", "good", "X-A", "good", "Authorization", "good"),
	} {
		if w := serve(authn.Require(v)(who), r); w.Code != http.StatusBadRequest {
			t.Errorf("%v: status %d, want 400", r.Header, w.Code)
		}
		if w := serve(authn.Optional(v)(who), r); w.Code != http.StatusBadRequest {
			t.Errorf("%v: Optional: status %d, want 400", r.Header, w.Code)
		}
	}
}

// C3: the reason why a cookie does not count goes to the event, once.
func TestStaleCookieIsAnEventAndNobody(t *testing.T) {
	v := authn.FirstOf(header("X-A"), cookie())
	tests := []struct {
		name       string
		middleware func(g authn.Guard) func(http.Handler) http.Handler
		want       int
	}{
		{"Require", func(g authn.Guard) func(http.Handler) http.Handler { return g.Require() }, http.StatusUnauthorized},
		{"Optional", func(g authn.Guard) func(http.Handler) http.Handler { return g.Optional() }, http.StatusOK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var events authntest.Recorder
			h := tt.middleware(authn.Guard{Verifier: v, OnEvent: events.OnEvent})(who)
			w := serve(h, request("Cookie", "bad"))
			if w.Code != tt.want {
				t.Errorf("status %d, want %d", w.Code, tt.want)
			}
			got := events.Events()
			if len(got) != 1 || got[0].Kind != authn.EventRefused || got[0].Reason != "expired" {
				t.Errorf("events %+v, want one refusal: expired", got)
			}
			if auth := w.Header().Get("WWW-Authenticate"); strings.Contains(auth, "error") {
				t.Errorf("challenge %q, want a bare one", auth)
			}
			serve(h, request())
			if n := len(events.Events()); n != 1 {
				t.Errorf("a request without credentials is an event: %d", n)
			}
		})
	}
}

func TestFirstOfPanicsOnNothing(t *testing.T) {
	var none *fake
	var careless *lax
	tests := map[string]func(){
		"none":        func() { authn.FirstOf() },
		"nil":         func() { authn.FirstOf(header("X-A"), nil) },
		"nil pointer": func() { authn.FirstOf(none) },
		"lax pointer": func() { authn.FirstOf(careless) },
	}
	for name, f := range tests {
		t.Run(name, func(t *testing.T) { mustPanic(t, f) })
	}
}

func mustPanic(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	f()
}
