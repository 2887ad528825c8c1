package storetest_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenPasswords = []brokenStore{
	{"no hash by subject", "Passwords/password_is_read_by_name_and_by_subject", func(s *edited) any { return noHashBySubject{s} }},
	{"no user is no error", "Passwords/missing_passwords", func(s *edited) any { return noUserIsFine{s} }},
	{"signs in by subject, too", "Passwords/missing_passwords", func(s *edited) any { return namesOrSubjects{s} }},
	{"hashes of 255 bytes", "Passwords/password_keeps_awkward_text", kept(func(p *store.Password) { p.Hash = p.Hash[:min(len(p.Hash), 255)] })},
	{"trims subjects", "Passwords/password_keeps_awkward_text", kept(func(p *store.Password) { p.Subject = strings.TrimSpace(p.Subject) })},
	{"password names without case", "Passwords/password_names_compare_bytewise", func(*edited) any { return &usersTable{name: strings.ToLower} }},
	{"password subjects without case", "Passwords/password_subjects_compare_bytewise", func(*edited) any { return &usersTable{subject: strings.ToLower} }},
	{"names without spaces at the end", "Passwords/password_names_compare_bytewise", func(*edited) any {
		return &usersTable{name: func(name string) string { return strings.TrimRight(name, " ") }}
	}},
	{"the same hash is no change", "Passwords/replace_password_hash", replaced(func(u *usersTable, subject, old, next string) error {
		if old == next {
			return store.ErrConflict
		}
		return u.swap(subject, old, next)
	})},
	{"replaces a hash of all who have it", "Passwords/replace_password_hash", replaced(func(u *usersTable, subject, old, next string) error {
		for _, p := range u.all() {
			_ = u.swap(p.Subject, old, next)
		}
		return nil
	})},
	{"none is no hash to replace", "Passwords/replace_password_hash", replaced(func(u *usersTable, subject, old, next string) error {
		if old == "" {
			return store.ErrConflict
		}
		return u.swap(subject, old, next)
	})},
	{"hashes without case", "Passwords/replace_of_another_password_hash", replaced(func(u *usersTable, subject, old, next string) error {
		if p, ok := u.of(subject); ok && strings.EqualFold(p.Hash, old) {
			old = p.Hash
		}
		return u.swap(subject, old, next)
	})},
	{"replaces whatever is there", "Passwords/replace_of_another_password_hash", replaced(func(u *usersTable, subject, _, next string) error {
		p, _ := u.of(subject)
		return u.swap(subject, p.Hash, next)
	})},
	{"a replacement makes a user", "Passwords/replace_of_a_missing_password", replaced(func(u *usersTable, subject, old, next string) error {
		if _, ok := u.of(subject); !ok {
			u.put(store.Password{Subject: subject, Name: "new", Hash: next})
			return store.ErrConflict
		}
		return u.swap(subject, old, next)
	})},
	{"no user to replace is no error", "Passwords/replace_of_a_missing_password", replaced(func(u *usersTable, subject, old, next string) error {
		if _, ok := u.of(subject); !ok {
			return nil
		}
		return u.swap(subject, old, next)
	})},
	{"looks at the hash, then replaces", "Passwords/replace_password_hash_has_one_winner", func(*edited) any {
		var m meeting
		return &usersTable{replace: func(u *usersTable, subject, old, next string) error {
			p, ok := u.of(subject)
			if !ok || p.Hash != old {
				return store.ErrConflict
			}
			m.wait()
			p.Hash = next
			u.put(p)
			return nil
		}}
	}},
	{"passwords panic without a context", "Passwords/password_calls_with_an_ended_context", func(s *edited) any { return panicsOnPasswords{s} }},
}

