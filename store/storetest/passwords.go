package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn/store"
)

// users are store.Passwords and a way to add to them, whoever does it.
type users struct {
	store.Passwords
	add func(t *testing.T, p store.Password)
}

// usersOf adds by CreatePassword where it can, and by cfg.AddUser elsewhere.
func usersOf(t *testing.T, s store.Passwords, cfg Config) users {
	t.Helper()
	if table, ok := s.(store.PasswordTable); ok {
		return users{s, func(t *testing.T, p store.Password) {
			t.Helper()
			must(t, table.CreatePassword(t.Context(), p, today()), "CreatePassword of %q, named %q", p.Subject, p.Name)
		}}
	}
	if cfg.AddUser == nil {
		t.Fatalf("%T is no store.PasswordTable: Config.AddUser must say how a user gets into it", s)
	}
	return users{s, cfg.AddUser}
}

// passwordCases are of this file and of passwords_replace.go.
func passwordCases(cfg Config) []testCase[store.Passwords] {
	in := func(test func(t *testing.T, u users)) func(t *testing.T, s store.Passwords) {
		return func(t *testing.T, s store.Passwords) { test(t, usersOf(t, s, cfg)) }
	}
	return []testCase[store.Passwords]{
		{
			name: "password_is_read_by_name_and_by_subject",
			rule: "PasswordByName and PasswordBySubject answer one user's password, whole",
			test: in(passwordIsReadByNameAndBySubject),
		},
		{
			name: "missing_passwords",
			rule: "a name or a subject that is not there is ErrNotFound, and one is not the other",
			test: in(missingPasswords),
		},
		{
			name: "password_keeps_awkward_text",
			rule: "a Subject and a Name have up to 255 bytes, a Hash none to 1024, and they are kept as they are",
			test: in(passwordKeepsAwkwardText),
		},
		{
			name: "password_names_compare_bytewise",
			rule: "names compare bytewise: what they have in common is for the caller to know",
			test: in(passwordNamesCompareBytewise),
		},
		{
			name: "password_subjects_compare_bytewise",
			rule: "subjects compare bytewise",
			test: in(passwordSubjectsCompareBytewise),
		},
		{
			name: "replace_password_hash",
			rule: "ReplacePasswordHash writes next where the hash is old, and nothing else",
			test: in(replacePasswordHash),
		},
		{
			name: "replace_of_another_password_hash",
			rule: "ReplacePasswordHash answers ErrConflict when the hash is not old, bytewise, and changes nothing",
			test: in(replaceOfAnotherPasswordHash),
		},
		{
			name: "replace_of_a_missing_password",
			rule: "ReplacePasswordHash answers ErrConflict when there is no such user, and makes none",
			test: in(replaceOfAMissingPassword),
		},
		{
			name: "replace_password_hash_has_one_winner",
			rule: "of concurrent ReplacePasswordHash of one hash one wins, the others get ErrConflict",
			test: in(replacePasswordHashHasOneWinner),
		},
		{
			name: "password_calls_with_an_ended_context",
			rule: "a context that has ended is no reason to panic; any answer will do",
			test: in(passwordCallsWithAnEndedContext),
		},
	}
}

// newPassword is of who is known as subject and signs in as name.
func newPassword(subject, name string) store.Password {
	return store.Password{Subject: subject, Name: name, Hash: "$argon2id$v=19$m=19456,t=2,p=1$" + digest(subject).String()}
}

// wantPassword says when p is not read as it is, by its Name and its Subject.
func wantPassword(t *testing.T, s store.Passwords, p store.Password) {
	t.Helper()
	got, err := s.PasswordByName(t.Context(), p.Name)
	wantErr(t, err, nil, "PasswordByName %q", p.Name)
	wantSamePassword(t, got, p, "PasswordByName")
	got, err = s.PasswordBySubject(t.Context(), p.Subject)
	wantErr(t, err, nil, "PasswordBySubject %q", p.Subject)
	wantSamePassword(t, got, p, "PasswordBySubject")
}

func wantSamePassword(t *testing.T, got, want store.Password, what string) {
	t.Helper()
	var f fields
	f.text("Subject", got.Subject, want.Subject)
	f.text("Name", got.Name, want.Name)
	f.text("Hash", got.Hash, want.Hash)
	if d := f.String(); d != "" {
		t.Errorf("%s of %q, named %q: %s", what, want.Subject, want.Name, d)
	}
}

func noPasswordName(t *testing.T, s store.Passwords, name, why string) {
	t.Helper()
	_, err := s.PasswordByName(t.Context(), name)
	wantErr(t, err, store.ErrNotFound, "PasswordByName %q: %s", name, why)
}

