package storetest

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

func sessionCreateCases() []sessionCase {
	return []sessionCase{
		{
			name: "session_keeps_every_field",
			rule: "CreateSession inserts s, all of it; times keep microseconds, and Data its bytes",
			test: sessionKeepsEveryField,
		},
		{
			name: "session_keeps_no_verified_at",
			rule: "VerifiedAt and Credential of a session's Identity are not kept",
			test: sessionKeepsNoVerifiedAt,
		},
		{
			name: "session_keeps_copies",
			rule: "values are copied when they are written: what the caller does with them afterwards has no effect",
			test: sessionKeepsCopies,
		},
		{
			name: "create_session_refuses_a_known_token",
			rule: "CreateSession answers ErrExists when the Token is there, and changes nothing",
			test: createSessionRefusesAKnownToken,
		},
		{
			name: "session_tokens_are_unique_in_a_race",
			rule: "of concurrent CreateSession with one Token one wins, the others get ErrExists",
			test: sessionTokensAreUniqueInARace,
		},
		{
			name: "anonymous_session",
			rule: "an anonymous session, of Subject \"\", is a session like others, but for lists, caps and RevokeSessionsOf",
			test: anonymousSession,
		},
	}
}

// exactly is JSON that some databases or parsers write otherwise.
var exactly = []string{
	`{}`, `null`, `[]`, `""`, ` { "b" : 1 , "a" : [ ] } ` + "\n\t\r\n", `{"a":1,"a":2}`, `{"z":0,"a":0}`,
	`[1e400,1.0,-0,9007199254740993,0.1000]`, `"\u0000\u00e9\ud83d\ude00\/"`, `"é e` + "\u0301" + ` 🔑` + "\u2028" + `\\ ' $1 ? %s :x {y}"`,
	`"` + strings.Repeat("x", 64<<10-2) + `"`, `["` + strings.Repeat("🔑", 16<<10-1) + `"]`,
}

func sessionKeepsEveryField(t *testing.T, s store.Sessions) {
	now := today().Truncate(time.Second).Add(time.Microsecond)
	full := newSession("ann", "full", now)
	full.Identity = authn.Identity{
		Subject: "ann", Kind: authn.KindClient, Method: "oidc", Issuer: "https://login.example", CredentialID: "credential 7",
		Scopes: []string{"z:last", "a:first", "orders:read,write", "*"}, // in this order
		Roles:  []string{"clerk", "admin"},
		Factors: []authn.Factor{
			{Name: "pwd", At: now.Add(-3 * time.Hour).In(time.FixedZone("", 2*60*60))},
			{Name: "otp", At: now.Add(-time.Minute + 123_456*time.Microsecond)},
		},
		Pending: []string{"hwk", "face"}, ExpiresAt: now.Add(time.Hour + 7*time.Microsecond),
		Attributes: map[string]string{"team": "blue", "empty": "", "ключ": "🔑"},
	}
	full.Revision, full.Remember = 1<<53+1, true // no float64
	full.CreatedAt = now.Add(-time.Hour + 999_998*time.Microsecond).In(time.FixedZone("", -7*60*60))
	full.SeenAt = now.Add(-time.Minute + 3*time.Microsecond)
	full.IdleUntil = now.Add(time.Hour + 999_999*time.Microsecond)
	full.ExpiresAt = now.Add(2*time.Hour + time.Microsecond)
	bare := store.Session{
		Ref: store.SessionRef{Tag: store.TagOf("bob"), Token: digest("bare")}, ID: "b", Identity: authn.Identity{Subject: "bob", Kind: authn.KindUser},
		Data: []byte("{}"), Revision: 1, CreatedAt: now, SeenAt: now, IdleUntil: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour),
	}
	empty := bare
	empty.ID, empty.Ref.Token = "empty", digest("empty")
	empty.Identity.Scopes, empty.Identity.Roles, empty.Identity.Pending = []string{}, []string{}, []string{}
	empty.Identity.Factors, empty.Identity.Attributes = []authn.Factor{}, map[string]string{}
	far := newSession("ann", "far", now)
	far.IdleUntil = time.Date(9999, 12, 31, 23, 59, 59, 999_998_000, time.UTC)
	far.ExpiresAt = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
	want := []store.Session{full, bare, empty, far}

	for _, addr := range []string{"0.0.0.0", "255.255.255.255", "::", "2001:db8::ffff", "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"} {
		n := newSession("addr", addr, now)
		n.Addr = netip.MustParseAddr(addr)
		want = append(want, n)
	}
	for i, data := range exactly {
		n := newSession("data", fmt.Sprint("data ", i), now)
		n.Data = []byte(data)
		want = append(want, n)
	}
	createSessions(t, s, want...)
	for _, n := range want {
		wantSession(t, s, n, now, "as it was created")
	}
	for _, subject := range []string{"ann", "bob", "addr", "data"} {
		for _, got := range listSessions(t, s, subject, now) {
			for _, n := range want {
				if d := diffSession(got, n); got.Ref == n.Ref && d != "" {
					t.Errorf("session %q in the list: %s", n.ID, d)
				}
			}
		}
	}
}