var brokenPasswordTables = []brokenStore{
	{"inserts or ignores passwords", "PasswordTable/create_password_refuses_what_is_there", func(s *edited) any { return ignoresPasswords{s} }},
	{"inserts or updates passwords", "PasswordTable/create_password_refuses_what_is_there", inserted(func(u *usersTable, p store.Password) error {
		u.put(p)
		return store.ErrExists
	})},
	{"names that are not unique", "PasswordTable/create_password_refuses_what_is_there", inserted(func(u *usersTable, p store.Password) error {
		if _, ok := u.of(p.Subject); ok {
			return store.ErrExists
		}
		u.put(p)
		return nil
	})},
	{"looks for the user, then creates", "PasswordTable/create_password_has_one_winner", func(*edited) any {
		var m meeting
		return &usersTable{create: func(u *usersTable, p store.Password) error {
			if u.taken(p) {
				return store.ErrExists
			}
			m.wait()
			u.put(p)
			return nil
		}}
	}},
	{"deleting no user is an error", "PasswordTable/deleted_password_is_gone", deleted(func(u *usersTable, subject string) error {
		if _, ok := u.of(subject); !ok {
			return store.ErrNotFound
		}
		u.drop(subject)
		return nil
	})},
	{"deletes by name, too", "PasswordTable/deleted_password_is_gone", deleted(func(u *usersTable, subject string) error {
		for _, p := range u.all() {
			if p.Subject == subject || p.Name == subject {
				u.drop(p.Subject)
			}
		}
		return nil
	})},
	{"deletes the hash alone", "PasswordTable/deleted_password_is_gone", deleted(func(u *usersTable, subject string) error {
		if p, ok := u.of(subject); ok {
			p.Hash = ""
			u.put(p)
		}
		return nil
	})},
	{"deleted names stay taken", "PasswordTable/deleted_password_frees_its_names", func(*edited) any {
		names := make(map[string]string)
		return &usersTable{create: func(u *usersTable, p store.Password) error {
			if of, ok := names[p.Name]; ok && of != p.Subject {
				return store.ErrExists
			}
			names[p.Name] = p.Subject
			return u.insert(p)
		}}
	}},
	{"deleted hashes come back", "PasswordTable/deleted_password_frees_its_names", func(*edited) any {
		hashes := make(map[string]string)
		return &usersTable{create: func(u *usersTable, p store.Password) error {
			p.Hash = cmp.Or(hashes[p.Subject], p.Hash)
			hashes[p.Subject] = p.Hash
			return u.insert(p)
		}}
	}},
	{"a replacement writes the whole user", "PasswordTable/replace_brings_no_password_back", replaced(func(u *usersTable, subject, old, next string) error {
		p, ok := u.of(subject)
		if !ok || p.Hash != old {
			return store.ErrConflict
		}
		yieldUntil(func() bool { _, there := u.of(subject); return !there })
		p.Hash = next
		u.put(p)
		return nil
	})},
	{"passwords expire", "PasswordTable/cleaning_spares_passwords", func(s *edited) any { return passwordsExpire{s} }},
	{"password tables panic without a context", "PasswordTable/password_table_calls_with_an_ended_context", func(s *edited) any { return panicsOnPasswords{s} }},
}

// usersTable is store.PasswordTable alone. It is right, but for what is set.
type usersTable struct {
	mu            sync.Mutex
	users         map[string]store.Password // by subject, as it is compared
	name, subject func(text string) string  // as what they are compared
	keep          func(p *store.Password)   // changes what is kept
	create        func(u *usersTable, p store.Password) error
	replace       func(u *usersTable, subject, old, next string) error
	remove        func(u *usersTable, subject string) error
}

func kept(keep func(p *store.Password)) func(*edited) any {
	return func(*edited) any { return &usersTable{keep: keep} }
}

func inserted(create func(u *usersTable, p store.Password) error) func(*edited) any {
	return func(*edited) any { return &usersTable{create: create} }
}

func replaced(replace func(u *usersTable, subject, old, next string) error) func(*edited) any {
	return func(*edited) any { return &usersTable{replace: replace} }
}

func deleted(remove func(u *usersTable, subject string) error) func(*edited) any {
	return func(*edited) any { return &usersTable{remove: remove} }
}

// as is text as f compares it.
func as(f func(text string) string, text string) string {
	if f == nil {
		return text
	}
	return f(text)
}

func (u *usersTable) of(subject string) (store.Password, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	p, ok := u.users[as(u.subject, subject)]
	return p, ok
}

