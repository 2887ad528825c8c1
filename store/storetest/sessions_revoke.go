package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func sessionRevokeCases() []sessionCase {
	return []sessionCase{
		{
			name: "delete_session",
			rule: "DeleteSession ends a session for good, and no other; it may be repeated",
			test: deleteSession,
		},
		{
			name: "revoke_session_by_its_id",
			rule: "RevokeSession deletes one by its ID, and no other; ErrNotFound when the subject has no live one of it",
			test: revokeSessionByItsID,
		},
		{
			name: "revoke_session_of_another",
			rule: "RevokeSession answers ErrNotFound to an ID of another subject's or of nobody's session, which lives on",
			test: revokeSessionOfAnother,
		},
	}
}

func sessionRevokeAllCases() []sessionCase {
	return []sessionCase{
		{
			name: "revoke_sessions_of_ends_all",
			rule: "RevokeSessionsOf ends all sessions of the subject, for good, and no other subject's; it may be repeated",
			test: revokeSessionsOfEndsAll,
		},
		{
			name: "revoke_sessions_of_spares_one",
			rule: "RevokeSessionsOf spares the one with the ID except, which lives as before, until a call that does not spare it",
			test: revokeSessionsOfSparesOne,
		},
		{
			name: "revoke_sessions_of_but_none",
			rule: "an except that is not there, or is another subject's, spares none",
			test: revokeSessionsOfButNone,
		},
	}
}

func deleteSession(t *testing.T, s store.Sessions) {
	now := today()
	n, other, nobodys := newSession("ann", "n", now), newSession("ann", "other", now), newAnonymous("nobodys", now)
	createSessions(t, s, n, other, nobodys)
	for range 2 {
		wantErr(t, s.DeleteSession(t.Context(), n.Ref), nil, "DeleteSession")
		noSession(t, s, n, now, "it was deleted")
		refuseWrites(t, s, n, now, "it was deleted")
		wantErr(t, s.RevokeSession(t.Context(), "ann", "n", now), store.ErrNotFound, "RevokeSession of one that was deleted")
		wantSession(t, s, other, now, "another was deleted")
		wantSession(t, s, nobodys, now, "another was deleted")
	}
}

func revokeSessionByItsID(t *testing.T, s store.Sessions) {
	now := today()
	n, other, nobodys := newSession("ann", "n", now), newSession("ann", "other", now), newAnonymous("nobodys", now)
	createSessions(t, s, n, other, nobodys)
	wantErr(t, s.RevokeSession(t.Context(), "ann", "n", now), nil, "RevokeSession")
	for range 2 {
		noSession(t, s, n, now, "it was revoked")
		refuseWrites(t, s, n, now, "it was revoked", now.Add(-time.Hour))
		wantErr(t, s.DeleteSession(t.Context(), n.Ref), nil, "DeleteSession of one that was revoked")
		wantErr(t, s.RevokeSession(t.Context(), "ann", "n", now), store.ErrNotFound, "RevokeSession again")
	}
	wantSession(t, s, other, now, "another was revoked")
	wantSession(t, s, nobodys, now, "another was revoked")
	wantErr(t, s.CreateSession(t.Context(), newSession("ann", "login", now), nothing, 0, time.Hour, now), nil, "CreateSession after RevokeSession, which ends one")
}

func revokeSessionOfAnother(t *testing.T, s store.Sessions) {
	now := today()
	n, bobs, nobodys := newSession("ann", "n", now), newSession("bob", "bobs", now), newAnonymous("nobodys", now)
	nobodys.Ref.Tag = n.Ref.Tag
	createSessions(t, s, n, bobs, nobodys)
	for _, c := range [][2]string{{"ann", "bobs"}, {"bob", "n"}, {"ann", "nobodys"}, {"nobody", "n"}, {"", "n"}, {"ann", "ann"}} {
		wantErr(t, s.RevokeSession(t.Context(), c[0], c[1], now), store.ErrNotFound, "RevokeSession of %q as %q", c[1], c[0])
	}
	for _, n := range []store.Session{n, bobs, nobodys} {
		wantSession(t, s, n, now, "others tried to revoke it")
	}
}

