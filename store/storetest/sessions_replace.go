package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func sessionReplaceCases() []sessionCase {
	return []sessionCase{
		{
			name: "replaced_session_ends",
			rule: "CreateSession deletes the one that it replaces: with the same Tag or another, somebody else's or nobody's",
			test: replacedSessionEnds,
		},
		{
			name: "replacing_nothing_is_fine",
			rule: "CreateSession replaces a session if that is there: one that is missing, or has another Tag, is not an error, and nothing else is deleted",
			test: replacingNothingIsFine,
		},
		{
			name: "refused_login_replaces_nothing",
			rule: "CreateSession that answers ErrConflict deletes and inserts nothing",
			test: refusedLoginReplacesNothing,
		},
	}
}

func replacedSessionEnds(t *testing.T, s store.Sessions) {
	now := today()
	before, stays := newSession("ann", "before", now), newSession("ann", "stays", now)
	bobs, basket := newSession("bob", "bobs", now), newAnonymous("basket", now)
	shares := newSession(oneTag[0], "shares", now)
	createSessions(t, s, before, stays, bobs, basket, shares)
	for _, c := range []struct {
		id, subject string
		old         store.Session
	}{
		{"same subject", "ann", before},
		{"another subject's", "ann", bobs},
		{"nobody's", "ann", basket},
		{"another subject's of the same tag", oneTag[1], shares},
	} {
		n := newSession(c.subject, c.id, now)
		must(t, login(t, s, n, c.old.Ref), "CreateSession, replacing one: %s", c.id)
		wantSession(t, s, n, now, "it has replaced another")
		noSession(t, s, c.old, now, "it was replaced: "+c.id)
		refuseWrites(t, s, c.old, now, "it was replaced: "+c.id)
		wantErr(t, s.RevokeSession(t.Context(), c.old.Identity.Subject, c.old.ID, now), store.ErrNotFound, "RevokeSession of one that was replaced")
	}
	wantSession(t, s, stays, now, "others were replaced")

	nobodys := newAnonymous("nobodys", now)
	must(t, login(t, s, nobodys, stays.Ref), "CreateSession of an anonymous one, replacing somebody's")
	wantSession(t, s, nobodys, now, "it has replaced another")
	noSession(t, s, stays, now, "it was replaced by an anonymous one")
}

func replacingNothingIsFine(t *testing.T, s store.Sessions) {
	now := today()
	stays, bobs := newSession("ann", "stays", now), newSession("bob", "bobs", now)
	dead := newSession("ann", "dead", now.Add(-time.Hour))
	dead.IdleUntil = now.Add(-time.Minute)
	createSessions(t, s, stays, bobs, dead)
	for what, replaces := range map[string]store.SessionRef{
		"missing":                    {Tag: stays.Ref.Tag, Token: digest("missing")},
		"missing, with another tag":  {Tag: store.TagOf("nobody"), Token: digest("missing")},
		"dead":                       dead.Ref,
		"there with another tag":     {Tag: bobs.Ref.Tag, Token: stays.Ref.Token},
		"there with nobody's tag":    {Tag: "AAAAAAAA", Token: stays.Ref.Token},
		"another's with my own tag":  {Tag: stays.Ref.Tag, Token: bobs.Ref.Token},
		"one with a tag and nothing": {Tag: stays.Ref.Tag},
	} {
		n := newSession("ann", "replaces one that is "+what, now)
		wantErr(t, login(t, s, n, replaces), nil, "CreateSession, replacing one that is %s", what)
		wantSession(t, s, n, now, "what it replaces is "+what)
		wantSession(t, s, stays, now, "another replaced one that is "+what)
		wantSession(t, s, bobs, now, "another replaced one that is "+what)
	}
}

func refusedLoginReplacesNothing(t *testing.T, s store.Sessions) {
	now := today()
	revokeSessionsOf(t, s, "ann", "")
	mine, bobs, basket := newSession("ann", "mine", now), newSession("bob", "bobs", now), newAnonymous("basket", now)
	createSessions(t, s, mine, bobs, basket)
	for _, old := range []store.Session{mine, bobs, basket} {
		n := newSession("ann", "refused", now)
		err := s.CreateSession(t.Context(), n, old.Ref, 1, time.Hour, now)
		wantErr(t, err, store.ErrConflict, "CreateSession with a proof that is older than RevokeSessionsOf")
		noSession(t, s, n, now, "it was refused")
		for _, n := range []store.Session{mine, bobs, basket} {
			wantSession(t, s, n, now, "a login was refused")
		}
	}
}
