package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func sessionRevokeRaceCases() []sessionCase {
	return []sessionCase{
		{
			name: "deleted_session_stays_dead_in_a_race",
			rule: "no write beside DeleteSession brings the session back; a rotation that is first leaves it under its new token alone",
			test: deletedSessionStaysDeadInARace,
		},
		{
			name: "replaced_session_stays_dead_in_a_race",
			rule: "no write beside a CreateSession that replaces the session brings it back; a rotation that is first leaves it under its new token alone",
			test: replacedSessionStaysDeadInARace,
		},
		{
			name: "revoked_session_stays_dead_in_a_race",
			rule: "a session is dead when RevokeSession has answered, under a new token, too, whatever was written beside it",
			test: revokedSessionStaysDeadInARace,
		},
		{
			name: "revoke_all_stays_in_a_race",
			rule: "a session is dead when RevokeSessionsOf has answered, under a new token, too, whatever was written beside it",
			test: revokeAllStaysInARace,
		},
		{
			name: "sessions_end_once_in_a_race",
			rule: "whatever ends a session beside something else that does, it is dead; of concurrent RevokeSession one wins, the others get ErrNotFound",
			test: sessionsEndOnceInARace,
		},
		{
			name: "revoked_session_is_seen_dead",
			rule: "a session that a reader has seen dead stays dead, and all are when RevokeSessionsOf has answered",
			test: revokedSessionIsSeenDead,
		},
		{
			name: "create_session_against_revoke_all",
			rule: "of CreateSession with an older proof and a concurrent RevokeSessionsOf either is first, and nothing lives: the session is ended, or it gets ErrConflict",
			test: createSessionAgainstRevokeAll,
		},
	}
}

// endInRaces races end against each write of a session, and says when it is
// not dead then. Where spares is true a rotation that is first may leave the
// session under its new token.
func endInRaces(t *testing.T, s store.Sessions, spares bool, end func(n store.Session) error) {
	t.Helper()
	now := today()
	for round := range 30 {
		n := newSession(fmt.Sprint("subject ", round), fmt.Sprint("session ", round), now)
		createSessions(t, s, n)
		next := rotationOf(n, n.ID)
		after := rotated(n, next)
		write, what := func() error { return s.UpdateSessionData(t.Context(), n.Ref, 1, []byte(`"late"`), now) }, "UpdateSessionData"
		switch round % 3 {
		case 1:
			write, what = func() error { return s.TouchSession(t.Context(), n.Ref, n.ExpiresAt, now) }, "TouchSession"
		case 2:
			write, what = func() error { return s.RotateSession(t.Context(), n.Ref, next, now) }, "RotateSession"
		}
		var written, ended error
		race(t, 2, func(i int) {
			if i == round/3%2 {
				written = write()
			} else {
				ended = end(n)
			}
		})
		wantErr(t, ended, nil, "the end of a session, beside %s", what)
		if written != nil {
			wantErr(t, written, store.ErrNotFound, "%s of a session that ends", what)
		}
		what = fmt.Sprintf("it was ended, and %s beside it answered %v", what, written)
		refuseWrites(t, s, n, now, what)
		if spares && written == nil && round%3 == 2 {
			wantSession(t, s, after, now, "its old token was ended")
			wantList(t, s, n.Identity.Subject, now, []string{n.ID}, "its old token was ended")
			continue
		}
		noSession(t, s, after, now, what)
	}
}

func deletedSessionStaysDeadInARace(t *testing.T, s store.Sessions) {
	endInRaces(t, s, true, func(n store.Session) error { return s.DeleteSession(t.Context(), n.Ref) })
}

func replacedSessionStaysDeadInARace(t *testing.T, s store.Sessions) {
	endInRaces(t, s, true, func(n store.Session) error {
		return login(t, s, newSession("someone else", n.ID, n.CreatedAt), n.Ref)
	})
}

func revokedSessionStaysDeadInARace(t *testing.T, s store.Sessions) {
	endInRaces(t, s, false, func(n store.Session) error {
		return s.RevokeSession(t.Context(), n.Identity.Subject, n.ID, n.CreatedAt)
	})
}