func revokeSessionsOfEndsAll(t *testing.T, s store.Sessions) {
	now := today()
	nobodys, bobs := newAnonymous("nobodys", now), newSession("bob", "bobs", now)
	createSessions(t, s, nobodys, bobs)
	all := []store.Session{
		newSession("ann", "old", now.Add(-30*day)), newSession("ann", "n", now), newSession("ann", "by a fast clock", now.Add(time.Hour)),
	}
	all[0].IdleUntil = now.Add(time.Hour)
	createSessions(t, s, all...)
	all[1] = rotateSession(t, s, update(t, s, all[1], "{}", now), "rotated", now)
	must(t, s.TouchSession(t.Context(), all[0].Ref, now.Add(2*time.Hour), now), "TouchSession")
	all[0].SeenAt, all[0].IdleUntil = now, now.Add(2*time.Hour)
	for range 2 {
		revokeSessionsOf(t, s, "ann", "")
		for _, n := range all {
			noSession(t, s, n, now, "its subject's sessions were revoked")
			refuseWrites(t, s, n, now, "its subject's sessions were revoked")
			wantErr(t, s.RevokeSession(t.Context(), "ann", n.ID, now), store.ErrNotFound, "RevokeSession after RevokeSessionsOf")
		}
		wantList(t, s, "ann", now, []string{}, "all were revoked")
		wantSession(t, s, bobs, now, "another subject's sessions were revoked")
		wantSession(t, s, nobodys, now, "another subject's sessions were revoked")
	}
}

func revokeSessionsOfSparesOne(t *testing.T, s store.Sessions) {
	now := today()
	var all []store.Session
	for _, id := range []string{"a", "b", "c", "d"} {
		all = append(all, newSession("ann", id, now))
	}
	createSessions(t, s, all...)
	spared := all[1]
	for range 2 {
		revokeSessionsOf(t, s, "ann", "b")
		for _, n := range all {
			if n.ID != "b" {
				noSession(t, s, n, now, "another was spared")
				refuseWrites(t, s, n, now, "another was spared")
			}
		}
		wantSession(t, s, spared, now, "it was spared")
		wantList(t, s, "ann", now, []string{"b"}, "it was spared")
		spared = update(t, s, spared, `{}`, now)
		spared.SeenAt, spared.IdleUntil = spared.SeenAt.Add(time.Second), spared.IdleUntil.Add(time.Second)
		must(t, s.TouchSession(t.Context(), spared.Ref, spared.IdleUntil, spared.SeenAt), "TouchSession")
		wantSession(t, s, spared, now, "it was spared, updated and touched")
		spared = rotateSession(t, s, spared, "spared "+string(spared.Ref.Token[:1]), now)
		wantSession(t, s, spared, now, "it was spared and rotated")
		wantErr(t, s.CreateSession(t.Context(), newSession("ann", "login", now), nothing, 0, time.Hour, now), store.ErrConflict, "CreateSession with an older proof")
	}
	revokeSessionsOf(t, s, "ann", "")
	noSession(t, s, spared, now, "it was spared before, and now it is not")
	revokeSessionsOf(t, s, "ann", "b")
	noSession(t, s, spared, now, "it was ended, and is spared too late")
	refuseWrites(t, s, spared, now, "it was ended, and is spared too late")
}

func revokeSessionsOfButNone(t *testing.T, s store.Sessions) {
	now := today()
	bobs, nobodys := newSession("bob", "bobs", now), newAnonymous("nobodys", now)
	same := newSession("bob", "same", now)
	createSessions(t, s, bobs, nobodys, same)
	for _, except := range []string{"missing", "bobs", "nobodys", "N", "n ", "bob", "'", "%"} {
		n, other := newSession("ann", "n", now), newSession("ann", "same", now)
		createSessions(t, s, n, other)
		revokeSessionsOf(t, s, "ann", except)
		noSession(t, s, n, now, "spared was "+except)
		noSession(t, s, other, now, "spared was "+except)
		for _, n := range []store.Session{bobs, nobodys, same} {
			wantSession(t, s, n, now, "another subject's sessions were revoked")
		}
	}
}
