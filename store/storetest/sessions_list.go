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

func sessionListCases() []sessionCase {
	return []sessionCase{
		{
			name: "list_of_no_sessions_is_empty",
			rule: "a list of nothing is empty, without an error and without a cursor",
			test: listOfNoSessionsIsEmpty,
		},
		{
			name: "session_list_is_newest_first",
			rule: "ListSessions is of the subject's sessions, newest first: by CreatedAt, then ID, both descending",
			test: sessionListIsNewestFirst,
		},
		{
			name: "session_list_pages_at_every_size",
			rule: "a list answers up to Limit records and the cursor of the next part, \"\" at the end; all parts together are the list",
			test: sessionListPagesAtEverySize,
		},
		{
			name: "session_list_limit_has_a_default",
			rule: "Limit defaults to 100; over 1000 is 1000, and not an error",
			test: sessionListLimitHasADefault,
		},
		{
			name: "session_list_is_of_live_ones",
			rule: "ListSessions is of those that are live at now, at every size of a part; dead ones take no place, and a part with a cursor before it is not empty",
			test: sessionListIsOfLiveOnes,
		},
		{
			name: "unknown_session_cursor_is_not_found",
			rule: "a cursor that the list has not answered is ErrNotFound",
			test: unknownSessionCursorIsNotFound,
		},
		{
			name: "foreign_session_cursor_is_not_found",
			rule: "a cursor that the list of another subject has answered is ErrNotFound",
			test: foreignSessionCursorIsNotFound,
		},
		{
			name: "session_pages_do_not_shift",
			rule: "a cursor says where a list goes on, whatever was created or deleted since, the last of the part included",
			test: sessionPagesDoNotShift,
		},
	}
}

