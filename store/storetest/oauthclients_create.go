package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func clientCreateCases() []clientCase {
	return []clientCase{
		{
			name: "create_oauth_client_begins_at_revision_1",
			rule: "CreateOAuthClient inserts c by Revision 1, whatever c says",
			test: createOAuthClientBeginsAtRevision1,
		},
		{
			name: "create_oauth_client_refuses_a_known_id",
			rule: "CreateOAuthClient answers ErrExists when the ID is there, disabled or not, and changes nothing",
			test: createOAuthClientRefusesAKnownID,
		},
		{
			name: "oauth_client_keeps_copies",
			rule: "values are copied when they are written: what the caller does with them afterwards has no effect",
			test: oauthClientKeepsCopies,
		},
		{
			name: "oauth_client_answers_do_not_change",
			rule: "a client that was read stays as it was read, whatever is written afterwards",
			test: oauthClientAnswersDoNotChange,
		},
	}
}

func createOAuthClientBeginsAtRevision1(t *testing.T, s store.OAuthClients) {
	now := today()
	for _, says := range []int64{0, 1, 2, 7, -1, 1 << 62} {
		c := newClient(fmt.Sprint("says ", says), now)
		c.Revision = says
		createClients(t, s, c)
		c.Revision = 1
		wantClient(t, s, c, "created by Revision %d", says)
		wantErr(t, s.UpdateOAuthClient(t.Context(), c), nil, "UpdateOAuthClient of Revision 1, created by %d", says)
	}
}

func createOAuthClientRefusesAKnownID(t *testing.T, s store.OAuthClients) {
	now := today()
	live, disabled := newClient("live", now), newClient("disabled", now)
	createClients(t, s, live, disabled)
	disableClient(t, s, "disabled", now)
	disabled.DisabledAt = now
	must(t, s.UpdateOAuthClient(t.Context(), live), "UpdateOAuthClient")
	live.Revision++
	for _, c := range []store.OAuthClient{live, disabled} {
		another := newClient(c.ID, now.Add(time.Hour))
		another.Name, another.Scopes, another.Secrets, another.JWKS = "another", nil, []store.ClientSecret{newSecret("theirs", now)}, nil
		for what, next := range map[string]store.OAuthClient{"the same again": c, "another of its ID": another, "nothing but its ID": {ID: c.ID, CreatedAt: now}} {
			wantErr(t, s.CreateOAuthClient(t.Context(), next), store.ErrExists, "CreateOAuthClient of %s, which is %q", what, c.ID)
			wantClient(t, s, c, "after %s was refused", what)
		}
	}
	wantClientIDs(t, listClients(t, s), []string{"disabled", "live"}, "ListOAuthClients")
	// Nothing else is unique.
	same := live
	same.ID, same.Revision = "same", 1
	createClients(t, s, same)
	wantClient(t, s, same, "who shares all with another but the ID")
}

// spoil overwrites what the slices of c are kept in.
func spoil(c store.OAuthClient) {
	for i := range c.Secrets {
		c.Secrets[i] = store.ClientSecret{Digest: digest("spoilt")}
	}
	for i := range c.JWKS {
		c.JWKS[i] = '!'
	}
	for _, list := range [][]string{c.Scopes, c.Audience, c.Serves} {
		for i := range list {
			list[i] = "spoilt"
		}
	}
}

func oauthClientKeepsCopies(t *testing.T, s store.OAuthClients) {
	now := today()
	c := newClient("c", now)
	createClients(t, s, c)
	spoil(c)
	want := newClient("c", now)
	wantClient(t, s, want, "whose caller overwrote what it had created")

	next := newClient("c", now)
	next.Scopes, next.JWKS = []string{"next"}, []byte(`{"keys":[{}]}`)
	must(t, s.UpdateOAuthClient(t.Context(), next), "UpdateOAuthClient")
	spoil(next)
	want.Scopes, want.JWKS, want.Revision = []string{"next"}, []byte(`{"keys":[{}]}`), 2
	wantClient(t, s, want, "whose caller overwrote what it had updated")
}

func oauthClientAnswersDoNotChange(t *testing.T, s store.OAuthClients) {
	now := today()
	createClients(t, s, newClient("c", now))
	was, listed := readClient(t, s, "c"), listClients(t, s)
	kept := was
	kept.Secrets, kept.JWKS = slices.Clone(was.Secrets), bytes.Clone(was.JWKS)
	kept.Scopes, kept.Audience, kept.Serves = slices.Clone(was.Scopes), slices.Clone(was.Audience), slices.Clone(was.Serves)

	next := newClient("c", now)
	next.JWKS, next.Scopes, next.Audience, next.Serves = []byte(`{"keys":{}}`), []string{"a", "b"}, []string{"c"}, []string{"d"}
	must(t, s.UpdateOAuthClient(t.Context(), next), "UpdateOAuthClient")
	for i := range 3 { // at once, so that there is room for each
		rotateSecret(t, s, "c", newSecret(fmt.Sprint("next ", i), now), now, now)
	}
	rotateSecret(t, s, "c", newSecret("last", now), now.Add(time.Hour), now)
	disableClient(t, s, "c", now)
	wantSameClient(t, was, kept, "read before it was changed")
	for _, c := range listed {
		wantSameClient(t, c, kept, "listed before it was changed")
	}

	was = readClient(t, s, "c") // with two secrets
	kept.Secrets = slices.Clone(was.Secrets)
	createClients(t, s, newClient("d", now))
	rotateSecret(t, s, "d", newSecret("second", now), now.Add(time.Hour), now)
	d := readClient(t, s, "d")
	before := slices.Clone(d.Secrets)
	rotateSecret(t, s, "d", newSecret("third", now), now.Add(time.Minute), now.Add(2*time.Hour))
	rotateSecret(t, s, "d", newSecret("fourth", now), now.Add(4*time.Hour), now.Add(3*time.Hour))
	if !slices.EqualFunc(d.Secrets, before, sameSecret) || !slices.EqualFunc(was.Secrets, kept.Secrets, sameSecret) {
		t.Errorf("secrets that were read before a rotation have changed: %s, were %s", secretsText(d.Secrets), secretsText(before))
	}
}
