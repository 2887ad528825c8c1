package integration_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

func init() { raceCases = append(raceCases, sessionRaces...) }

// sessionRaces are of store.Sessions.
var sessionRaces = []raceCase{
	{
		name:    "UpdateSessionData",
		rounds:  200,
		prepare: prepareSession("update"),
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			n := raceSession("update", round)
			return sessionsOf(s).UpdateSessionData(ctx, n.Ref, n.Revision, []byte(strconv.Itoa(racer)), n.CreatedAt)
		},
		lost: store.ErrConflict,
		check: func(ctx context.Context, s raceStore, round int) error {
			n := raceSession("update", round)
			got, err := sessionsOf(s).SessionByRef(ctx, n.Ref, n.CreatedAt)
			if err == nil && (got.Revision != 2 || string(got.Data) != "0" && string(got.Data) != "1") {
				err = fmt.Errorf("revision %d, data %s", got.Revision, got.Data)
			}
			return err
		},
	},
	{
		name:    "RotateSession",
		rounds:  200,
		prepare: prepareSession("rotate"),
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			return rotateInRace(ctx, s, "rotate", round, racer)
		},
		lost: store.ErrNotFound,
		check: func(ctx context.Context, s raceStore, round int) error {
			n := raceSession("rotate", round)
			found := 0
			for _, ref := range raceRefs("rotate", round)[1:] {
				if _, err := sessionsOf(s).SessionByRef(ctx, ref, n.CreatedAt); err == nil {
					found++
				} else if !errors.Is(err, store.ErrNotFound) {
					return err
				}
			}
			if found != 1 {
				return fmt.Errorf("%d of the new tokens are good", found)
			}
			return wantDeadRef(ctx, s, n.Ref)
		},
	},
	{
		name:   "RevokeSessionsOf against CreateSession",
		rounds: 200,
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			n := raceSession("login", round)
			if racer == 0 {
				return sessionsOf(s).RevokeSessionsOf(ctx, n.Identity.Subject, "")
			}
			err := sessionsOf(s).CreateSession(ctx, n, store.SessionRef{}, 0, time.Minute, n.CreatedAt)
			if errors.Is(err, store.ErrConflict) {
				err = nil
			}
			return err
		},
		check: wantDeadSession("login"),
	},
	{
		// The token moves while the session is looked for by its subject.
		name:    "RevokeSessionsOf against RotateSession",
		rounds:  200,
		prepare: prepareSession("revoke all, rotate"),
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			if racer == 0 {
				return sessionsOf(s).RevokeSessionsOf(ctx, raceOwner("revoke all, rotate", round), "")
			}
			return orGone(rotateInRace(ctx, s, "revoke all, rotate", round, racer))
		},
		check: wantDeadSession("revoke all, rotate"),
	},
	revokeSessionAgainst("RotateSession", func(ctx context.Context, s raceStore, what string, round int) error {
		return rotateInRace(ctx, s, what, round, 1)
	}),
	revokeSessionAgainst("TouchSession", func(ctx context.Context, s raceStore, what string, round int) error {
		n := raceSession(what, round)
		return sessionsOf(s).TouchSession(ctx, n.Ref, n.ExpiresAt, n.CreatedAt.Add(time.Minute))
	}),
	revokeSessionAgainst("UpdateSessionData", func(ctx context.Context, s raceStore, what string, round int) error {
		n := raceSession(what, round)
		return sessionsOf(s).UpdateSessionData(ctx, n.Ref, n.Revision, []byte("1"), n.CreatedAt)
	}),
	{
		name:    "RevokeSession twice",
		rounds:  200,
		prepare: prepareSession("revoke session twice"),
		run: func(ctx context.Context, s raceStore, round, _ int) error {
			n := raceSession("revoke session twice", round)
			return sessionsOf(s).RevokeSession(ctx, n.Identity.Subject, n.ID, n.CreatedAt)
		},
		lost:  store.ErrNotFound,
		check: wantDeadSession("revoke session twice"),
	},
	{
		name:   "CreateSession of one token",
		rounds: 200,
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			n := raceSession("token", round)
			n.ID = strconv.Itoa(racer)
			return sessionsOf(s).CreateSession(ctx, n, store.SessionRef{}, 0, 0, n.CreatedAt)
		},
		lost: store.ErrExists,
		check: func(ctx context.Context, s raceStore, round int) error {
			n := raceSession("token", round)
			ss, _, err := sessionsOf(s).ListSessions(ctx, n.Identity.Subject, store.Page{}, n.CreatedAt)
			if err == nil && len(ss) != 1 {
				err = fmt.Errorf("%d sessions", len(ss))
			}
			return err
		},
	},
	{
		name:   "CreateSession at the cap",
		rounds: 200,
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			return createCapped(ctx, s, round, racer)
		},
		// Those beyond it may go a little later: with the next one.
		check: func(ctx context.Context, s raceStore, round int) error {
			if err := createCapped(ctx, s, round, 2); err != nil {
				return err
			}
			n := raceSession("session cap", round)
			ss, _, err := sessionsOf(s).ListSessions(ctx, n.Identity.Subject, store.Page{}, n.CreatedAt)
			if err == nil && (len(ss) != 1 || ss[0].ID != "2") {
				err = fmt.Errorf("with a cap of 1 there are %+v", ss)
			}
			return err
		},
	},
}

