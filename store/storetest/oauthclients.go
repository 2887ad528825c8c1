package storetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

type clientCase = testCase[store.OAuthClients]

// oauthClientCases are of the files oauthclients_*.go, by theme.
func oauthClientCases() []clientCase {
	return slices.Concat(clientCreateCases(), clientUpdateCases(), clientRotateCases(), clientRaceCases(), clientListCases(), []clientCase{
		{
			name: "oauth_client_keeps_every_field",
			rule: "OAuthClient and ListOAuthClients answer a client as it was made, disabled or not, its Secrets in their order",
			test: oauthClientKeepsEveryField,
		},
		{
			name: "missing_oauth_clients",
			rule: "what names a client answers ErrNotFound when it is not there, and makes none",
			test: missingOAuthClients,
		},
		{
			name: "oauth_client_ids_compare_bytewise",
			rule: "an ID is unique, compared bytewise",
			test: oauthClientIDsCompareBytewise,
		},
		{
			name: "disable_oauth_client",
			rule: "DisableOAuthClient sets DisabledAt, once, and changes nothing else; a disabled client is answered as any other",
			test: disableOAuthClient,
		},
		{
			name:   "cleaning_spares_oauth_clients",
			rule:   "no client is ever deleted, disabled or not; a secret stays for a day after its end at least, for clocks that differ",
			moving: cleaningSparesOAuthClients,
		},
		{
			name: "oauth_client_calls_with_an_ended_context",
			rule: "a context that has ended is no reason to panic; any answer will do",
			test: oauthClientCallsWithAnEndedContext,
		},
	})
}

// newClient is a client with one secret that has no end, as it is read.
func newClient(id string, now time.Time) store.OAuthClient {
	return store.OAuthClient{
		ID: id, Name: "client " + id, AuthMethod: "client_secret_basic", Secrets: []store.ClientSecret{newSecret("first of "+id, now)},
		JWKS: []byte(`{"keys":[]}`), CertSubject: "CN=" + id, Scopes: []string{"orders:read", "orders:write"},
		Audience: []string{"https://orders.example"}, Serves: []string{"https://api.example"}, CreatedAt: now, Revision: 1,
	}
}

// newSecret is a secret without an end.
func newSecret(secret string, now time.Time) store.ClientSecret {
	return store.ClientSecret{Digest: digest(secret), CreatedAt: now}
}

// endingSecret is a newSecret that ends at end.
func endingSecret(secret string, now, end time.Time) store.ClientSecret {
	s := newSecret(secret, now)
	s.ExpiresAt = end
	return s
}

// clientOf is a newClient with these secrets.
func clientOf(id string, now time.Time, secrets ...store.ClientSecret) store.OAuthClient {
	c := newClient(id, now)
	c.Secrets = secrets
	return c
}

// createClients inserts each of all, or ends the test.
func createClients(t *testing.T, s store.OAuthClients, all ...store.OAuthClient) {
	t.Helper()
	for _, c := range all {
		must(t, s.CreateOAuthClient(t.Context(), c), "CreateOAuthClient of %q", c.ID)
	}
}

// disableClient disables, or ends the test.
func disableClient(t *testing.T, s store.OAuthClients, id string, now time.Time) {
	t.Helper()
	must(t, s.DisableOAuthClient(t.Context(), id, now), "DisableOAuthClient of %q", id)
}

// rotateSecret rotates, or ends the test.
func rotateSecret(t *testing.T, s store.OAuthClients, id string, next store.ClientSecret, until, now time.Time) {
	t.Helper()
	must(t, s.RotateOAuthSecret(t.Context(), id, next, until, now), "RotateOAuthSecret of %q", id)
}

// readClient answers a client that is there, or ends the test.
func readClient(t *testing.T, s store.OAuthClients, id string) store.OAuthClient {
	t.Helper()
	c, err := s.OAuthClient(t.Context(), id)
	must(t, err, "OAuthClient %q", id)
	return c
}

// wantClient says when want is not read as it is.
func wantClient(t *testing.T, s store.OAuthClients, want store.OAuthClient, what string, args ...any) {
	t.Helper()
	wantSameClient(t, readClient(t, s, want.ID), want, what, args...)
}

func wantSameClient(t *testing.T, got, want store.OAuthClient, what string, args ...any) {
	t.Helper()
	if d := diffClient(got, want); d != "" {
		t.Errorf("client %q, %s: %s", want.ID, fmt.Sprintf(what, args...), d)
	}
}

// noClient says when id is there.
func noClient(t *testing.T, s store.OAuthClients, id string) {
	t.Helper()
	_, err := s.OAuthClient(t.Context(), id)
	wantErr(t, err, store.ErrNotFound, "OAuthClient %.80q", id)
}

