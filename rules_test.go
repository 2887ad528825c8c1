package authn_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
)

// C6: rules see the Identity, compare exactly, and the first refusal answers.
func TestRules(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	id := &authn.Identity{
		Subject: "ada", Kind: authn.KindUser, Scopes: []string{"orders:read", "Admin"}, Roles: []string{"editor"},
		Factors:    []authn.Factor{{Name: "pwd", At: ago(time.Hour)}, {Name: "otp", At: ago(10 * time.Minute)}, {Name: "sms"}, {Name: "hwk", At: now.Add(time.Minute)}, {Name: "pin", At: now.Add(time.Minute + 1)}},
		VerifiedAt: now,
	}
	never := *id
	never.VerifiedAt = time.Time{}
	nobody := &authn.Identity{Subject: "bot", Kind: authn.KindKey, VerifiedAt: now}
	down := authn.RuleFunc(func(*http.Request, *authn.Identity) error { return errDown })
	broken := authn.RuleFunc(func(*http.Request, *authn.Identity) error {
		return &authn.Error{Status: http.StatusInternalServerError, Code: "broken"}
	})
	yes := authn.RuleFunc(func(*http.Request, *authn.Identity) error { return nil })
	tests := []struct {
		name string
		id   *authn.Identity
		rule authn.Rule
		want string // Code, "" passes
	}{
		{"scope", id, authn.Scopes("orders:read"), ""},
		{"both scopes", id, authn.Scopes("orders:read", "Admin"), ""},
		{"one scope missing", id, authn.Scopes("orders:read", "orders:write"), "insufficient_scope"},
		{"scope in another case", id, authn.Scopes("admin"), "insufficient_scope"},
		{"scope prefix", id, authn.Scopes("orders"), "insufficient_scope"},
		{"two scopes in one", id, authn.Scopes("orders:read Admin"), "insufficient_scope"},
		{"nil scopes", nobody, authn.Scopes("orders:read"), "insufficient_scope"},
		{"any scope", id, authn.AnyScope("orders:write", "orders:read"), ""},
		{"no scope of any", id, authn.AnyScope("orders:write", "orders:all"), "insufficient_scope"},
		{"role", id, authn.AnyRole("admin", "editor"), ""},
		{"role in another case", id, authn.AnyRole("Editor"), "forbidden"},
		{"a scope is no role", id, authn.AnyRole("Admin"), "forbidden"},
		{"nil roles", nobody, authn.AnyRole("editor"), "forbidden"},
		{"kind", id, authn.OfKind(authn.KindClient, authn.KindUser), ""},
		{"other kind", nobody, authn.OfKind(authn.KindClient, authn.KindUser), "forbidden"},
		{"any factor", id, authn.Within(10 * time.Minute), ""},
		{"any factor, too old", id, authn.Within(10*time.Minute-1, "otp", "pwd", "sms"), "insufficient_user_authentication"},
		{"named factor", id, authn.Within(time.Hour, "pwd"), ""},
		{"named factor, too old", id, authn.Within(time.Hour-1, "pwd"), "insufficient_user_authentication"},
		{"one of two", id, authn.Within(time.Hour, "face", "otp"), ""},
		{"factor never proven", id, authn.Within(time.Hour, "face"), "insufficient_user_authentication"},
		{"factor of a clock a minute ahead", id, authn.Within(time.Second, "hwk"), ""},
		{"factor of the future", id, authn.Within(time.Hour, "pin"), "insufficient_user_authentication"},
		{"factor without a time", id, authn.Within(100000*time.Hour, "sms"), "insufficient_user_authentication"},
		{"Identity without a time", &never, authn.Within(100000*time.Hour, "pwd"), "insufficient_user_authentication"},
		{"no factors", nobody, authn.Within(time.Hour), "insufficient_user_authentication"},
		{"any of rules", id, authn.AnyOf(authn.Scopes("none"), authn.AnyRole("editor")), ""},
		{"none of rules: the first answers", id, authn.AnyOf(authn.AnyRole("none"), authn.Scopes("none")), "forbidden"},
		{"any of rules, one down", id, authn.AnyOf(down, yes), ""},
		{"none of rules, one down", id, authn.AnyOf(authn.AnyRole("none"), down, authn.Scopes("none")), "unavailable"},
		{"any of rules, one broken", id, authn.AnyOf(authn.AnyRole("none"), broken), "broken"},
		{"any of rules, broken before down", id, authn.AnyOf(broken, down), "broken"},
		{"own rule, down", id, down, "unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := authn.Check(authntest.Verifier(tt.id, nil), request(), tt.rule)
			got := ""
			if err != nil {
				got = authn.AsError(err).Code
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// C6: an *Error below 500 is a denial, all else an outage.
func TestRefusalOfARule(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		status int
		kind   authn.EventKind
	}{
		{"Forbidden", authn.Forbidden("not the owner", nil), 403, authn.EventDenied},
		{"StepUp", authn.StepUp("otp", time.Minute), 401, authn.EventDenied},
		{"wrapped", errors.Join(errors.New("rule"), authn.Forbidden("no", nil)), 403, authn.EventDenied},
		{"not an *Error", errDown, 503, authn.EventOutage},
		{"an *Error of 500", &authn.Error{Status: 500}, 500, authn.EventOutage},
		{"an *Error without status", &authn.Error{Reason: "oops"}, 500, authn.EventOutage},
		{"a nil *Error", (*authn.Error)(nil), 500, authn.EventOutage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var events authntest.Recorder
			rule := authn.RuleFunc(func(*http.Request, *authn.Identity) error { return tt.err })
			g := authn.Guard{Verifier: authntest.Verifier(authn.User("ada", "x"), nil), OnEvent: events.OnEvent}
			never := authn.RuleFunc(func(*http.Request, *authn.Identity) error {
				t.Error("a rule ran after a refusal")
				return nil
			})
			if w := serve(g.Require(rule, never)(who), request()); w.Code != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
			if got := events.Events(); len(got) != 1 || got[0].Kind != tt.kind || got[0].Subject != "ada" {
				t.Errorf("events %+v, want one: %s", got, tt.kind)
			}
		})
	}
}

// C6: a rule stays as it was made, whatever becomes of the caller's slice.
func TestRulesAreCopies(t *testing.T) {
	id := authn.User("ada", "x", authn.Factor{Name: "a", At: time.Now()})
	id.Scopes, id.Roles, id.Pending = []string{"a"}, []string{"a"}, []string{"a"}
	names, kinds, some := []string{"a"}, []authn.Kind{authn.KindUser}, []authn.Rule{authn.Scopes("a")}
	owes := authn.AllowPending(names...)
	rules := []authn.Rule{
		authn.Scopes(names...), authn.AnyScope(names...), authn.AnyRole(names...), authn.OfKind(kinds...),
		authn.Within(time.Hour, names...), authn.AnyOf(some...),
	}
	names[0], kinds[0], some[0] = "b", authn.KindKey, authn.Scopes("b")
	for i, rule := range rules {
		if _, err := authn.Check(authntest.Verifier(id, nil), request(), owes, rule); err != nil {
			t.Errorf("rule %d: %v", i, err)
		}
	}
}

// C6: a rule that demands nothing is a mistake.
func TestEmptyRulePanics(t *testing.T) {
	tests := map[string]func(){
		"Scopes":                    func() { authn.Scopes() },
		"AnyScope":                  func() { authn.AnyScope() },
		"AnyRole":                   func() { authn.AnyRole() },
		"OfKind":                    func() { authn.OfKind() },
		"OfKind zero":               func() { authn.OfKind(0) },
		"AnyOf":                     func() { authn.AnyOf() },
		"AnyOf nil":                 func() { authn.AnyOf(nil) },
		"AllowPending":              func() { authn.AllowPending() },
		"AllowPending inside AnyOf": func() { authn.AnyOf(authn.AllowPending("otp")) },
		"Scopes of nothing":         func() { authn.Scopes("a", "") },
		"AnyScope of nothing":       func() { authn.AnyScope("") },
		"AnyRole of nothing":        func() { authn.AnyRole("") },
		"AllowPending of nothing":   func() { authn.AllowPending("") },
		"Within 0":                  func() { authn.Within(0, "otp") },
		"Within no name":            func() { authn.Within(time.Hour, "") },
	}
	for name, f := range tests {
		t.Run(name, func(t *testing.T) { mustPanic(t, f) })
	}
}