func noPasswordSubject(t *testing.T, s store.Passwords, subject, why string) {
	t.Helper()
	_, err := s.PasswordBySubject(t.Context(), subject)
	wantErr(t, err, store.ErrNotFound, "PasswordBySubject %q: %s", subject, why)
}

func passwordIsReadByNameAndBySubject(t *testing.T, u users) {
	all := []store.Password{
		newPassword("u1", "ann@example.com"), newPassword("u2", "bob@example.com"), newPassword("u3", "u1"), newPassword("u4", "u2"),
		newPassword("u6", "u5"), newPassword("u5", "u6"), newPassword("same", "same"),
	}
	all[1].Hash = all[0].Hash // as of an import
	all[2].Hash = ""
	for _, p := range all {
		u.add(t, p)
	}
	for range 2 {
		for _, p := range all {
			wantPassword(t, u, p)
		}
	}
}

func missingPasswords(t *testing.T, u users) {
	noPasswordName(t, u, "ann@example.com", "nobody is there")
	noPasswordSubject(t, u, "u1", "nobody is there")
	u.add(t, newPassword("u1", "ann@example.com"))
	for _, other := range []string{"bob", "", "ann", "ann@example.co", "ann@example.com2", "nn@example.com", "%", "*", "ann@example_com", "ann*", "u", "u11", "_1"} {
		noPasswordName(t, u, other, "another one is there")
		noPasswordSubject(t, u, other, "another one is there")
	}
	noPasswordName(t, u, "u1", "it is a subject")
	noPasswordSubject(t, u, "ann@example.com", "it is a name")
}

func passwordKeepsAwkwardText(t *testing.T, u users) {
	texts := []string{
		"'; DROP TABLE authn_passwords; --", `"quoted" \back\slash`, "100%_?*[a-z]", "$1 :name @p1 {ann}",
		"🔑 ключ 鍵", "e\u0301", "line\nbreak\ttab", " spaces around ", `{"json":[true]}`, "a:b:c{d}",
		strings.Repeat("x", 255), strings.Repeat("é", 127) + "!", strings.Repeat("🔑", 63) + "abc",
	}
	hashes := []string{
		"", " ", "$2y$12$" + strings.Repeat("./A", 17), strings.Repeat("h", 1024), strings.Repeat("é", 512),
		"pbkdf2_sha256$600000$salt$" + strings.Repeat("A", 43) + "=", `'"\%_` + "\n ",
	}
	var all []store.Password
	for i, text := range texts {
		all = append(all, store.Password{Subject: text, Name: texts[(i+1)%len(texts)], Hash: hashes[i%len(hashes)]})
	}
	for _, p := range all {
		u.add(t, p)
	}
	for _, p := range all {
		wantPassword(t, u, p)
	}
}

func passwordNamesCompareBytewise(t *testing.T, u users) {
	var all []store.Password
	for i, pair := range alike {
		for j, name := range pair {
			p := newPassword(fmt.Sprint("u", i, ".", j), name)
			if j == 1 {
				noPasswordName(t, u, name, fmt.Sprintf("%q is there", pair[0]))
			}
			u.add(t, p)
			all = append(all, p)
		}
	}
	for _, p := range all {
		wantPassword(t, u, p)
	}
}

func passwordSubjectsCompareBytewise(t *testing.T, u users) {
	var all []store.Password
	for i, pair := range alike {
		mine, theirs := newPassword(pair[0], fmt.Sprint("mine ", i)), newPassword(pair[1], fmt.Sprint("theirs ", i))
		u.add(t, mine)
		noPasswordSubject(t, u, theirs.Subject, fmt.Sprintf("%q is there", mine.Subject))
		wantErr(t, replaceHash(t, u, theirs.Subject, mine.Hash, "next"), store.ErrConflict, "hash of %q, replaced as %q", mine.Subject, theirs.Subject)
		theirs.Hash = mine.Hash
		u.add(t, theirs)
		must(t, replaceHash(t, u, theirs.Subject, theirs.Hash, "next"), "ReplacePasswordHash of %q", theirs.Subject)
		theirs.Hash = "next"
		all = append(all, mine, theirs)
	}
	for _, p := range all {
		wantPassword(t, u, p)
	}
}

func passwordCallsWithAnEndedContext(t *testing.T, u users) {
	p := newPassword("u1", "ann")
	u.add(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = u.PasswordByName(ctx, "ann")
	_, _ = u.PasswordBySubject(ctx, "u1")
	_ = u.ReplacePasswordHash(ctx, "u1", "another", "next", today())
	wantPassword(t, u, p)
}
