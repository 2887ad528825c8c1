package jwtauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
)

// theirs is a foreign provider, whose key has the same kid as one of ours.
const theirs = "https://login.example.net"

// newTwoIssuers trusts ours and theirs. The latter signs as byStranger does.
func newTwoIssuers(t *testing.T) (s *service, foreign func() *draft) {
	t.Helper()
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.NewKey("ES256", jwtauth.ES256, strangerKey))))
	s = newService(t, func(cfg *jwtauth.VerifierConfig) {
		cfg.Trust = append(cfg.Trust, jwtauth.Trust{
			Issuer: theirs, Audiences: []string{"shop"}, Keys: ring,
			Map: func(tok *jwtauth.Token) (*authn.Identity, error) {
				return &authn.Identity{Subject: "net:" + tok.Subject(), Kind: authn.KindUser, Scopes: tok.Scopes(), Roles: tok.Strings("groups")}, nil
			},
		})
	})
	return s, func() *draft {
		d := goodDraft(jwtauth.ES256)
		d.swap(ours, theirs).swap(`"`+api+`"`, `"shop"`).swap(`,"ver":1`, ``)
		d.sign = byStranger(d)
		return d
	}
}

// J9, J3: each issuer has its own keys, audiences and mapping, and none can
// speak for another.
func TestIssuersDoNotSpeakForEachOther(t *testing.T) {
	s, foreign := newTwoIssuers(t)
	if id := s.wantGood(t, goodDraft(jwtauth.ES256).token()); id.Subject != "ada" || id.Issuer != "" {
		t.Errorf("ours: %+v", id)
	}
	if id := s.wantGood(t, foreign().token()); id.Subject != "net:ada" || id.Issuer != theirs || id.Method != "jwt" || id.CredentialID != "t1" {
		t.Errorf("theirs: %+v", id)
	}
	for _, c := range []struct {
		name   string
		d      *draft
		reason string
	}{
		{"theirs signs for ours", func() *draft { d := goodDraft(jwtauth.ES256); d.sign = byStranger(d); return d }(), wrongSignature},
		{"ours signs for theirs", func() *draft { d := foreign(); d.sign = nil; return d }(), wrongSignature},
		{"our audience of theirs", foreign().swap(`"shop"`, `"`+api+`"`), "wrong audience"},
		{"their audience of ours", goodDraft(jwtauth.ES256).swap(`"`+api+`"`, `"shop"`), "wrong audience"},
		{"our other kid of theirs", foreign().swap(`"kid":"ES256"`, `"kid":"HS256"`), unknownKey},
		{"iss twice, theirs first for the key", func() *draft {
			d := foreign().claim(`"iss":"` + theirs + `"`)
			d.payload = `{"iss":"` + theirs + `","iss":"` + ours + d.payload[len(`{"iss":"`+theirs+`","iss":"`+theirs):]
			return d
		}(), badClaims},
		{"iss escaped, then ours", foreign().claim(`"i\u0073s":"` + theirs + `"`), badClaims},
		{"iss of theirs, in two cases", foreign().claim(`"ISS":"` + ours + `"`), badClaims},
		{"type not asked for", foreign().swap(`"typ":"at+jwt"`, `"typ":"JWT"`), "wrong type"},
		{"no jti", foreign().swap(`"jti":"t1",`, ``), "no jti"},
	} {
		t.Run(c.name, func(t *testing.T) { s.wantRefused(t, c.d.token(), c.reason) })
	}
}

