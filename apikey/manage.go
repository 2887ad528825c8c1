package apikey

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

// Create makes a key for owner and answers it, this once. When ctx carries an
// Identity, that is the creator, and Config.Grantable says what it may give.
// ErrScope, store.ErrLimit, or a 400 for what Spec forbids.
func (k *Keys) Create(ctx context.Context, owner string, s Spec) (Issued, error) {
	secret := k.formats[0].newKey()
	raw := secret.Reveal()
	rec, err := k.insert(ctx, owner, s, store.APIKey{
		Digest: store.DigestOf(raw), Prefix: k.formats[0].prefix, LastFour: raw[len(raw)-4:],
	})
	if err != nil {
		return Issued{}, err
	}
	return Issued{secret, k.key(rec)}, nil
}

// Adopt takes in a key of an older system by the SHA-256 of the whole key, so
// that its client need not change it. Requests may bring it in a format of
// Config.Legacy, until that ends, of which nobody is warned. Errors are as of Create, and store.ErrExists.
func (k *Keys) Adopt(ctx context.Context, owner string, d store.Digest, s Spec) (Key, error) {
	if len(k.cfg.Legacy) == 0 {
		return Key{}, errNoLegacy
	}
	rec, err := k.insert(ctx, owner, s, store.APIKey{Digest: d})
	if err != nil {
		return Key{}, err
	}
	return k.key(rec), nil
}

// insert completes rec by s, checks and stores it.
func (k *Keys) insert(ctx context.Context, owner string, s Spec, rec store.APIKey) (_ store.APIKey, err error) {
	now := k.now()
	s = s.normalise()
	if err := checkOwner(owner); err != nil {
		return store.APIKey{}, err
	}
	if err := s.check(now); err != nil {
		return store.APIKey{}, err
	}
	if err := k.mayGrant(ctx, owner, s.Scopes); err != nil {
		return store.APIKey{}, err
	}
	rec.ID, rec.Owner, rec.Name = newID(), owner, s.Name
	rec.Scopes, rec.Metadata = s.Scopes, s.Metadata
	rec.CreatedAt, rec.ExpiresAt = now, s.ExpiresAt
	defer k.written(&err)
	if err = k.st.CreateAPIKey(ctx, rec, k.limits, now); err != nil {
		return store.APIKey{}, fmt.Errorf("authn/apikey: create: %w", err)
	}
	k.send(ctx, authn.Event{Kind: authn.EventCreated, Subject: owner, CredentialID: rec.ID, ExpiresAt: k.endsAt(&rec)})
	return rec, nil
}

// mayGrant says whether a key may have scopes here and now.
func (k *Keys) mayGrant(ctx context.Context, owner string, scopes []string) error {
	if !within(scopes, k.cfg.Scopes) {
		return k.deny(ctx, owner)
	}
	creator, ok := authn.FromContext(ctx)
	if !ok {
		return nil
	}
	if len(creator.Pending) > 0 {
		return authn.StepUp(creator.Pending[0], 0) // half a login makes no key
	}
	granted := creator.Scopes
	if k.cfg.Grantable != nil {
		var err error
		if granted, err = k.cfg.Grantable(ctx, creator.Clone()); err != nil {
			return err
		}
	}
	if !within(scopes, granted) {
		return k.deny(ctx, owner)
	}
	return nil
}

// deny is ErrScope with its event: somebody tries to widen what a key may do.
func (k *Keys) deny(ctx context.Context, owner string) error {
	e := authn.Event{Kind: authn.EventDenied, Subject: owner, Reason: "scope not grantable"}
	if creator, ok := authn.FromContext(ctx); ok {
		e.CredentialID = creator.CredentialID
	}
	k.send(ctx, e)
	return ErrScope
}

// maxGrace is how long two keys may stand for one.
const maxGrace = 30 * 24 * time.Hour

// newID is public: 130 random bits.
func newID() string { return "key_" + strings.ToLower(rand.Text()) }

