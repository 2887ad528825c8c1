// Package authntest is for the tests of host applications: a request that is
// signed in, a verifier that answers as told, a recorder of events, and an OpenID
// provider to log in at.
//
//	var events authntest.Recorder
//	guard := authn.Guard{Verifier: authntest.Verifier(ada, nil), OnEvent: events.OnEvent}
package authntest

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/gatehouse-go/authn"
)

// Request is r as a handler behind authn.Require sees it: with id in its
// context.
func Request(r *http.Request, id *authn.Identity) *http.Request {
	return r.WithContext(authn.NewContext(r.Context(), id))
}

// Verifier answers id and err to every request: authn.ErrNoCredential for
// nobody, authn.Refused for a bad credential, any other error for an outage.
func Verifier(id *authn.Identity, err error) authn.Verifier { return verifier{id, err} }

type verifier struct {
	id  *authn.Identity
	err error
}

func (v verifier) Verify(*http.Request) (*authn.Identity, error) { return v.id, v.err }

// Recorder keeps events. The zero Recorder is ready, for many goroutines.
type Recorder struct {
	mu     sync.Mutex
	events []authn.Event
}

// OnEvent is an authn.EventFunc.
func (r *Recorder) OnEvent(_ context.Context, e authn.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// Events are those of these kinds, or all if none is named, in the order in
// which they came.
func (r *Recorder) Events(kinds ...authn.EventKind) []authn.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	var some []authn.Event
	for _, e := range r.events {
		if len(kinds) == 0 || slices.Contains(kinds, e.Kind) {
			some = append(some, e)
		}
	}
	return some
}
