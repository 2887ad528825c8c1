package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func clientUpdateCases() []clientCase {
	return []clientCase{
		{
			name: "update_oauth_client",
			rule: "UpdateOAuthClient replaces Name, JWKS, CertSubject, Scopes, Audience and Serves, and nothing else; Revision is one more",
			test: updateOAuthClient,
		},
		{
			name: "update_oauth_client_compares_the_revision",
			rule: "UpdateOAuthClient answers ErrConflict when c.Revision is not the current one, and changes nothing",
			test: updateOAuthClientComparesTheRevision,
		},
		{
			name: "revision_counts_updates",
			rule: "Revision is one more after each UpdateOAuthClient, and after nothing else: rotating and disabling leave what was read current",
			test: revisionCountsUpdates,
		},
		{
			name: "update_of_a_disabled_oauth_client",
			rule: "a disabled client can be updated, and stays disabled",
			test: updateOfADisabledOAuthClient,
		},
	}
}

func updateOAuthClient(t *testing.T, s store.OAuthClients) {
	now := today()
	want, bob := newClient("ann", now), newClient("bob", now)
	createClients(t, s, want, bob)
	for i, c := range []store.OAuthClient{
		{
			Name: "new", JWKS: []byte(`{"keys": [{}]}`), CertSubject: "CN=new,O=Example", Scopes: []string{"z", "a", "z"}, Audience: []string{"https://new.example"}, Serves: []string{"https://b.example", "https://a.example"},
			// These are not replaced.
			AuthMethod: "private_key_jwt", Secrets: []store.ClientSecret{newSecret("theirs", now)}, CreatedAt: now.Add(time.Hour), DisabledAt: now,
		},
		{Name: "new", Scopes: []string{"a"}},
		{Name: "new", Scopes: []string{"a"}}, // to the same: who counts changed rows may find none
		{},
		{},
		{Name: "again", Audience: []string{"https://orders.example"}},
	} {
		c.ID, c.Revision = "ann", want.Revision
		wantErr(t, s.UpdateOAuthClient(t.Context(), c), nil, "UpdateOAuthClient, call %d", i+1)
		want.Name, want.JWKS, want.CertSubject = c.Name, c.JWKS, c.CertSubject
		want.Scopes, want.Audience, want.Serves = c.Scopes, c.Audience, c.Serves
		want.Revision++
		wantClient(t, s, want, "after update %d", i+1)
	}
	wantClient(t, s, bob, "who is another")
}

func updateOAuthClientComparesTheRevision(t *testing.T, s store.OAuthClients) {
	now := today()
	want := newClient("ann", now)
	createClients(t, s, want)
	for round := range 3 {
		for _, revision := range []int64{0, -1, want.Revision - 1, want.Revision + 1, -want.Revision, 1 << 62} {
			c := want
			c.Name, c.Revision = "refused", revision
			wantErr(t, s.UpdateOAuthClient(t.Context(), c), store.ErrConflict, "UpdateOAuthClient of Revision %d, which is %d", revision, want.Revision)
		}
		wantClient(t, s, want, "after refused updates")
		want.Name = []string{"first", "second", "third"}[round]
		must(t, s.UpdateOAuthClient(t.Context(), want), "UpdateOAuthClient")
		want.Revision++
	}
	wantClient(t, s, want, "after three updates")
}

func revisionCountsUpdates(t *testing.T, s store.OAuthClients) {
	now := today()
	want := newClient("ann", now)
	createClients(t, s, want)
	stale := want // what an operator has read
	next := newSecret("next", now)
	rotateSecret(t, s, "ann", next, now, now)
	want.Secrets = []store.ClientSecret{next}
	wantClient(t, s, want, "with a new secret")
	disableClient(t, s, "ann", now)
	want.DisabledAt = now
	wantClient(t, s, want, "disabled")
	for _, name := range []string{"one", "two", "three"} {
		stale.Name = name
		wantErr(t, s.UpdateOAuthClient(t.Context(), stale), nil, "UpdateOAuthClient of what was read before a rotation")
		stale.Revision++
		want.Name, want.Revision = name, stale.Revision
		wantClient(t, s, want, "updated by what was read before a rotation")
	}
}

func updateOfADisabledOAuthClient(t *testing.T, s store.OAuthClients) {
	now := today()
	want := newClient("ann", now)
	createClients(t, s, want)
	disableClient(t, s, "ann", now)
	want.Name = "closed"
	wantErr(t, s.UpdateOAuthClient(t.Context(), want), nil, "UpdateOAuthClient of a disabled client")
	want.Revision, want.DisabledAt = 2, now
	wantClient(t, s, want, "disabled, and updated")
}
