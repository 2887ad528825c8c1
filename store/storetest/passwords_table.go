package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

type passwordTableCase = testCase[store.PasswordTable]

func passwordTableCases() []passwordTableCase {
	return []passwordTableCase{
		{
			name: "create_password_refuses_what_is_there",
			rule: "CreatePassword answers ErrExists when the Subject or the Name is there, and changes nothing",
			test: createPasswordRefusesWhatIsThere,
		},
		{
			name: "create_password_has_one_winner",
			rule: "of concurrent CreatePassword of one Subject or one Name one wins, the others get ErrExists and leave nothing",
			test: createPasswordHasOneWinner,
		},
		{
			name: "deleted_password_is_gone",
			rule: "DeletePassword deletes one subject's password, and deleting what is gone is fine",
			test: deletedPasswordIsGone,
		},
		{
			name: "deleted_password_frees_its_names",
			rule: "the Subject and the Name of a password that was deleted are free, and nothing of it comes back",
			test: deletedPasswordFreesItsNames,
		},
		{
			name: "replace_brings_no_password_back",
			rule: "of ReplacePasswordHash and a concurrent DeletePassword neither undoes the other: the password is gone",
			test: replaceBringsNoPasswordBack,
		},
		{
			name:   "cleaning_spares_passwords",
			rule:   "Run deletes what expired over a day ago; a password does not expire",
			moving: cleaningSparesPasswords,
		},
		{
			name: "password_table_calls_with_an_ended_context",
			rule: "a context that has ended is no reason to panic; any answer will do",
			test: passwordTableCallsWithAnEndedContext,
		},
	}
}

func createPassword(t *testing.T, s store.PasswordTable, p store.Password) error {
	t.Helper()
	return s.CreatePassword(t.Context(), p, today())
}

func createPasswords(t *testing.T, s store.PasswordTable, all ...store.Password) {
	t.Helper()
	for _, p := range all {
		must(t, createPassword(t, s, p), "CreatePassword of %q, named %q", p.Subject, p.Name)
	}
}

// deletePassword tries, and ends the test when it fails.
func deletePassword(t *testing.T, s store.PasswordTable, subject string) {
	t.Helper()
	must(t, s.DeletePassword(t.Context(), subject), "DeletePassword of %q", subject)
}

func createPasswordRefusesWhatIsThere(t *testing.T, s store.PasswordTable) {
	ann, bob := newPassword("u1", "ann"), newPassword("u2", "bob")
	createPasswords(t, s, ann, bob)
	for what, p := range map[string]store.Password{
		"the same again":                  ann,
		"its Subject and its Name":        {Subject: "u1", Name: "ann", Hash: "another"},
		"its Subject":                     {Subject: "u1", Name: "new", Hash: "another"},
		"its Name":                        {Subject: "new", Name: "ann", Hash: "another"},
		"its Subject and another's Name":  {Subject: "u1", Name: "bob", Hash: "another"},
		"its Name, for who comes by none": {Subject: "new", Name: "ann"},
	} {
		wantErr(t, createPassword(t, s, p), store.ErrExists, "CreatePassword of %s", what)
	}
	noPasswordName(t, s, "new", "its Subject was there")
	noPasswordSubject(t, s, "new", "its Name was there")
	wantPassword(t, s, ann)
	wantPassword(t, s, bob)
	// What one is called is no other's Subject.
	createPasswords(t, s, newPassword("new", "u1"), newPassword("ann", "new"))
	for _, p := range []store.Password{newPassword("new", "u1"), newPassword("ann", "new"), ann, bob} {
		wantPassword(t, s, p)
	}
}

func createPasswordHasOneWinner(t *testing.T, s store.PasswordTable) {
	const n = 25
	for round := range 4 {
		for what, p := range map[string]func(i int) store.Password{
			"Subject": func(i int) store.Password {
				return newPassword(fmt.Sprint("u", round), fmt.Sprint("name ", round, " ", i))
			},
			"Name": func(i int) store.Password {
				return newPassword(fmt.Sprint("u", round, " ", i), fmt.Sprint("name ", round))
			},
		} {
			won := winners(t, n, store.ErrExists, func(i int) error { return createPassword(t, s, p(i)) })
			if len(won) != 1 {
				t.Fatalf("%d of %d passwords of one %s at once were answered nil, want 1", len(won), n, what)
			}
			wantPassword(t, s, p(won[0]))
			for i := range n {
				if lost := p(i); i != won[0] && what == "Subject" {
					noPasswordName(t, s, lost.Name, "another one of its Subject won")
				} else if i != won[0] {
					noPasswordSubject(t, s, lost.Subject, "another one of its Name won")
				}
			}
		}
	}
}

