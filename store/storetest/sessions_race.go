package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func sessionRaceCases() []sessionCase {
	return []sessionCase{
		{
			name: "update_has_one_winner",
			rule: "of concurrent UpdateSessionData of one revision one wins, the others get ErrConflict",
			test: updateHasOneWinner,
		},
		{
			name: "updates_add_up",
			rule: "who reads, updates and tries again on ErrConflict loses nothing of others",
			test: updatesAddUp,
		},
		{
			name: "update_against_touch",
			rule: "of an update and a concurrent touch neither undoes the other",
			test: updateAgainstTouch,
		},
	}
}

func sessionRotateRaceCases() []sessionCase {
	return []sessionCase{
		{
			name: "rotate_session_has_one_winner",
			rule: "of concurrent RotateSession of one token one wins, the others get ErrNotFound",
			test: rotateSessionHasOneWinner,
		},
		{
			name: "rotate_session_is_seen_whole",
			rule: "a reader sees all of a rotation or nothing: once the new token is found the old one is not, and lists have the session once",
			test: rotateSessionIsSeenWhole,
		},
		{
			name: "update_against_rotate",
			rule: "an update that was answered nil is there under the new token of a concurrent rotation; else it gets ErrNotFound",
			test: updateAgainstRotate,
		},
		{
			name: "touch_against_rotate",
			rule: "a touch of the old token, beside a rotation, does not bring it back and does not change what the rotation set",
			test: touchAgainstRotate,
		},
	}
}

func updateHasOneWinner(t *testing.T, s store.Sessions) {
	now := today()
	n := newSession("ann", "n", now)
	createSessions(t, s, n)
	for round := range 5 {
		const updates = 50
		data := func(i int) string { return fmt.Sprintf(`{"round":%d,"by":%d}`, round, i) }
		won := winners(t, updates, store.ErrConflict, func(i int) error {
			return s.UpdateSessionData(t.Context(), n.Ref, n.Revision, []byte(data(i)), now)
		})
		if len(won) != 1 {
			t.Fatalf("%d of %d updates of one revision at once were answered nil, want 1", len(won), updates)
		}
		n.Data, n.Revision = []byte(data(won[0])), n.Revision+1
		wantSession(t, s, n, now, "an update won")
	}
}

func updatesAddUp(t *testing.T, s store.Sessions) {
	now := today()
	n := newSession("ann", "n", now)
	n.Data = []byte(`""`)
	createSessions(t, s, n)
	const writers, most = 8, 500
	race(t, writers, func(i int) {
		for range most {
			got, err := s.SessionByRef(t.Context(), n.Ref, now)
			wantErr(t, err, nil, "SessionByRef")
			text := string(got.Data[1 : len(got.Data)-1])
			err = s.UpdateSessionData(t.Context(), n.Ref, got.Revision, fmt.Appendf(nil, "%q", text+string(rune('a'+i))), now)
			if err == nil {
				return
			}
			wantErr(t, err, store.ErrConflict, "UpdateSessionData")
		}
		t.Errorf("an update gets ErrConflict %d times, of %d updates at all", most, writers)
	})
	got, err := s.SessionByRef(t.Context(), n.Ref, now)
	wantErr(t, err, nil, "SessionByRef")
	if len(got.Data) != writers+2 || got.Revision != writers+1 {
		t.Errorf("after %d updates, each adding a letter, Data is %s and Revision %d", writers, got.Data, got.Revision)
	}
}

func updateAgainstTouch(t *testing.T, s store.Sessions) {
	now := today()
	n := newSession("ann", "n", now)
	createSessions(t, s, n)
	for round := range 40 {
		n.Data = fmt.Appendf(nil, `{"n":%d}`, round)
		n.SeenAt, n.IdleUntil = n.SeenAt.Add(time.Second), n.IdleUntil.Add(time.Second)
		race(t, 2, func(i int) {
			if i == round%2 {
				wantErr(t, s.UpdateSessionData(t.Context(), n.Ref, n.Revision, n.Data, now), nil, "UpdateSessionData")
			} else {
				wantErr(t, s.TouchSession(t.Context(), n.Ref, n.IdleUntil, n.SeenAt), nil, "TouchSession")
			}
		})
		n.Revision++
		wantSession(t, s, n, now, "it was updated and touched at once")
	}
}