// diffClient says in which fields got is not want, "" if in none.
func diffClient(got, want store.OAuthClient) string {
	var f fields
	f.text("ID", got.ID, want.ID)
	f.text("Name", got.Name, want.Name)
	f.text("AuthMethod", got.AuthMethod, want.AuthMethod)
	f.any("Secrets", slices.EqualFunc(got.Secrets, want.Secrets, sameSecret), secretsText(got.Secrets), secretsText(want.Secrets))
	f.any("JWKS", bytes.Equal(got.JWKS, want.JWKS), short(got.JWKS), short(want.JWKS))
	f.text("CertSubject", got.CertSubject, want.CertSubject)
	for _, list := range []struct {
		name      string
		got, want []string
	}{{"Scopes", got.Scopes, want.Scopes}, {"Audience", got.Audience, want.Audience}, {"Serves", got.Serves, want.Serves}} {
		f.any(list.name, slices.Equal(list.got, list.want), short(fmt.Append(nil, list.got)), short(fmt.Append(nil, list.want)))
	}
	f.at("CreatedAt", got.CreatedAt, want.CreatedAt)
	f.at("DisabledAt", got.DisabledAt, want.DisabledAt)
	f.any("Revision", got.Revision == want.Revision, got.Revision, want.Revision)
	return f.String()
}

func sameSecret(a, b store.ClientSecret) bool {
	return a.Digest == b.Digest && a.CreatedAt.Equal(b.CreatedAt) && a.ExpiresAt.Equal(b.ExpiresAt)
}

