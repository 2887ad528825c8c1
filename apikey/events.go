package apikey

import (
	"context"
	"net/http"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/store"
)

// outage is 503, whatever the store answered.
func outage(err error) *authn.Error { return audit.Outage("store", err) }

// report sends the event of a refused request, and answers e. rec is the key,
// nil if it is unknown.
func (k *Keys) report(r *http.Request, e *authn.Error, rec *store.APIKey) *authn.Error {
	if rec != nil {
		e.About = &authn.Identity{Subject: rec.Owner, Kind: authn.KindKey, Method: method, CredentialID: rec.ID}
	}
	return k.log().Refusal(r, e)
}

// send completes an event about a key of owner with what ctx knows.
func (k *Keys) send(ctx context.Context, e authn.Event) {
	if e.Subject != "" {
		e.SubjectKind = authn.KindKey
	}
	k.log().Send(ctx, e)
}

func (k *Keys) log() audit.Log {
	return audit.Log{Method: method, OnEvent: k.cfg.OnEvent, Now: k.cfg.Now}
}
