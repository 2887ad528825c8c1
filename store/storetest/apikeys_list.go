package storetest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func listCases() []apiKeyCase {
	return []apiKeyCase{
		{
			name: "list_of_nobody_is_empty",
			rule: "a list of nothing is empty, without an error and without a cursor",
			test: listOfNobodyIsEmpty,
		},
		{
			name: "list_is_newest_first",
			rule: "ListAPIKeys is newest first: by CreatedAt, then ID (bytewise), both descending",
			test: listIsNewestFirst,
		},
		{
			name: "list_pages_at_every_size",
			rule: "a list answers up to Limit records and the cursor of the next part, \"\" at the end; all parts together are the list",
			test: listPagesAtEverySize,
		},
		{
			name: "list_limit_has_a_default",
			rule: "Limit defaults to 100; over 1000 is 1000, and not an error",
			test: listLimitHasADefault,
		},
		{
			name: "unknown_cursor_is_not_found",
			rule: "a cursor that the list has not answered is ErrNotFound",
			test: unknownCursorIsNotFound,
		},
		{
			name: "foreign_cursor_is_not_found",
			rule: "a cursor that the list of another owner has answered is ErrNotFound",
			test: foreignCursorIsNotFound,
		},
		{
			name: "pages_do_not_shift",
			rule: "a cursor says where a list goes on, whatever was inserted or revoked since",
			test: pagesDoNotShift,
		},
	}
}

// shelf creates keys of ann, some at one time, and answers them newest first.
// Keys of another owner lie between them.
func shelf(t *testing.T, s store.APIKeys) []store.APIKey {
	t.Helper()
	now := today()
	var keys []store.APIKey
	for i, k := range []struct {
		id  string
		age time.Duration
	}{
		{"c", 0},
		{"B", 0},
		{"a", 0},
		{"_", 0},
		{"newest", -time.Hour},
		{"oldest", 3 * time.Hour},
		{"Z", time.Microsecond},
		{"é", time.Microsecond},
		{"z", time.Microsecond},
		{"k10", time.Minute},
		{"k9", time.Minute},
	} {
		keys = append(keys, newKey("ann", k.id, now.Add(-k.age)))
		create(t, s, keys[i], newKey("bob", "bob "+k.id, now.Add(-k.age)))
	}
	slices.SortFunc(keys, func(a, b store.APIKey) int {
		return -cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return keys
}

func listOfNobodyIsEmpty(t *testing.T, s store.APIKeys) {
	create(t, s, newKey("ann", "k", today()))
	for _, owner := range []string{"nobody", ""} {
		keys, next, err := s.ListAPIKeys(t.Context(), owner, store.Page{})
		wantErr(t, err, nil, "ListAPIKeys of %q", owner)
		if len(keys) > 0 || next != "" {
			t.Errorf("ListAPIKeys of %q: got keys %q and next %q, want none", owner, ids(keys), next)
		}
	}
}

func listIsNewestFirst(t *testing.T, s store.APIKeys) {
	want := shelf(t, s)
	got := list(t, s, "ann")
	wantIDs(t, got, ids(want), "ListAPIKeys")
	for i := range min(len(got), len(want)) {
		wantKey(t, got[i], want[i])
	}
}

func listPagesAtEverySize(t *testing.T, s store.APIKeys) {
	want := shelf(t, s)
	for size := 1; size <= len(want)+1; size++ {
		var got []store.APIKey
		cursor := ""
		for page := 1; page <= len(want); page++ {
			keys, next, err := s.ListAPIKeys(t.Context(), "ann", store.Page{Cursor: cursor, Limit: size})
			must(t, err, "page %d of size %d", page, size)
			if len(keys) > size {
				t.Errorf("page %d of size %d has %d keys", page, size, len(keys))
			}
			if len(keys) == 0 {
				t.Errorf("page %d of size %d is empty: the one before was the end, and had a cursor", page, size)
			}
			got = append(got, keys...)
			if cursor = next; next == "" {
				break
			}
		}
		wantIDs(t, got, ids(want), "all pages of size %d", size)
		if cursor != "" {
			t.Errorf("after %d pages of size %d there is still a cursor", len(want), size)
		}
	}
}

func listLimitHasADefault(t *testing.T, s store.APIKeys) {
	now := today()
	for i := range 101 {
		create(t, s, newKey("ann", fmt.Sprintf("k%03d", i), now))
	}
	for limit, want := range map[int]int{
		0: 100, -1: 100, math.MinInt: 100, 99: 99, 100: 100, 101: 101, 1000: 101, 1001: 101, math.MaxInt: 101,
	} {
		keys, next, err := s.ListAPIKeys(t.Context(), "ann", store.Page{Limit: limit})
		wantErr(t, err, nil, "ListAPIKeys with Limit %d", limit)
		if len(keys) != want || (next == "") != (want == 101) {
			t.Errorf("Limit %d: got %d of 101 keys, want %d; next is %q", limit, len(keys), want, next)
		}
	}
}

func unknownCursorIsNotFound(t *testing.T, s store.APIKeys) {
	shelf(t, s)
	for _, cursor := range []string{
		"unknown", "0", "-1", "2", " ", "'; DROP TABLE authn_api_keys; --", "AAAA", "e30=", "{}", "%", "No Key", strings.Repeat("x", 300),
	} {
		keys, _, err := s.ListAPIKeys(t.Context(), "ann", store.Page{Cursor: cursor, Limit: 2})
		wantErr(t, err, store.ErrNotFound, "ListAPIKeys after %q (it answered %q)", cursor, ids(keys))
	}
}

func foreignCursorIsNotFound(t *testing.T, s store.APIKeys) {
	shelf(t, s)
	_, next, err := s.ListAPIKeys(t.Context(), "bob", store.Page{Limit: 2})
	must(t, err, "ListAPIKeys")
	for _, owner := range []string{"ann", "nobody"} {
		keys, _, err := s.ListAPIKeys(t.Context(), owner, store.Page{Cursor: next, Limit: 2})
		wantErr(t, err, store.ErrNotFound, "ListAPIKeys of %s after a cursor of bob's (it answered %q)", owner, ids(keys))
	}
}

func pagesDoNotShift(t *testing.T, s store.APIKeys) {
	want := shelf(t, s)
	var got []store.APIKey
	cursor := ""
	for page := range len(want) {
		keys, next, err := s.ListAPIKeys(t.Context(), "ann", store.Page{Cursor: cursor, Limit: 2})
		must(t, err, "page %d", page+1)
		if got = append(got, keys...); next == "" {
			break
		}
		cursor = next
		newer := newKey("ann", fmt.Sprint("newer ", page), want[0].CreatedAt.Add(time.Duration(page+1)*time.Second))
		create(t, s, newer)
		last := keys[len(keys)-1].ID
		must(t, s.RevokeAPIKey(t.Context(), "ann", last, want[0].CreatedAt), "RevokeAPIKey")
	}
	wantIDs(t, got, ids(want), "pages, with a newer key created and the last one revoked after each")
}