func deletedPasswordIsGone(t *testing.T, s store.PasswordTable) {
	ann, bob, other := newPassword("u1", "ann"), newPassword("u2", "u1"), newPassword("ann", "bob")
	createPasswords(t, s, ann, bob, other)
	for _, subject := range []string{"nobody", "", "U1", "u1 ", "u", "u%", "bob"} {
		wantErr(t, s.DeletePassword(t.Context(), subject), nil, "DeletePassword of %q, who is not there", subject)
	}
	for _, p := range []store.Password{ann, bob, other} {
		wantPassword(t, s, p)
	}
	for range 2 {
		deletePassword(t, s, "u1")
		noPasswordSubject(t, s, "u1", "it was deleted")
		noPasswordName(t, s, "ann", "it was deleted")
		wantErr(t, replaceHash(t, s, "u1", ann.Hash, "next"), store.ErrConflict, "ReplacePasswordHash of one that was deleted")
		wantErr(t, replaceHash(t, s, "u1", "", "next"), store.ErrConflict, "ReplacePasswordHash of none, of one that was deleted")
		wantPassword(t, s, bob)
		wantPassword(t, s, other)
	}
}

func deletedPasswordFreesItsNames(t *testing.T, s store.PasswordTable) {
	old := newPassword("u1", "ann")
	createPasswords(t, s, old)
	deletePassword(t, s, "u1")
	for _, next := range [][]store.Password{
		{{Subject: "u1", Name: "ann", Hash: "new"}},
		{{Subject: "u1", Name: "ann", Hash: ""}},
		{{Subject: "u1", Name: "zoe", Hash: "new"}, {Subject: "u2", Name: "ann", Hash: "newer"}},
	} {
		for _, p := range next {
			wantErr(t, createPassword(t, s, p), nil, "CreatePassword of %q, named %q, after a deletion", p.Subject, p.Name)
		}
		wantErr(t, replaceHash(t, s, "u1", old.Hash, "last"), store.ErrConflict, "ReplacePasswordHash of the hash that was deleted")
		for _, p := range next {
			wantPassword(t, s, p)
		}
		for _, p := range next {
			deletePassword(t, s, p.Subject)
			noPasswordSubject(t, s, p.Subject, "it was deleted")
			noPasswordName(t, s, p.Name, "it was deleted")
		}
	}
}

func replaceBringsNoPasswordBack(t *testing.T, s store.PasswordTable) {
	for round := range 30 {
		p := newPassword(fmt.Sprint("u", round), fmt.Sprint("name ", round))
		createPasswords(t, s, p)
		var replaced error
		race(t, 2, func(i int) {
			if i == round%2 {
				replaced = replaceHash(t, s, p.Subject, p.Hash, "next")
			} else {
				wantErr(t, s.DeletePassword(t.Context(), p.Subject), nil, "DeletePassword beside ReplacePasswordHash")
			}
		})
		if replaced != nil {
			wantErr(t, replaced, store.ErrConflict, "ReplacePasswordHash beside DeletePassword")
		}
		noPasswordSubject(t, s, p.Subject, "it was deleted while its hash was replaced")
		noPasswordName(t, s, p.Name, "it was deleted while its hash was replaced")
	}
}

func cleaningSparesPasswords(t *testing.T, s store.PasswordTable, c *clock) {
	ann, none := newPassword("u1", "ann"), store.Password{Subject: "u2", Name: "bob"}
	createPasswords(t, s, ann, none)
	c.set(10 * 365 * 24 * time.Hour)
	clean(t, s)
	createPasswords(t, s, newPassword("u3", "eve")) // some stores delete when they insert
	for _, p := range []store.Password{ann, none, newPassword("u3", "eve")} {
		wantPassword(t, s, p)
	}
}

func passwordTableCallsWithAnEndedContext(t *testing.T, s store.PasswordTable) {
	createPasswords(t, s, newPassword("u1", "ann"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = s.CreatePassword(ctx, newPassword("u2", "bob"), today())
	_ = s.DeletePassword(ctx, "u1")
	createPasswords(t, s, newPassword("u3", "eve"))
	wantPassword(t, s, newPassword("u3", "eve"))
}
