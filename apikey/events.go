package apikey

import (
	"context"
	"errors"
	"net/http"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

// outage is 503, whatever the store answered.
func outage(err error) *authn.Error {
	return &authn.Error{Status: http.StatusServiceUnavailable, Code: "unavailable", Reason: "store", Err: err}
}

// report sends the event of a refused request, and answers e. rec is the key,
// nil if it is unknown.
func (k *Keys) report(r *http.Request, e *authn.Error, rec *store.APIKey) *authn.Error {
	if rec != nil {
		e.About = &authn.Identity{Subject: rec.Owner, Kind: authn.KindKey, Method: method, CredentialID: rec.ID}
	}
	if k.cfg.OnEvent == nil {
		return e // a Guard may report it
	}
	e.Reported = true
	kind := authn.EventRefused
	if e.Status >= http.StatusInternalServerError {
		if errors.Is(r.Context().Err(), context.Canceled) {
			return e // the client has gone
		}
		kind = authn.EventOutage
	}
	event := authn.Event{
		Kind: kind, At: k.cfg.Now(), Method: method, Addr: authn.ClientOf(r).Addr, Reason: e.Reason, Err: e.Err,
	}
	if rec != nil {
		event.Subject, event.SubjectKind, event.CredentialID = rec.Owner, authn.KindKey, rec.ID
	}
	k.cfg.OnEvent(r.Context(), event)
	return e
}

// send completes an event about a key of owner with what ctx knows.
func (k *Keys) send(ctx context.Context, e authn.Event) {
	if k.cfg.OnEvent == nil {
		return
	}
	e.Method = method
	if e.At.IsZero() {
		e.At = k.cfg.Now()
	}
	if e.Subject != "" {
		e.SubjectKind = authn.KindKey
	}
	if actor, ok := authn.FromContext(ctx); ok && e.Actor == "" {
		e.Actor = actor.Subject
	}
	if client, ok := authn.ClientFromContext(ctx); ok && !e.Addr.IsValid() {
		e.Addr = client.Addr
	}
	k.cfg.OnEvent(ctx, e)
}