// J8: what providers leave out is accepted only under its name, and no further.
func TestInsecureByName(t *testing.T) {
	typed := func(typ string) *draft { return goodDraft(jwtauth.HS256).swap(`"typ":"at+jwt"`, `"typ":"`+typ+`"`) }
	untyped := goodDraft(jwtauth.HS256).swap(`,"typ":"at+jwt"`, ``)
	noID := goodDraft(jwtauth.HS256).swap(`"jti":"t1",`, ``)
	for _, c := range []struct {
		name          string
		anyType, noID bool
		d             *draft
		reason        string
	}{
		{"JWT", true, false, typed("JWT"), ""},
		{"jwt", true, false, typed("jwt"), ""},
		{"application/jwt", true, false, typed("application/jwt"), ""},
		{"none", true, false, untyped, ""},
		{"at+jwt", true, false, typed("at+jwt"), ""},
		{"empty", true, false, typed(""), "wrong type"},
		{"pending", true, false, typed("pending+jwt"), "wrong type"},
		{"logout", true, false, typed("logout+jwt"), "wrong type"},
		{"dpop", true, true, typed("dpop+jwt"), "wrong type"},
		{"JWT, by the other name", false, true, typed("JWT"), "wrong type"},
		{"no jti", false, true, noID, ""},
		{"jti empty", false, true, goodDraft(jwtauth.HS256).swap(`"jti":"t1"`, `"jti":""`), ""},
		{"jti number", false, true, goodDraft(jwtauth.HS256).swap(`"jti":"t1"`, `"jti":1`), badClaims},
		{"no jti, by the other name", true, false, noID, "no jti"},
		{"no exp all the same", true, true, goodDraft(jwtauth.HS256).swap(fmt.Sprintf(`"exp":%d,`, noon+900), ``), "no exp"},
		{"no iat all the same", true, true, goodDraft(jwtauth.HS256).swap(fmt.Sprintf(`"iat":%d,`, noon), ``), "no iat"},
		{"no aud all the same", true, true, goodDraft(jwtauth.HS256).swap(`"aud":"`+api+`",`, ``), "no aud"},
		{"no sub all the same", true, true, goodDraft(jwtauth.HS256).swap(`"sub":"ada",`, ``), "no sub"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, func(cfg *jwtauth.VerifierConfig) {
				cfg.Trust[0].Map = mapTo(&authn.Identity{Subject: "net:ada", Kind: authn.KindUser}, nil)
				cfg.Trust[0].InsecureAnyType, cfg.Trust[0].InsecureNoID = c.anyType, c.noID
			})
			if c.reason == "" {
				s.wantGood(t, c.d.token())
			} else {
				s.wantRefused(t, c.d.token(), c.reason)
			}
		})
	}
}

func mapTo(id *authn.Identity, err error) func(*jwtauth.Token) (*authn.Identity, error) {
	return func(*jwtauth.Token) (*authn.Identity, error) { return id, err }
}

// J9: what Map answers stands, within what an Identity may be.
func TestMapAnswers(t *testing.T) {
	user := func(subject string) *authn.Identity { return &authn.Identity{Subject: subject, Kind: authn.KindUser} }
	var none *authn.Error
	gone := &authn.Error{Status: http.StatusForbidden, Code: "forbidden", Reason: "blocked"}
	for _, c := range []struct {
		name   string
		id     *authn.Identity
		err    error
		status int
		reason string
	}{
		{"a user", user("x"), nil, 200, ""},
		{"a service", &authn.Identity{Subject: "x", Kind: authn.KindClient}, nil, 200, ""},
		{"nil", nil, nil, 401, noIdentity},
		{"a key", &authn.Identity{Subject: "x", Kind: authn.KindKey}, nil, 401, noIdentity},
		{"no kind", &authn.Identity{Subject: "x"}, nil, 401, noIdentity},
		{"an invalid kind", &authn.Identity{Subject: "x", Kind: 9}, nil, 401, noIdentity},
		{"no subject", user(""), nil, 401, noIdentity},
		{"a long subject", user(string(make([]byte, 256))), nil, 401, noIdentity},
		{"NUL", user("a\x00b"), nil, 401, noIdentity},
		{"NUL in front", user("\x00"), nil, 401, noIdentity},
		{"any error", user("x"), errors.New("who?"), 401, noIdentity},
		{"an outage that is not told", nil, errDown, 401, noIdentity},
		{"an *authn.Error", nil, gone, 403, "blocked"},
		{"a wrapped *authn.Error", nil, fmt.Errorf("map: %w", gone), 403, "blocked"},
		{"an outage", nil, &authn.Error{Status: 503, Code: "unavailable", Reason: "users", Err: errDown}, 503, "users"},
		{"nobody is no way past a bad header field", nil, authn.ErrNoCredential, 401, noIdentity},
		{"nobody, with a reason", nil, authn.NoCredential("unknown"), 401, noIdentity},
		{"a nil *authn.Error", user("x"), none, 500, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].Map = mapTo(c.id, c.err) })
			id, err := s.verify(goodDraft(jwtauth.HS256).token())
			switch e := authn.AsError(err); {
			case c.status == 200:
				if err != nil || id.Subject != "x" || id.Issuer != ours || id.Method != "jwt" {
					t.Errorf("%+v, %v", id, err)
				}
			case err == nil:
				t.Errorf("accepted as %+v", id)
			case e.Status != c.status || c.reason != "" && e.Reason != c.reason || isAbsent(err):
				t.Errorf("%d %q (%v), want %d %q", e.Status, e.Reason, err, c.status, c.reason)
			}
		})
	}
	if gone.Reported {
		t.Error("the host's own error was changed")
	}
	if authn.AsError(authn.ErrNoCredential).Reported {
		t.Error("authn.ErrNoCredential was changed")
	}
}

