package redisstore

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-go/authn/store"
)

// The bytes that the contract allows. Redis would take more; then a host could
// not move to a store that does not.
const (
	maxID      = 64
	maxOwner   = 255
	maxShown   = 255
	maxPurpose = 64
	maxKeyID   = 16
	maxKeyPart = 16 << 10
	maxData    = 64 << 10
	maxHash    = 1024
	maxBound   = 512

	tagLength = 8 // of a store.TagOf
)

func checkText(field, s string, most int) error {
	switch {
	case len(s) > most:
		return fmt.Errorf("%s has %d bytes, over %d", field, len(s), most)
	case strings.IndexByte(s, 0) >= 0:
		return fmt.Errorf("%s has a NUL byte", field)
	case !utf8.ValidString(s):
		return fmt.Errorf("%s is not valid UTF-8", field)
	}
	return nil
}

// checkLookup answers that what cannot be created is not there.
func checkLookup(owner, id string) error {
	if err := errors.Join(checkText("the owner", owner, maxOwner), checkText("the id", id, maxID)); err != nil {
		return fmt.Errorf("authn/redisstore: %w: %w", store.ErrNotFound, err)
	}
	return nil
}

// checkKey refuses a key that breaks the contract, before the server sees it.
func checkKey(k store.APIKey) error {
	for _, f := range []struct {
		field, s string
		most     int
	}{
		{"ID", k.ID, maxID},
		{"Owner", k.Owner, maxOwner},
		{"Name", k.Name, maxShown},
		{"Prefix", k.Prefix, maxShown},
		{"LastFour", k.LastFour, maxShown},
		{"ReplacedBy", k.ReplacedBy, maxID},
	} {
		if err := checkText("APIKey."+f.field, f.s, f.most); err != nil {
			return fmt.Errorf("authn/redisstore: %w", err)
		}
	}
	if k.ID == "" {
		return errors.New("authn/redisstore: APIKey.ID is empty")
	}
	if k.CreatedAt.IsZero() {
		return errors.New("authn/redisstore: APIKey.CreatedAt is zero")
	}
	return nil
}

// checkTag: the tag chooses the slot, so it must have no braces.
func checkTag(tag string) error {
	if len(tag) != tagLength || strings.ContainsAny(tag, "{}") {
		return errors.New("the tag is none")
	}
	return nil
}

// checkRef answers that what cannot be created is not there.
func checkRef(ref store.FamilyRef) error {
	if err := errors.Join(checkText("the id", ref.ID, maxID), checkTag(ref.Tag)); err != nil {
		return fmt.Errorf("authn/redisstore: %w: %w", store.ErrNotFound, err)
	}
	return nil
}

// checkFamily is checkKey of a family.
func checkFamily(f store.RefreshFamily) error {
	for _, c := range []struct {
		field, s string
		most     int
	}{
		{"Ref.ID", f.Ref.ID, maxID},
		{"Subject", f.Subject, maxOwner},
		{"ClientID", f.ClientID, maxOwner},
		{"Confirm", f.Confirm, maxID},
		{"KeyID", f.KeyID, maxKeyID},
	} {
		if err := checkText("RefreshFamily."+c.field, c.s, c.most); err != nil {
			return fmt.Errorf("authn/redisstore: %w", err)
		}
	}
	switch {
	case f.Ref.ID == "":
		return errors.New("authn/redisstore: RefreshFamily.Ref.ID is empty")
	case f.Subject == "":
		return errors.New("authn/redisstore: RefreshFamily.Subject is empty")
	case f.Ref.Tag != store.TagOf(f.Subject):
		return errors.New("authn/redisstore: RefreshFamily.Ref.Tag is not of its Subject")
	case f.Version < 1 || f.Generation < 1:
		return errors.New("authn/redisstore: RefreshFamily.Version and Generation are counted from 1")
	case f.RotatedAt.IsZero() || f.IdleUntil.IsZero() || f.ExpiresAt.IsZero():
		return errors.New("authn/redisstore: RefreshFamily.RotatedAt, IdleUntil or ExpiresAt is zero")
	}
	return nil
}

// checkAdvance answers that no family has what none can have.
func checkAdvance(a store.FamilyAdvance) error {
	if err := errors.Join(checkText("the client", a.ClientID, maxOwner), checkText("the confirmation", a.Confirm, maxID)); err != nil {
		return fmt.Errorf("authn/redisstore: %w: %w", store.ErrNotFound, err)
	}
	if err := checkText("FamilyAdvance.KeyID", a.KeyID, maxKeyID); err != nil {
		return fmt.Errorf("authn/redisstore: %w", err)
	}
	if a.Generation < 1 {
		return errors.New("authn/redisstore: FamilyAdvance.Generation is counted from 1")
	}
	return nil
}

