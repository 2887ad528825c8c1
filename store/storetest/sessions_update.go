package storetest

import (
	"fmt"
	"math"
	"testing"

	"github.com/gatehouse-go/authn/store"
)

func sessionUpdateCases() []sessionCase {
	return []sessionCase{
		{
			name: "update_moves_the_revision_on",
			rule: "UpdateSessionData writes data and moves Revision on by one, of this session alone, and changes nothing else",
			test: updateMovesTheRevisionOn,
		},
		{
			name: "update_keeps_the_bytes",
			rule: "UpdateSessionData writes data as it is, up to 64 KiB",
			test: updateKeepsTheBytes,
		},
		{
			name: "update_of_another_revision",
			rule: "UpdateSessionData answers ErrConflict when revision is not the current one, lower or higher, and changes nothing",
			test: updateOfAnotherRevision,
		},
	}
}

func updateMovesTheRevisionOn(t *testing.T, s store.Sessions) {
	now := today()
	n, other, nobodys := newSession("ann", "n", now), newSession("ann", "other", now), newAnonymous("nobodys", now)
	other.Revision = 7
	createSessions(t, s, n, other, nobodys)
	for i := range 4 {
		n = update(t, s, n, fmt.Sprintf(`{"n":%d}`, i/2), now) // the same again counts, too
		wantSession(t, s, n, now, "it was updated")
	}
	nobodys = update(t, s, nobodys, `{"n":0}`, now)
	wantSession(t, s, nobodys, now, "it was updated")
	wantSession(t, s, other, now, "others were updated")
	other = update(t, s, other, `{}`, now)
	wantSession(t, s, other, now, "it was updated")
	wantSession(t, s, n, now, "another was updated")
}

func updateKeepsTheBytes(t *testing.T, s store.Sessions) {
	now := today()
	n := newSession("ann", "n", now)
	createSessions(t, s, n)
	for _, data := range exactly {
		n = update(t, s, n, data, now)
		wantSession(t, s, n, now, "it was updated")
	}
}

func updateOfAnotherRevision(t *testing.T, s store.Sessions) {
	now := today()
	n := newSession("ann", "n", now)
	createSessions(t, s, n)
	for range 3 {
		for _, revision := range []int64{n.Revision - 1, n.Revision + 1, 0, -1, math.MaxInt64, n.Revision + 1<<32} {
			err := s.UpdateSessionData(t.Context(), n.Ref, revision, []byte(`"wrong"`), now)
			wantErr(t, err, store.ErrConflict, "UpdateSessionData of revision %d, when %d is current", revision, n.Revision)
			wantSession(t, s, n, now, "an update was refused")
		}
		n = update(t, s, n, `{}`, now)
	}
}