func rotateSessionHasOneWinner(t *testing.T, s store.Sessions) {
	now := today()
	n := newSession("ann", "n", now)
	createSessions(t, s, n)
	for round := range 4 {
		const rotations = 50
		all := make([]store.SessionRotation, rotations)
		for i := range all {
			all[i] = rotationOf(n, fmt.Sprint(round, " ", i))
			all[i].SeenAt = now.Add(time.Duration(i) * time.Second)
		}
		won := winners(t, rotations, store.ErrNotFound, func(i int) error {
			return s.RotateSession(t.Context(), n.Ref, all[i], now)
		})
		if len(won) != 1 {
			t.Fatalf("%d of %d rotations of one token at once were answered nil, want 1", len(won), rotations)
		}
		noToken(t, s, n.Ref, now, "it was rotated")
		n = rotated(n, all[won[0]])
		wantSession(t, s, n, now, "a rotation won")
		for i, next := range all {
			if i != won[0] {
				noToken(t, s, store.SessionRef{Tag: n.Ref.Tag, Token: next.Token}, now, "another rotation won")
			}
		}
		wantList(t, s, "ann", now, []string{"n"}, "a rotation won")
	}
}

func rotateSessionIsSeenWhole(t *testing.T, s store.Sessions) {
	now := today()
	n := newSession("ann", "n", now)
	createSessions(t, s, n)
	for round := range 15 {
		next := rotationOf(n, fmt.Sprint("round ", round))
		after := rotated(n, next)
		tokens := func() {
			got, err := s.SessionByRef(t.Context(), after.Ref, now)
			if errors.Is(err, store.ErrNotFound) {
				return
			}
			wantErr(t, err, nil, "SessionByRef")
			if d := diffSession(got, after); d != "" {
				t.Errorf("beside a rotation, by the new token: %s", d)
			}
			noToken(t, s, n.Ref, now, "the new token has been found")
		}
		lists := func() {
			got, _, err := s.ListSessions(t.Context(), "ann", store.Page{}, now)
			wantErr(t, err, nil, "ListSessions")
			if len(got) != 1 {
				t.Errorf("beside a rotation %d sessions are listed, want 1", len(got))
				return
			}
			want := n
			if got[0].Ref == after.Ref {
				want = after
			}
			if d := diffSession(got[0], want); d != "" {
				t.Errorf("beside a rotation, in the list: %s", d)
			}
		}
		during(t,
			func() { wantErr(t, s.RotateSession(t.Context(), n.Ref, next, now), nil, "RotateSession") },
			tokens, lists,
		)
		n = after
	}
}

func updateAgainstRotate(t *testing.T, s store.Sessions) {
	now := today()
	n := newSession("ann", "n", now)
	createSessions(t, s, n)
	for round := range 40 {
		data := fmt.Appendf(nil, `{"n":%d}`, round)
		next := rotationOf(n, fmt.Sprint("round ", round))
		var updated error
		race(t, 2, func(i int) {
			if i == round%2 {
				updated = s.UpdateSessionData(t.Context(), n.Ref, n.Revision, data, now)
			} else {
				wantErr(t, s.RotateSession(t.Context(), n.Ref, next, now), nil, "RotateSession")
			}
		})
		noToken(t, s, n.Ref, now, "it was rotated")
		n = rotated(n, next)
		if updated == nil {
			n.Data, n.Revision = data, n.Revision+1
		} else {
			wantErr(t, updated, store.ErrNotFound, "UpdateSessionData with the old token")
		}
		wantSession(t, s, n, now, fmt.Sprintf("it was rotated, and an update beside it answered %v", updated))
	}
}

func touchAgainstRotate(t *testing.T, s store.Sessions) {
	now := today()
	n := newSession("ann", "n", now)
	createSessions(t, s, n)
	for round := range 40 {
		next := rotationOf(n, fmt.Sprint("round ", round))
		next.SeenAt, next.IdleUntil, next.ExpiresAt = now, now.Add(idle), now.Add(life)
		race(t, 2, func(i int) {
			if i == round%2 {
				wantErr(t, s.TouchSession(t.Context(), n.Ref, now.Add(2*idle), now.Add(time.Minute)), nil, "TouchSession")
			} else {
				wantErr(t, s.RotateSession(t.Context(), n.Ref, next, now), nil, "RotateSession")
			}
		})
		noToken(t, s, n.Ref, now, "it was rotated")
		n = rotated(n, next)
		wantSession(t, s, n, now, "it was rotated, and its old token touched")
	}
}
