package authn_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
)

// C8: of the host's answer only Scopes, Roles and Attributes count.
func TestEnrichAddsAndNeverReplaces(t *testing.T) {
	id := &authn.Identity{
		Subject: "ada", Kind: authn.KindKey, Method: "apikey", CredentialID: "k1", Scopes: []string{"a"}, Pending: []string{"otp"},
		Factors: []authn.Factor{{Name: "pwd"}}, Attributes: map[string]string{"x": "1"},
	}
	v := authn.Enrich(authntest.Verifier(id, nil), func(_ context.Context, id *authn.Identity) (*authn.Identity, error) {
		id.Scopes[0] = "changed in the clone"
		id.Attributes["x"] = "2"
		return &authn.Identity{
			Subject: "root", Kind: authn.KindUser, Method: "evil", CredentialID: "k2",
			Scopes: []string{"a", "b"}, Roles: []string{"editor"}, Attributes: map[string]string{"tenant": "acme"},
		}, nil
	})
	got, err := v.Verify(request())
	if err != nil {
		t.Fatal(err)
	}
	want := "ada key apikey k1 [a b] [editor] [otp] map[tenant:acme] 1"
	if got := fmt.Sprint(got.Subject, " ", got.Kind, " ", got.Method, " ", got.CredentialID, " ", got.Scopes, " ", got.Roles, " ", got.Pending, " ",
		got.Attributes, " ", len(got.Factors)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if id.Scopes[0] != "a" || id.Attributes["x"] != "1" {
		t.Error("the verifier's own Identity was changed")
	}
}

// C8: inactive is refused, an outage is 503, and absent here is a refusal,
// since the credential was there.
func TestEnrichErrors(t *testing.T) {
	tests := []struct {
		name string
		id   *authn.Identity
		err  error
		want int
	}{
		{"active", authn.User("ada", "x"), nil, http.StatusOK},
		{"inactive", nil, authn.Refused("inactive", nil), http.StatusUnauthorized},
		{"absent", nil, authn.ErrNoCredential, http.StatusUnauthorized},
		{"down", nil, errDown, http.StatusServiceUnavailable},
		{"nothing", nil, nil, http.StatusInternalServerError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := authn.Enrich(header("X-A"), func(context.Context, *authn.Identity) (*authn.Identity, error) { return tt.id, tt.err })
			both := authn.FirstOf(v, header("X-B"))
			if w := serve(authn.Optional(both)(who), request("X-A", "good", "X-B", "good")); w.Code != tt.want {
				t.Errorf("status %d, want %d", w.Code, tt.want)
			}
			if id, err := v.Verify(request("X-A", "good")); (id != nil) != (tt.want == http.StatusOK) || (err == nil) != (id != nil) {
				t.Errorf("Verify: %v, %v", id, err)
			}
		})
	}
	asked := authn.Enrich(header("X-A"), func(context.Context, *authn.Identity) (*authn.Identity, error) {
		t.Error("asked about nobody")
		return nil, nil
	})
	if w := serve(authn.Optional(asked)(who), request()); w.Code != http.StatusOK {
		t.Errorf("nobody: status %d", w.Code)
	}
	nothing := authn.Enrich(authntest.Verifier(nil, nil), func(context.Context, *authn.Identity) (*authn.Identity, error) {
		t.Error("asked about nothing")
		return authn.User("ada", "x"), nil
	})
	if w := serve(authn.Require(nothing)(who), request()); w.Code != http.StatusInternalServerError {
		t.Errorf("a verifier that answers nothing: status %d", w.Code)
	}
}

