package authn

import (
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// Verifier says who a request comes from. It is the contract that every method
// of this module, and every method of a host's own, fulfils.
//
//   - An error that wraps [ErrNoCredential] means that the request has nothing
//     of this method: another may try. A stale cookie counts as nothing, since
//     browsers send cookies unasked; [NoCredential] then carries the reason.
//   - Another [*Error] below status 500 is final: the credential is bad, even
//     if another method would accept the request. It may have any cause.
//   - Any other error is an outage, answered by 503 and never taken for
//     "anonymous" or "wrong".
//   - A nil error comes with a non-nil Identity, with Subject and Kind.
//
// In a field that several methods read, such as Authorization, a value that
// has not this method's shape (scheme, prefix) is nothing of this method.
// Verify does not judge Pending. It may be called from many goroutines at once.
//
// A Verifier that wraps another forwards its [Describer], or caches and 401s
// hear of Authorization only; [Enrich] does.
type Verifier interface {
	Verify(r *http.Request) (*Identity, error)
}

// Describer is what a Verifier may say of itself. One that does not is taken
// to read Authorization and gets the challenge Bearer. Describe is called when
// a route is built and by [Check]; its answer does not change.
type Describer interface {
	Describe() Description
}

// Description is what a Verifier asks for and looks at.
type Description struct {
	// Challenges are what a 401 asks for.
	Challenges []Challenge
	// Credentials are the header fields that carry credentials and nothing
	// else: twice in one request they are refused (400), and a value that no
	// verifier claims is, too (401). Never Cookie, which a browser sends
	// unasked.
	Credentials []string
	// Vary are the other header fields that the answer depends on: Cookie.
	Vary []string
	// Private says that the answer depends on something that no header field
	// shows, such as a client certificate, so that shared caches must not keep it.
	Private bool
}

// describe is v's own Description, or that of who has none.
func describe(v Verifier) Description {
	if d, ok := v.(Describer); ok {
		return d.Describe()
	}
	return Description{Challenges: bearer, Credentials: []string{"Authorization"}}
}

// ambient says how much of what v reads is sent unasked: nothing, cookies
// beside header fields, cookies alone.
func ambient(d Description) int {
	cookie := slices.ContainsFunc(d.Vary, func(f string) bool { return strings.EqualFold(f, "Cookie") })
	switch {
	case !cookie:
		return 0
	case len(d.Credentials) > 0:
		return 1
	default:
		return 2
	}
}

// FirstOf lets the first verifier that finds a credential decide, for good or
// bad: only ErrNoCredential passes a request on. Verifiers of header fields
// are asked before those of cookies, otherwise in the order given; and where a
// header field carries a credential, [Require] and its like show no cookie to
// anybody. If nobody finds any, the error wraps ErrNoCredential and asks for
// all methods.
//
// A nil Verifier panics, and so does none at all.
func FirstOf(vs ...Verifier) Verifier {
	if len(vs) == 0 {
		panic("authn: FirstOf without a Verifier")
	}
	f := &firstOf{}
	for _, v := range vs {
		mustVerifier(v, "FirstOf")
		if inner, ok := v.(*firstOf); ok {
			f.verifiers = append(f.verifiers, inner.verifiers...)
			continue
		}
		f.verifiers = append(f.verifiers, v)
	}
	slices.SortStableFunc(f.verifiers, func(a, b Verifier) int { return ambient(describe(a)) - ambient(describe(b)) })
	for _, v := range f.verifiers {
		d := describe(v)
		f.description.Challenges = appendChallenges(f.description.Challenges, d.Challenges)
		f.description.Credentials = appendFields(f.description.Credentials, d.Credentials)
		f.description.Vary = appendFields(f.description.Vary, d.Vary)
		f.description.Private = f.description.Private || d.Private
	}
	f.absent = &Error{Status: http.StatusUnauthorized, Challenges: f.description.Challenges, Err: ErrNoCredential}
	return f
}

type firstOf struct {
	verifiers   []Verifier
	description Description
	absent      *Error
}

func (f *firstOf) Verify(r *http.Request) (*Identity, error) {
	absent := f.absent
	for _, v := range f.verifiers {
		id, err := v.Verify(r)
		if !isAbsent(err) {
			return id, err
		}
		var e *Error
		if absent == f.absent && errors.As(err, &e) && e.Reason != "" {
			stale := *f.absent
			stale.Reason, stale.Reported, stale.Err = e.Reason, e.Reported, err
			absent = &stale
		}
	}
	return nil, absent
}

func (f *firstOf) Describe() Description { return f.description }

// appendFields adds the fields that are not yet there, in canonical form.
func appendFields(have, more []string) []string {
	for _, field := range more {
		field = http.CanonicalHeaderKey(field)
		if !slices.Contains(have, field) {
			have = append(have, field)
		}
	}
	return slices.Clip(have)
}

func appendChallenges(have, more []Challenge) []Challenge {
	for _, c := range more {
		same := func(h Challenge) bool { return reflect.DeepEqual(h, c) }
		if !slices.ContainsFunc(have, same) {
			have = append(have, c)
		}
	}
	return slices.Clip(have)
}

// mustVerifier panics on nil, also on a nil pointer in the interface: a route
// without a check must not come to be.
func mustVerifier(v Verifier, where string) {
	if v == nil {
		panic("authn: " + where + " with a nil Verifier")
	}
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.Pointer && rv.IsNil() {
		panic("authn: " + where + " with a nil " + rv.Type().String())
	}
}
