// Package audit sends the events of one method.
package audit

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-go/authn"
)

// Log is what a method's events have in common. OnEvent may be nil.
type Log struct {
	Method  string
	OnEvent authn.EventFunc
	Now     func() time.Time
}

// Outage is 503, whatever the store or another backend answered.
func Outage(backend string, err error) *authn.Error {
	return &authn.Error{Status: http.StatusServiceUnavailable, Code: "unavailable", Reason: backend, Err: err}
}

// Refusal sends the event of a refused request, with e.About as its subject,
// and answers e. Without an OnEvent a Guard may report it.
func (l Log) Refusal(r *http.Request, e *authn.Error) *authn.Error {
	if l.OnEvent == nil {
		return e
	}
	e.Reported = true
	kind := authn.EventRefused
	if e.Status >= http.StatusInternalServerError {
		if errors.Is(r.Context().Err(), context.Canceled) {
			return e // the client has gone
		}
		kind = authn.EventOutage
	}
	event := authn.Event{Kind: kind, At: l.Now(), Method: l.Method, Addr: authn.ClientOf(r).Addr, Reason: e.Reason, Err: e.Err}
	if id := e.About; id != nil {
		event.Subject, event.SubjectKind, event.CredentialID = id.Subject, id.Kind, id.CredentialID
	}
	l.OnEvent(r.Context(), event)
	return e
}

// Send completes e with what ctx knows, and sends it.
func (l Log) Send(ctx context.Context, e authn.Event) {
	if l.OnEvent == nil {
		return
	}
	e.Method = l.Method
	if e.At.IsZero() {
		e.At = l.Now()
	}
	if actor, ok := authn.FromContext(ctx); ok && e.Actor == "" {
		e.Actor = actor.Subject
	}
	if client, ok := authn.ClientFromContext(ctx); ok && !e.Addr.IsValid() {
		e.Addr = client.Addr
	}
	l.OnEvent(ctx, e)
}