// J9: an error that Map answers again and again is shared by requests, and not
// written to.
func TestErrorsOfMapAreShared(t *testing.T) {
	gone := authn.Forbidden("blocked", nil)
	s := newService(t, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].Map = mapTo(nil, gone) })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { _, _ = s.verify(goodDraft(jwtauth.HS256).token()) })
	}
	wg.Wait()
	if n := len(s.events.Events(authn.EventRefused)); n != 8 || gone.Reported {
		t.Errorf("%d events, reported %v", n, gone.Reported)
	}
	gone.Reported = true // by whom the host had it from: this request was not
	s = newService(t, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].Map, cfg.OnEvent = mapTo(nil, gone), nil })
	if _, err := s.verify(goodDraft(jwtauth.HS256).token()); authn.AsError(err) == nil || authn.AsError(err).Reported {
		t.Errorf("no Guard would report it: %v", err)
	}
}

// J9: Map sees tokens whose times are good, as its doc says: what it costs, and
// what it does, is not for expired ones.
func TestMapDoesNotSeeExpiredTokens(t *testing.T) {
	mapped := 0
	s := newService(t, func(cfg *jwtauth.VerifierConfig) {
		cfg.Trust[0].Map = func(*jwtauth.Token) (*authn.Identity, error) {
			mapped++
			return nil, authn.Forbidden("blocked", nil)
		}
	})
	s.clock.set(tokenLife)
	s.wantRefused(t, goodDraft(jwtauth.HS256).token(), "expired")
	s.clock.set(-time.Second)
	s.wantRefused(t, goodDraft(jwtauth.HS256).token(), "issued in the future")
	if mapped != 0 {
		t.Errorf("Map was called %d times", mapped)
	}
}

// J9: scope is a string, scp a string or an array, and roles are where the host
// says.
func TestScopesAndRolesOfProviders(t *testing.T) {
	s := newService(t, func(cfg *jwtauth.VerifierConfig) {
		cfg.Trust[0].Map = func(tok *jwtauth.Token) (*authn.Identity, error) {
			return &authn.Identity{Subject: "net:" + tok.Subject(), Kind: authn.KindUser, Scopes: tok.Scopes(), Roles: tok.Strings("groups")}, nil
		}
	})
	for _, c := range []struct {
		claims        string
		scopes, roles []string
	}{
		{`"x":1`, nil, nil},
		{`"scope":"a b"`, []string{"a", "b"}, nil},
		{`"scope":"  a   b "`, []string{"a", "b"}, nil},
		{`"scope":""`, nil, nil},
		{`"scp":"a b"`, []string{"a", "b"}, nil},
		{`"scp":["a","b"]`, []string{"a", "b"}, nil},
		{`"scp":["a"]`, []string{"a"}, nil},
		{`"scp":[]`, nil, nil},
		{`"scope":"a","scp":["b"]`, []string{"a"}, nil},
		{`"scope":1,"scp":{"a":1}`, nil, nil},
		{`"scp":["a",1]`, nil, nil},
		{`"scp":null`, nil, nil},
		{`"groups":["admin","ops"]`, nil, []string{"admin", "ops"}},
		{`"groups":"admin ops"`, nil, []string{"admin ops"}},
		{`"groups":[["admin"]]`, nil, nil},
		{`"x":{"groups":["admin"]}`, nil, nil},
		{`"\u0067roups":["\u0061dmin"]`, nil, []string{"admin"}},
	} {
		d := goodDraft(jwtauth.HS256).swap(`"scope":"orders:read orders:write"`, c.claims)
		id := s.wantGood(t, d.token())
		if len(id.Scopes) != len(c.scopes) || !slices.Equal(id.Scopes, c.scopes) || !slices.Equal(id.Roles, c.roles) {
			t.Errorf("%s: scopes %q, roles %q", c.claims, id.Scopes, id.Roles)
		}
	}
}

