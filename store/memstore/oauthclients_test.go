package memstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

func client(i int, now time.Time) store.OAuthClient {
	return store.OAuthClient{ID: fmt.Sprint("client ", i), Name: "a client", CreatedAt: now, Revision: 1}
}

// D3: full means refuse. No client is evicted to make room, disabled or not,
// however long ago, and those that are there can be changed.
func TestFullOfOAuthClientsRefusesAndEvictsNothing(t *testing.T) {
	s, ahead, now := small(t)
	for i := range 100 {
		want(t, s.CreateOAuthClient(t.Context(), client(i, now)), nil, "client %d of 100", i+1)
		want(t, s.CreateOAuthClient(t.Context(), client(i, now)), store.ErrExists, "client %d again", i+1)
	}
	want(t, s.DisableOAuthClient(t.Context(), client(7, now).ID, now), nil, "DisableOAuthClient")
	for round, at := range []time.Duration{0, 10_000 * time.Hour} {
		ahead.Store(int64(at))
		want(t, s.CreateOAuthClient(t.Context(), client(100, now)), store.ErrFull, "one client more, %v later", at)
		_, err := s.OAuthClient(t.Context(), client(100, now).ID)
		want(t, err, store.ErrNotFound, "the client that was refused")
		want(t, s.CreateOAuthClient(t.Context(), client(7, now)), store.ErrExists, "a disabled client again, %v later", at)
		c := client(0, now)
		c.Revision = int64(round) + 1
		want(t, s.UpdateOAuthClient(t.Context(), c), nil, "UpdateOAuthClient")
		want(t, s.RotateOAuthSecret(t.Context(), c.ID, store.ClientSecret{Digest: numbered(round), CreatedAt: now}, now, now), nil, "RotateOAuthSecret")
		if cs, next, err := s.ListOAuthClients(t.Context(), store.Page{Limit: 1000}); err != nil || len(cs) != 100 || next != "" {
			t.Errorf("the full store lists %d clients, next %q and error %v, want 100", len(cs), next, err)
		}
	}
}

// D1: a list answers 1000 records at most.
func TestOAuthClientPagesHave1000AtMost(t *testing.T) {
	s, now := memstore.New(memstore.Config{}), time.Now()
	for i := range 1001 {
		want(t, s.CreateOAuthClient(t.Context(), client(i, now)), nil, "client %d", i+1)
	}
	cs, next, err := s.ListOAuthClients(t.Context(), store.Page{Limit: 5000})
	if err != nil || len(cs) != 1000 || next == "" {
		t.Errorf("a page of 5000 has %d clients, next %q and error %v, want 1000 and a next one", len(cs), next, err)
	}
	cs, next, err = s.ListOAuthClients(t.Context(), store.Page{Cursor: next})
	if err != nil || len(cs) != 1 || next != "" {
		t.Errorf("the page after 1000 has %d clients, next %q and error %v, want 1", len(cs), next, err)
	}
}
