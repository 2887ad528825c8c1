package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func sessionNameCases() []sessionCase {
	return []sessionCase{
		{
			name: "session_keeps_awkward_text",
			rule: "an ID has up to 64 bytes of ASCII, a Subject and a UserAgent up to 255 bytes, and they are kept as they are",
			test: sessionKeepsAwkwardText,
		},
		{
			name: "session_subjects_compare_bytewise",
			rule: "a Subject is compared bytewise, up to 255 bytes",
			test: sessionSubjectsCompareBytewise,
		},
		{
			name: "session_ids_compare_bytewise",
			rule: "an ID is compared bytewise, and is of its subject: two subjects may have the same",
			test: sessionIDsCompareBytewise,
		},
		{
			name: "session_tokens_compare_bytewise",
			rule: "a Token is unique, and all its 32 bytes count",
			test: sessionTokensCompareBytewise,
		},
		{
			name: "sessions_of_one_tag_are_apart",
			rule: "many subjects may share one tag: what is done to one is not done to another",
			test: sessionsOfOneTagAreApart,
		},
	}
}

func sessionKeepsAwkwardText(t *testing.T, s store.Sessions) {
	now := today()
	for i, text := range []string{
		"'; DROP TABLE authn_sessions; --", `"quoted" \back\slash`, "100%_?*[a-z]", "$1 :name @p1 {ann}",
		"🔑 ключ 鍵", "e\u0301", "line\nbreak\ttab", " spaces around ", `{"json":[true]}`, "<b>&amp;</b>", "\u2028",
		strings.Repeat("x", 255), strings.Repeat("x", 64), strings.Repeat("é", 127) + "!", strings.Repeat("🔑", 63) + "abc",
	} {
		n := newSession(text, fmt.Sprint("id ", i), now)
		if len(text) <= 64 && strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) < 0 {
			n.ID = text
		}
		n.UserAgent = text
		n.Identity.Method, n.Identity.Issuer, n.Identity.CredentialID = text, text, text
		n.Identity.Roles, n.Identity.Attributes = []string{text}, map[string]string{text: text}
		n.Identity.Pending = []string{text, text}
		createSessions(t, s, n)
		wantSession(t, s, n, now, "as it was created")
		wantList(t, s, text, now, []string{n.ID}, "as it was created")
		n = rotateSession(t, s, n, text, now)
		wantSession(t, s, n, now, "as it was rotated")
		must(t, s.RevokeSessionsOf(t.Context(), text, n.ID), "RevokeSessionsOf")
		wantSession(t, s, n, now, "RevokeSessionsOf spared it")
		must(t, s.RevokeSession(t.Context(), text, n.ID, now), "RevokeSession")
		noSession(t, s, n, now, "it was revoked")
	}
}

func sessionSubjectsCompareBytewise(t *testing.T, s store.Sessions) {
	now := today()
	long := strings.Repeat("x", 254)
	pairs := append(alike[:len(alike):len(alike)], [2]string{long + "a", long + "b"}, [2]string{long, long + "b"})
	for i, pair := range pairs {
		mine, theirs := newSession(pair[0], fmt.Sprint("mine ", i), now), newSession(pair[1], fmt.Sprint("theirs ", i), now)
		createSessions(t, s, mine, theirs)
		what := fmt.Sprintf("%q is another subject", pair[0])
		wantErr(t, s.RevokeSession(t.Context(), pair[0], theirs.ID, now), store.ErrNotFound, "RevokeSession: %s", what)
		wantList(t, s, pair[0], now, []string{mine.ID}, what)
		n := newSession(pair[0], fmt.Sprint("capped ", i), now.Add(time.Second))
		must(t, s.CreateSession(t.Context(), n, nothing, 1, 0, now), "CreateSession with max 1")
		revokeSessionsOf(t, s, pair[0], theirs.ID)
		noSession(t, s, n, now, "RevokeSessionsOf ended it")
		wantSession(t, s, theirs, now, what)
		wantErr(t, s.CreateSession(t.Context(), newSession(pair[1], fmt.Sprint("login ", i), now), nothing, 0, time.Hour, now), nil, "CreateSession: %s", what)
	}
}

func sessionIDsCompareBytewise(t *testing.T, s store.Sessions) {
	now := today()
	long := strings.Repeat("x", 63)
	for _, pair := range [][2]string{
		{"Bob", "bob"}, {"eve", "eve "}, {"ann%", "ann_"}, {"7", "07"}, {"a-b", "a_b"}, {"{x}", "x"}, {long + "a", long + "b"}, {long, long + "c"},
	} {
		mine, other, theirs := newSession("ann", pair[0], now), newSession("ann", pair[1], now), newSession("bob", pair[0], now)
		createSessions(t, s, mine, other, theirs)
		must(t, s.RevokeSession(t.Context(), "ann", pair[0], now), "RevokeSession")
		noSession(t, s, mine, now, "it was revoked")
		wantSession(t, s, other, now, fmt.Sprintf("%q was revoked", pair[0]))
		wantSession(t, s, theirs, now, fmt.Sprintf("%q of another subject was revoked", pair[0]))
		revokeSessionsOf(t, s, "ann", pair[0])
		noSession(t, s, other, now, fmt.Sprintf("RevokeSessionsOf spared %q", pair[0]))
	}
}

func sessionTokensCompareBytewise(t *testing.T, s store.Sessions) {
	now := today()
	var all []store.Session
	for i, d := range nearDigests() {
		n := newSession("ann", fmt.Sprint("session ", i), now)
		n.Ref.Token = d
		all = append(all, n)
	}
	createSessions(t, s, all...)
	for i, n := range all {
		wantSession(t, s, n, now, "its Token is near others")
		if i%2 == 0 {
			must(t, s.DeleteSession(t.Context(), n.Ref), "DeleteSession")
		}
	}
	for i, n := range all {
		if i%2 == 0 {
			noSession(t, s, n, now, "it was deleted")
		} else {
			wantSession(t, s, n, now, "those with Tokens near it were deleted")
		}
	}
}

func sessionsOfOneTagAreApart(t *testing.T, s store.Sessions) {
	now := today()
	mine, theirs := newSession(oneTag[0], "n", now), newSession(oneTag[1], "n", now)
	if mine.Ref.Tag != theirs.Ref.Tag {
		t.Fatalf("the tags are %q and %q, want one", mine.Ref.Tag, theirs.Ref.Tag)
	}
	createSessions(t, s, mine, theirs)
	for _, n := range []store.Session{mine, theirs} {
		wantSession(t, s, n, now, "as it was created")
		wantList(t, s, n.Identity.Subject, now, []string{"n"}, "as it was created")
	}
	must(t, s.RevokeSession(t.Context(), oneTag[0], "n", now), "RevokeSession")
	noSession(t, s, mine, now, "it was revoked")
	wantSession(t, s, theirs, now, "another subject's of the same tag was revoked")
	revokeSessionsOf(t, s, oneTag[0], "")
	wantSession(t, s, theirs, now, "everything of another subject of the same tag was revoked")
	wantErr(t, s.CreateSession(t.Context(), newSession(oneTag[1], "login", now), nothing, 0, time.Hour, now), nil, "CreateSession: another subject of the same tag was revoked")
	wantErr(t, s.CreateSession(t.Context(), newSession(oneTag[0], "login", now), nothing, 0, time.Hour, now), store.ErrConflict, "CreateSession: everything of the subject was revoked")
}
