package store

import (
	"context"
	"net/netip"
	"time"

	"github.com/gatehouse-go/authn"
)

// SessionRef finds a session. The zero SessionRef is none.
type SessionRef struct {
	// Tag is [TagOf] the session's subject, and 8 random characters of
	// [A-Za-z0-9_-] of an anonymous one.
	Tag string
	// Token is of the whole cookie, and unique.
	Token Digest
}

// Session is the record of a session; its token is not in it. It is live until
// IdleUntil, ExpiresAt, its deletion, or RevokeSessionsOf its subject.
type Session struct {
	Ref SessionRef
	// ID is public, unique for its subject, at most 64 bytes of ASCII, and
	// stays when the token rotates.
	ID string
	// Identity is who it is, with a Subject of at most 255 bytes, "" of an
	// anonymous session. VerifiedAt and Credential are not kept.
	Identity authn.Identity
	// Data is the host's, at most 64 KiB of JSON. Revision counts its changes,
	// from 1.
	Data     []byte
	Revision int64
	// Remember says that the cookie outlives the browser.
	Remember bool
	// UserAgent is at most 255 bytes; Addr may be the zero Addr. They are of
	// the login, for people.
	UserAgent string
	Addr      netip.Addr
	// All are set. IdleUntil is not after ExpiresAt.
	CreatedAt, SeenAt, IdleUntil, ExpiresAt time.Time
}

// Live reports whether s may be used at now.
func (s Session) Live(now time.Time) bool {
	return now.Before(s.IdleUntil) && now.Before(s.ExpiresAt)
}

// SessionRotation is what changes when a session gets a new token; what is not
// in it stays, Data and Revision as they are at that moment.
type SessionRotation struct {
	// Token is of the new cookie.
	Token Digest
	// Identity is the same subject's.
	Identity                     authn.Identity
	SeenAt, IdleUntil, ExpiresAt time.Time
	// Max caps the subject's sessions as CreateSession's max does, for the session
	// as it then is: the last factor that it owed makes a half login a full one. 0
	// is no cap.
	Max int
}

// Owes reports whether s is half a login: it owes a factor.
func (s Session) Owes() bool { return len(s.Identity.Pending) > 0 }

// Sessions keeps sessions. Only live ones are found: a dead one is
// [ErrNotFound], and no write brings one back.
type Sessions interface {
	// CreateSession inserts s and deletes the one that it replaces, if that is
	// not zero and there. ErrConflict when RevokeSessionsOf was called for s's
	// subject proofAge before this call or later (store's clock): everything was
	// revoked during the login. That the call waits, for a connection say, makes
	// the proof no younger; a proofAge below 0 counts as 0. ErrExists when the
	// Token is there. Beyond max live sessions of the subject the oldest others,
	// by CreatedAt, then ID, are deleted (0: no cap). Those that owe a factor
	// (Identity.Pending) are counted apart from those that owe none, and only
	// those go that are like s: who knows a password alone ends no full login.
	// These, and replaces if it has another Tag, may be deleted one after the
	// other, before CreateSession answers. proofAge and max are not looked at
	// where s is anonymous.
	CreateSession(ctx context.Context, s Session, replaces SessionRef, max int, proofAge time.Duration, now time.Time) error
	// SessionByRef is the read of each request: one round trip.
	SessionByRef(ctx context.Context, ref SessionRef, now time.Time) (Session, error)
	// RotateSession gives the session of ref, which is live, a new token, and
	// ends the old one; beyond next.Max others go. ErrExists when the new token is
	// there.
	RotateSession(ctx context.Context, ref SessionRef, next SessionRotation, now time.Time) error
	// UpdateSessionData writes data and moves Revision on by one. ErrConflict
	// when revision is not the current one.
	UpdateSessionData(ctx context.Context, ref SessionRef, revision int64, data []byte, now time.Time) error
	// TouchSession moves SeenAt to now and IdleUntil to idleUntil, never back,
	// and IdleUntil never beyond ExpiresAt. A dead session is fine, and stays
	// dead.
	TouchSession(ctx context.Context, ref SessionRef, idleUntil, now time.Time) error
	DeleteSession(ctx context.Context, ref SessionRef) error
	// RevokeSession deletes one by its ID. ErrNotFound when the subject has no
	// live one of it.
	RevokeSession(ctx context.Context, subject, id string, now time.Time) error
	// RevokeSessionsOf ends all sessions of subject (store's clock), but the one
	// with the ID except ("": none), in a bounded number of statements. A
	// CreateSession whose proof is older fails from then on.
	RevokeSessionsOf(ctx context.Context, subject, except string) error
	// ListSessions is of live ones, newest first: by CreatedAt, then ID, both
	// descending.
	ListSessions(ctx context.Context, subject string, p Page, now time.Time) (ss []Session, next string, err error)
}
