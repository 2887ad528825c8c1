package store

import (
	"context"
	"time"
)

// Password is what a user's login needs.
type Password struct {
	// Subject is at most 255 bytes. Name is what the user types, in the form
	// that password.NormalName makes: trimmed, in lower case, in NFC; at most 255
	// bytes.
	Subject, Name string
	// Hash is a PHC string or a foreign format, at most 1024 bytes; "" is none,
	// as of who only comes by another way.
	Hash string
}

// Passwords is what a host implements over its own table of users.
type Passwords interface {
	// PasswordByName finds who logs in, and PasswordBySubject who is signed in
	// already. ErrNotFound is no user, as who may not log in any more.
	PasswordByName(ctx context.Context, name string) (Password, error)
	PasswordBySubject(ctx context.Context, subject string) (Password, error)
	// ReplacePasswordHash writes next where the hash is old. ErrConflict when it
	// is another one, or there is no such user. now is for a column that says
	// when it changed.
	ReplacePasswordHash(ctx context.Context, subject, old, next string, now time.Time) error
}

// PasswordTable is for hosts without a table of their own.
type PasswordTable interface {
	Passwords
	// CreatePassword answers ErrExists when the Subject or the Name is there.
	CreatePassword(ctx context.Context, p Password, now time.Time) error
	DeletePassword(ctx context.Context, subject string) error
}
