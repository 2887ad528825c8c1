package ratelimit_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/ratelimit"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// R8: nonsense is an error of the constructor, which names it.
func TestNewRefusesNonsense(t *testing.T) {
	byClient := ratelimit.ByClient
	window := func(change func(p *ratelimit.Policy)) ratelimit.Policy {
		p := ratelimit.Window("login", 5, time.Minute, byClient)
		change(&p)
		return p
	}
	for _, c := range []struct {
		name     string
		st       store.Limits
		cfg      ratelimit.Config
		policies []ratelimit.Policy
		want     string
	}{
		{"no store", nil, ratelimit.Config{}, []ratelimit.Policy{window(func(*ratelimit.Policy) {})}, "needs a store"},
		{"no policy", newLimits(), ratelimit.Config{}, nil, "needs a policy"},
		{"negative instances", newLimits(), ratelimit.Config{Instances: -1}, []ratelimit.Policy{window(func(*ratelimit.Policy) {})}, "Instances"},
		{"zero policy", newLimits(), ratelimit.Config{}, []ratelimit.Policy{{}}, "name of a Policy"},
		{"name with a quote", newLimits(), ratelimit.Config{}, []ratelimit.Policy{window(func(p *ratelimit.Policy) { p.Name = `a"b` })}, "name of a Policy"},
		{"name in upper case", newLimits(), ratelimit.Config{}, []ratelimit.Policy{window(func(p *ratelimit.Policy) { p.Name = "Login" })}, "name of a Policy"},
		{"name with a backtick", newLimits(), ratelimit.Config{}, []ratelimit.Policy{window(func(p *ratelimit.Policy) { p.Name = "a`" })}, "name of a Policy"},
		{"name with a brace", newLimits(), ratelimit.Config{}, []ratelimit.Policy{window(func(p *ratelimit.Policy) { p.Name = "a{" })}, "name of a Policy"},
		{"name with a slash", newLimits(), ratelimit.Config{}, []ratelimit.Policy{window(func(p *ratelimit.Policy) { p.Name = "a/b" })}, "name of a Policy"},
		{"name with a colon", newLimits(), ratelimit.Config{}, []ratelimit.Policy{window(func(p *ratelimit.Policy) { p.Name = "a:b" })}, "name of a Policy"},
		{"long name", newLimits(), ratelimit.Config{}, []ratelimit.Policy{window(func(p *ratelimit.Policy) { p.Name = strings.Repeat("a", 33) })}, "name of a Policy"},
		{"no key", newLimits(), ratelimit.Config{}, []ratelimit.Policy{window(func(p *ratelimit.Policy) { p.Key = nil })}, "has no Key"},
		{"unknown outage", newLimits(), ratelimit.Config{}, []ratelimit.Policy{window(func(p *ratelimit.Policy) { p.OnOutage = 9 })}, "OnOutage"},
		{"negative limit", newLimits(), ratelimit.Config{}, []ratelimit.Policy{ratelimit.Window("login", -1, time.Minute, byClient)}, "negative limit"},
		{"window of 65", newLimits(), ratelimit.Config{}, []ratelimit.Policy{ratelimit.Window("login", 65, time.Minute, byClient)}, "use GCRA"},
		{"no period", newLimits(), ratelimit.Config{}, []ratelimit.Policy{ratelimit.Window("login", 5, 0, byClient)}, "period"},
		{"period under 1 ms", newLimits(), ratelimit.Config{}, []ratelimit.Policy{ratelimit.Window("login", 5, time.Millisecond-1, byClient)}, "period"},
		{"period over 366 days", newLimits(), ratelimit.Config{}, []ratelimit.Policy{ratelimit.Window("login", 5, 366*24*time.Hour+1, byClient)}, "period"},
		{"period of two years", newLimits(), ratelimit.Config{}, []ratelimit.Policy{ratelimit.Window("login", 5, 2*366*24*time.Hour, byClient)}, "period"},
		{"too fast", newLimits(), ratelimit.Config{}, []ratelimit.Policy{ratelimit.GCRA("api", 10_001, time.Second, 5, byClient)}, "faster than one"},
		{"no burst", newLimits(), ratelimit.Config{}, []ratelimit.Policy{ratelimit.GCRA("api", 10, time.Second, 0, byClient)}, "burst"},
		{"burst over a million", newLimits(), ratelimit.Config{}, []ratelimit.Policy{ratelimit.GCRA("api", 10, time.Second, 1_000_001, byClient)}, "burst"},
		{"two of one name", newLimits(), ratelimit.Config{}, []ratelimit.Policy{ratelimit.GCRA("a", 10, time.Second, 1, byClient), ratelimit.Window("a", 5, time.Minute, byClient)}, "share their counters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.st == store.Limits(nil) {
				c.st = nil
			}
			_, err := ratelimit.New(c.st, c.cfg, c.policies...)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "authn/ratelimit: ") {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// R8: what is just within the bounds is taken.
func TestNewTakesPoliciesAtTheirBounds(t *testing.T) {
	const year = 366 * 24 * time.Hour
	for _, p := range []ratelimit.Policy{
		ratelimit.Window("az09_-"+strings.Repeat("x", 26), 64, time.Millisecond, ratelimit.ByClient),
		ratelimit.Window("login", 64, year, ratelimit.ByClient),
		ratelimit.GCRA("api", 10_000, time.Second, 1_000_000, ratelimit.ByClient),
		ratelimit.GCRA("api", 1, year, 100, ratelimit.ByClient),
	} {
		if w := serve(newLimiter(t, newLimits(), ratelimit.Config{}, p), from("192.0.2.1")); w.Code != http.StatusNoContent {
			t.Errorf("%+v: status %d", p, w.Code)
		}
	}
}

// R4: a client learns its limits and when to come back, from fields and from
// the body.
func TestRefusedSaysWhenToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, newLimits(), ratelimit.Config{},
			ratelimit.Window("ip", 2, time.Minute, ratelimit.ByClient),
			ratelimit.GCRA("hour", 3600, time.Hour, 100, ratelimit.ByClient))
		w := serve(l, from("192.0.2.1"))
		if got := w.Header().Values("RateLimit-Policy"); !slices.Equal(got, []string{`"ip";q=2;w=60`, `"hour";q=3600;w=3600`}) {
			t.Errorf("RateLimit-Policy: %q", got)
		}
		if got := w.Header().Values("RateLimit"); !slices.Equal(got, []string{`"ip";r=1;t=60`, `"hour";r=99;t=1`}) {
			t.Errorf("RateLimit: %q", got)
		}
		time.Sleep(5 * time.Second)
		serve(l, from("192.0.2.1"))
		time.Sleep(7500 * time.Millisecond)
		w = serve(l, from("192.0.2.1"))
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "48" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("status %d, Retry-After %q, Cache-Control %q; want 429, 48 (47.5 rounded up), no-store", w.Code, w.Header().Get("Retry-After"), w.Header().Get("Cache-Control"))
		}
		if got := w.Header().Values("RateLimit")[0]; got != `"ip";r=0;t=48` {
			t.Errorf("RateLimit: %q", got)
		}
		var problem struct {
			Type  string
			Error string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil || problem.Error != "quota_exceeded" ||
			problem.Type != "https://iana.org/assignments/http-problem-types#quota-exceeded" {
			t.Errorf("body %s: %v", w.Body, err)
		}
	})
}

