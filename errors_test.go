package authn_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/store"
)

// C4: what a Guard makes of an error is still that error, for errors.Is and in
// the log.
func TestCompletedErrorsKeepTheirCause(t *testing.T) {
	tests := []struct {
		name string
		err  error
		is   error
		text string
	}{
		{"absent", authn.ErrNoCredential, authn.ErrNoCredential, "authn: no credential"},
		{"stale", authn.NoCredential("expired"), authn.ErrNoCredential, "authn: expired"},
		{"refused", authn.Refused("revoked", errDown), errDown, "authn: revoked: " + errDown.Error()},
		{"refused without cause", authn.Refused("revoked", nil), nil, "authn: revoked"},
		{"outage", errDown, errDown, errDown.Error()},
		{"wrapped outage", fmt.Errorf("orders: %w", errDown), errDown, "orders: " + errDown.Error()},
		{"sentinel", store.ErrConflict, store.ErrConflict, "authn/store: somebody else was first"},
		{"wrapped sentinel", fmt.Errorf("orders: %w", store.ErrConflict), store.ErrConflict, "orders: authn/store: somebody else was first"},
		{"status alone", &authn.Error{Status: http.StatusTooManyRequests}, nil, "authn: Too Many Requests"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := authn.Check(authntest.Verifier(nil, tt.err), request())
			if tt.is != nil && !errors.Is(err, tt.is) || err.Error() != tt.text {
				t.Errorf("err = %q, want %q that is %v", err, tt.text, tt.is)
			}
			var e *authn.Error
			if !errors.As(err, &e) || e.Challenges == nil {
				t.Errorf("%#v is not complete", err)
			}
		})
	}
}

// C4: WriteError answers whatever it is given, and takes back what a handler
// had said of another body.
func TestWriteError(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		status int
		retry  string
	}{
		{"nil", nil, 500, ""},
		{"a nil *Error", (*authn.Error)(nil), 500, ""},
		{"status 200", &authn.Error{Status: 200}, 500, ""},
		{"status 399", &authn.Error{Status: 399}, 500, ""},
		{"status 400", &authn.Error{Status: 400}, 400, ""},
		{"status 599", &authn.Error{Status: 599}, 599, ""},
		{"status 600", &authn.Error{Status: 600}, 500, ""},
		{"outage", errDown, 503, "5"},
		{"429", &authn.Error{Status: 429, RetryAfter: 1500 * time.Millisecond}, 429, "2"},
		{"503 that knows", &authn.Error{Status: 503, RetryAfter: time.Nanosecond}, 503, "1"},
		{"not found", store.ErrNotFound, 404, ""},
		{"full", store.ErrFull, 503, "5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			for _, field := range []string{"Content-Length", "Content-Encoding", "ETag", "Last-Modified", "Cache-Control"} {
				w.Header().Set(field, "before")
			}
			authn.WriteError(w, nil, tt.err)
			if w.Code != tt.status || w.Header().Get("Retry-After") != tt.retry {
				t.Errorf("status %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
			}
			if got := w.Header()["Cache-Control"]; len(got) != 1 || got[0] != "no-store" {
				t.Errorf("Cache-Control %q", got)
			}
			for _, field := range []string{"Content-Length", "Content-Encoding", "ETag", "Last-Modified"} {
				if w.Header().Get(field) != "" {
					t.Errorf("%s stayed", field)
				}
			}
		})
	}
	w := httptest.NewRecorder()
	w.Header().Set("WWW-Authenticate", "before")
	authn.WriteError(w, nil, authn.Refused("wrong password", nil))
	if got := w.Header()["Www-Authenticate"]; w.Code != 401 || len(got) != 1 || !strings.HasPrefix(got[0], `Bearer realm="api", error="invalid_token"`) {
		t.Errorf("a 401 outside of a Guard: %d, challenge %q", w.Code, got)
	}
}

func TestMustPanicsOnAnError(t *testing.T) {
	if authn.Must(1, nil) != 1 {
		t.Error("the value is lost")
	}
	mustPanic(t, func() { authn.Must(1, errDown) })
}
