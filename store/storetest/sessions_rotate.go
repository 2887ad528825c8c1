package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

func sessionRotateCases() []sessionCase {
	return []sessionCase{
		{
			name: "rotate_session_changes_what_it_says",
			rule: "RotateSession sets the token, the Identity, SeenAt, IdleUntil and ExpiresAt, also to earlier ones; what is not in it stays, Data and Revision as they are at that moment",
			test: rotateSessionChangesWhatItSays,
		},
		{
			name: "rotate_session_ends_the_old_token",
			rule: "RotateSession ends the old token at once, for each method, and of this session alone",
			test: rotateSessionEndsTheOldToken,
		},
		{
			name: "rotate_session_keeps_its_place",
			rule: "a session that was rotated is the same one: it has its place in the list, counts once, and is found by its ID",
			test: rotateSessionKeepsItsPlace,
		},
		{
			name: "rotate_session_to_a_known_token",
			rule: "what inserts a token that is there answers ErrExists, and changes nothing",
			test: rotateSessionToAKnownToken,
		},
	}
}

func rotateSessionChangesWhatItSays(t *testing.T, s store.Sessions) {
	now := today()
	n, other, nobodys := newSession("ann", "n", now), newSession("ann", "other", now), newAnonymous("nobodys", now)
	n.Remember, n.Addr = true, away
	n.Identity.Pending = []string{"otp"}
	n.IdleUntil, n.ExpiresAt = now.Add(5*time.Minute), now.Add(10*time.Minute)
	createSessions(t, s, n, other, nobodys)
	n = update(t, s, n, `{"n":1}`, now)
	must(t, s.TouchSession(t.Context(), n.Ref, now.Add(6*time.Minute), now.Add(time.Minute)), "TouchSession")

	longer := store.SessionRotation{
		Token:    digest("longer"),
		Identity: authn.Identity{Subject: "ann", Kind: authn.KindUser, Method: "totp", Factors: []authn.Factor{{Name: "pwd", At: now}, {Name: "otp", At: now.Add(time.Microsecond)}}},
		SeenAt:   now.Add(3*time.Minute + time.Microsecond), IdleUntil: now.Add(idle + 7*time.Microsecond), ExpiresAt: now.Add(life + 9*time.Microsecond),
	}
	must(t, s.RotateSession(t.Context(), n.Ref, longer, now), "RotateSession")
	n = rotated(n, longer)
	wantSession(t, s, n, now, "it was rotated")
	wantSession(t, s, n, now.Add(time.Hour), "it lives longer since it was rotated")

	n = update(t, s, n, `{"n":2}`, now)
	wantSession(t, s, n, now, "it was updated with the new token")
	shorter := longer
	shorter.Token, shorter.SeenAt, shorter.IdleUntil, shorter.ExpiresAt = digest("shorter"), now.Add(-time.Minute), now.Add(time.Hour), now.Add(time.Hour)
	must(t, s.RotateSession(t.Context(), n.Ref, shorter, now), "RotateSession")
	n = rotated(n, shorter)
	wantSession(t, s, n, now, "it was rotated to an earlier end")
	noSession(t, s, n, now.Add(time.Hour), "it was rotated to an earlier end")

	next := rotationOf(nobodys, "nobodys")
	next.Identity = authn.Identity{}
	must(t, s.RotateSession(t.Context(), nobodys.Ref, next, now), "RotateSession of an anonymous one")
	wantSession(t, s, rotated(nobodys, next), now, "it was rotated")
	wantList(t, s, "", now, []string{}, "anonymous sessions are not listed")
	wantSession(t, s, other, now, "others were rotated")
}

func rotateSessionEndsTheOldToken(t *testing.T, s store.Sessions) {
	now := today()
	first, other := newSession("ann", "n", now), newSession("ann", "other", now)
	createSessions(t, s, first, other)
	old := []store.Session{first}
	n := first
	for i := range 5 {
		n = rotateSession(t, s, n, fmt.Sprint("token ", i), now)
		for _, old := range old {
			refuseWrites(t, s, old, now, "it has a new token")
			must(t, s.DeleteSession(t.Context(), old.Ref), "DeleteSession of the old token")
		}
		wantSession(t, s, n, now, "calls had an old token")
		wantSession(t, s, other, now, "another was rotated")
		old = append(old, n)
	}
	replacing := newSession("ann", "replacing", now)
	must(t, login(t, s, replacing, first.Ref), "CreateSession, replacing an old token")
	wantSession(t, s, n, now, "an old token of it was replaced")
	must(t, s.DeleteSession(t.Context(), n.Ref), "DeleteSession")
	for _, n := range append(old, n) {
		noSession(t, s, n, now, "it was deleted by its last token")
	}
}

func rotateSessionKeepsItsPlace(t *testing.T, s store.Sessions) {
	now := today()
	var all []store.Session
	for i := range 4 {
		all = append(all, newSession("ann", fmt.Sprint("session ", i), now.Add(time.Duration(i)*time.Second)))
	}
	createSessions(t, s, all...)
	order := []string{"session 3", "session 2", "session 1", "session 0"}
	for round := range 2 {
		for i := range all {
			all[i] = rotateSession(t, s, all[i], fmt.Sprint("token ", round, i), now)
			wantList(t, s, "ann", now, order, "one was rotated")
		}
	}
	for i, got := range listSessions(t, s, "ann", now) {
		if d := diffSession(got, all[len(all)-1-i]); d != "" {
			t.Errorf("session %q in the list: %s: it was rotated", got.ID, d)
		}
	}
	n := newSession("ann", "n", now.Add(time.Minute))
	must(t, s.CreateSession(t.Context(), n, nothing, 4, 0, now), "CreateSession with max 4")
	noSession(t, s, all[0], now, "it was the oldest beyond 4, rotated or not")
	must(t, s.RevokeSession(t.Context(), "ann", "session 1", now), "RevokeSession")
	noSession(t, s, all[1], now, "it was revoked")
	refuseWrites(t, s, all[1], now, "it was revoked")
	revokeSessionsOf(t, s, "ann", "session 2")
	noSession(t, s, all[3], now, "its subject's sessions were revoked")
	wantSession(t, s, all[2], now, "RevokeSessionsOf spared it")
	wantList(t, s, "ann", now, []string{"session 2"}, "RevokeSessionsOf spared one")
}

func rotateSessionToAKnownToken(t *testing.T, s store.Sessions) {
	now := today()
	n, other := newSession("ann", "n", now), newSession("ann", "other", now)
	createSessions(t, s, n, other)
	next := rotationOf(n, "next")
	next.Token = other.Ref.Token
	wantErr(t, s.RotateSession(t.Context(), n.Ref, next, now), store.ErrExists, "RotateSession to the token of another")
	wantSession(t, s, n, now, "a rotation was refused")
	wantSession(t, s, other, now, "a rotation to its token was refused")
	wantList(t, s, "ann", now, []string{"other", "n"}, "a rotation was refused")
}