func revokeAllStaysInARace(t *testing.T, s store.Sessions) {
	endInRaces(t, s, false, func(n store.Session) error {
		return s.RevokeSessionsOf(t.Context(), n.Identity.Subject, "")
	})
}

func sessionsEndOnceInARace(t *testing.T, s store.Sessions) {
	now := today()
	for round := range 8 {
		subject := fmt.Sprint("subject ", round)
		n := newSession(subject, "n", now)
		createSessions(t, s, n)
		const calls = 50
		errs := make([]error, calls)
		others := round%2 == 1 // or RevokeSession alone
		race(t, calls, func(i int) {
			switch {
			case others && i%5 == 1:
				wantErr(t, s.DeleteSession(t.Context(), n.Ref), nil, "DeleteSession")
			case others && i%5 == 2:
				wantErr(t, s.RevokeSessionsOf(t.Context(), subject, ""), nil, "RevokeSessionsOf")
			case others && i%5 == 3:
				by := newAnonymous(fmt.Sprint("by ", round, " ", i), now)
				wantErr(t, login(t, s, by, n.Ref), nil, "CreateSession, replacing the session")
			default:
				errs[i] = s.RevokeSession(t.Context(), subject, "n", now)
				if errs[i] == nil {
					errs[i] = errWon
				}
			}
		})
		won := 0
		for _, err := range errs {
			if errors.Is(err, errWon) {
				won++
			} else if err != nil {
				wantErr(t, err, store.ErrNotFound, "RevokeSession")
			}
		}
		if won > 1 || won == 0 && !others {
			t.Errorf("%d of %d RevokeSession at once were answered nil, want 1", won, calls)
		}
		noSession(t, s, n, now, "it was ended many times at once")
		refuseWrites(t, s, n, now, "it was ended many times at once")
	}
}

// errWon marks a call that was answered nil.
var errWon = errors.New("won")

func revokedSessionIsSeenDead(t *testing.T, s store.Sessions) {
	now := today()
	for round := range 10 {
		subject := fmt.Sprint("subject ", round)
		n, other, stays := newSession(subject, "n", now), newSession(subject, "other", now), newSession(subject, "stays", now)
		createSessions(t, s, n, other, stays)
		reader := func(n store.Session) func() {
			dead := false
			return func() {
				_, err := s.SessionByRef(t.Context(), n.Ref, now)
				if err == nil && dead {
					t.Errorf("session %q lives, and was dead before", n.ID)
				}
				if err != nil {
					wantErr(t, err, store.ErrNotFound, "SessionByRef")
					dead = true
				}
			}
		}
		during(t,
			func() { wantErr(t, s.RevokeSessionsOf(t.Context(), subject, "stays"), nil, "RevokeSessionsOf") },
			reader(n), reader(other), func() { wantSession(t, s, stays, now, "RevokeSessionsOf spares it") },
		)
		noSession(t, s, n, now, "RevokeSessionsOf has answered")
		noSession(t, s, other, now, "RevokeSessionsOf has answered")
	}
}

func createSessionAgainstRevokeAll(t *testing.T, s store.Sessions) {
	now := today()
	for round := range 30 {
		subject := fmt.Sprint("subject ", round)
		n, old := newSession(subject, "n", now), newAnonymous(fmt.Sprint("old ", round), now)
		createSessions(t, s, old)
		var created, revoked error
		race(t, 2, func(i int) {
			if i == round%2 {
				created = s.CreateSession(t.Context(), n, old.Ref, round%3, time.Hour, now)
			} else {
				revoked = s.RevokeSessionsOf(t.Context(), subject, "")
			}
		})
		wantErr(t, revoked, nil, "RevokeSessionsOf")
		if created != nil {
			wantErr(t, created, store.ErrConflict, "CreateSession")
			wantSession(t, s, old, now, "its replacement was refused")
		} else {
			noToken(t, s, old.Ref, now, "it was replaced")
		}
		what := fmt.Sprintf("everything was revoked; CreateSession answered %v", created)
		noSession(t, s, n, now, what)
		refuseWrites(t, s, n, now, what)
	}
}
