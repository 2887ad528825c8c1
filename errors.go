package authn

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrNoCredential says that a request carries nothing of a method, or only a
// cookie that is stale. [FirstOf] then asks the next verifier, [Optional] lets
// the request through, [Require] answers 401.
var ErrNoCredential error = &Error{Status: http.StatusUnauthorized, Err: errors.New("authn: no credential")}

// Codes of [Error] that this package sets, from RFC 6749, 6750 and 9470 where
// they have one.
const (
	codeInvalidRequest = "invalid_request"
	codeInvalidToken   = "invalid_token"
	codeScope          = "insufficient_scope"
	codeStepUp         = "insufficient_user_authentication"
	codeForbidden      = "forbidden"
	codeUnavailable    = "unavailable"
	codeInternal       = "internal"
)

// outageRetry is the Retry-After of an outage that names none.
const outageRetry = 5 * time.Second

// Error is a refusal: what the client is told and, in Reason and Err, what
// only the event says. The sentinel errors of this module are *Errors, so that
// [WriteError] answers whatever a request can provoke.
//
// An Error that was returned is shared: do not change it.
type Error struct {
	// Status is the HTTP status, 400 to 599. From 500 it is an outage.
	Status int
	// Code is what programs branch on: of RFC 6749, 6750 or 9470 where they
	// have a fitting one, such as "invalid_token". "" of an absent credential.
	Code string
	// Challenges are for WWW-Authenticate. nil: those of the Verifier.
	Challenges []Challenge
	// RetryAfter is when trying again makes sense, of 429 and 503. It is sent
	// in whole seconds, rounded up. Of 503 it defaults to 5 s.
	RetryAfter time.Duration
	// Factor is the one that is owed or too old, with MaxAge if it is age that
	// counts.
	Factor string
	MaxAge time.Duration
	// Scopes are sufficient for the route, for insufficient_scope.
	Scopes []string
	// Reason says what was wrong, in a word or two: "revoked". It goes to the
	// event and never to the client.
	Reason string
	// About is whom the event is about, if a credential was known but refused.
	About *Identity
	// Reported says that a verifier has sent the event.
	Reported bool
	// Err is the cause, if there is one. It never goes to the client.
	Err error

	realm string // of a refusal that a Guard completed
	from  error  // what the Guard completed
}

// Error is for logs. Clients get what WriteError writes.
func (e *Error) Error() string {
	switch {
	case e == nil:
		return errNoStatus.Error()
	case e.from != nil:
		return e.from.Error()
	case e.Reason == "" && e.Err != nil:
		return e.Err.Error()
	}
	text := e.Reason
	if text == "" {
		text = http.StatusText(e.Status)
	}
	text = "authn: " + text
	if e.Err != nil && !errors.Is(e.Err, ErrNoCredential) {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap is what the Error was made of.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	if e.from != nil {
		return e.from
	}
	return e.Err
}

// NoCredential wraps [ErrNoCredential]. A reason says why a cookie that did
// come does not count ("expired"); it goes to the event.
func NoCredential(reason string) *Error {
	return &Error{Status: http.StatusUnauthorized, Reason: reason, Err: ErrNoCredential}
}

// Refused is 401 invalid_token (RFC 6750 §3.1): a bad credential, however bad.
// cause may be nil.
func Refused(reason string, cause error) *Error {
	return &Error{Status: http.StatusUnauthorized, Code: codeInvalidToken, Reason: reason, Err: cause}
}

// Malformed is 400 invalid_request (RFC 6750 §3.1). cause may be nil.
func Malformed(reason string, cause error) *Error {
	return &Error{Status: http.StatusBadRequest, Code: codeInvalidRequest, Reason: reason, Err: cause}
}

// Forbidden is 403: a rule's denial. cause may be nil.
func Forbidden(reason string, cause error) *Error {
	return &Error{Status: http.StatusForbidden, Code: codeForbidden, Reason: reason, Err: cause}
}

// StepUp is 401 insufficient_user_authentication (RFC 9470 §3): factor must be
// proven, or again if maxAge is over 0. factor may be "": any would do.
func StepUp(factor string, maxAge time.Duration) *Error {
	return &Error{
		Status: http.StatusUnauthorized, Code: codeStepUp, Factor: factor, MaxAge: maxAge,
		Reason: strings.TrimSpace("step-up " + factor),
	}
}

// internalError is a fault of the host's own code.
func internalError(reason string) *Error {
	return &Error{Status: http.StatusInternalServerError, Code: codeInternal, Reason: reason}
}

// AsError is what [Require] answers err with: the *Error that err is or wraps,
// else 503 with err as the cause. AsError(nil) is nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		return &Error{Status: http.StatusServiceUnavailable, Code: codeUnavailable, Reason: "outage", Err: err}
	}
	if e == nil || e.Status < 400 || e.Status > 599 {
		return &Error{Status: http.StatusInternalServerError, Code: codeInternal, Reason: "an *authn.Error without a status", Err: errNoStatus}
	}
	return e
}