// R4: who knows a name learns nothing about how often others come by it.
func TestAccountPoliciesSendNoFields(t *testing.T) {
	p := ratelimit.Window("account", 1, time.Minute, func(r *http.Request) (string, bool) { return r.FormValue("name"), true })
	p.Account = true
	l := newLimiter(t, newLimits(), ratelimit.Config{}, p)
	for range 2 {
		w := serve(l, from("192.0.2.1"))
		if h := w.Header(); h.Values("RateLimit") != nil || h.Values("RateLimit-Policy") != nil {
			t.Errorf("status %d with %v", w.Code, h)
		}
	}
}

// R2: clients, subjects and credentials are counted apart, and one that is
// spelled like two others joined is none of them.
func TestKeys(t *testing.T) {
	signedIn := func(change func(id *authn.Identity)) *http.Request {
		id := &authn.Identity{Subject: "ada", Kind: authn.KindUser, Method: "session", CredentialID: "c1"}
		change(id)
		return authntest.Request(from("192.0.2.1"), id)
	}
	same := func(*authn.Identity) {}
	for _, c := range []struct {
		name string
		key  ratelimit.KeyFunc
		a, b *http.Request
		same bool
	}{
		{"one address", ratelimit.ByClient, from("192.0.2.1"), from("192.0.2.1"), true},
		{"two addresses", ratelimit.ByClient, from("192.0.2.1"), from("192.0.2.2"), false},
		{"one /64", ratelimit.ByClient, from("2001:db8::1"), from("2001:db8::ffff:1"), true},
		{"two /64", ratelimit.ByClient, from("2001:db8::1"), from("2001:db8:0:1::1"), false},
		{"IPv4 in IPv6", ratelimit.ByClient, from("192.0.2.1"), from("::ffff:192.0.2.1"), true},
		{"one subject", ratelimit.BySubject, signedIn(same), signedIn(func(id *authn.Identity) { id.CredentialID = "c2" }), true},
		{"two subjects", ratelimit.BySubject, signedIn(same), signedIn(func(id *authn.Identity) { id.Subject = "bob" }), false},
		{"two kinds", ratelimit.BySubject, signedIn(same), signedIn(func(id *authn.Identity) { id.Kind = authn.KindKey }), false},
		{"two issuers", ratelimit.BySubject, signedIn(same), signedIn(func(id *authn.Identity) { id.Issuer = "https://idp.example" }), false},
		{"two credentials", ratelimit.ByCredential, signedIn(same), signedIn(func(id *authn.Identity) { id.CredentialID = "c2" }), false},
		{"joined parts", ratelimit.ByCredential, signedIn(func(id *authn.Identity) { id.Method, id.CredentialID = "a:1", "b" }), signedIn(func(id *authn.Identity) { id.Method, id.CredentialID = "a", "1:b" }), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLimiter(t, newLimits(), ratelimit.Config{}, ratelimit.Window("p", 1, time.Minute, c.key))
			serve(l, c.a)
			if refused := serve(l, c.b).Code == http.StatusTooManyRequests; refused != c.same {
				t.Errorf("counted as one: %t, want %t", refused, c.same)
			}
		})
	}
}