// J12: what golang-jwt makes of the same claims is accepted, under every
// algorithm; our reader and encoding/json read the same.
func TestInteropWithGolangJWT(t *testing.T) {
	s := newService(t, nil)
	type own struct {
		jwt.RegisteredClaims
		Scope string `json:"scope"`
		Roles []string
		Ver   int64 `json:"ver"`
	}
	at := time.Unix(noon, 0)
	for _, alg := range everyAlgorithm {
		made := jwt.NewWithClaims(jwt.GetSigningMethod(string(alg)), jwt.MapClaims{
			"iss": ours, "sub": "adä \u2028<&>", "aud": []string{"x", api}, "exp": jwt.NewNumericDate(at.Add(time.Minute)), "iat": at.Unix(), "nbf": at.Unix(),
			"jti": "t2", "scope": "orders:read", "roles": []string{"ops"}, "ver": 3, "amr": []string{"pwd", "otp"}, "auth_time": at.Unix() - 5, "sid": "f1", "client_id": "app",
		})
		made.Header["typ"], made.Header["kid"] = "at+jwt", string(alg)
		token := authn.Must(made.SignedString(privates()[alg]))
		s.rev.answer = func(ref store.TokenRef) (string, error) {
			want := store.TokenRef{Issuer: ours, ID: "t2", Subject: "adä \u2028<&>", Family: "f1", Version: 3, IssuedAt: at}
			if ref != want {
				t.Errorf("%s: asked for %+v", alg, ref)
			}
			return "", nil
		}
		id := s.wantGood(t, token)
		if id.Subject != "adä \u2028<&>" || !slices.Equal(id.Scopes, []string{"orders:read"}) || !slices.Equal(id.Roles, []string{"ops"}) ||
			len(id.Factors) != 2 || id.Factors[1].Name != "otp" || !id.Factors[1].At.Equal(at.Add(-5*time.Second)) ||
			!id.ExpiresAt.Equal(at.Add(time.Minute)) || !id.VerifiedAt.Equal(at) {
			t.Errorf("%s: %+v", alg, id)
		}
		got, err := jwtauth.Claims[own](authn.NewContext(context.Background(), id))
		if err != nil || got.Subject != id.Subject || got.Ver != 3 || got.Scope != "orders:read" || got.Roles[0] != "ops" {
			t.Errorf("%s: %+v, %v", alg, got, err)
		}
	}
}

// J11: Claims of a request that no token was verified for is a fault of the
// host's, and claims that are not a T an error.
func TestClaimsWithoutToken(t *testing.T) {
	type email struct {
		Email string `json:"email"`
	}
	for _, ctx := range []context.Context{
		context.Background(),
		authn.NewContext(context.Background(), authn.User("ada", "password")),
		authn.NewContext(context.Background(), &authn.Identity{Subject: "ada", Kind: authn.KindUser, Credential: 1}),
	} {
		if _, err := jwtauth.Claims[email](ctx); authn.AsError(err).Status != http.StatusInternalServerError {
			t.Errorf("got %v", err)
		}
	}
	s := newService(t, nil)
	id := s.wantGood(t, goodDraft(jwtauth.HS256).claim(`"email":1`).token())
	var wrong *json.UnmarshalTypeError
	if _, err := jwtauth.Claims[email](authn.NewContext(context.Background(), id)); !errors.As(err, &wrong) {
		t.Errorf("got %v", err)
	}
}

// keys is a KeySource that answers as told.
type keys struct {
	key jwtauth.Key
	err error
	n   int
}

func (k *keys) VerificationKey(context.Context, string) (jwtauth.Key, error) {
	k.n++
	return k.key, k.err
}

// J3, J11: a source that is down, or that answers nothing, is an outage, once
// as an event; a key that it does not know is a bad token.
func TestKeySourceOutcomes(t *testing.T) {
	good := keyOf("HS256", jwtauth.HS256)
	for _, c := range []struct {
		name   string
		key    jwtauth.Key
		err    error
		status int
	}{
		{"good", good, nil, 200},
		{"down", jwtauth.Key{}, errDown, 503},
		{"a good key beside an error", good, errDown, 503},
		{"unknown", jwtauth.Key{}, jwtauth.ErrUnknownKey, 401},
		{"unknown, wrapped", jwtauth.Key{}, fmt.Errorf("x: %w", jwtauth.ErrUnknownKey), 401},
		{"a zero key", jwtauth.Key{}, nil, 503},
		{"a refusal of its own", jwtauth.Key{}, authn.Refused("x", nil), 503},
		{"nobody", jwtauth.Key{}, authn.ErrNoCredential, 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].Keys = &keys{key: c.key, err: c.err} })
			w := answer(s.Middleware, bearer(goodDraft(jwtauth.HS256).token()))
			if w.Code != c.status {
				t.Errorf("%s", wire(w))
			}
			if n := len(s.events.Events(authn.EventOutage)); (n == 1) != (c.status == 503) {
				t.Errorf("%d outages", n)
			}
		})
	}
}

