package main

import (
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/examples/internal/tour"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
)

// ledger is for services that come with a certificate.
type ledger struct {
	mu      sync.Mutex
	entries []string
}

// newLedger takes entries for a token that is bound to the caller's certificate: who
// steals it, from a log or from a service in between, has nothing. To read, the
// operator's certificate alone will do.
func newLedger(s *service, rev store.Revocations, authURL string) error {
	tokens, err := verifier(s, rev, authURL, forLedger)
	if err != nil {
		return err
	}
	writers := authn.Guard{Verifier: tokens, Rules: []authn.Rule{jwtauth.Bound(), authn.Scopes("ledger:write")}, Realm: "ledger", OnEvent: s.audit}
	readers := authn.Guard{Verifier: s.certs, Rules: []authn.Rule{only("operator")}, Realm: "ledger", OnEvent: s.audit}
	l := &ledger{entries: []string{}}
	mux := http.NewServeMux()
	mux.Handle("POST /entries", writers.Require()(http.HandlerFunc(l.write)))
	mux.Handle("GET /entries", readers.Require()(http.HandlerFunc(l.read)))
	s.serve(mux)
	return nil
}

func (l *ledger) write(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4096))
	if err != nil {
		http.Error(w, "too long", http.StatusRequestEntityTooLarge)
		return
	}
	id, _ := authn.FromContext(r.Context())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, fmt.Sprintf("%s, says %s", text, id.Subject))
	fmt.Fprintln(w, l.entries[len(l.entries)-1])
}

func (l *ledger) read(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	tour.JSON(w, map[string]any{"entries": l.entries})
}