// rack creates sessions of ann, some at one time, and answers them newest
// first. Those of others lie between them.
func rack(t *testing.T, s store.Sessions) []store.Session {
	t.Helper()
	now := today()
	var all []store.Session
	for i, k := range []struct {
		id  string
		age time.Duration
	}{
		{"c", 0},
		{"B", 0},
		{"a", 0},
		{"_", 0},
		{"-", 0},
		{"newest", -time.Hour},
		{"oldest", 3 * time.Hour},
		{"Z", time.Microsecond},
		{"~", time.Microsecond},
		{"z", time.Microsecond},
		{"k10", time.Minute},
		{"k9", time.Minute},
	} {
		all = append(all, newSession("ann", k.id, now.Add(-k.age)))
		all[i].SeenAt = now.Add(k.age) // lists are not by it
		nobodys := newAnonymous(k.id, now.Add(-k.age))
		nobodys.Ref.Tag = all[i].Ref.Tag
		createSessions(t, s, all[i], newSession("bob", "bob "+k.id, now.Add(-k.age)), nobodys)
	}
	slices.SortFunc(all, func(a, b store.Session) int {
		return -cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return all
}

// wantPages says when parts of a size together are not the sessions want.
func wantPages(t *testing.T, s store.Sessions, subject string, size int, now time.Time, want []string) {
	t.Helper()
	var got []string
	cursor := ""
	for page := 1; page <= len(want)+1; page++ {
		ss, next, err := s.ListSessions(t.Context(), subject, store.Page{Cursor: cursor, Limit: size}, now)
		must(t, err, "page %d of size %d", page, size)
		if len(ss) > size {
			t.Errorf("page %d of size %d has %d sessions", page, size, len(ss))
		}
		if len(ss) == 0 && page > 1 {
			t.Errorf("page %d of size %d is empty: the one before was the end, and had a cursor", page, size)
		}
		got = append(got, sessionIDs(ss)...)
		if cursor = next; next == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("all pages of size %d: got sessions %q, want %q", size, got, want)
	}
	if cursor != "" {
		t.Errorf("after the last page of size %d there is still a cursor", size)
	}
}

func listOfNoSessionsIsEmpty(t *testing.T, s store.Sessions) {
	now := today()
	createSessions(t, s, newSession("ann", "n", now), newAnonymous("nobodys", now))
	for _, subject := range []string{"nobody", ""} {
		ss, next, err := s.ListSessions(t.Context(), subject, store.Page{}, now)
		wantErr(t, err, nil, "ListSessions of %q", subject)
		if len(ss) > 0 || next != "" {
			t.Errorf("ListSessions of %q: got sessions %q and next %q, want none", subject, sessionIDs(ss), next)
		}
	}
}

func sessionListIsNewestFirst(t *testing.T, s store.Sessions) {
	want := rack(t, s)
	now := want[0].CreatedAt
	wantList(t, s, "ann", now, sessionIDs(want), "newest first")
	got := listSessions(t, s, "ann", now)
	for i := range min(len(got), len(want)) {
		if d := diffSession(got[i], want[i]); d != "" {
			t.Errorf("session %q in the list: %s", want[i].ID, d)
		}
	}
}

func sessionListPagesAtEverySize(t *testing.T, s store.Sessions) {
	want := rack(t, s)
	for size := 1; size <= len(want)+1; size++ {
		wantPages(t, s, "ann", size, want[0].CreatedAt, sessionIDs(want))
	}
}

func sessionListLimitHasADefault(t *testing.T, s store.Sessions) {
	now := today()
	for i := range 101 {
		createSessions(t, s, newSession("ann", fmt.Sprintf("s%03d", i), now))
	}
	for limit, want := range map[int]int{
		0: 100, -1: 100, math.MinInt: 100, 99: 99, 100: 100, 101: 101, 1000: 101, 1001: 101, math.MaxInt: 101,
	} {
		ss, next, err := s.ListSessions(t.Context(), "ann", store.Page{Limit: limit}, now)
		wantErr(t, err, nil, "ListSessions with Limit %d", limit)
		if len(ss) != want || (next == "") != (want == 101) {
			t.Errorf("Limit %d: got %d of 101 sessions, want %d; next is %q", limit, len(ss), want, next)
		}
	}
}

func sessionListIsOfLiveOnes(t *testing.T, s store.Sessions) {
	now := today()
	end := now.Add(time.Hour)
	var want []string
	for i := range 12 { // newest first; runs of dead ones, at both ends, too
		n := newSession("ann", fmt.Sprintf("session %02d", i), now.Add(-time.Duration(i)*time.Minute))
		switch {
		case i == 2 || i == 6 || i == 7 || i == 9:
			want = append(want, n.ID)
		case i%2 == 0:
			n.IdleUntil = end
		default:
			n.IdleUntil, n.ExpiresAt = end, end
		}
		createSessions(t, s, n)
	}
	for size := 1; size <= len(want)+1; size++ {
		wantPages(t, s, "ann", size, end, want)
	}
	if n := len(listSessions(t, s, "ann", end.Add(-time.Microsecond))); n != 12 {
		t.Errorf("%d sessions are listed a microsecond before the end of some, want 12", n)
	}
	wantPages(t, s, "ann", 2, now.Add(2*life), nil)
}

func unknownSessionCursorIsNotFound(t *testing.T, s store.Sessions) {
	now := rack(t, s)[0].CreatedAt
	for _, cursor := range []string{
		"unknown", "0", "-1", "2", " ", "'; DROP TABLE authn_sessions; --", "AAAA", "e30=", "{}", "%", "No Session", strings.Repeat("x", 300),
	} {
		ss, _, err := s.ListSessions(t.Context(), "ann", store.Page{Cursor: cursor, Limit: 2}, now)
		wantErr(t, err, store.ErrNotFound, "ListSessions after %q (it answered %q)", cursor, sessionIDs(ss))
	}
}

func foreignSessionCursorIsNotFound(t *testing.T, s store.Sessions) {
	now := rack(t, s)[0].CreatedAt
	_, next, err := s.ListSessions(t.Context(), "bob", store.Page{Limit: 2}, now)
	must(t, err, "ListSessions")
	for _, subject := range []string{"ann", "nobody"} {
		ss, _, err := s.ListSessions(t.Context(), subject, store.Page{Cursor: next, Limit: 2}, now)
		wantErr(t, err, store.ErrNotFound, "ListSessions of %s after a cursor of bob's (it answered %q)", subject, sessionIDs(ss))
	}
}

func sessionPagesDoNotShift(t *testing.T, s store.Sessions) {
	want := rack(t, s)
	now := want[0].CreatedAt
	var got []string
	cursor := ""
	for page := range len(want) {
		ss, next, err := s.ListSessions(t.Context(), "ann", store.Page{Cursor: cursor, Limit: 2}, now)
		must(t, err, "page %d, with the last one before it deleted", page+1)
		if got = append(got, sessionIDs(ss)...); next == "" {
			break
		}
		cursor = next
		for i := range 2 { // more than are revoked
			createSessions(t, s, newSession("ann", fmt.Sprint("newer ", page, i), now.Add(time.Duration(page+1)*time.Second)))
		}
		must(t, s.RevokeSession(t.Context(), "ann", ss[len(ss)-1].ID, now), "RevokeSession")
	}
	if !slices.Equal(got, sessionIDs(want)) {
		t.Errorf("pages, with newer sessions created and the last one revoked after each: got %q, want %q", got, sessionIDs(want))
	}
}
