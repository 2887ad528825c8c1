package authntest_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
)

// A1: a handler is tested without its middleware.
func TestRequestIsSignedIn(t *testing.T) {
	r := authntest.Request(httptest.NewRequest(http.MethodGet, "/", nil), authn.User("ada", "test"))
	if id, ok := authn.FromContext(r.Context()); !ok || id.Subject != "ada" {
		t.Fatalf("FromContext = %v, %v; want ada", id, ok)
	}
}

// A1: and the middleware without a store.
func TestVerifierAnswersAsTold(t *testing.T) {
	tests := []struct {
		name string
		id   *authn.Identity
		err  error
		want int
	}{
		{"ada", authn.User("ada", "test"), nil, http.StatusOK},
		{"nobody", nil, authn.ErrNoCredential, http.StatusUnauthorized},
		{"bad", nil, authn.Refused("revoked", nil), http.StatusUnauthorized},
		{"outage", nil, errors.New("connection refused"), http.StatusServiceUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := authn.Require(authntest.Verifier(tt.id, tt.err))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			if w.Code != tt.want {
				t.Errorf("status %d, want %d", w.Code, tt.want)
			}
		})
	}
}

// A1: events are counted by kind, from many goroutines.
func TestRecorderKeepsEventsByKind(t *testing.T) {
	var rec authntest.Recorder
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			rec.OnEvent(t.Context(), authn.Event{Kind: authn.EventLogin})
			rec.OnEvent(t.Context(), authn.Event{Kind: authn.EventLogout})
		})
	}
	wg.Wait()
	if all, logins := len(rec.Events()), len(rec.Events(authn.EventLogin)); all != 20 || logins != 10 {
		t.Errorf("%d events, %d logins; want 20, 10", all, logins)
	}
}
