package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn/store"
)

func replaceHash(t *testing.T, s store.Passwords, subject, old, next string) error {
	t.Helper()
	return s.ReplacePasswordHash(t.Context(), subject, old, next, today())
}

func replacePasswordHash(t *testing.T, u users) {
	ann, bob, eve := newPassword("u1", "ann"), newPassword("u2", "bob"), newPassword("u3", "eve")
	bob.Hash, eve.Hash = ann.Hash, ""
	for _, p := range []store.Password{ann, bob, eve} {
		u.add(t, p)
	}
	// To the same hash, too: who counts changed rows may find none.
	for _, next := range []string{"$2y$12$next", "$2y$12$next", "", "", "Again", "again", strings.Repeat("h", 1024), strings.Repeat("é", 512), "last "} {
		wantErr(t, replaceHash(t, u, ann.Subject, ann.Hash, next), nil, "ReplacePasswordHash of %.20q by %.20q", ann.Hash, next)
		ann.Hash = next
		wantPassword(t, u, ann)
	}
	wantErr(t, replaceHash(t, u, eve.Subject, "", "$2y$12$first"), nil, "ReplacePasswordHash of who had none")
	eve.Hash = "$2y$12$first"
	for _, p := range []store.Password{ann, bob, eve} {
		wantPassword(t, u, p)
	}
}

func replaceOfAnotherPasswordHash(t *testing.T, u users) {
	ann, eve := newPassword("u1", "ann"), newPassword("u2", "eve")
	ann.Hash, eve.Hash = "$2y$12$Hash", ""
	u.add(t, ann)
	u.add(t, eve)
	for _, old := range []string{"$2y$12$hash", "$2y$12$Hash ", " $2y$12$Hash", "$2y$12$Has", "$2y$12$Hashx", "$2y$12$H%", "", "next", newPassword("u1", "ann").Hash} {
		wantErr(t, replaceHash(t, u, "u1", old, "next"), store.ErrConflict, "ReplacePasswordHash of %q, which is %q", old, ann.Hash)
		wantErr(t, replaceHash(t, u, "u1", old, ann.Hash), store.ErrConflict, "ReplacePasswordHash of %q by %q, which it is", old, ann.Hash)
	}
	for _, old := range []string{" ", "next", ann.Hash} {
		wantErr(t, replaceHash(t, u, "u2", old, "next"), store.ErrConflict, "ReplacePasswordHash of %q, which is empty", old)
	}
	wantPassword(t, u, ann)
	wantPassword(t, u, eve)
	must(t, replaceHash(t, u, "u1", ann.Hash, "next"), "ReplacePasswordHash")
	wantErr(t, replaceHash(t, u, "u1", ann.Hash, "last"), store.ErrConflict, "ReplacePasswordHash of the hash before the last")
	ann.Hash = "next"
	wantPassword(t, u, ann)
}

func replaceOfAMissingPassword(t *testing.T, u users) {
	p := newPassword("u1", "ann")
	u.add(t, p)
	for _, subject := range []string{"u2", "ann", "", "U1", "u1 "} {
		for _, old := range []string{p.Hash, ""} {
			wantErr(t, replaceHash(t, u, subject, old, "next"), store.ErrConflict, "ReplacePasswordHash for %q, who is not there", subject)
		}
		noPasswordSubject(t, u, subject, "it was never added")
	}
	wantPassword(t, u, p)
}

func replacePasswordHashHasOneWinner(t *testing.T, u users) {
	p := newPassword("u1", "ann")
	u.add(t, p)
	for round := range 4 {
		next := func(i int) string { return fmt.Sprint("hash ", round, " ", i) }
		won := winners(t, 50, store.ErrConflict, func(i int) error { return replaceHash(t, u, "u1", p.Hash, next(i)) })
		if len(won) != 1 {
			t.Fatalf("%d of 50 replacements of one hash at once were answered nil, want 1", len(won))
		}
		p.Hash = next(won[0])
		wantPassword(t, u, p)
	}
}