// R2: nobody is not counted by subject or credential.
func TestNobodyIsNotCountedBySubject(t *testing.T) {
	for _, key := range []ratelimit.KeyFunc{ratelimit.BySubject, ratelimit.ByCredential} {
		l := newLimiter(t, newLimits(), ratelimit.Config{}, ratelimit.Window("p", 0, time.Minute, key))
		if w := serve(l, from("192.0.2.1")); w.Code != http.StatusNoContent {
			t.Errorf("status %d", w.Code)
		}
	}
}

// R2: a request that one policy refuses takes nothing of the others.
func TestAllPoliciesOrNone(t *testing.T) {
	l := newLimiter(t, newLimits(), ratelimit.Config{},
		ratelimit.Window("wide", 3, time.Minute, func(*http.Request) (string, bool) { return "all", true }),
		ratelimit.Window("ip", 1, time.Minute, ratelimit.ByClient))
	if n := passed(l, 10, func() *http.Request { return from("192.0.2.1") }); n != 1 {
		t.Fatalf("%d passed, want 1", n)
	}
	for _, addr := range []string{"192.0.2.2", "192.0.2.3"} {
		if n := passed(l, 1, func() *http.Request { return from(addr) }); n != 1 {
			t.Errorf("%s is refused: the refused requests took of the limit of all", addr)
		}
	}
	if n := passed(l, 1, func() *http.Request { return from("192.0.2.4") }); n != 0 {
		t.Error("a fourth passed")
	}
}

