package tokenserver

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

// Codes of RFC 6749 §5.2 and RFC 8707 §2. The last two are of RFC 6749 §4.1.2.1:
// for a token endpoint there are none.
const (
	codeInvalidRequest       = "invalid_request"
	codeInvalidClient        = "invalid_client"
	codeInvalidGrant         = "invalid_grant"
	codeUnauthorizedClient   = "unauthorized_client"
	codeUnsupportedGrantType = "unsupported_grant_type"
	codeInvalidScope         = "invalid_scope"
	codeInvalidTarget        = "invalid_target"
	codeServerError          = "server_error"
	codeUnavailable          = "temporarily_unavailable"
)

// descriptions are for people, fixed, and of the characters that RFC 6749 §5.2 has.
var descriptions = map[string]string{
	codeInvalidRequest:       "The request is malformed, or a parameter is missing or there twice.",
	codeInvalidClient:        "The client is unknown, or its authentication failed.",
	codeInvalidGrant:         "The refresh token is malformed, expired, revoked, used up or of another client.",
	codeUnauthorizedClient:   "The client may not use this grant type.",
	codeUnsupportedGrantType: "The grant type is not supported here.",
	codeInvalidScope:         "A scope is malformed or unknown, or may not be granted.",
	codeInvalidTarget:        "A resource is unknown, or may not be granted.",
	codeServerError:          "The server is misconfigured.",
	codeUnavailable:          "A backend is not available. Try again later.",
}

// challenge is of every 401: by which scheme one may come (RFC 6749 §5.2).
const challenge = `Basic realm="token", charset="UTF-8"`

// outageRetry is the Retry-After of an outage that names none.
const outageRetry = 5 * time.Second

// refusal is an answer of RFC 6749 §5.2.
type refusal struct {
	status int
	code   string
	retry  time.Duration
	reason string // for the event
	err    error
	client string // the one that is known
	// reported: the issuer has sent the event
	reported bool
}

func malformed(reason string, err error) *refusal {
	return &refusal{status: http.StatusBadRequest, code: codeInvalidRequest, reason: reason, err: err}
}

func invalidClient(reason string, err error) *refusal {
	return &refusal{status: http.StatusUnauthorized, code: codeInvalidClient, reason: reason, err: err}
}

// unusable is 400 of another code than invalid_request.
func unusable(code, reason string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: code, reason: reason}
}

// outage is what a store or another backend failed with, or the host's own code.
func outage(backend string, err error) *refusal {
	e := authn.AsError(err)
	switch e.Status {
	case http.StatusTooManyRequests:
		return &refusal{status: e.Status, code: codeUnavailable, retry: max(e.RetryAfter, time.Second), reason: e.Reason, err: err}
	case http.StatusInternalServerError:
		return &refusal{status: e.Status, code: codeServerError, reason: backend, err: err}
	}
	retry := e.RetryAfter
	if retry <= 0 {
		retry = outageRetry
	}
	return &refusal{status: http.StatusServiceUnavailable, code: codeUnavailable, retry: retry, reason: backend, err: err}
}

// ofIssuer is what the issuer answered instead of tokens. It has sent the event.
func ofIssuer(err error) *refusal {
	var f *refusal
	switch e := authn.AsError(err); {
	case e.Status >= http.StatusInternalServerError || e.Status == http.StatusTooManyRequests:
		f = outage("issuer", err)
	case e.Code == codeInvalidGrant || e.Code == codeInvalidScope || e.Code == codeInvalidTarget:
		f = unusable(e.Code, e.Reason)
	case e.Status == http.StatusUnauthorized && errors.Is(err, store.ErrConflict): // revoked just now: if it is disabled, it learns that next time
		f = &refusal{status: http.StatusServiceUnavailable, code: codeUnavailable, retry: proofMargin, err: err}
	default: // the host's Owed or Claims do not want it
		f = unusable(codeUnauthorizedClient, e.Reason)
	}
	f.reported = true
	return f
}

// refuse answers f and sends its event.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, f *refusal) {
	if !f.reported {
		e := authn.Error{Status: f.status, Code: f.code, Reason: f.reason, Err: f.err}
		if f.client != "" {
			e.About = &authn.Identity{Subject: f.client, Kind: authn.KindClient}
		}
		_ = s.log.Refusal(r, &e) // which is e
	}
	if f.retry > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((f.retry+time.Second-1)/time.Second), 10))
	}
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	writeJSON(w, f.status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{f.code, descriptions[f.code]})
}

// writeJSON is every answer with a body but the tokens.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // cannot be: strings, numbers and lists of strings
		body = []byte("{}")
	}
	noStore(w)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that is gone is nobody's error
}

// noStore is RFC 6749 §5.1.
func noStore(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
}

// clientEvent is about a client.
func clientEvent(kind authn.EventKind, id, reason string) authn.Event {
	return authn.Event{Kind: kind, Subject: id, SubjectKind: authn.KindClient, Reason: reason}
}