// C8: answers are remembered for ttl, by all that names a credential.
func TestCacheEnrichRemembersByCredential(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		f := authn.CacheEnrich(func(_ context.Context, id *authn.Identity) (*authn.Identity, error) {
			calls++
			id.Roles = []string{fmt.Sprint("call ", calls)}
			return id, nil
		}, time.Minute)
		base := authn.Identity{Subject: "ada", Kind: authn.KindUser, Method: "m", Issuer: "i", CredentialID: "c"}
		role := func(change func(id *authn.Identity)) string {
			id := base
			change(&id)
			got, err := f(t.Context(), id.Clone())
			if err != nil {
				t.Fatal(err)
			}
			return got.Roles[0]
		}
		same := func(*authn.Identity) {}
		if got := role(same); got != "call 1" {
			t.Fatal(got)
		}
		time.Sleep(time.Minute - 1)
		if got := role(same); got != "call 1" {
			t.Errorf("within ttl: %s", got)
		}
		time.Sleep(time.Nanosecond)
		if got := role(same); got != "call 2" {
			t.Errorf("after ttl: %s", got)
		}
		for i, change := range []func(id *authn.Identity){
			func(id *authn.Identity) { id.Subject = "bob" },
			func(id *authn.Identity) { id.Kind = authn.KindKey },
			func(id *authn.Identity) { id.Method = "m2" },
			func(id *authn.Identity) { id.Issuer = "i2" },
			func(id *authn.Identity) { id.CredentialID = "c2" },
			func(id *authn.Identity) { id.Method, id.Issuer = "mi", "" }, // no boundary moves
			// Two would be one without the lengths, and two without what ends those.
			func(id *authn.Identity) { id.Method, id.Issuer = "m", "i:x" },
			func(id *authn.Identity) { id.Method, id.Issuer = "m:i", "x" },
			func(id *authn.Identity) {
				*id = authn.Identity{Subject: "ada", Method: "1", CredentialID: "xxxx03bob1c"}
			},
			func(id *authn.Identity) {
				*id = authn.Identity{Subject: "bob", Method: "03ada11xxxx", CredentialID: "c"}
			},
			func(id *authn.Identity) { id.CredentialID = "" },
			func(id *authn.Identity) { id.CredentialID = "" }, // not remembered
		} {
			if got, want := role(change), fmt.Sprint("call ", i+3); got != want {
				t.Errorf("change %d: %s, want %s", i, got, want)
			}
		}
	})
}

// C8, C11: a refusal says in its event whom the host refused, and what is
// remembered is nobody's to change.
func TestEnrichRefusalNamesTheSubject(t *testing.T) {
	var events authntest.Recorder
	v := authn.Enrich(header("X-A"), func(context.Context, *authn.Identity) (*authn.Identity, error) {
		return nil, authn.Refused("suspended", errDown)
	})
	serve(authn.Guard{Verifier: v, OnEvent: events.OnEvent}.Require()(who), request("X-A", "good"))
	got := events.Events(authn.EventRefused)
	if len(got) != 1 || got[0].Subject != "ada" || got[0].Method != "X-A" || got[0].Reason != "suspended" || !errors.Is(got[0].Err, errDown) {
		t.Errorf("events %+v", got)
	}
	// It does not overwrite what the host says, and an outage is about nobody.
	eves := authn.Refused("merged", nil)
	eves.About = &authn.Identity{Subject: "eve"}
	for err, subject := range map[*authn.Error]string{eves: "eve", {Status: 500}: "", {Status: 503}: ""} {
		v := authn.Enrich(header("X-A"), func(context.Context, *authn.Identity) (*authn.Identity, error) { return nil, err })
		serve(authn.Guard{Verifier: v, OnEvent: events.OnEvent}.Require()(who), request("X-A", "good"))
		all := events.Events()
		if e := all[len(all)-1]; e.Subject != subject {
			t.Errorf("%d: %+v, want %q", err.Status, e, subject)
		}
	}
	f := authn.CacheEnrich(func(_ context.Context, id *authn.Identity) (*authn.Identity, error) {
		id.Roles = append(make([]string, 0, 8), "user")
		return id, nil
	}, time.Minute)
	id := &authn.Identity{Subject: "ada", Kind: authn.KindUser, CredentialID: "c"}
	for range 3 {
		got, err := f(t.Context(), id.Clone())
		if err != nil || fmt.Sprint(got.Roles) != "[user]" {
			t.Fatalf("roles %v, %v", got.Roles, err)
		}
		got.Roles = append(got.Roles, "admin")
	}
}

// C8: errors are not remembered, the cache is bounded, and ttl is at most 60 s.
func TestCacheEnrichBounds(t *testing.T) {
	id := &authn.Identity{Subject: "ada", Kind: authn.KindUser, CredentialID: "c"}
	var answer *authn.Identity
	var fails error
	f := authn.CacheEnrich(func(context.Context, *authn.Identity) (*authn.Identity, error) { return answer, fails }, time.Minute)
	for _, c := range []struct {
		answer *authn.Identity
		err    error
	}{{nil, errDown}, {id, errDown}, {nil, nil}, {id, nil}} {
		answer, fails = c.answer, c.err
		if got, err := f(t.Context(), id); !errors.Is(err, c.err) || (got == nil) != (c.answer == nil) {
			t.Errorf("got %v, %v; the host says %v, %v", got, err, c.answer, c.err)
		}
	}
	for _, ttl := range []time.Duration{0, -1, time.Minute + 1} {
		t.Run(ttl.String(), func(t *testing.T) { mustPanic(t, func() { authn.CacheEnrich(noEnrich, ttl) }) })
	}
}