var errNoStatus = errors.New("authn: an *Error needs a Status of 400 to 599: use Refused, Malformed, Forbidden or StepUp")

// details are the fixed texts for people. What is not here has none.
var details = map[string]string{
	"":                 "Authentication is required.",
	codeInvalidRequest: "The request is malformed or ambiguous.",
	codeInvalidToken:   "The credential is malformed, expired, revoked or unknown.",
	codeScope:          "The credential lacks a scope that is needed here.",
	codeStepUp:         "Another or a more recent proof of identity is needed.",
	codeForbidden:      "This is not allowed.",
	codeUnavailable:    "A backend is not available. Try again later.",
	codeInternal:       "The server is misconfigured.",
	"not_found":        "There is no such thing here.",
	"exists":           "It exists already.",
	"conflict":         "It was changed meanwhile.",
	"limit_reached":    "There are as many as there may be.",
	"invalid_scope":    "A scope is unknown or may not be granted.",
	"invalid_target":   "An audience is unknown or may not be granted.",
	"invalid_grant":    "What was given is wrong, malformed, expired, revoked or used up.",

	"login_expired":  "The login took too long, was finished already, or was begun in another browser.",
	"login_failed":   "What the login's provider answered does not hold.",
	"login_required": "A login at the provider is needed first.",
	"access_denied":  "The login was not allowed.",

	"not_enrolled":           "There is no second factor here.",
	"weak_password":          "The password is too easy to guess, or was breached.",
	"quota_exceeded":         "There were too many requests or attempts. Try again later.",
	"method_not_allowed":     "This method is not supported here.",
	"too_large":              "It is too large.",
	"unauthorized_client":    "This client must authenticate, elsewhere.",
	"unsupported_grant_type": "This grant type is not supported here.",
}

// problemTypes are those that somebody has registered; RFC 9457 §4.2.1 has
// "about:blank" for the others. This one is of draft-ietf-httpapi-ratelimit-headers.
var problemTypes = map[string]string{
	"quota_exceeded": "https://iana.org/assignments/http-problem-types#quota-exceeded",
}

// problem is the body of every refusal: RFC 9457, with "error" of RFC 6749 and
// what a program needs to do better next time.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Error  string `json:"error,omitempty"`
	Scope  string `json:"scope,omitempty"`
	Factor string `json:"factor,omitempty"`
	MaxAge int64  `json:"max_age,omitempty"`
}

// WriteError answers err, as [AsError] reads it, with a fixed problem+json
// body (RFC 9457), the challenges of a 401 (RFC 9110 §11.6.1) and
// Cache-Control: no-store. Nothing of the request, of Reason or of Err is
// written. r may be nil. WriteError is an [ErrorHandler] when err is an *Error.
func WriteError(w http.ResponseWriter, _ *http.Request, err error) {
	e := AsError(err)
	if e == nil {
		e = internalError("WriteError(nil)")
	}
	h := w.Header()
	for _, field := range [...]string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified"} {
		h.Del(field)
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	retry := e.RetryAfter
	if retry <= 0 && e.Status == http.StatusServiceUnavailable {
		retry = outageRetry
	}
	if retry > 0 {
		h.Set("Retry-After", strconv.FormatInt(wholeSeconds(retry), 10))
	}
	if e.Status == http.StatusUnauthorized || e.Code == codeScope {
		h.Del("WWW-Authenticate")
		for _, c := range e.challenges() {
			h.Add("WWW-Authenticate", c)
		}
	}
	body, err := json.Marshal(problem{
		Type: cmp.Or(problemTypes[e.Code], "about:blank"), Title: http.StatusText(e.Status), Status: e.Status,
		Detail: details[e.Code], Error: e.Code,
		Scope: strings.Join(e.Scopes, " "), Factor: e.Factor, MaxAge: wholeSeconds(e.MaxAge),
	})
	if err != nil { // cannot be: strings and numbers
		body = []byte("{}")
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(append(body, '\n')) // a client that is gone is nobody's error
}

// wholeSeconds rounds up, so that who waits them has waited long enough.
func wholeSeconds(d time.Duration) int64 {
	seconds := int64(d / time.Second)
	if d%time.Second > 0 {
		seconds++
	}
	return seconds
}

// Must is v, or panics on an error: for main functions and tests.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