// R2: a request may cost more than one, or nothing; a negative cost is a fault,
// not a gift.
func TestCost(t *testing.T) {
	p := ratelimit.Window("p", 5, time.Minute, ratelimit.ByClient)
	cost := 3
	p.Cost = func(*http.Request) int { return cost }
	l := newLimiter(t, newLimits(), ratelimit.Config{}, p)
	for _, c := range []struct{ cost, status int }{{3, 204}, {3, 429}, {0, 204}, {2, 204}, {0, 204}, {1, 429}, {-1, 500}} {
		cost = c.cost
		if w := serve(l, from("192.0.2.1")); w.Code != c.status {
			t.Errorf("cost %d: status %d, want %d", c.cost, w.Code, c.status)
		}
	}
	p.DryRun, cost = true, -1
	if w := serve(newLimiter(t, newLimits(), ratelimit.Config{}, p), from("192.0.2.1")); w.Code != http.StatusInternalServerError {
		t.Errorf("a negative cost of a dry run: status %d", w.Code)
	}
}

// R2, K18: a key's own quota takes the place of the policy's, at once, within
// what the algorithm holds.
func TestQuotaOfTheKey(t *testing.T) {
	quota, known := 2, true
	p := ratelimit.Window("p", 1, time.Minute, ratelimit.ByClient)
	p.Quota = func(*http.Request) (int, bool) { return quota, known }
	l := newLimiter(t, newLimits(), ratelimit.Config{}, p)
	request := func() *http.Request { return from("192.0.2.1") }
	if n := passed(l, 5, request); n != 2 {
		t.Errorf("%d passed by a quota of 2", n)
	}
	quota = 4
	if n := passed(l, 5, request); n != 2 {
		t.Errorf("%d more passed by a quota of 4, want 2", n)
	}
	quota = 1_000_000
	if n := passed(l, 100, request); n != store.MaxWindow-4 {
		t.Errorf("%d more passed by a huge quota, want %d", n, store.MaxWindow-4)
	}
	known = false
	if n := passed(l, 1, request); n != 0 {
		t.Error("the policy's own limit does not count")
	}
	quota, known = -5, true
	if n := passed(l, 1, func() *http.Request { return from("192.0.2.2") }); n != 0 {
		t.Error("a negative quota lets pass")
	}
}

// R8: a limit of 0 refuses all.
func TestZeroRefusesAll(t *testing.T) {
	l := newLimiter(t, newLimits(), ratelimit.Config{}, ratelimit.GCRA("closed", 0, time.Hour, 10, ratelimit.ByClient))
	w := serve(l, from("192.0.2.1"))
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("status %d, %v", w.Code, w.Header())
	}
}

// R9: a dry run counts and reports, and refuses nothing; it sees only what the
// others let through.
func TestDryRun(t *testing.T) {
	rec := &authntest.Recorder{}
	dry := ratelimit.Window("dry", 1, time.Minute, ratelimit.ByClient)
	dry.DryRun = true
	l := newLimiter(t, newLimits(), ratelimit.Config{OnEvent: rec.OnEvent}, dry, ratelimit.Window("ip", 3, time.Minute, ratelimit.ByClient))
	if n := passed(l, 5, func() *http.Request { return from("192.0.2.1") }); n != 3 {
		t.Errorf("%d passed, want 3", n)
	}
	var reasons []string
	for _, e := range rec.Events() {
		reasons = append(reasons, string(e.Kind)+" "+e.Reason)
	}
	if want := []string{"limited dry (dry run)", "limited ip"}; !slices.Equal(reasons, want) {
		t.Errorf("events %q, want %q", reasons, want)
	}
	if w := serve(l, from("192.0.2.9")); len(w.Header().Values("RateLimit")) != 1 {
		t.Errorf("RateLimit: %q", w.Header().Values("RateLimit"))
	}
}

// R9: one event for each key and window, with who it was.
func TestFirstRefusalIsAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &authntest.Recorder{}
		l := newLimiter(t, newLimits(), ratelimit.Config{OnEvent: rec.OnEvent}, ratelimit.Window("p", 1, time.Minute, ratelimit.BySubject))
		request := func(subject string) *http.Request {
			return authntest.Request(from("192.0.2.1"), &authn.Identity{Subject: subject, Kind: authn.KindUser})
		}
		for range 2 { // two windows
			for range 5 {
				serve(l, request("ada"))
				serve(l, request("bob"))
			}
			time.Sleep(time.Minute)
		}
		events := rec.Events()
		if len(events) != 4 {
			t.Fatalf("%d events, want 4: one for each subject and window", len(events))
		}
		if e := events[0]; e.Kind != authn.EventLimited || e.Subject != "ada" || e.SubjectKind != authn.KindUser || e.Reason != "p" || e.Addr.String() != "192.0.2.1" || e.Method != "ratelimit" {
			t.Errorf("event %+v", e)
		}
	})
}

