package storetest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn/store"
)

func clientListCases() []clientCase {
	return []clientCase{
		{
			name: "list_of_no_oauth_clients",
			rule: "a list of nothing is empty, without an error and without a cursor",
			test: listOfNoOAuthClients,
		},
		{
			name: "oauth_clients_are_listed_by_id",
			rule: "ListOAuthClients is by ID, bytewise, and has the disabled ones, too",
			test: oauthClientsAreListedByID,
		},
		{
			name: "oauth_client_list_pages_at_every_size",
			rule: "a list answers up to Limit records and the cursor of the next part, \"\" at the end; all parts together are the list",
			test: oauthClientListPagesAtEverySize,
		},
		{
			name: "oauth_client_list_limit_has_a_default",
			rule: "Limit defaults to 100; over 1000 is 1000, and not an error",
			test: oauthClientListLimitHasADefault,
		},
		{
			name: "unknown_oauth_client_cursor_is_not_found",
			rule: "a cursor that names nothing of the list is ErrNotFound",
			test: unknownOAuthClientCursorIsNotFound,
		},
		{
			name: "oauth_client_pages_do_not_shift",
			rule: "a cursor says where a list goes on, whatever was inserted or disabled since",
			test: oauthClientPagesDoNotShift,
		},
	}
}

// listClients answers all clients, or ends the test.
func listClients(t *testing.T, s store.OAuthClients) []store.OAuthClient {
	t.Helper()
	cs, next, err := s.ListOAuthClients(t.Context(), store.Page{Limit: 1000})
	must(t, err, "ListOAuthClients")
	if next != "" {
		t.Fatalf("ListOAuthClients: %d clients and a next page, with Limit 1000", len(cs))
	}
	return cs
}

func clientIDs(cs []store.OAuthClient) []string {
	all := make([]string, len(cs))
	for i, c := range cs {
		all[i] = c.ID
	}
	return all
}

// sortedClientIDs are bytewise.
func sortedClientIDs(cs []store.OAuthClient) []string {
	all := clientIDs(cs)
	slices.Sort(all)
	return all
}

func wantClientIDs(t *testing.T, got []store.OAuthClient, want []string, what string, args ...any) {
	t.Helper()
	if !slices.Equal(clientIDs(got), want) {
		t.Errorf("%s: got clients %.300q, want %.300q", fmt.Sprintf(what, args...), clientIDs(got), want)
	}
}

// register creates clients, of which every third is disabled, and answers them
// by ID.
func register(t *testing.T, s store.OAuthClients) []store.OAuthClient {
	t.Helper()
	now := today()
	var all []store.OAuthClient
	for i, id := range []string{"c", "B", "a", "_", "é", "z", "Z", "aa", "k10", "k9", "k", "\U0001F511", "\uFFFD"} {
		c := newClient(id, now)
		createClients(t, s, c)
		if i%3 == 0 {
			disableClient(t, s, id, now)
			c.DisabledAt = now
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b store.OAuthClient) int { return strings.Compare(a.ID, b.ID) })
	return all
}

func listOfNoOAuthClients(t *testing.T, s store.OAuthClients) {
	for _, limit := range []int{0, 1, 1000} {
		cs, next, err := s.ListOAuthClients(t.Context(), store.Page{Limit: limit})
		wantErr(t, err, nil, "ListOAuthClients of none")
		if len(cs) > 0 || next != "" {
			t.Errorf("ListOAuthClients of none: got %q and next %q", clientIDs(cs), next)
		}
	}
}

func oauthClientsAreListedByID(t *testing.T, s store.OAuthClients) {
	want := register(t, s)
	got := listClients(t, s)
	wantClientIDs(t, got, clientIDs(want), "ListOAuthClients")
	for i := range min(len(got), len(want)) {
		wantSameClient(t, got[i], want[i], "in the list")
	}
}

func oauthClientListPagesAtEverySize(t *testing.T, s store.OAuthClients) {
	want := register(t, s)
	for size := 1; size <= len(want)+1; size++ {
		var got []store.OAuthClient
		cursor := ""
		for page := 1; page <= len(want); page++ {
			cs, next, err := s.ListOAuthClients(t.Context(), store.Page{Cursor: cursor, Limit: size})
			must(t, err, "page %d of size %d", page, size)
			if len(cs) > size {
				t.Errorf("page %d of size %d has %d clients", page, size, len(cs))
			}
			if len(cs) == 0 {
				t.Errorf("page %d of size %d is empty: the one before was the end, and had a cursor", page, size)
			}
			got = append(got, cs...)
			if cursor = next; next == "" {
				break
			}
		}
		wantClientIDs(t, got, clientIDs(want), "all pages of size %d", size)
		if cursor != "" {
			t.Errorf("after %d pages of size %d there is still a cursor", len(want), size)
		}
	}
}

func oauthClientListLimitHasADefault(t *testing.T, s store.OAuthClients) {
	now := today()
	for i := range 101 {
		createClients(t, s, newClient(fmt.Sprintf("c%03d", i), now))
	}
	for limit, want := range map[int]int{
		0: 100, -1: 100, math.MinInt: 100, 99: 99, 100: 100, 101: 101, 1000: 101, 1001: 101, math.MaxInt: 101,
	} {
		cs, next, err := s.ListOAuthClients(t.Context(), store.Page{Limit: limit})
		wantErr(t, err, nil, "ListOAuthClients with Limit %d", limit)
		if len(cs) != want || (next == "") != (want == 101) {
			t.Errorf("Limit %d: got %d of 101 clients, want %d; next is %q", limit, len(cs), want, next)
		}
	}
}

func unknownOAuthClientCursorIsNotFound(t *testing.T, s store.OAuthClients) {
	for _, there := range []bool{false, true} {
		if there {
			register(t, s)
		}
		for _, cursor := range []string{
			"unknown", "0", "-1", "2", " ", "'; DROP TABLE authn_oauth_clients; --", "AAAA", "e30=", "{}", "%", "A", "zz", strings.Repeat("x", 300),
		} {
			cs, _, err := s.ListOAuthClients(t.Context(), store.Page{Cursor: cursor, Limit: 2})
			wantErr(t, err, store.ErrNotFound, "ListOAuthClients after %q (it answered %q)", cursor, clientIDs(cs))
		}
	}
}

func oauthClientPagesDoNotShift(t *testing.T, s store.OAuthClients) {
	want := register(t, s)
	now := today()
	var got []store.OAuthClient
	cursor := ""
	for page := range len(want) {
		cs, next, err := s.ListOAuthClients(t.Context(), store.Page{Cursor: cursor, Limit: 2})
		must(t, err, "page %d", page+1)
		if got = append(got, cs...); next == "" {
			break
		}
		cursor = next
		createClients(t, s, newClient(fmt.Sprint("!", page), now)) // before all
		disableClient(t, s, cs[len(cs)-1].ID, now)
	}
	wantClientIDs(t, got, clientIDs(want), "pages, with a client created before them and the last one disabled after each")
}