func sessionKeepsNoVerifiedAt(t *testing.T, s store.Sessions) {
	now := today()
	n := newSession("ann", "n", now)
	n.Identity.VerifiedAt, n.Identity.Credential = now, &n
	createSessions(t, s, n)
	wantSession(t, s, n, now, "as it was created")
	next := rotationOf(n, "next")
	next.Identity.VerifiedAt, next.Identity.Credential = now, &n
	must(t, s.RotateSession(t.Context(), n.Ref, next, now), "RotateSession")
	wantSession(t, s, rotated(n, next), now, "as it was rotated")
}

func sessionKeepsCopies(t *testing.T, s store.Sessions) {
	now := today()
	spoil := func(id *authn.Identity) {
		id.Scopes[0], id.Roles[0], id.Pending[0] = "admin", "admin", "none"
		id.Factors[0] = authn.Factor{Name: "hwk", At: now.Add(time.Hour)}
		id.Attributes["team"], id.Attributes["more"] = "red", "yes"
	}
	fresh := func() store.Session {
		n := newSession("ann", "n", now)
		n.Identity.Pending = []string{"otp"}
		return n
	}
	n, want := fresh(), fresh()
	createSessions(t, s, n)
	n.Data[2] = 'X'
	spoil(&n.Identity)
	wantSession(t, s, want, now, "what was created has changed since")

	data := []byte(`{"basket":[3]}`)
	must(t, s.UpdateSessionData(t.Context(), want.Ref, 1, data, now), "UpdateSessionData")
	want.Data, want.Revision = []byte(`{"basket":[3]}`), 2
	data[2] = 'X'
	wantSession(t, s, want, now, "what was written has changed since")

	next := rotationOf(want, "next")
	must(t, s.RotateSession(t.Context(), want.Ref, next, now), "RotateSession")
	want = rotated(want, rotationOf(want, "next"))
	spoil(&next.Identity)
	wantSession(t, s, want, now, "what was rotated to has changed since")
}

func createSessionRefusesAKnownToken(t *testing.T, s store.Sessions) {
	now := today()
	n, other := newSession("ann", "n", now), newSession("ann", "other", now.Add(-time.Hour))
	bobs := newSession("bob", "bobs", now)
	createSessions(t, s, n, other, bobs)
	second := newSession("ann", "second", now)
	second.Ref, second.Data = n.Ref, []byte(`"second"`)
	for _, replaces := range []store.SessionRef{nothing, other.Ref, bobs.Ref} {
		err := s.CreateSession(t.Context(), second, replaces, 1, 0, now)
		wantErr(t, err, store.ErrExists, "CreateSession with a Token that is there, replacing %+v", replaces)
		for _, n := range []store.Session{n, other, bobs} {
			wantSession(t, s, n, now, "a CreateSession was refused")
		}
		wantList(t, s, "ann", now, []string{"n", "other"}, "a CreateSession was refused")
	}
}

func sessionTokensAreUniqueInARace(t *testing.T, s store.Sessions) {
	now := today()
	for round := range 5 {
		const n = 16
		all := make([]store.Session, n)
		for i := range all {
			all[i] = newSession("ann", fmt.Sprint("session ", round, " ", i), now)
			all[i].Ref.Token = digest(fmt.Sprint("round ", round))
		}
		won := winners(t, n, store.ErrExists, func(i int) error { return login(t, s, all[i], nothing) })
		if len(won) != 1 {
			t.Fatalf("%d of %d CreateSession at once with one Token were answered nil, want 1", len(won), n)
		}
		wantSession(t, s, all[won[0]], now, "it won")
	}
}

func anonymousSession(t *testing.T, s store.Sessions) {
	now := today()
	n, other := newAnonymous("n", now), newAnonymous("other", now)
	createSessions(t, s, n, other)
	wantSession(t, s, n, now, "as it was created")
	n = update(t, s, n, `{"basket":[3]}`, now)
	must(t, s.TouchSession(t.Context(), n.Ref, n.IdleUntil.Add(time.Hour), now.Add(time.Minute)), "TouchSession")
	n.SeenAt, n.IdleUntil = now.Add(time.Minute), n.IdleUntil.Add(time.Hour)
	wantSession(t, s, n, now, "it was updated and touched")

	wantList(t, s, "", now, []string{}, "anonymous sessions are not listed")
	_ = s.RevokeSessionsOf(t.Context(), "", "") // any answer will do
	wantSession(t, s, n, now, "RevokeSessionsOf never touches an anonymous one")
	createSessions(t, s, newAnonymous("third", now))
	wantSession(t, s, newAnonymous("third", now), now, "RevokeSessionsOf is not looked at for an anonymous one")

	must(t, s.DeleteSession(t.Context(), n.Ref), "DeleteSession")
	refuseWrites(t, s, n, now, "it was deleted")
	noToken(t, s, other.Ref, other.ExpiresAt, "it has expired")
	wantSession(t, s, other, now, "another was deleted")
}