func (u *usersTable) all() []store.Password {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Collect(maps.Values(u.users))
}

func (u *usersTable) put(p store.Password) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.users == nil {
		u.users = make(map[string]store.Password)
	}
	u.users[as(u.subject, p.Subject)] = p
}

func (u *usersTable) drop(subject string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.users, as(u.subject, subject))
}

// taken reports whether p's Subject or Name is there.
func (u *usersTable) taken(p store.Password) bool {
	return slices.ContainsFunc(u.all(), func(there store.Password) bool {
		return as(u.subject, there.Subject) == as(u.subject, p.Subject) || as(u.name, there.Name) == as(u.name, p.Name)
	})
}

func (u *usersTable) insert(p store.Password) error {
	if u.taken(p) {
		return store.ErrExists
	}
	if u.keep != nil {
		u.keep(&p)
	}
	u.put(p)
	return nil
}

func (u *usersTable) swap(subject, old, next string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	p, ok := u.users[as(u.subject, subject)]
	if !ok || p.Hash != old {
		return store.ErrConflict
	}
	p.Hash = next
	u.users[as(u.subject, subject)] = p
	return nil
}

func (u *usersTable) PasswordByName(_ context.Context, name string) (store.Password, error) {
	for _, p := range u.all() {
		if as(u.name, p.Name) == as(u.name, name) {
			return p, nil
		}
	}
	return store.Password{}, store.ErrNotFound
}

func (u *usersTable) PasswordBySubject(_ context.Context, subject string) (store.Password, error) {
	p, ok := u.of(subject)
	if !ok {
		return store.Password{}, store.ErrNotFound
	}
	return p, nil
}

func (u *usersTable) ReplacePasswordHash(_ context.Context, subject, old, next string, _ time.Time) error {
	if u.replace != nil {
		return u.replace(u, subject, old, next)
	}
	return u.swap(subject, old, next)
}

func (u *usersTable) CreatePassword(_ context.Context, p store.Password, _ time.Time) error {
	if u.create != nil {
		return u.create(u, p)
	}
	return u.insert(p)
}

func (u *usersTable) DeletePassword(_ context.Context, subject string) error {
	if u.remove != nil {
		return u.remove(u, subject)
	}
	u.drop(subject)
	return nil
}

type noHashBySubject struct{ *edited }

func (s noHashBySubject) PasswordBySubject(ctx context.Context, subject string) (store.Password, error) {
	p, err := s.edited.PasswordBySubject(ctx, subject)
	p.Hash = ""
	return p, err
}

type noUserIsFine struct{ *edited }

func (s noUserIsFine) PasswordByName(ctx context.Context, name string) (store.Password, error) {
	p, err := s.edited.PasswordByName(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return store.Password{}, nil
	}
	return p, err
}

type namesOrSubjects struct{ *edited }

func (s namesOrSubjects) PasswordByName(ctx context.Context, name string) (store.Password, error) {
	p, err := s.edited.PasswordByName(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return s.PasswordBySubject(ctx, name)
	}
	return p, err
}

type ignoresPasswords struct{ *edited }

func (s ignoresPasswords) CreatePassword(ctx context.Context, p store.Password, now time.Time) error {
	if err := s.edited.CreatePassword(ctx, p, now); !errors.Is(err, store.ErrExists) {
		return err
	}
	return nil
}

type passwordsExpire struct{ *edited }

func (s passwordsExpire) PasswordBySubject(ctx context.Context, subject string) (store.Password, error) {
	if s.offset() > 365*24*time.Hour && subject != "u3" {
		return store.Password{}, store.ErrNotFound
	}
	return s.edited.PasswordBySubject(ctx, subject)
}

type panicsOnPasswords struct{ *edited }

func (s panicsOnPasswords) PasswordByName(ctx context.Context, name string) (store.Password, error) {
	if err := ctx.Err(); err != nil {
		panic(err)
	}
	return s.edited.PasswordByName(ctx, name)
}

func (s panicsOnPasswords) DeletePassword(ctx context.Context, subject string) error {
	if err := ctx.Err(); err != nil {
		panic(err)
	}
	return s.edited.DeletePassword(ctx, subject)
}