// R4: the host's own answer takes the place of the problem.
func TestOnError(t *testing.T) {
	l := newLimiter(t, newLimits(), ratelimit.Config{OnError: func(w http.ResponseWriter, _ *http.Request, err *authn.Error) {
		http.Error(w, "slow down: "+err.RetryAfter.Round(time.Minute).String(), http.StatusTeapot)
	}}, ratelimit.Window("p", 0, time.Minute, ratelimit.ByClient))
	if w := serve(l, from("192.0.2.1")); w.Code != http.StatusTeapot || !strings.Contains(w.Body.String(), "1m0s") {
		t.Errorf("status %d, %s", w.Code, w.Body)
	}
}

// I3: who has no address shares one group; that is never no limit.
func TestNoAddressIsOneGroup(t *testing.T) {
	l := newLimiter(t, memstore.New(memstore.Config{}), ratelimit.Config{}, ratelimit.Window("p", 1, time.Minute, ratelimit.ByClient))
	request := func() *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "@"
		return r
	}
	if n := passed(l, 3, request); n != 1 {
		t.Errorf("%d passed, want 1", n)
	}
}

// R2: a quota below the burst is what passes at once. A store would refuse to
// keep more, which looks like an outage and is one for everybody.
func TestQuotaBoundsTheBurst(t *testing.T) {
	st := newLimits()
	p := ratelimit.GCRA("api", 1_000_000, 30*24*time.Hour, 10_000, ratelimit.ByClient)
	p.Quota = func(*http.Request) (int, bool) { return 3, true }
	if n := passed(newLimiter(t, st, ratelimit.Config{}, p), 20, client); n != 3 {
		t.Errorf("%d passed at once, want 3", n)
	}
	if took := st.takes[0][0]; took.Burst != 3 || took.Limit != 3 {
		t.Errorf("the store is asked for %+v", took)
	}
	if _, err := ratelimit.New(st, ratelimit.Config{}, ratelimit.GCRA("api", 1, 366*24*time.Hour, 101, ratelimit.ByClient)); err == nil {
		t.Error("a burst that is restored in 101 years is no error")
	}
}

// R8: parts of a key do not run together.
func TestKeysDoNotRunTogether(t *testing.T) {
	key := func(issuer, subject string) string {
		id := &authn.Identity{Issuer: issuer, Subject: subject, Kind: authn.KindUser}
		k, _ := ratelimit.BySubject(client().WithContext(authn.NewContext(client().Context(), id)))
		return k
	}
	for _, c := range [][4]string{{"a:user:b", "c", "a", "b:user:c"}, {"5", "abcdefgh4user1x", "4user15abcdefgh", "x"}} {
		if a, b := key(c[0], c[1]), key(c[2], c[3]); a == b {
			t.Errorf("both are %q", a)
		}
	}
}

// sink is a ResponseWriter that costs nothing.
type sink struct{ h http.Header }

func (s sink) Header() http.Header         { return s.h }
func (s sink) Write(b []byte) (int, error) { return len(b), nil }
func (s sink) WriteHeader(int)             {}

// R14: what a request costs cannot creep: the call of the store, its context, the
// key and the two fields.
func TestAllocations(t *testing.T) {
	l := newLimiter(t, memstore.New(memstore.Config{}), ratelimit.Config{}, ratelimit.GCRA("api", 10_000, time.Second, 1_000_000, ratelimit.ByClient))
	h := l.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w, r := sink{http.Header{}}, client()
	got := testing.AllocsPerRun(1000, func() {
		clear(w.h)
		h.ServeHTTP(w, r)
	})
	if got > 5 {
		t.Errorf("%v allocations, want at most 5", got)
	}
}