// checkSessionRef is checkRef of a session.
func checkSessionRef(ref store.SessionRef) error {
	if err := checkTag(ref.Tag); err != nil {
		return fmt.Errorf("authn/redisstore: %w: %w", store.ErrNotFound, err)
	}
	return nil
}

// checkSession is checkKey of a session.
func checkSession(n store.Session) error {
	subject := n.Identity.Subject
	err := errors.Join(checkText("Session.ID", n.ID, maxID), checkText("Session.Identity.Subject", subject, maxOwner),
		checkText("Session.UserAgent", n.UserAgent, maxShown), checkTag(n.Ref.Tag))
	switch {
	case err != nil:
		return fmt.Errorf("authn/redisstore: %w", err)
	case n.ID == "":
		return errors.New("authn/redisstore: Session.ID is empty")
	case subject != "" && n.Ref.Tag != store.TagOf(subject):
		return errors.New("authn/redisstore: Session.Ref.Tag is not of its subject")
	case n.Revision < 1:
		return errors.New("authn/redisstore: Session.Revision is counted from 1")
	case n.CreatedAt.IsZero() || n.SeenAt.IsZero():
		return errors.New("authn/redisstore: Session.CreatedAt or SeenAt is zero")
	}
	return errors.Join(checkData(n.Data), checkEnds(n.IdleUntil, n.ExpiresAt))
}

func checkData(data []byte) error {
	if len(data) > maxData {
		return fmt.Errorf("authn/redisstore: Session.Data has %d bytes, over %d", len(data), maxData)
	}
	return nil
}

func checkEnds(idle, expires time.Time) error {
	switch {
	case idle.IsZero() || expires.IsZero():
		return errors.New("authn/redisstore: Session.IdleUntil or ExpiresAt is zero")
	case idle.After(expires):
		return errors.New("authn/redisstore: Session.IdleUntil is after ExpiresAt")
	}
	return nil
}

// checkRotation is checkSession of what changes.
func checkRotation(next store.SessionRotation) error {
	if err := checkText("SessionRotation.Identity.Subject", next.Identity.Subject, maxOwner); err != nil {
		return fmt.Errorf("authn/redisstore: %w", err)
	}
	if next.SeenAt.IsZero() {
		return errors.New("authn/redisstore: SessionRotation.SeenAt is zero")
	}
	return checkEnds(next.IdleUntil, next.ExpiresAt)
}

// checkSigningKey is checkKey of a signing key.
func checkSigningKey(k store.SigningKey) error {
	err := errors.Join(checkText("SigningKey.ID", k.ID, maxID), checkText("SigningKey.Algorithm", k.Algorithm, maxID))
	switch {
	case err != nil:
		return fmt.Errorf("authn/redisstore: %w", err)
	case k.ID == "":
		return errors.New("authn/redisstore: SigningKey.ID is empty")
	case len(k.Public) > maxKeyPart || len(k.Sealed) > maxKeyPart:
		return fmt.Errorf("authn/redisstore: SigningKey.Public or Sealed has over %d bytes", maxKeyPart)
	case k.CreatedAt.IsZero() || k.SignFrom.IsZero():
		return errors.New("authn/redisstore: SigningKey.CreatedAt or SignFrom is zero")
	}
	return nil
}

// checkPassword is checkKey of a password.
func checkPassword(p store.Password) error {
	err := errors.Join(checkText("Password.Subject", p.Subject, maxOwner), checkText("Password.Name", p.Name, maxOwner),
		checkText("Password.Hash", p.Hash, maxHash))
	switch {
	case err != nil:
		return fmt.Errorf("authn/redisstore: %w", err)
	case p.Subject == "" || p.Name == "":
		return errors.New("authn/redisstore: Password.Subject or Name is empty")
	}
	return nil
}

// checkOneTime is checkKey of a one-time token.
func checkOneTime(t store.OneTimeToken) error {
	err := errors.Join(checkText("OneTimeToken.Purpose", t.Purpose, maxPurpose), checkText("OneTimeToken.Subject", t.Subject, maxOwner),
		checkText("OneTimeToken.Bound", t.Bound, maxBound))
	switch {
	case err != nil:
		return fmt.Errorf("authn/redisstore: %w", err)
	case t.Purpose == "":
		return errors.New("authn/redisstore: OneTimeToken.Purpose is empty")
	case t.CreatedAt.IsZero() || t.ExpiresAt.IsZero():
		return errors.New("authn/redisstore: OneTimeToken.CreatedAt or ExpiresAt is zero")
	}
	return nil
}
