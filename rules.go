package authn

import (
	"net/http"
	"slices"
	"time"
)

// Rule judges an Identity that was verified. nil lets it pass. An *Error below
// status 500 is a denial ([Forbidden], [StepUp]); any other error is an
// outage. Rules run in order; the first refusal answers.
type Rule interface {
	Allow(r *http.Request, id *Identity) error
}

// RuleFunc is a host's own Rule.
type RuleFunc func(r *http.Request, id *Identity) error

// Allow calls f.
func (f RuleFunc) Allow(r *http.Request, id *Identity) error { return f(r, id) }

// scopeRule is a rule by scopes.
type scopeRule interface {
	Rule
	sufficient() []string // scopes that satisfy it
}

type allScopes []string

// Scopes wants all of these scopes, compared exactly. A credential without
// scopes has none. Without a name it panics.
func Scopes(all ...string) Rule {
	mustText("Scopes", all)
	return allScopes(slices.Clone(all))
}

func (s allScopes) sufficient() []string { return s }

func (s allScopes) Allow(_ *http.Request, id *Identity) error {
	for _, name := range s {
		if !id.HasScope(name) {
			return missingScope(s)
		}
	}
	return nil
}

type anyScope []string

// AnyScope wants one of these scopes. A refusal names the first, which is
// enough: put the least one there. Without a name it panics.
func AnyScope(names ...string) Rule {
	mustText("AnyScope", names)
	return anyScope(slices.Clone(names))
}

func (s anyScope) sufficient() []string { return s[:1] }

func (s anyScope) Allow(_ *http.Request, id *Identity) error {
	if slices.ContainsFunc(s, id.HasScope) {
		return nil
	}
	return missingScope(s[:1])
}

func missingScope(sufficient []string) *Error {
	return &Error{Status: http.StatusForbidden, Code: codeScope, Scopes: sufficient, Reason: "missing scope"}
}

// AnyRole wants one of these roles. Without a name it panics.
func AnyRole(names ...string) Rule {
	mustText("AnyRole", names)
	names = slices.Clone(names)
	return RuleFunc(func(_ *http.Request, id *Identity) error {
		if slices.ContainsFunc(names, id.HasRole) {
			return nil
		}
		return Forbidden("missing role", nil)
	})
}

// OfKind wants one of these kinds: a page for people says OfKind(KindUser), so
// that no API key opens it. Without a kind it panics.
func OfKind(kinds ...Kind) Rule {
	mustName("OfKind", kinds)
	if slices.Contains(kinds, 0) {
		panic("authn: OfKind of the zero Kind")
	}
	kinds = slices.Clone(kinds)
	return RuleFunc(func(_ *http.Request, id *Identity) error {
		if slices.Contains(kinds, id.Kind) {
			return nil
		}
		return Forbidden("wrong kind", nil)
	})
}

// clockSkew is how far the clocks of two instances may differ.
const clockSkew = time.Minute

// Within wants one of these factors, any if none is named, proven at most max
// before VerifiedAt (RFC 9470 step-up), and not over a minute after it, which
// no honest clock says. Who has none of them, or an Identity
// without VerifiedAt, is asked for the first. A max of 0 or less panics.
func Within(max time.Duration, anyOf ...string) Rule {
	if max <= 0 {
		panic("authn: Within wants a duration over 0")
	}
	if slices.Contains(anyOf, "") {
		panic("authn: Within with an empty factor name")
	}
	anyOf = slices.Clone(anyOf)
	first := ""
	if len(anyOf) > 0 {
		first = anyOf[0]
	}
	return RuleFunc(func(_ *http.Request, id *Identity) error {
		for _, f := range id.Factors {
			named := len(anyOf) == 0 || slices.Contains(anyOf, f.Name)
			age := id.VerifiedAt.Sub(f.At)
			if named && !f.At.IsZero() && !id.VerifiedAt.IsZero() && age <= max && age >= -clockSkew {
				return nil
			}
		}
		return StepUp(first, max)
	})
}

type allowPending []string

// AllowPending lets pass who owes at most these factors: for the route that
// takes the code, and for logging out. It counts before any other rule,
// wherever it stands. Without a name it panics.
func AllowPending(factors ...string) Rule {
	mustText("AllowPending", factors)
	return allowPending(slices.Clone(factors))
}

// Allow refuses nobody: the middleware reads the names.
func (allowPending) Allow(*http.Request, *Identity) error { return nil }

// AnyOf passes if one of rules does. Else an outage among them answers, or the
// first refusal. [AllowPending] inside panics: it is no alternative to a rule.
func AnyOf(rules ...Rule) Rule {
	mustName("AnyOf", rules)
	for _, rule := range rules {
		mustRule(rule, "AnyOf")
		if _, ok := rule.(allowPending); ok {
			panic("authn: AllowPending inside AnyOf")
		}
	}
	rules = slices.Clone(rules)
	return RuleFunc(func(r *http.Request, id *Identity) error {
		var refusal error
		for _, rule := range rules {
			err := rule.Allow(r, id)
			if err == nil {
				return nil
			}
			outage := AsError(err).Status >= http.StatusInternalServerError
			if refusal == nil || outage && AsError(refusal).Status < http.StatusInternalServerError {
				refusal = err
			}
		}
		return refusal
	})
}

// mustName panics on an empty list: a rule that demands nothing is a mistake.
func mustName[T any](rule string, names []T) {
	if len(names) == 0 {
		panic("authn: " + rule + " of nothing")
	}
}

// mustText panics on an empty name, too, such as an unset variable leaves: it
// might match another empty one.
func mustText(rule string, names []string) {
	mustName(rule, names)
	if slices.Contains(names, "") {
		panic("authn: " + rule + " of an empty name")
	}
}

func mustRule(rule Rule, where string) {
	if f, ok := rule.(RuleFunc); rule == nil || ok && f == nil {
		panic("authn: " + where + " with a nil Rule")
	}
}