func sessionsOf(s raceStore) store.Sessions { return s.(store.Sessions) }

// raceSession lives by the clock of the processes.
func raceSession(what string, round int) store.Session {
	subject := raceOwner(what, round)
	now := time.Now().UTC().Truncate(time.Microsecond)
	return store.Session{
		Ref: raceRefs(what, round)[0], ID: "id",
		Identity: authn.Identity{Subject: subject, Kind: authn.KindUser, Method: "password", Factors: []authn.Factor{{Name: "pwd", At: raceNow}}},
		Data:     []byte(`{"basket":[1]}`), Revision: 1, UserAgent: "Mozilla/5.0",
		CreatedAt: now, SeenAt: now, IdleUntil: now.Add(time.Hour), ExpiresAt: now.Add(2 * time.Hour),
	}
}

// raceRefs is the session's at first, and as each racer rotates it.
func raceRefs(what string, round int) []store.SessionRef {
	subject := raceOwner(what, round)
	var refs []store.SessionRef
	for _, name := range []string{"session ", "session 0 ", "session 1 "} {
		refs = append(refs, store.SessionRef{Tag: store.TagOf(subject), Token: store.DigestOf(name + subject)})
	}
	return refs
}

func prepareSession(what string) func(ctx context.Context, s raceStore, round int) error {
	return func(ctx context.Context, s raceStore, round int) error {
		n := raceSession(what, round)
		return sessionsOf(s).CreateSession(ctx, n, store.SessionRef{}, 0, 0, n.CreatedAt)
	}
}

func rotateInRace(ctx context.Context, s raceStore, what string, round, racer int) error {
	n := raceSession(what, round)
	return sessionsOf(s).RotateSession(ctx, n.Ref, store.SessionRotation{
		Token: raceRefs(what, round)[racer+1].Token, Identity: n.Identity, SeenAt: n.SeenAt, IdleUntil: n.IdleUntil, ExpiresAt: n.ExpiresAt,
	}, n.CreatedAt)
}

// createCapped creates the newest of a subject's sessions, of which one may be.
func createCapped(ctx context.Context, s raceStore, round, number int) error {
	n := raceSession("session cap", round)
	n.ID = strconv.Itoa(number)
	n.Ref.Token = store.DigestOf(fmt.Sprint("session cap ", round, " ", number))
	n.CreatedAt = n.CreatedAt.Add(time.Duration(number) * time.Minute)
	return sessionsOf(s).CreateSession(ctx, n, store.SessionRef{}, 1, 0, n.SeenAt)
}

// revokeSessionAgainst is a case in which the session ends dead, whoever is
// first.
func revokeSessionAgainst(name string, run func(ctx context.Context, s raceStore, what string, round int) error) raceCase {
	what := "revoke session, " + name
	return raceCase{
		name:    "RevokeSession against " + name,
		rounds:  200,
		prepare: prepareSession(what),
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			if racer == 0 {
				n := raceSession(what, round)
				return sessionsOf(s).RevokeSession(ctx, n.Identity.Subject, n.ID, n.CreatedAt)
			}
			return orGone(run(ctx, s, what, round))
		},
		check: wantDeadSession(what),
	}
}

// orGone is no error of a call that came too late.
func orGone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return err
}

// wantDeadSession wants that no token of the session can be used, and that its
// subject has none.
func wantDeadSession(what string) func(ctx context.Context, s raceStore, round int) error {
	return func(ctx context.Context, s raceStore, round int) error {
		for _, ref := range raceRefs(what, round) {
			if err := wantDeadRef(ctx, s, ref); err != nil {
				return err
			}
		}
		ss, _, err := sessionsOf(s).ListSessions(ctx, raceOwner(what, round), store.Page{}, time.Now())
		if err == nil && len(ss) != 0 {
			err = fmt.Errorf("listed: %+v", ss)
		}
		return err
	}
}

// wantDeadRef wants that ref's session cannot be used, nor revived.
func wantDeadRef(ctx context.Context, s raceStore, ref store.SessionRef) error {
	now := time.Now().UTC().Truncate(time.Microsecond)
	if err := sessionsOf(s).TouchSession(ctx, ref, now.Add(time.Hour), now); err != nil {
		return fmt.Errorf("touch: %w", err)
	}
	for revision := range int64(3) {
		if err := sessionsOf(s).UpdateSessionData(ctx, ref, revision, []byte("{}"), now); !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("update of revision %d: %w", revision, err)
		}
	}
	if got, err := sessionsOf(s).SessionByRef(ctx, ref, now); !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("read: %+v, %w", got, err)
	}
	return nil
}