// Rotate makes a successor of the key id with the same name, scopes and
// metadata, and the lifetime that it had from its creation. The old key ends
// after grace, 0 to 30 days, or when it would have ended. Of concurrent rotations one wins.
// store.ErrNotFound: not owner's; store.ErrConflict: rotated already, or dead;
// ErrScope: the creator in ctx may not give these scopes.
func (k *Keys) Rotate(ctx context.Context, owner, id string, grace time.Duration) (_ Issued, err error) {
	if grace < 0 || grace > maxGrace {
		return Issued{}, invalid("the grace of a rotation is 0 to %s", maxGrace)
	}
	old, err := k.find(ctx, owner, id)
	if err != nil {
		return Issued{}, err
	}
	now := k.now()
	if end := k.endsAt(&old); !end.IsZero() && !now.Before(end) {
		return Issued{}, fmt.Errorf("authn/apikey: rotate: the key has ended: %w", store.ErrConflict)
	}
	if err := k.mayGrant(ctx, owner, old.Scopes); err != nil {
		return Issued{}, err
	}
	secret := k.formats[0].newKey()
	raw := secret.Reveal()
	next := store.APIKey{
		ID: newID(), Owner: owner, Name: old.Name, Prefix: k.formats[0].prefix, LastFour: raw[len(raw)-4:],
		Digest: store.DigestOf(raw), Scopes: old.Scopes, Metadata: old.Metadata, CreatedAt: now,
	}
	if !old.ExpiresAt.IsZero() {
		next.ExpiresAt = now.Add(old.ExpiresAt.Sub(old.CreatedAt))
	}
	defer k.written(&err)
	if err = k.st.RotateAPIKey(ctx, owner, id, next, now.Add(grace).Truncate(time.Microsecond), now); err != nil {
		return Issued{}, fmt.Errorf("authn/apikey: rotate: %w", err)
	}
	k.send(ctx, authn.Event{
		Kind: authn.EventRotated, Subject: owner, CredentialID: id, Reason: "replaced by " + next.ID, ExpiresAt: k.endsAt(&next),
	})
	return Issued{secret, k.key(next)}, nil
}

// Revoke ends the key id at once. It may be repeated. store.ErrNotFound: not
// owner's.
func (k *Keys) Revoke(ctx context.Context, owner, id string) (err error) {
	if !isID(owner, id) {
		return store.ErrNotFound
	}
	defer k.written(&err)
	if err = k.st.RevokeAPIKey(ctx, owner, id, k.now()); err != nil {
		return fmt.Errorf("authn/apikey: revoke: %w", err)
	}
	k.send(ctx, authn.Event{Kind: authn.EventRevoked, Subject: owner, CredentialID: id})
	return nil
}

// RevokeSubject ends all keys of subject at once, and rotations in flight with
// them. A key that is created after it, or while it runs, is good: end what may
// create keys, such as sessions, first.
func (k *Keys) RevokeSubject(ctx context.Context, subject string) (err error) {
	if err := checkOwner(subject); err != nil {
		return err
	}
	defer k.written(&err)
	if err = k.st.RevokeAPIKeysOf(ctx, subject, k.now()); err != nil {
		return fmt.Errorf("authn/apikey: revoke all: %w", err)
	}
	k.send(ctx, authn.Event{Kind: authn.EventRevoked, Subject: subject, Reason: "all keys"})
	return nil
}

// List is newest first, dead keys included. Page.Cursor takes what next was;
// any other is store.ErrNotFound.
func (k *Keys) List(ctx context.Context, owner string, p store.Page) (keys []Key, next string, err error) {
	if err := checkOwner(owner); err != nil {
		return nil, "", err
	}
	if p.Cursor != "" && !isID(owner, p.Cursor) {
		return nil, "", store.ErrNotFound
	}
	recs, next, err := k.st.ListAPIKeys(ctx, owner, p)
	if err != nil {
		return nil, "", fmt.Errorf("authn/apikey: list: %w", err)
	}
	keys = make([]Key, len(recs))
	for i, rec := range recs {
		keys[i] = k.key(rec)
	}
	return keys, next, nil
}

func (k *Keys) find(ctx context.Context, owner, id string) (store.APIKey, error) {
	if !isID(owner, id) {
		return store.APIKey{}, store.ErrNotFound
	}
	rec, err := k.st.APIKey(ctx, owner, id)
	if err != nil {
		return store.APIKey{}, fmt.Errorf("authn/apikey: %w", err)
	}
	return rec, nil
}

// maxID is what stores take.
const maxID = 64

// isID keeps from the store what can name no key.
func isID(owner, id string) bool {
	return checkOwner(owner) == nil && id != "" && isText(id, maxID)
}
