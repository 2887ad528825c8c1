package store

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/gatehouse-go/authn"
)

// tagBytes is how much of a hash a tag is: 8 characters.
const tagBytes = 6

// TagOf is where a store with slots keeps what must be read or changed with
// subject's other records: 8 characters of [A-Za-z0-9_-], of its SHA-256. Many
// subjects may share one.
func TagOf(subject string) string {
	d := DigestOf(subject)
	return base64.RawURLEncoding.EncodeToString(d[:tagBytes])
}

// TokenRef is what a verified access token says of itself.
type TokenRef struct {
	// Issuer and ID, the jti, name the token. They may be long: see Digest.
	Issuer, ID string
	// Subject is the one of this service, at most 255 bytes: never a foreign
	// token's raw sub.
	Subject string
	// Family is the token's sid, of [FamilyRef].ID; "" if it has none.
	Family string
	// Version is the token's ver, from 1. 0 is a foreign token, for which
	// IssuedAt counts.
	Version int64
	// IssuedAt is in whole seconds, as tokens are dated.
	IssuedAt time.Time
}

// Digest names (Issuer, ID) in 32 bytes: the key that stores keep.
func (t TokenRef) Digest() Digest {
	var stack [256]byte
	b := binary.BigEndian.AppendUint64(stack[:0], uint64(len(t.Issuer)))
	return sha256.Sum256(append(append(b, t.Issuer...), t.ID...))
}

// Why a token is dead, as TokenRevoked says it. These words are for events.
const (
	TokenRevokedByID      = "token revoked"
	TokenRevokedByFamily  = "login revoked"
	TokenRevokedBySubject = "subject revoked"
)

// Revocations is what a service that only verifies needs.
type Revocations interface {
	// TokenRevoked says in one round trip why t is dead, "" when it is not:
	//
	//   - [TokenRevokedByID]: RevokeToken was called for (Issuer, ID), with an
	//     until after now.
	//   - [TokenRevokedByFamily]: Family is not "", and that family is revoked,
	//     is another subject's or is not there.
	//   - [TokenRevokedBySubject]: Version is over 0 and not the Subject's, also
	//     when it is higher, as after a restored backup; or it is 0, and
	//     RevokeTokensOf was called at IssuedAt or later.
	//
	// Where several hold, any of them is right. That a token or a family has
	// expired is not a revocation.
	TokenRevoked(ctx context.Context, t TokenRef, now time.Time) (reason string, err error)
}

// FamilyRef finds a refresh family.
type FamilyRef struct {
	// Tag is [TagOf] the family's subject.
	Tag string
	// ID is unique for its Tag, at most 64 bytes of ASCII: the sid of the family's access
	// tokens, and a digest of what its refresh tokens say.
	ID string
}

// RefreshFamily is one login that lives by refresh tokens, which are derived
// and never stored. It is live until RevokedAt, IdleUntil, ExpiresAt or its
// subject's next version, whichever comes first.
type RefreshFamily struct {
	Ref FamilyRef
	// Subject is Identity's, at most 255 bytes. ClientID is at most 255 bytes,
	// and may be "".
	Subject, ClientID string
	// Identity is as of the login. VerifiedAt and Credential are not kept.
	Identity authn.Identity
	// Scopes and Audience bound what its access tokens may say.
	Scopes, Audience []string
	// Confirm is the x5t#S256 of the certificate that it is bound to (RFC 8705
	// §3.1), "" for none; at most 64 bytes.
	Confirm string
	// Version is the subject's, as of the login, from 1.
	Version int64
	// Generation is of the refresh token that is good now, from 1.
	Generation int64
	// KeyID names the key that this was made with; at most 16 bytes.
	KeyID string
	// RotatedAt is when it was made, for the first the login.
	RotatedAt time.Time
	// IdleUntil and ExpiresAt are set, and IdleUntil is not the later one.
	IdleUntil, ExpiresAt time.Time
	// RevokedAt is zero if it is not.
	RevokedAt time.Time
}

// FamilyAdvance is one use of a refresh token.
type FamilyAdvance struct {
	// Generation is the token's, from 1.
	Generation int64
	// ClientID and Confirm must be the family's.
	ClientID, Confirm string
	// KeyID is for the successor, if this use makes it.
	KeyID string
	// Grace is how long the predecessor of the current generation still gets an
	// answer; 0: not at all.
	Grace time.Duration
	// Idle is how long the family lives on without another use.
	Idle time.Duration
}

// Tokens keeps revocations of access tokens, refresh families, and a version
// for each subject. Denials are never evicted, and a version is never
// forgotten.
type Tokens interface {
	Revocations

	// RevokeToken makes t dead until then: when it would have expired anyway.
	// A later until counts, an earlier one does not. Only Issuer, ID and
	// Subject of t matter; the Subject says where.
	RevokeToken(ctx context.Context, t TokenRef, until time.Time) error
	// CreateFamily inserts f. ErrConflict when the subject's version is not
	// f.Version: everything of the subject was revoked during the login.
	// ErrExists when the Ref is there already.
	CreateFamily(ctx context.Context, f RefreshFamily) error
	// Family answers dead ones, too. ErrNotFound also when Ref.Tag is not the
	// family's.
	Family(ctx context.Context, ref FamilyRef) (RefreshFamily, error)
	// AdvanceFamily uses a refresh token (store's clock) and answers the family
	// as it is then. The first rule that fits decides:
	//
	//   - The family is not there or not live, or ClientID or Confirm are not
	//     its own, or a.Generation is later than the current one: ErrNotFound,
	//     and nothing changes.
	//   - a.Generation is current: the next one is, RotatedAt is now, KeyID is
	//     a.KeyID, and IdleUntil is now + a.Idle, but not after ExpiresAt.
	//   - a.Generation is the one before the current, and a.Grace after
	//     RotatedAt is not over: nothing changes. Who did not get the answer
	//     gets the same again.
	//   - Else a spent token came again: the family is revoked, and ErrConflict
	//     comes with it.
	AdvanceFamily(ctx context.Context, ref FamilyRef, a FamilyAdvance) (RefreshFamily, error)
	// RevokeFamily sets RevokedAt, once.
	RevokeFamily(ctx context.Context, ref FamilyRef, now time.Time) error
	// TokenVersion is what tokens of subject say as ver: 1 at first. ErrConflict
	// when RevokeTokensOf was called proofAge before this call or later (store's
	// clock): everything was revoked during the login. That the call waits, for
	// a connection say, makes the proof no younger. A proofAge below 0 counts as
	// 0.
	TokenVersion(ctx context.Context, subject string, proofAge time.Duration) (int64, error)
	// RevokeTokensOf moves the version on by one (store's clock), which ends
	// all tokens and families of subject, in a bounded number of statements.
	RevokeTokensOf(ctx context.Context, subject string) error
}