// J3, J9: Trust.Algorithms bounds what its keys may be for.
func TestAlgorithmsOfTrust(t *testing.T) {
	s := newService(t, func(cfg *jwtauth.VerifierConfig) {
		cfg.Trust[0].Algorithms = []jwtauth.Algorithm{jwtauth.ES256, jwtauth.EdDSA}
	})
	for _, alg := range everyAlgorithm {
		token := goodDraft(alg).token()
		if alg == jwtauth.ES256 || alg == jwtauth.EdDSA {
			s.wantGood(t, token)
		} else {
			s.wantRefused(t, token, wrongAlgorithm)
		}
	}
}

// J3: one key alone needs no kid, and a wrong one is not overlooked.
func TestOneKeyNeedsNoKid(t *testing.T) {
	s := newService(t, func(cfg *jwtauth.VerifierConfig) { cfg.Trust[0].Keys = ringOf(jwtauth.HS256) })
	s.wantGood(t, goodDraft(jwtauth.HS256).swap(`"kid":"HS256",`, ``).token())
	s.wantRefused(t, goodDraft(jwtauth.HS256).swap(`"kid":"HS256"`, `"kid":"other"`).token(), unknownKey)
}

// J11: what a client sees of each outcome, to the byte.
func TestWire(t *testing.T) {
	s := newService(t, nil)
	good := goodDraft(jwtauth.HS256).token()
	scoped := authn.Require(s, authn.Scopes("orders:delete"))
	for _, c := range []struct {
		name      string
		m         func(http.Handler) http.Handler
		r         *http.Request
		store     error
		status    int
		challenge string
		body      string
	}{
		{"good", s.Middleware, bearer(good), nil, 200, "", "ada"},
		{"absent", s.Middleware, without(), nil, 401, `Bearer realm="api"`, `{"type":"about:blank","title":"Unauthorized","status":401,"detail":"Authentication is required."}` + "\n"},
		{"bad", s.Middleware, bearer("a.b.c"), nil, 401, `Bearer realm="api", error="invalid_token", error_description="The credential is malformed, expired, revoked or unknown."`, `{"type":"about:blank","title":"Unauthorized","status":401,"detail":"The credential is malformed, expired, revoked or unknown.","error":"invalid_token"}` + "\n"},
		{"opaque", s.Middleware, bearer("opaque"), nil, 401, `Bearer realm="api", error="invalid_token", error_description="The credential is malformed, expired, revoked or unknown."`, `{"type":"about:blank","title":"Unauthorized","status":401,"detail":"The credential is malformed, expired, revoked or unknown.","error":"invalid_token"}` + "\n"},
		{"scope", scoped, bearer(good), nil, 403, `Bearer realm="api", error="insufficient_scope", error_description="The credential lacks a scope that is needed here.", scope="orders:delete"`, `{"type":"about:blank","title":"Forbidden","status":403,"detail":"The credential lacks a scope that is needed here.","error":"insufficient_scope","scope":"orders:delete"}` + "\n"},
		{"store down", s.Middleware, bearer(good), errDown, 503, "", `{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"A backend is not available. Try again later.","error":"unavailable"}` + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.rev.answer = func(store.TokenRef) (string, error) { return "", c.store }
			w := answer(c.m, c.r)
			if w.Code != c.status || w.Header().Get("WWW-Authenticate") != c.challenge || w.Body.String() != c.body {
				t.Errorf("%s", wire(w))
			}
			if c.status != 200 && w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("cached: %s", wire(w))
			}
			if (w.Header().Get("Retry-After") != "") != (c.status == 503) {
				t.Errorf("Retry-After: %s", wire(w))
			}
		})
	}
}

func without() *http.Request {
	r := bearer("")
	delete(r.Header, "Authorization")
	return r
}

// J11: a host's Guard reports what no event did, and nothing twice.
func TestEventsComeOnce(t *testing.T) {
	for _, own := range [...]bool{true, false} {
		var guard authntest.Recorder
		s := newService(t, func(cfg *jwtauth.VerifierConfig) {
			if !own {
				cfg.OnEvent = nil
			}
		})
		m := authn.Guard{Verifier: s, OnEvent: guard.OnEvent}.Require()
		answer(m, bearer("a.b.c"))
		answer(m, without())
		if n := len(guard.Events()) + len(s.events.Events()); n != 1 {
			t.Errorf("own events %v: %d events", own, n)
		}
	}
}