// secretsText is how secrets are printed.
func secretsText(secrets []store.ClientSecret) string {
	all := make([]string, len(secrets))
	for i, s := range secrets {
		all[i] = fmt.Sprintf("%.6v from %s to %s", s.Digest, s.CreatedAt.Format(time.RFC3339Nano), s.ExpiresAt.Format(time.RFC3339Nano))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func oauthClientKeepsEveryField(t *testing.T, s store.OAuthClients) {
	now := today().Truncate(time.Second).Add(time.Microsecond)
	texts := []string{
		"'; DROP TABLE authn_oauth_clients; --", `"quoted" \back\slash`, "100%_?*[a-z]", "$1 :name @p1 {ann}", "🔑 ключ 鍵", "e\u0301",
		"line\nbreak\ttab", " spaces around ", "a:b:c{d}", `{"json":[true]}`, "<b>&amp;</b>", strings.Repeat("é", 32), strings.Repeat("x", 64),
	}
	var all []store.OAuthClient
	for i, text := range texts {
		c := newClient(text, now.Add(-time.Duration(i)*time.Microsecond))
		c.Name, c.AuthMethod, c.CertSubject = text, text, text
		c.Scopes, c.Audience, c.Serves = texts[i:], texts[:i], []string{text, "z", text, "a"} // in this order
		all = append(all, c)
	}
	full := newClient(strings.Repeat("🔑", 63)+"abc", now)
	full.Name, full.CertSubject = strings.Repeat("é", 127)+"!", strings.Repeat("é", 512)
	head, tail := "{ \"keys\" : [],\n\t\"b\":1, \"a\":1.0, \"pad\":\"", "\"}\n"
	full.JWKS = []byte(head + strings.Repeat("x", 64<<10-len(head+tail)) + tail)
	full.Secrets = []store.ClientSecret{
		endingSecret("zz", now.Add(-time.Hour), time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)),
		endingSecret("aa", time.Date(2001, 2, 3, 4, 5, 6, 7_000, time.UTC), now.Add(time.Hour+999_998*time.Microsecond)),
	}
	full.CreatedAt = now.Add(-3 * time.Hour).In(time.FixedZone("", 2*60*60))
	full.DisabledAt = now.Add(-time.Hour + 123_456*time.Microsecond)
	full.Revision = 1<<53 + 1
	long := newClient(strings.Repeat("x", 255), now)
	long.Name = "long"
	long.Scopes, long.Audience, long.Serves = nil, nil, nil
	for i := range 1 << 11 {
		long.Scopes = append(long.Scopes, fmt.Sprintf("%032d", i))
	}
	bare := store.OAuthClient{ID: "bare", CreatedAt: now}
	expired := clientOf("expired", now, endingSecret("a", now, now.Add(-time.Microsecond)), endingSecret("b", now, now.Add(-time.Hour)))
	all = append(all, full, long, bare, expired)
	createClients(t, s, all...)
	listed := listClients(t, s)
	wantClientIDs(t, listed, sortedClientIDs(all), "ListOAuthClients")
	for _, c := range all {
		c.Revision = 1
		for range 2 {
			wantClient(t, s, c, "as it was made")
		}
		if i := slices.Index(clientIDs(listed), c.ID); i >= 0 {
			wantSameClient(t, listed[i], c, "in the list")
		}
	}
}

func missingOAuthClients(t *testing.T, s store.OAuthClients) {
	now := today()
	kept, want := newClient("another", now), []string{}
	for _, there := range []bool{false, true} {
		if there {
			createClients(t, s, kept)
			want = []string{"another"}
		}
		for _, id := range []string{"missing", "%", "*", "client another", "CN=another", "' OR ''='"} {
			noClient(t, s, id)
			wantErr(t, s.UpdateOAuthClient(t.Context(), newClient(id, now)), store.ErrNotFound, "UpdateOAuthClient of %q", id)
			for _, until := range []time.Time{{}, now.Add(time.Hour)} {
				err := s.RotateOAuthSecret(t.Context(), id, newSecret("new", now), until, now)
				wantErr(t, err, store.ErrNotFound, "RotateOAuthSecret of %q", id)
			}
			wantErr(t, s.DisableOAuthClient(t.Context(), id, now), store.ErrNotFound, "DisableOAuthClient of %q", id)
			noClient(t, s, id)
		}
		wantClientIDs(t, listClients(t, s), want, "ListOAuthClients (one is there: %v)", there)
	}
	wantClient(t, s, kept, "after calls for others")
}

func oauthClientIDsCompareBytewise(t *testing.T, s store.OAuthClients) {
	now := today()
	var all []store.OAuthClient
	for _, pair := range alike {
		mine, theirs := newClient(pair[0], now), newClient(pair[1], now)
		createClients(t, s, mine)
		noClient(t, s, theirs.ID)
		createClients(t, s, theirs)

		theirs.Name = "another"
		must(t, s.UpdateOAuthClient(t.Context(), theirs), "UpdateOAuthClient of %q", theirs.ID)
		theirs.Revision++
		next := newSecret("next of "+theirs.ID, now)
		rotateSecret(t, s, theirs.ID, next, now, now)
		theirs.Secrets = []store.ClientSecret{next}
		disableClient(t, s, theirs.ID, now)
		theirs.DisabledAt = now
		all = append(all, mine, theirs)
	}
	for _, c := range all {
		wantClient(t, s, c, "beside IDs that are alike")
	}
	wantClientIDs(t, listClients(t, s), sortedClientIDs(all), "ListOAuthClients")
}

func disableOAuthClient(t *testing.T, s store.OAuthClients) {
	now := today()
	ann, bob := newClient("ann", now.Add(-time.Hour)), newClient("bob", now)
	createClients(t, s, ann, bob)
	ann.DisabledAt = now
	for _, at := range []time.Time{now, now, now.Add(time.Hour), now.Add(-time.Minute)} {
		wantErr(t, s.DisableOAuthClient(t.Context(), "ann", at), nil, "DisableOAuthClient, %v after the first", at.Sub(now))
		wantClient(t, s, ann, "disabled")
	}
	wantClient(t, s, bob, "who is another")
	listed := listClients(t, s)
	wantClientIDs(t, listed, []string{"ann", "bob"}, "ListOAuthClients with a disabled one")
	if len(listed) == 2 {
		wantSameClient(t, listed[0], ann, "disabled, in the list")
	}
}

func cleaningSparesOAuthClients(t *testing.T, s store.OAuthClients, c *clock) {
	now := today()
	live, disabled := newClient("live", now), newClient("disabled", now)
	ending := clientOf("ending", now, newSecret("a", now), endingSecret("b", now, now.Add(time.Minute)))
	createClients(t, s, live, disabled, ending)
	disableClient(t, s, "disabled", now)
	disabled.DisabledAt = now

	c.set(23 * time.Hour) // the store's clock is fast, not wrong by a day
	clean(t, s)
	createClients(t, s, newClient("other", now)) // some stores delete when they insert
	for _, want := range []store.OAuthClient{live, disabled, ending} {
		wantClient(t, s, want, "the store's clock being 23 h fast")
	}
	c.set(10 * 365 * day)
	clean(t, s)
	createClients(t, s, newClient("late", now))
	for _, want := range []store.OAuthClient{live, disabled} {
		wantClient(t, s, want, "ten years later")
		wantErr(t, s.CreateOAuthClient(t.Context(), newClient(want.ID, now)), store.ErrExists, "CreateOAuthClient of %q, ten years later", want.ID)
	}
	wantClientIDs(t, listClients(t, s), []string{"disabled", "ending", "late", "live", "other"}, "ListOAuthClients, ten years later")
}

func oauthClientCallsWithAnEndedContext(t *testing.T, s store.OAuthClients) {
	now := today()
	createClients(t, s, newClient("old", now))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = s.OAuthClient(ctx, "old")
	_ = s.CreateOAuthClient(ctx, newClient("new", now))
	_ = s.UpdateOAuthClient(ctx, newClient("old", now))
	_ = s.RotateOAuthSecret(ctx, "old", newSecret("next", now), now.Add(time.Hour), now)
	_, _, _ = s.ListOAuthClients(ctx, store.Page{})
	_ = s.DisableOAuthClient(ctx, "old", now)
	createClients(t, s, newClient("after", now))
	wantClient(t, s, newClient("after", now), "made after calls with an ended context")
}
